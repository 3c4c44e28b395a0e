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
from circuitdsl.statistics.analyses import Analysis, combine, joined, noise, untestable
from circuitdsl.statistics.deciding import prompts_to_decide
from circuitdsl.statistics.replicates import components
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import FoldedTails, StudentTails, Tails, sign_floor, student_quantile


class Paired(NamedTuple):
    """Means of numerator and denominator with their covariance matrix, and the degrees of freedom that go with it."""

    above: float
    below: float
    above_variance: float
    below_variance: float
    covariance: float
    degrees: float

    def variance(self, theta: float) -> float:
        """Of the mean of numerator − θ·denominator."""
        return max(0.0, self.above_variance - 2 * theta * self.covariance + theta**2 * self.below_variance)

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
    return Paired(above, below, float(first), float(second), float(both - first - second) / 2, float(sample.degrees(residuals)))


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


def fieller(of: Paired, confidence: float) -> tuple[float | None, float | None]:
    """The interval of the ratio, None for an unbounded side.

    Those θ that the t-test of `ratio = θ` does not reject: b²θ² − 2abθ + a² ≤ t²(v_bb θ² − 2 v_ab θ + v_aa). Bounded exactly when
    the denominator's own interval excludes 0; otherwise it is everything, or everything but a gap, and None, None is returned.
    """
    critical = student_quantile((1 + confidence) / 2, of.degrees) ** 2
    square = of.below**2 - critical * of.below_variance
    if square <= 0:
        return None, None
    middle = of.above * of.below - critical * of.covariance
    rest = of.above**2 - critical * of.above_variance
    half = math.sqrt(max(0.0, middle**2 - square * rest))
    return (middle - half) / square, (middle + half) / square


def fold(low: float, high: float) -> tuple[float, float]:
    """The absolute values of an interval's numbers: an interval that covers the absolute value at least as often."""
    if low <= 0 <= high:
        return 0.0, max(abs(low), high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def analyse_ratio(estimand: RatioOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """`columns` [N] or [R, N]. Not testable if the denominator's interval contains 0."""
    numerator, denominator = combine(estimand.numerator, columns), combine(estimand.denominator, columns)
    above, below = (np.atleast_2d(values).mean(axis=0) for values in (numerator, denominator))
    tolerance = noise(columns, estimand.numerator, estimand.denominator)
    of = paired(above, below, sample, tolerance)
    if estimand.banks and numerator.ndim == 2:
        of = with_banks(of, numerator.mean(axis=1), denominator.mean(axis=-1))
    low, high = fieller(of, confidence)
    if low is None or high is None or abs(of.below) <= tolerance:
        return _weak(estimand, of, sample, confidence, tolerance)
    ratio = of.above / of.below
    residuals = (numerator - ratio * denominator) / of.below
    draws = components(residuals, sample) if residuals.ndim == 2 else None
    tolerance /= abs(of.below)
    each, most = np.atleast_2d(residuals).mean(axis=0), tolerance * max(1.0, abs(ratio))
    exact = sample.spread(each) <= most and (not estimand.banks or np.ptp(residuals.mean(axis=-1)) <= most)
    low, high = (ratio, ratio) if exact else (low, high)
    tails: Tails = StudentTails(of.statistic, of.degrees)
    if estimand.absolute:
        low, high = fold(low, high)
        tails = FoldedTails(tails, sign_floor(sample.units))
    estimate = Estimate(
        value=abs(ratio) if estimand.absolute else ratio,
        low=low,
        high=high,
        standard_error=0.0 if exact else math.sqrt(of.variance(ratio)) / abs(of.below),
        n=sample.n,
        method=f"{_named(estimand)}, Fieller's interval ({of.degrees:.3g} df), {sample.method}",
        note=joined(sample.agreement("ratio", each, most) if exact else "", draws.note if draws else ""),
    )
    return Analysis(estimate, tails, exact, tolerance, sample.alike(each, most) if exact else sample.units)


def analyse_spread(estimand: SpreadOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """The difference of two ratios by the delta method, prompts paired. Not testable if either denominator's interval contains 0."""
    values: list[float] = []
    influences = np.zeros((1, sample.n))
    for sign, ratio in ((1.0, estimand.first), (-1.0, estimand.second)):
        found = analyse_ratio(ratio, columns, sample, confidence)
        if found.tails is None:
            return found
        above, below = (np.atleast_2d(combine(of, columns)) for of in (ratio.numerator, ratio.denominator))
        plain = float(above.mean() / below.mean())
        side = math.copysign(1.0, plain) if ratio.absolute else 1.0
        values.append(sign * side * plain)
        influences = influences + sign * side * (above - plain * below) / below.mean()
    of = paired(influences.mean(axis=0), np.ones(sample.n), sample)
    if (estimand.first.banks or estimand.second.banks) and len(influences) > 1:
        of = with_banks(of, influences.mean(axis=1), np.ones(1))
    error, degrees = math.sqrt(of.above_variance), of.degrees
    value, half = sum(values), error * student_quantile((1 + confidence) / 2, degrees)
    method = f"difference of two ratios of means, delta method, t interval ({degrees:.3g} df), {sample.method}"
    estimate = Estimate(value=value, low=value - half, high=value + half, standard_error=error, n=sample.n, method=method)
    tails = StudentTails(lambda theta: (value - theta) / error if error else math.copysign(math.inf, value - theta), degrees)
    return Analysis(estimate, tails, units=sample.units)


def _weak(estimand: RatioOf, of: Paired, sample: Sample, confidence: float, tolerance: float) -> Analysis:
    """No ratio can be told where the mean below the line may be 0."""
    error = math.sqrt(of.below_variance)
    half = student_quantile((1 + confidence) / 2, of.degrees) * error
    value = of.above / of.below if abs(of.below) > tolerance else None
    value = abs(value) if estimand.absolute and value is not None else value
    reason = f"the denominator {estimand.denominator} is {of.below:.3g} ± {half:.3g}: its interval contains 0, so the ratio is unbounded"
    whole = Estimate(value=of.below, standard_error=error, n=sample.n)
    prompts = prompts_to_decide(MeanOf(estimand.denominator), whole, Comparison(">", 0.0), (1 - confidence) / 2)
    return untestable(Estimate(value=value, n=sample.n, method=f"{_named(estimand)}, {sample.method}"), reason, prompts if error else None)


def _named(estimand: RatioOf) -> str:
    return "absolute ratio of means" if estimand.absolute else "ratio of means"
