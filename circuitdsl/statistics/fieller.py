"""A ratio of means over the same prompts: Fieller's interval (Fieller 1954), over strata or clusters, and its tests.

`r ≥ θ` is tested by the mean of numerator − θ·denominator, so prompts stay paired and the mean of ratios is never taken.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, RatioOf, SpreadOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import NOTHING, Analysis, Known, combine, joined, noise, untestable
from circuitdsl.statistics.deciding import prompts_to_decide
from circuitdsl.statistics.intervals import alike_analysis, analyse_mean
from circuitdsl.statistics.replicates import components
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.skewness import FEW
from circuitdsl.statistics.tails import FoldedTails, StudentTails, Tails, sign_floor


class Paired(NamedTuple):
    """Means of numerator and denominator with their covariance matrix, and the degrees of freedom that go with it."""

    above: float
    below: float
    above_variance: float
    below_variance: float
    covariance: float
    degrees: float
    third: float = 0.0
    """Third cumulant of the mean of numerator − ratio·denominator."""

    def variance(self, theta: float) -> float:
        """Of the mean of numerator − θ·denominator."""
        return max(0.0, self.above_variance - 2 * theta * self.covariance + theta**2 * self.below_variance)

    def tails(self, units: int) -> StudentTails:
        """Skewed as the residuals at the ratio are, which are nearly those at a bound near it."""
        error = math.sqrt(self.variance(self.above / self.below)) if self.below else 0.0
        skewness = math.copysign(1.0, self.below) * self.third / error**3 if error > 0 else 0.0
        return StudentTails(self.statistic, self.degrees, skewness, units)

    def statistic(self, theta: float) -> float:
        """Student's t for `ratio = θ`, positive when the ratio is above θ, whatever the sign of the denominator."""
        distance = (self.above - theta * self.below) * math.copysign(1.0, self.below)
        error = math.sqrt(self.variance(theta))
        return distance / error if error > 0 else math.copysign(math.inf, distance)


def paired(numerator: np.ndarray, denominator: np.ndarray, sample: Sample, tolerance: float = 0.0) -> Paired:
    """From two columns [N]. Degrees of freedom are those of the residuals numerator − ratio·denominator.

    A denominator whose mean is not larger than `tolerance` cannot be told from 0: it is its own residual.
    """
    columns = np.stack([numerator, denominator, numerator + denominator])
    first, second, both = sample.variance(columns)
    above, below = float(numerator.mean()), float(denominator.mean())
    residuals = numerator - above / below * denominator if abs(below) > tolerance else denominator
    degrees, third = float(sample.degrees(residuals)), sample.third_cumulant(residuals)
    return Paired(above, below, float(first), float(second), float(both - first - second) / 2, degrees, third)


def with_banks(of: Paired, above: np.ndarray, below: np.ndarray) -> Paired:
    """With what differs between R banks added, each bank being one draw for all prompts; means by bank [R], or one below the line.

    The covariance of the means over banks, divided by R. What prompts draw for themselves is in both parts, so the whole is never
    too small. Degrees of freedom are Satterthwaite's for the sum of the two parts at the ratio.
    """
    banks = len(above)
    (first, both), (_, second) = np.cov(np.stack([above, np.broadcast_to(below, above.shape)])) / banks
    found = of._replace(
        above_variance=of.above_variance + float(first),
        below_variance=of.below_variance + float(second),
        covariance=of.covariance + float(both),
    )
    ratio = of.above / of.below if of.below else 0.0
    own, between = of.variance(ratio), max(0.0, float(first - 2 * ratio * both + ratio**2 * second))
    parts = own**2 / of.degrees + between**2 / (banks - 1)
    return found._replace(degrees=(own + between) ** 2 / parts) if parts else found


def fieller(of: Paired, confidence: float, units: int = FEW) -> tuple[float | None, float | None]:
    """The interval of the ratio, None for an unbounded side.

    Those θ that the test of `ratio = θ` does not reject, with statistics c at the two ends: b²θ² − 2abθ + a² = c²(v_bb θ² − 2 v_ab θ +
    v_aa), c being Student's quantile, straightened on the side of the tail where the residuals are skewed. Bounded where the
    denominator's own interval by the same c excludes 0; otherwise it is everything, or everything but a gap.
    """
    low, high = of.tails(units).ends((1 - confidence) / 2)
    return (None if low is None else _root(of, low, -1.0)), (None if high is None else _root(of, high, 1.0))


def _root(of: Paired, critical: float, side: float) -> float | None:
    square = of.below**2 - critical**2 * of.below_variance
    if square <= 0:
        return None
    middle = of.above * of.below - critical**2 * of.covariance
    rest = of.above**2 - critical**2 * of.above_variance
    return (middle + side * math.sqrt(max(0.0, middle**2 - square * rest))) / square


def fold(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """The absolute values of an interval's numbers: an interval that covers the absolute value at least as often."""
    if low is None or high is None:
        return (low if low is not None and low > 0 else -high if high is not None and high < 0 else 0.0), None
    if low <= 0 <= high:
        return 0.0, max(abs(low), high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def analyse_ratio(
    estimand: RatioOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float, known: Known = NOTHING
) -> Analysis:
    """`columns` [N] or [R, N]. Not testable if the denominator's own interval, that of a mean, contains 0."""
    numerator, denominator = combine(estimand.numerator, columns), combine(estimand.denominator, columns)
    above, below = (np.atleast_2d(values).mean(axis=0) for values in (numerator, denominator))
    tolerance = noise(columns, estimand.numerator, estimand.denominator)
    of = paired(above, below, sample, tolerance)
    if estimand.banks and numerator.ndim == 2:
        of = with_banks(of, numerator.mean(axis=1), denominator.mean(axis=-1))
    weak = _weak(estimand, columns, sample, confidence, tolerance)
    if weak is not None:
        return weak
    ratio = of.above / of.below
    value = abs(ratio) if estimand.absolute else ratio
    residuals = (numerator - ratio * denominator) / of.below
    draws = components(residuals, sample) if residuals.ndim == 2 else None
    tolerance /= abs(of.below)
    each, most = np.atleast_2d(residuals).mean(axis=0), tolerance * max(1.0, abs(ratio))
    if sample.spread(each) <= most and (not estimand.banks or np.ptp(residuals.mean(axis=-1)) <= most):
        return alike_analysis("ratio", value, each, most, sample, confidence, known, f"{_named(estimand)}, {sample.method}")
    low, high = fieller(of, confidence, sample.units)
    plain = of.tails(sample.units)
    tails: Tails = plain
    if estimand.absolute:
        low, high = fold(low, high)
        tails = FoldedTails(plain, sign_floor(sample.units))
    estimate = Estimate(
        value=value,
        low=low,
        high=high,
        standard_error=math.sqrt(of.variance(ratio)) / abs(of.below),
        n=sample.n,
        method=f"{_named(estimand)}, Fieller's interval ({of.degrees:.3g} df), {sample.method}",
        note=joined(plain.obstacle, draws.note if draws else ""),
    )
    return Analysis(estimate, tails, False, tolerance, sample.units, obstacle=plain.obstacle)


def analyse_spread(
    estimand: SpreadOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float, known: Known = NOTHING
) -> Analysis:
    """The difference of two ratios by the delta method, prompts paired. Not testable if either denominator's interval contains 0."""
    values: list[float] = []
    influences, tolerance = np.zeros((1, sample.n)), 0.0
    for sign, ratio in ((1.0, estimand.first), (-1.0, estimand.second)):
        found = analyse_ratio(ratio, columns, sample, confidence, known)
        if found.tails is None:
            return untestable(Estimate(value=None, n=sample.n), found.reason, found.prompts)
        above, below = (np.atleast_2d(combine(of, columns)) for of in (ratio.numerator, ratio.denominator))
        plain = float(above.mean() / below.mean())
        side = math.copysign(1.0, plain) if ratio.absolute else 1.0
        values.append(sign * side * plain)
        influences = influences + sign * side * (above - plain * below) / below.mean()
        tolerance += noise(columns, ratio.numerator, ratio.denominator) / abs(float(below.mean())) * max(1.0, abs(plain))
    banks = (estimand.first.banks or estimand.second.banks) and len(influences) > 1
    value, each = sum(values), influences.mean(axis=0)
    method = "difference of two ratios of means, delta method"
    if sample.spread(each) <= tolerance and (not banks or np.ptp(influences.mean(axis=1)) <= tolerance):
        return alike_analysis("difference", value, each, tolerance, sample, confidence, known, f"{method}, {sample.method}")
    of = paired(each, np.ones(sample.n), sample)
    if banks:
        of = with_banks(of, influences.mean(axis=1), np.ones(1))
    error, skewness = math.sqrt(of.above_variance), of.third / of.above_variance**1.5
    tails = StudentTails(lambda theta: (value - theta) / error, of.degrees, skewness, sample.units)
    low, high = tails.ends((1 - confidence) / 2)
    estimate = Estimate(
        value=value,
        low=None if low is None else value - error * low,
        high=None if high is None else value - error * high,
        standard_error=error,
        n=sample.n,
        method=f"{method}, t interval ({of.degrees:.3g} df), {sample.method}",
        note=tails.obstacle,
    )
    return Analysis(estimate, tails, tolerance=tolerance, units=sample.units, obstacle=tails.obstacle)


def _weak(estimand: RatioOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float, tolerance: float) -> Analysis | None:
    """No ratio can be told where the mean below the line may be 0: where that mean's own interval contains it."""
    plain = MeanOf(estimand.denominator, banks=estimand.banks)
    below = analyse_mean(plain, columns, sample, confidence).estimate
    assert below.value is not None
    alike = below.standard_error == 0
    if abs(below.value) > tolerance and (alike or not _contains_zero(below)):
        return None
    numerator = float(combine(estimand.numerator, columns).mean())
    value = numerator / below.value if abs(below.value) > tolerance else None
    value = abs(value) if estimand.absolute and value is not None else value
    interval = f"[{_end(below.low, '-inf')}, {_end(below.high, 'inf')}]: its interval contains 0, so the ratio is unbounded"
    reason = f"the denominator {estimand.denominator} is {below.value:.3g} {'on every prompt' if alike else interval}"
    prompts = None if alike else prompts_to_decide(below, Comparison(">", 0.0), (1 - confidence) / 2)
    return untestable(Estimate(value=value, n=sample.n, method=f"{_named(estimand)}, {sample.method}"), reason, prompts)


def _contains_zero(of: Estimate) -> bool:
    return (of.low is None or of.low <= 0) and (of.high is None or of.high >= 0)


def _end(of: float | None, otherwise: str) -> str:
    return otherwise if of is None else f"{of:.3g}"


def _named(estimand: RatioOf) -> str:
    return "absolute ratio of means" if estimand.absolute else "ratio of means"
