"""What would change an inconclusive verdict: how many prompts, or what else, in plain words."""

import math
from statistics import NormalDist

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import Estimand, ProportionOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.samples import Sample

POWER = 0.8
MOST_PROMPTS = 1_000_000


def bounds(comparison: Comparison) -> tuple[float, ...]:
    """The numbers at which the claim turns from true to false."""
    if comparison.operator != "=":
        return (comparison.value,)
    margin = comparison.margin or 0.0
    return (comparison.value - margin, comparison.value + margin)


def prompts_to_decide(estimand: Estimand, estimate: Estimate, comparison: Comparison, level: float, units: int | None = None) -> int | None:
    """How many prompts in all would decide with probability 0.8, were the truth what is estimated now.

    `level` is the one-sided level that the claim has to reach; `units` of the prompts are independent, all if it is not said. Means
    and ratios: n ((z_level + z_power) · error / distance)², the distance being to the nearest bound; where all are alike, what the sign
    test needs. Shares: the two-proportion form with the variance at the bound. None if the estimate lies on a bound, or above a million.
    """
    if estimate.value is None or not estimate.n:
        return None
    bound = min(bounds(comparison), key=lambda theta: abs(estimate.value - theta))  # type: ignore[operator]
    distance = abs(estimate.value - bound)
    if estimate.standard_error == 0 and not isinstance(estimand, ProportionOf):
        return max(estimate.n + 1, math.ceil(math.ceil(-math.log2(level)) * estimate.n / (units or estimate.n)))
    if distance == 0 or estimate.standard_error is None:
        return None
    size, power = NormalDist().inv_cdf(1 - level), NormalDist().inv_cdf(POWER)
    if isinstance(estimand, ProportionOf) and 0 < bound < 1:
        share, at_bound = estimate.value * (1 - estimate.value), bound * (1 - bound)
        inflation = estimate.n * estimate.standard_error**2 / share if share else 1.0
        ratio = (size * math.sqrt(at_bound) + power * math.sqrt(share)) / distance
    else:
        inflation, ratio = estimate.n, (size + power) * estimate.standard_error / distance
    needed = inflation * ratio * ratio  # not `ratio**2`, which raises where the product of a far too small distance is infinite
    return max(estimate.n + 1, math.ceil(needed)) if needed <= MOST_PROMPTS else None


def why_undecided(estimate: Estimate, comparison: Comparison, prompts: int | None, sample: Sample) -> str:
    """Plain words for an inconclusive verdict: what stands in the way, and what would change it besides more prompts."""
    low, high = estimate.low, estimate.high
    reached = [theta for theta in bounds(comparison) if low is None or high is None or low <= theta <= high]
    if len(reached) == 2:
        hint = f"the interval is wider than the claim's: it reaches across {reached[0]:g} and {reached[1]:g}"
    elif reached:
        hint = f"the interval reaches across {reached[0]:g}"
    else:
        hint = "clear by itself, but not after the correction for the number of claims"
    if prompts is None:
        shown = "the estimate" if estimate.value is None else f"{estimate.value:.3g}"
        return f"{hint}; {shown} is so near that no reasonable number of prompts would decide: state a bound further away"
    if sample.kind == "clusters" and sample.templates < sample.n:
        return f"{hint}; new {sample.of} are needed in the same proportion as new prompts"
    return hint
