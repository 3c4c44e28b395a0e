"""`value`, `share`, `accuracy`, `top1`: how the model, or the circuit alone, behaves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Lowered, MeanOf, Measure, Member, NumberRange, ProportionOf, RatioOf, Signature, column
from circuitdsl.borders.options import option
from circuitdsl.borders.readouts import AnswerBeats, LogitsReadout, MetricBeyond, MetricValue, Top1
from circuitdsl.borders.values import Algebra, Recomputed, Run
from circuitdsl.measures.circuit_options import KEEP, SHARE_OF, Ablated
from circuitdsl.measures.circuit_runs import circuit_logits, with_live, within, without_senders
from circuitdsl.measures.patched_runs import knocked_out
from circuitdsl.measures.worlds import ablation, background


@dataclass(frozen=True, kw_only=True)
class BehaviourOptions(Ablated):
    of: Literal["model", "circuit"] = option("word", "model", help="whose behaviour")
    keep: tuple[str, ...] | None = option("nodes", help=KEEP)
    without: tuple[str, ...] | None = option("nodes", help="what is knocked out of it beforehand, by the ablation")


@dataclass(frozen=True, kw_only=True)
class ValueOptions(BehaviourOptions):
    share_of: Literal["model"] | None = option("word", help=SHARE_OF)


@dataclass(frozen=True, kw_only=True)
class ShareOptions(BehaviourOptions):
    above: float | None = option("number", help="count the prompts where the metric is above this")
    below: float | None = option("number", help="count the prompts where the metric is below this")


def subject_logits(claim: Claim[BehaviourOptions], hypothesis: Hypothesis, algebra: Algebra) -> tuple[Recomputed, dict[str, str]]:
    """Logits of what `of` names, and the conditions that they hold under."""
    measured, options = claim.measured, claim.options
    clean = Run(measured)
    gone = [place for name in options.without or () for place in hypothesis.nodes[name].places]
    conditions = {"of": options.of, "on": measured} | ({"without": ", ".join(options.without or ())} if gone else {})
    if options.of == "model" and not gone:
        return algebra.logits(clean), conditions
    chosen = ablation(claim, hypothesis)
    ablated, conditions = background(chosen, measured, hypothesis), conditions | {"ablate": str(chosen)}
    if options.of == "model":
        return knocked_out(algebra, hypothesis.shape, clean, ablated, gone), conditions
    links = tuple(link for link in within(hypothesis, options.circuit) if link.receiver not in gone)
    return circuit_logits(algebra, without_senders(with_live(hypothesis, links, options.keep), gone), ablated, clean), conditions


def _lower(readout: type[LogitsReadout]) -> Callable[[Claim[BehaviourOptions], Hypothesis, Algebra], Lowered]:
    def lower(claim: Claim[BehaviourOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
        logits, conditions = subject_logits(claim, hypothesis, algebra)
        estimand = ProportionOf("F") if readout.bounds == (0.0, 1.0) else MeanOf(column("F"))
        return Lowered({"F": readout(logits, claim.measured, claim.metric)}, (Member(claim.label, estimand),), conditions)

    return lower


def _lower_value(claim: Claim[ValueOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    lowered = _lower(MetricValue)(claim, hypothesis, algebra)
    if claim.options.share_of is None:
        return lowered
    whole = MetricValue(algebra.logits(Run(claim.measured)), claim.measured, claim.metric_name)
    member = Member(claim.label, RatioOf(column("F"), column("F(M)")), {"F": MeanOf(column("F")), "F(M)": MeanOf(column("F(M)"))})
    readouts = {**lowered.readouts, "F(M)": whole}
    return replace(lowered, readouts=readouts, members=(member,), conditions={**lowered.conditions, "share_of": "model"})


def _check_share(claim: Claim[ShareOptions], hypothesis: Hypothesis) -> None:
    """That there is one threshold. Raises CircError C255."""
    given = [name for name in ("above", "below") if getattr(claim.options, name) is not None]
    if len(given) != 1:
        message = "`share` counts the prompts on one side of a threshold" + (", and two are given" if given else ", and none is given")
        hint = f"write `share({claim.metric}, above = 0)`, or `below = 0`"
        raise refusal("C255", message, claim.span, hint, source=hypothesis.source)


def _lower_share(claim: Claim[ShareOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    assert claim.metric is not None
    above, below = claim.options.above, claim.options.below
    threshold = above if below is None else below
    assert threshold is not None
    logits, conditions = subject_logits(claim, hypothesis, algebra)
    readout = MetricBeyond(logits, claim.measured, claim.metric, threshold, below is not None)
    side = f"{'above' if below is None else 'below'} {threshold:g}"
    return Lowered({"F": readout}, (Member(claim.label, ProportionOf("F")),), {"counted": f"{claim.metric} {side}", **conditions})


VALUE = Measure(
    name="value",
    summary="the metric's own mean",
    formula="F = mean over prompts of the metric; with `share_of = model`, F / F(M), a ratio of means",
    unit="that of the metric, or a share of F(M)",
    range=NumberRange(),
    source="docs/semantics.md, section 6",
    signature=Signature(subject="metric", options=ValueOptions),
    lower=_lower_value,
    example="value(logit_diff) >= 0",
)

SHARE = Measure(
    name="share",
    summary="share of prompts where the metric is above, or below, a threshold",
    formula="mean over prompts of [metric > above], or of [metric < below]; at the threshold itself it is neither",
    unit="share of prompts",
    range=NumberRange(0, 1),
    source="docs/semantics.md, section 6",
    signature=Signature(subject="metric", options=ShareOptions),
    lower=_lower_share,
    check=_check_share,
    example="share(logit_diff, above = 0) >= 0.9",
    details="One of `above` and `below` is given. For tasks without one right answer, where a metric says which way the model leans, "
    "as `accuracy` does for those that have one. Unlike the mean of the metric, the share needs no assumption about the metric's "
    "distribution.",
)

ACCURACY = Measure(
    name="accuracy",
    summary="share of prompts where the answer beats every wrong answer",
    formula="mean over prompts of [logit(answer) > max over wrong of logit(wrong)], at the metric's position; a tie is no win",
    unit="share of prompts",
    range=NumberRange(0, 1),
    source='Wang et al. 2022 (arXiv 2211.00593), section 2 ("IO above S")',
    signature=Signature(subject="metric", options=BehaviourOptions, needs_answers=True),
    lower=_lower(AnswerBeats),
    example="accuracy(logit_diff) >= 0.9",
)

TOP1 = Measure(
    name="top1",
    summary="share of prompts where the answer is the most likely token of all",
    formula="mean over prompts of [logit(answer) > max over all other tokens], at the metric's position; a tie is no win",
    unit="share of prompts",
    range=NumberRange(0, 1),
    source="docs/semantics.md, section 6",
    signature=Signature(subject="metric", options=BehaviourOptions, needs_answers=True),
    lower=_lower(Top1),
    example="top1(logit_diff, of = circuit) >= 0.5",
)
