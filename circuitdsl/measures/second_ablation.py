"""The same number under a second ablation, since an answer may be as much about the ablation as about the model."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from circuitdsl.borders.hypothesis import Ablation, Claim, Hypothesis
from circuitdsl.borders.measure import Combination, Estimand, RatioOf, SpreadOf
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.values import Algebra, Recomputed
from circuitdsl.borders.watches import SecondAblation, Watch
from circuitdsl.measures.circuit_options import ComparedOptions
from circuitdsl.measures.circuit_watches import donors
from circuitdsl.measures.worlds import ablation, background

SomeOptions = TypeVar("SomeOptions", bound=ComparedOptions)


class UnderSecondAblation(NamedTuple):
    """What a second ablation adds to a claim; nothing where there is none."""

    readouts: dict[str, MetricValue]
    beside: dict[str, Estimand]
    watches: tuple[Watch, ...] = ()


def second_ablation(
    claim: Claim[SomeOptions],
    hypothesis: Hypothesis,
    algebra: Algebra,
    ratio: RatioOf,
    runs: Callable[[Claim[SomeOptions]], Mapping[str, Recomputed]],
) -> UnderSecondAblation:
    """The claim's ratio under another ablation, its distance from the first, and a watch on verdicts that flip.

    `runs` gives the runs that the ratio is of, by the names of its columns, for the claim under whichever ablation it states.
    """
    other = _other(claim, hypothesis)
    if other is None:
        return UnderSecondAblation({}, {})
    measured = claim.measured
    here, there = runs(claim), runs(replace(claim, options=replace(claim.options, ablate=other)))
    names = {name: name if logits is here[name] else f"{name} under {other}" for name, logits in there.items()}
    readouts = {names[name]: MetricValue(logits, measured, claim.metric_name) for name, logits in there.items() if names[name] != name}

    def renamed(of: Combination) -> Combination:
        return Combination(tuple((names[name], weight) for name, weight in of.terms))

    again = RatioOf(renamed(ratio.numerator), renamed(ratio.denominator), ratio.absolute)
    watch = SecondAblation(str(ablation(claim, hypothesis)), str(other), again)
    pool = donors(hypothesis, background(other, measured, hypothesis), measured)
    return UnderSecondAblation(readouts, {f"under {other}": again, "spread": SpreadOf(ratio, again)}, (watch, *pool))


def _other(claim: Claim[ComparedOptions], hypothesis: Hypothesis) -> Ablation | None:
    """The mean for resampling and the other way round; for `zero`, the one of the settings."""
    if claim.options.second == "no":
        return None
    chosen = ablation(claim, hypothesis)
    if chosen.distribution is None:
        stated = hypothesis.settings.ablate
        return stated if stated is not None and stated.distribution is not None else None
    return Ablation("mean" if chosen.kind == "resample" else "resample", chosen.distribution)
