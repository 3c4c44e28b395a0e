"""What would change an inconclusive verdict: how many prompts, or what else, in plain words."""

import math
from functools import partial
from statistics import NormalDist

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import BetaTails, RangeTails, Tails

POWER = 0.8
MOST_PROMPTS = 1_000_000


def bounds(comparison: Comparison) -> tuple[float, ...]:
    """The numbers at which the claim turns from true to false."""
    if comparison.operator != "=":
        return (comparison.value,)
    margin = comparison.margin or 0.0
    return (comparison.value - margin, comparison.value + margin)


def prompts_to_decide(estimate: Estimate, comparison: Comparison, level: float, tails: Tails | None = None) -> int | None:
    """How many prompts in all would decide with probability 0.8, were the truth what is estimated now.

    `level` is the one-sided level that the claim has to reach. For means and ratios both tests of an equivalence claim count: the least
    n for which one or the other verdict has that probability by the normal distribution, and what Student's and skewed tails ask for
    beyond it (`spare`); for numbers of a known range, what Gaffke's test pays for the ends of the range as well. Shares: the
    two-proportion form with the variance at the bound, for so many independent prompts as theirs are worth. None if the estimate lies
    on a bound, has no variance and no range, or above a million.
    """
    if estimate.value is None or not estimate.n or estimate.standard_error is None:
        return None
    bound = min(bounds(comparison), key=lambda theta: abs(estimate.value - theta))  # type: ignore[operator]
    distance = abs(estimate.value - bound)
    gaps = (estimate.value - tails.low, tails.high - estimate.value) if isinstance(tails, RangeTails) else (0.0, 0.0)
    if distance == 0 or (estimate.standard_error == 0 and not any(gaps) and not isinstance(tails, BetaTails)):
        return None
    if isinstance(tails, BetaTails) and 0 < bound < 1:
        needed = estimate.n / tails.n * _of_a_share(estimate.value, bound, level)
        return max(estimate.n + 1, math.ceil(needed)) if needed <= MOST_PROMPTS else None
    deviation, low, high = estimate.standard_error * math.sqrt(estimate.n), estimate.n, MOST_PROMPTS
    chance = partial(_power, estimate.value, deviation, comparison, level, gaps)
    if chance(high) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= POWER else (middle + 1, high)
    return max(estimate.n + 1, low + (0 if any(gaps) else spare(level)))


def _of_a_share(share: float, bound: float, level: float) -> float:
    """Independent prompts for a binomial test; where all agree, those that are as improbable as `level` at the bound."""
    if share in (0.0, 1.0):
        return math.log(level) / math.log(bound if share else 1 - bound)
    size, power = NormalDist().inv_cdf(1 - level), NormalDist().inv_cdf(POWER)
    ratio = (size * math.sqrt(bound * (1 - bound)) + power * math.sqrt(share * (1 - share))) / abs(share - bound)
    return ratio * ratio  # not `ratio**2`, which raises where the product of a far too small distance is infinite


def spare(level: float) -> int:
    """Prompts beyond what the normal distribution asks for: z²/2 for Student's t, and as much again for what straightening costs."""
    return math.ceil(2 * NormalDist().inv_cdf(1 - level) ** 2)


def _power(value: float, deviation: float, comparison: Comparison, level: float, gaps: tuple[float, float], n: int) -> float:
    """The probability that n prompts decide: support or refute, each by all the one-sided tests that it takes.

    `gaps` are how far the ends of a known range are below and above `value`: n equal numbers bound the mean to within gap · ln(1/level)/n.
    """
    normal, error = NormalDist(), deviation / math.sqrt(n)
    quantile = normal.inv_cdf(1 - level)

    def passed(distance: float, gap: float) -> float:
        """That the one-sided test passes of a bound so far from the truth, on the right side of it."""
        rest = distance - gap * math.log(1 / level) / n
        return normal.cdf(rest / error - quantile) if error > 0 else float(rest > 0)

    def above(theta: float) -> float:
        return passed(value - theta, gaps[0])

    def below(theta: float) -> float:
        return passed(theta - value, gaps[1])

    if comparison.operator != "=":
        return above(comparison.value) if value > comparison.value else below(comparison.value)
    low, high = bounds(comparison)
    if low < value < high:
        return above(low) + below(high) - 1  # both, by Bonferroni: exactly so for one normal mean
    return above(high) if value >= high else below(low)


def why_undecided(estimate: Estimate, comparison: Comparison, prompts: int | None, sample: Sample, everything: bool = False) -> str:
    """Plain words for an inconclusive verdict: what stands in the way, and what would change it besides more prompts."""
    low, high = estimate.low, estimate.high
    reached = [theta for theta in bounds(comparison) if low is None or high is None or low <= theta <= high]
    if len(reached) == 2:
        hint = f"the interval is wider than the claim's: it reaches across {reached[0]:g} and {reached[1]:g}"
    elif reached:
        hint = f"the interval reaches across {reached[0]:g}"
    else:
        hint = "clear by itself, but not after the correction for the number of claims"
    if everything:
        return f"{hint}; these {sample.n} are all prompts that there are, so more cannot be measured"
    if prompts is None:
        shown = "the estimate" if estimate.value is None else f"{estimate.value:.3g}"
        return f"{hint}; {shown} is so near that no reasonable number of prompts would decide: state a bound further away"
    if sample.kind == "clusters" and sample.templates < sample.n:
        return f"{hint}; new {sample.of} are needed in the same proportion as new prompts"
    return hint
