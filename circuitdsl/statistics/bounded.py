"""A score with what it is off by bounded, for its banks or its draws of the reference itself: verdict and interval stand on the bound.

With M slots a score is S_M, with half of them S_{M/2}. If doubling the slots halves what is left of the bias, or better, then
|S_M − S| ≤ |S_{M/2} − S_M|: the truth S lies between S_{M/2} and 2 S_M − S_{M/2}, which is Richardson's extrapolation (Richardson
1911). So what all of S_M, S_{M/2} and the extrapolation say of a bound is true of S: whichever of the two ends S is nearer to, one
test of each direction is valid, and the largest p-value of the three is never smaller (an intersection-union test, Berger 1982).
The interval that goes with it reaches from the lowest lower end to the highest upper one, and covers S with at least the confidence
that each has by itself: it is missed below only if the interval of the lower end misses that end, at α/2, and likewise above.

**Draws of the reference itself** leave what they put in as it was, so whatever is lost by a draw is hidden in the share s of draws
that give it. If the losses of draws add up, and no draw of another row makes a score larger than the model's own, the score is
S = S' + s(1 − S'), S' being the score of draws from other rows: too large by s(1 − S'), and S' = (S − s)/(1 − s) is the other end of the
bound. It is the bound for the largest share of any feature. A claim `>= θ` is so supported only where S is above θ + s(1 − θ).

With banks it is narrower than an interval for S_M at 1 − α/2 that is widened on both sides by a bound for the bias at α/2 (Bonferroni).
"""

from collections.abc import Mapping

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import BoundedOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import NOTHING, Analysis, Known, joined
from circuitdsl.statistics.deciding import bounds
from circuitdsl.statistics.fieller import analyse_ratio
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import AllTails, sign_floor


def analyse_bounded(
    estimand: BoundedOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float, known: Known = NOTHING
) -> Analysis:
    """The estimate and standard error of S_M, with the interval and tails of all three. Not testable if one of them is not."""
    found = [analyse_ratio(ratio, columns, sample, confidence, known) for ratio in estimand.ratios]
    plain = found[0]
    for analysis in found:
        if analysis.tails is None or (analysis.exact and analysis.obstacle):
            return analysis
    tails = [analysis.tails for analysis in found if analysis.tails]
    low, high = _hull([analysis.estimate for analysis in found])
    own = (plain.estimate.low, plain.estimate.high)
    taken = [0.0 if end is None or mine is None else abs(end - mine) for end, mine in zip((low, high), own, strict=True)]
    exact = all(analysis.exact for analysis in found)
    banks = f"banks of {estimand.slots}" if estimand.slots else ""
    itself = f"{estimand.itself:.0%} of draws that give the reference itself" if estimand.itself else ""
    cause = " and of ".join(filter(None, (banks, itself)))
    said = f"of the interval, {taken[0]:.2g} below and {taken[1]:.2g} above are the bound for the bias of {cause}"
    halved = f", with banks of {estimand.slots // 2} and extrapolated from both" if estimand.slots else ""
    estimate = plain.estimate.model_copy(
        update={
            "low": low,
            "high": high,
            "method": f"{plain.estimate.method}{halved}",
            "note": joined(said, plain.estimate.note),
        }
    )
    if exact and max(taken) <= plain.tolerance:
        return Analysis(estimate, plain.tails, True, plain.tolerance, plain.units)
    floor, obstacle = (sign_floor(plain.units) if exact else 0.0), joined(*dict.fromkeys(analysis.obstacle for analysis in found))
    return Analysis(estimate, AllTails(tails, floor), False, plain.tolerance, plain.units, obstacle=obstacle)


def what_would_decide_bounded(estimate: Estimate, plain: Estimate, comparison: Comparison, of: BoundedOf) -> str:
    """Plain words for an inconclusive verdict on `estimate`; `plain` is without the bound."""

    def across(of: Estimate) -> list[float]:
        return [theta for theta in bounds(comparison) if of.low is None or of.high is None or of.low <= theta <= of.high]

    if of.itself and across(estimate):
        reached = f"the interval reaches across {across(estimate)[0]:g} with the bound for the {of.itself:.0%} of draws that give the"
        return f"{reached} reference itself; more prompts of each class of what is carried make that share smaller"
    if across(plain):
        return f"the interval reaches across {across(plain)[0]:g}; more banks (`replicates = …`) and more prompts make it narrower"
    if across(estimate):
        reached = f"with the bound for their bias the interval reaches across {across(estimate)[0]:g}"
        return f"banks of {of.slots} alone would decide, but {reached}: take larger ones, or more (`replicates = …`)"
    return "clear by itself, but not after the correction for the number of claims"


def _hull(of: list[Estimate]) -> tuple[float | None, float | None]:
    """None on a side on which one of them has no bound."""
    lows, highs = [one.low for one in of if one.low is not None], [one.high for one in of if one.high is not None]
    return (min(lows) if len(lows) == len(of) else None), (max(highs) if len(highs) == len(of) else None)
