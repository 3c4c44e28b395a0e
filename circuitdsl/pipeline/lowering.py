"""Hypothesis → values: each claim is lowered by its measure, on the rows that it may look at."""

from dataclasses import replace
from typing import TYPE_CHECKING

from circuitdsl.borders.diagnostics import Diagnostics, refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, PromptPart
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.values import Algebra

if TYPE_CHECKING:
    from circuitdsl.borders.measured import MeasuredClaim, SearchingClaim


def lower(hypothesis: Hypothesis, algebra: Algebra) -> "tuple[MeasuredClaim | SearchingClaim, ...]":
    """Every claim to the values it needs, with the rows it is measured on: measurements explore, verdicts verify.

    A claim that has to look first gives a `SearchingClaim`, on exploring rows. Raises CircError C106 where the file has no prompts (yet).
    """
    if not hypothesis.distributions:
        raise refusal("C106", "the file has no prompts to measure on", hint="add `prompts clean { … }`")
    from circuitdsl.measures import measures
    from circuitdsl.measures.replicates import lower_redrawn

    registry = measures()
    found: list[MeasuredClaim | SearchingClaim] = []
    wrong = Diagnostics()
    for claim in hypothesis.claims:
        with wrong.keeping():
            found.append(on_its_rows(hypothesis, claim, lower_redrawn(registry[claim.measure], claim, hypothesis, algebra)))
    wrong.raise_any()
    return tuple(found)


def on_its_rows(hypothesis: Hypothesis, claim: Claim, lowered: Lowered | Search, looked: bool = False) -> "MeasuredClaim | SearchingClaim":
    from circuitdsl.borders.measured import MeasuredClaim, SearchingClaim
    from circuitdsl.measures import measures

    measured = claim.measured
    known = measures().get(claim.measure)
    summary = known.summary if known else ""
    subset = hypothesis.settings.subset if known and known.costly else None
    if isinstance(lowered, Search):
        assert hypothesis.exploring, f"the signature of `{claim.measure}` does not say that it searches"
        rows, _ = hypothesis.divided(claim, measured)
        rows = hypothesis.some(rows, measured, subset)
        return SearchingClaim(claim, lowered, "exploring", rows, summary, whole=claim.comparison is not None)
    part: PromptPart = "verifying" if claim.comparison or not hypothesis.exploring else "exploring"
    whole = not (looked and claim.comparison is None)
    every = hypothesis.rows(measured, part) if whole else hypothesis.divided(claim, measured)[1]
    rows = hypothesis.some(every, measured, subset)
    if subset is not None:
        lowered = replace(lowered, conditions={**lowered.conditions, "subset": f"{len(rows)} of {len(every)} prompts"})
    return MeasuredClaim(claim, lowered, part, rows, summary, whole=whole)


def lower_figure(hypothesis: Hypothesis, algebra: Algebra, edges: bool) -> "tuple[MeasuredClaim, ...]":
    """The effect on the circuit of each node and each edge as written; nothing without a circuit, a metric, or an ablation."""
    from circuitdsl.borders.measured import MeasuredClaim
    from circuitdsl.measures.faithfulness import lower_graph

    named = [claim.metric for claim in hypothesis.claims if claim.metric]
    metric = next((one for one in [*named, *hypothesis.metrics] if hypothesis.default in hypothesis.metrics[one].bound), None)
    if not (hypothesis.edges and metric and hypothesis.settings.ablate):
        return ()
    lowered = lower_graph(hypothesis, algebra, metric, edges)
    judged = any(claim.comparison for claim in hypothesis.claims)
    # measurements alone leave the verifying prompts unseen
    part: PromptPart = "verifying" if judged or not hypothesis.exploring else "exploring"
    rows = hypothesis.rows(hypothesis.default, part)
    return (MeasuredClaim(Claim("figure", "figure", "", metric=metric, measured=hypothesis.default), lowered, part, rows),)
