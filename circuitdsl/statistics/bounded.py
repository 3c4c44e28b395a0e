"""A score from banks with what the banks are off by bounded: the verdict and the interval stand on the bound.

With M slots a score is S_M, with half of them S_{M/2}. If doubling the slots halves what is left of the bias, or better, then
|S_M − S| ≤ |S_{M/2} − S_M|: the truth S lies between S_{M/2} and 2 S_M − S_{M/2}, which is Richardson's extrapolation (Richardson
1911). So what all of S_M, S_{M/2} and the extrapolation say of a bound is true of S: whichever of the two ends S is nearer to, one
test of each direction is valid, and the largest p-value of the three is never smaller (an intersection-union test, Berger 1982).
The interval that goes with it reaches from the lowest lower end to the highest upper one, and covers S with at least the confidence
that each has by itself: it is missed below only if the interval of the lower end misses that end, at α/2, and likewise above.

That is narrower than an interval for S_M at 1 − α/2 that is widened on both sides by a bound for the bias at α/2 (Bonferroni).
"""

from collections.abc import Mapping

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import BoundedOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Analysis, joined
from circuitdsl.statistics.deciding import bounds
from circuitdsl.statistics.fieller import analyse_ratio
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import AllTails, sign_floor


def analyse_bounded(estimand: BoundedOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """The estimate and standard error of S_M, with the interval and tails of all three. Not testable if one of them is not."""
    found = [analyse_ratio(ratio, columns, sample, confidence) for ratio in estimand.ratios]
    plain = found[0]
    for analysis in found:
        if analysis.tails is None:
            return analysis
    tails = [analysis.tails for analysis in found if analysis.tails]
    low, high = _hull([analysis.estimate for analysis in found])
    taken = [abs(end - own) for end, own in zip((low, high), (plain.estimate.low, plain.estimate.high), strict=True) if own is not None]
    exact = all(analysis.exact for analysis in found)
    said = f"of the interval, {taken[0]:.2g} below and {taken[1]:.2g} above are the bound for the bias of banks of {estimand.slots}"
    estimate = plain.estimate.model_copy(
        update={
            "low": low,
            "high": high,
            "method": f"{plain.estimate.method}, with banks of {estimand.slots // 2} and extrapolated from both",
            "note": joined(said, plain.estimate.note),
        }
    )
    if exact and max(taken) <= plain.tolerance:
        return Analysis(estimate, plain.tails, True, plain.tolerance, plain.units)
    return Analysis(estimate, AllTails(tails, sign_floor(plain.units) if exact else 0.0), False, plain.tolerance, plain.units)


def what_would_decide_bounded(estimate: Estimate, plain: Estimate, comparison: Comparison, slots: int) -> str:
    """Plain words for an inconclusive verdict on `estimate`; `plain` is without the bound."""

    def across(of: Estimate) -> list[float]:
        return [theta for theta in bounds(comparison) if of.low is None or of.high is None or of.low <= theta <= of.high]

    if across(plain):
        return f"the interval reaches across {across(plain)[0]:g}; more banks (`replicates = …`) and more prompts make it narrower"
    if across(estimate):
        reached = f"with the bound for their bias the interval reaches across {across(estimate)[0]:g}"
        return f"banks of {slots} alone would decide, but {reached}: take larger ones, or more (`replicates = …`)"
    return "clear by itself, but not after the correction for the number of claims"


def _hull(of: list[Estimate]) -> tuple[float, float]:
    lows, highs = [one.low for one in of if one.low is not None], [one.high for one in of if one.high is not None]
    return min(lows), max(highs)
