"""Better than random circuits: the circuit's rank among them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import RankOf, RatioOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Analysis, combine, noise
from circuitdsl.statistics.proportions import clopper_pearson
from circuitdsl.statistics.tails import BetaTails, p_values


def rank_analysis(as_good: int, draws: int, confidence: float) -> Analysis:
    """`as_good` of `draws` random circuits were at least as good: p = (1 + as_good) / (draws + 1), with the share's exact interval.

    The estimate is never 0: the circuit itself counts as one of its null.
    """
    low, high = clopper_pearson(as_good, draws, confidence)
    estimate = Estimate(
        value=(1 + as_good) / (draws + 1),
        low=low,
        high=high,
        n=draws,
        method="p = (1 + as good) / (random circuits + 1), exact binomial interval (Clopper-Pearson) of their share",
        note=f"{as_good} of {draws} random circuits are as good",
    )
    return Analysis(estimate, BetaTails(as_good, draws), units=draws)


def whole_rank_analysis(as_good: int, circuits: int) -> Analysis:
    """The same where these are all the `circuits` that there are: the share is known, without and with the circuit itself."""
    low, high = as_good / circuits, (1 + as_good) / (circuits + 1)
    estimate = Estimate(
        value=high,
        low=low,
        high=high,
        n=circuits,
        method="p = (1 + as good) / (random circuits + 1), of all random circuits that there are",
        note=f"{as_good} of all {circuits} random circuits are as good",
    )
    return Analysis(estimate, WholeTails(low, high), units=circuits)


@dataclass(frozen=True)
class WholeTails:
    """Tails of a number that is known to lie from `low` to `high`."""

    low: float
    high: float
    shift: bool = False

    def above(self, theta: float) -> float:
        return 0.0 if self.low > theta else 1.0

    def below(self, theta: float) -> float:
        return 0.0 if self.high <= theta else 1.0


def rank_p_values(as_good: int, draws: int, comparison: Comparison) -> tuple[float, float]:
    """`(p_support, p_refute)` of a claim about the share of random circuits that are as good."""
    return p_values(BetaTails(as_good, draws), comparison)


def distances(estimand: RankOf, columns: Mapping[str, np.ndarray]) -> tuple[float, np.ndarray]:
    """How far from the target the circuit's ratio is, and the random circuits' [B]; ratios of means, `inf` where the mean below is 0."""

    def distance(of: RatioOf) -> float:
        above, below = combine(of.numerator, columns).mean(), combine(of.denominator, columns).mean()
        return abs(estimand.target - float(above / below)) if below else math.inf

    return distance(estimand.of), np.array([distance(of) for of in estimand.among])


def count_as_good(estimand: RankOf, columns: Mapping[str, np.ndarray]) -> int:
    """Random circuits at most as far from the target as the circuit; what rounding cannot tell apart counts as as good."""
    own, random = distances(estimand, columns)
    scale = abs(combine(estimand.of.denominator, columns).mean())
    slack = noise(columns, estimand.of.numerator) / scale if scale else 0.0
    return int((random <= own + slack).sum())


def what_would_decide_rank(as_good: int, draws: int, comparison: Comparison, level: float, most: int = 100_000) -> str:
    """One sentence: how many random circuits would decide, were the share what it is now."""
    share, wanted = as_good / draws, draws
    while wanted < most:
        wanted = math.ceil(wanted * 1.1)
        if min(rank_p_values(round(share * wanted), wanted, comparison)) <= level:
            return f"{as_good} of {draws} random circuits are as good; about {wanted} random circuits would probably decide"
    return f"{as_good} of {draws} random circuits are as good, so near {comparison.value:g} that more would hardly decide"


def why_whole_undecided(as_good: int, circuits: int) -> str:
    """The same where there are no others."""
    return (
        f"{as_good} of all {circuits} random circuits are as good: a rank of {(1 + as_good) / (circuits + 1):.2g} with the circuit itself"
    )
