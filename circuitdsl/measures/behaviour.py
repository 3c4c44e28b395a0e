"""`value`, `accuracy`, `top1`: how the model, or the circuit alone, behaves."""

from collections.abc import Callable

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Lowered, MeanOf, Measure, Member, OptionSpec, ProportionOf, Signature, column
from circuitdsl.borders.readouts import AnswerBeats, LogitsReadout, MetricValue, Top1
from circuitdsl.borders.values import Algebra, Recomputed, Run
from circuitdsl.measures.circuit_runs import circuit_logits, with_live, within
from circuitdsl.measures.worlds import ablation, background, labels

ON = OptionSpec("distribution", help="the prompts; default: the file's first")
ABLATE = OptionSpec("ablation", help="what the rest of the model is set to; default: `settings { ablate = … }`")
PART = OptionSpec("nodes", help="a part of the declared circuit")
KEEP = OptionSpec(
    "nodes", help="units that are live in every run, such as the MLPs: they read each other, the circuit and the prompt's own embedding"
)
OF = OptionSpec("word", default="model", words=("model", "circuit"), help="whose behaviour")


def subject_logits(claim: Claim, hypothesis: Hypothesis, algebra: Algebra) -> tuple[Recomputed, dict[str, str]]:
    """Logits of what `of` names, and the conditions that they hold under."""
    measured = labels(claim, hypothesis)
    clean = Run(measured)
    if claim.options.get("of", "model") == "model":
        return algebra.logits(clean), {"of": "model", "on": measured}
    chosen = ablation(claim, hypothesis)
    links = with_live(hypothesis, within(hypothesis, claim.options.get("circuit")), claim.options.get("keep"))
    logits = circuit_logits(algebra, links, background(chosen, measured, hypothesis), clean)
    return logits, {"of": "circuit", "on": measured, "ablate": str(chosen)}


def _lower(readout: type[LogitsReadout]) -> Callable[[Claim, Hypothesis, Algebra], Lowered]:
    def lower(claim: Claim, hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
        logits, conditions = subject_logits(claim, hypothesis, algebra)
        estimand = ProportionOf("F") if readout.bounds == (0.0, 1.0) else MeanOf(column("F"))
        return Lowered({"F": readout(logits, labels(claim, hypothesis), claim.metric)}, (Member(claim.label, estimand),), conditions)

    return lower


_OPTIONS = {"of": OF, "on": ON, "ablate": ABLATE, "circuit": PART, "keep": KEEP}

VALUE = Measure(
    name="value",
    summary="the metric's own mean",
    formula="F = mean over prompts of the metric",
    unit="that of the metric",
    range="any number",
    source="semantics: measures of a circuit",
    signature=Signature(subject="metric", options=_OPTIONS),
    lower=_lower(MetricValue),
)

ACCURACY = Measure(
    name="accuracy",
    summary="share of prompts where the answer beats every wrong answer",
    formula="mean over prompts of [logit(answer) > max over wrong of logit(wrong)], at the metric's position",
    unit="share of prompts",
    range="0 to 1",
    source='Wang et al. 2022 (arXiv 2211.00593), section 2 ("IO above S")',
    signature=Signature(subject="metric", options=_OPTIONS, needs_answers=True),
    lower=_lower(AnswerBeats),
)

TOP1 = Measure(
    name="top1",
    summary="share of prompts where the answer is the most likely token of all",
    formula="mean over prompts of [argmax over the vocabulary = answer], at the metric's position",
    unit="share of prompts",
    range="0 to 1",
    source="semantics: measures of a circuit",
    signature=Signature(subject="metric", options=_OPTIONS, needs_answers=True),
    lower=_lower(Top1),
)
