"""One-sided p-values against a bound, and what becomes of them for each comparison.

Everything that is judged offers two tails: `above(θ)`, the p-value of "the value is at most θ", small when it is clearly above,
and `below(θ)` likewise. A claim's `p_support` is a p-value of "the claim is false", its `p_refute` of "the claim is true".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.statistics import gaffke
from circuitdsl.statistics.skewness import FEW, bent, straightened, unbounded


class Tails(Protocol):
    @property
    def shift(self) -> bool:
        """Whether the estimate's distribution only moves with the value, so that the chance of the far tail is known."""
        ...

    def above(self, theta: float) -> float: ...

    def below(self, theta: float) -> float: ...


@dataclass(frozen=True)
class StudentTails:
    """`statistic(θ)` is positive when the estimate is above θ, and Student t with `degrees` when θ is the truth.

    `skewness` is that of the estimate, from so many independent `units`: on the side of the tail the statistic is straightened, and of
    few units there is no test on that side (skewness.py).
    """

    statistic: Callable[[float], float]
    degrees: float
    skewness: float = 0.0
    units: int = FEW
    shift: bool = True

    def above(self, theta: float) -> float:
        return self._tail(self.statistic(theta), -self.skewness)

    def below(self, theta: float) -> float:
        return self._tail(-self.statistic(theta), self.skewness)

    def _tail(self, statistic: float, skewness: float) -> float:
        """`skewness` is positive where a large `statistic` is what a sample without its tail would give."""
        if unbounded(skewness, self.units):
            return 1.0
        if skewness > 0 and math.isfinite(statistic):
            statistic = -float(straightened(-statistic, skewness))
        return student_tail(statistic, self.degrees)

    @property
    def obstacle(self) -> str:
        """In words, where one side is unbounded; else empty."""
        if not unbounded(abs(self.skewness), self.units):
            return ""
        side = "upper" if self.skewness > 0 else "lower"
        return f"{self.units} prompts that are so skewed give no {side} bound (skewness of the mean {self.skewness:.2g})"

    def ends(self, level: float) -> tuple[float | None, float | None]:
        """The statistics at the least and the greatest θ that is not rejected at the one-sided `level`; None where all are."""
        critical = student_quantile(1 - level, self.degrees)
        low, high = (None if unbounded(side, self.units) else bent(critical, side) for side in (-self.skewness, self.skewness))
        return low, None if high is None else -high


@dataclass(frozen=True)
class RangeTails:
    """Gaffke's tails of a mean of independent numbers in a known range (gaffke.py)."""

    values: np.ndarray
    low: float
    high: float
    shift: bool = False

    def above(self, theta: float) -> float:
        return gaffke.above(self.values, self.low, theta)

    def below(self, theta: float) -> float:
        return gaffke.below(self.values, self.high, theta)

    def ends(self, level: float) -> tuple[float | None, float | None]:
        """The least and the greatest mean that is not rejected at the one-sided `level`; None on a side without a bound."""
        return gaffke.ends(self.values, self.low, self.high, level)


@dataclass(frozen=True)
class PointTails:
    """Tails of a number that is known but for draws of donors, from so many `units` that agree."""

    value: float
    tolerance: float
    units: int
    shift: bool = False

    def above(self, theta: float) -> float:
        return sign_floor(self.units) if self.value > theta + self.tolerance else 1.0

    def below(self, theta: float) -> float:
        return sign_floor(self.units) if self.value < theta - self.tolerance else 1.0


@dataclass(frozen=True)
class BetaTails:
    """Clopper and Pearson's exact tails of a share: `count` of `n`, which need not be whole numbers."""

    count: float
    n: float
    shift: bool = False

    def above(self, theta: float) -> float:
        return _beta(self.count, self.n - self.count + 1, theta)

    def below(self, theta: float) -> float:
        return _beta(self.n - self.count, self.count + 1, 1 - theta)


@dataclass(frozen=True)
class FoldedTails:
    """Tails of the absolute value of something with tails."""

    of: Tails
    floor: float
    """The p-value of what is certain: an absolute value above a negative number."""
    shift: bool = False

    def above(self, theta: float) -> float:
        return inside(self.of, -theta, theta)[1] if theta >= 0 else self.floor

    def below(self, theta: float) -> float:
        return inside(self.of, -theta, theta)[0] if theta >= 0 else 1.0


@dataclass(frozen=True)
class AllTails:
    """Tails of something that lies between numbers with tails: above a bound if all of them are, whichever it is nearest to.

    An intersection-union test (Berger 1982): with the truth between the least and the greatest number, one of the two p-values is
    valid, and the largest is never smaller. `floor` is the smallest p-value that there may be.
    """

    of: Sequence[Tails]
    floor: float = 0.0
    shift: bool = False

    def above(self, theta: float) -> float:
        return max(self.floor, *(tails.above(theta) for tails in self.of))

    def below(self, theta: float) -> float:
        return max(self.floor, *(tails.below(theta) for tails in self.of))


def inside(tails: Tails, low: float, high: float) -> tuple[float, float]:
    """P-values of "outside [low, high]" and of "inside [low, high]".

    The first is that of two one-sided tests (Schuirmann 1987). The second has the chance of both tails at the nearer end, its
    largest under the null, where that is known (`shift`), else twice the smaller tail.
    """
    from_low, from_high = tails.above(low), tails.below(high)
    over, under = tails.above(high), tails.below(low)
    outside = min(over + from_low, under + from_high) if tails.shift else 2 * min(over, under)
    return max(from_low, from_high), min(1.0, outside)


def p_values(tails: Tails, comparison: Comparison) -> tuple[float, float]:
    """`(p_support, p_refute)`. They sum to at least 1, so that never both are small."""
    match comparison.operator:
        case ">=" | ">":
            return tails.above(comparison.value), tails.below(comparison.value)
        case "<=" | "<":
            return tails.below(comparison.value), tails.above(comparison.value)
        case _:
            margin = comparison.margin or 0.0
            return inside(tails, comparison.value - margin, comparison.value + margin)


def exact_p_values(value: float, comparison: Comparison, tolerance: float, units: int) -> tuple[float, float]:
    """For a value that is the same on all prompts that there are: the claim holds or it does not.

    Donors may still be drawn, so its p-value is no less than 2^−units. Of prompts that are a sample nothing is judged so: numbers
    that are hardly ever different, but then far off, have another mean.
    """
    distance = value - comparison.value
    match comparison.operator:
        case ">=":
            holds = distance >= -tolerance
        case ">":
            holds = distance > tolerance
        case "<=":
            holds = distance <= tolerance
        case "<":
            holds = distance < -tolerance
        case _:
            holds = abs(distance) <= (comparison.margin or 0.0) + tolerance
    smallest = sign_floor(units)
    return (smallest, 1.0) if holds else (1.0, smallest)


def sign_floor(units: int) -> float:
    return 2.0 ** -min(units, 1000)


def student_tail(statistic: float, degrees: float) -> float:
    """P(T ≥ statistic)."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -statistic))


def student_quantile(probability: float, degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _beta(a: float, b: float, x: float) -> float:
    """P(Beta(a, b) ≤ x), and its limits where a or b is 0."""
    from scipy.special import betainc

    if a <= 0 or b <= 0:
        return 1.0 if a <= 0 else 0.0
    return float(betainc(a, b, np.clip(x, 0.0, 1.0)))
