"""The mean of a column over prompts: Student's t over strata or clusters, straightened where it is skewed; Gaffke's in a known range."""

import math
from collections.abc import Mapping

import numpy as np

from circuitdsl.borders.measure import MeanOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import NOTHING, Analysis, Known, combine, joined, noise
from circuitdsl.statistics.replicates import components
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import PointTails, RangeTails, StudentTails


def mean_interval(values: np.ndarray, sample: Sample, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of [..., N], its standard error and the half-width of its interval, each [...]."""
    from scipy.special import stdtrit

    error = np.sqrt(sample.variance(values))
    return values.mean(axis=-1), error, error * stdtrit(sample.degrees(values), (1 + confidence) / 2)


def analyse_mean(
    estimand: MeanOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float, known: Known = NOTHING
) -> Analysis:
    """`columns` [N] or [R, N]. Independent prompts of a known range have Gaffke's interval, others Student's, straightened.

    A column that is the same on every prompt, or on all of a template, has an interval if its range is known, and no verdict without
    one, unless these are all prompts that there are.
    """
    values = combine(estimand.of, columns)
    if estimand.absolute:
        values = np.abs(values.mean(axis=0) if values.ndim == 2 else values)
    draws = components(values, sample) if values.ndim == 2 else None
    by_bank = values.mean(axis=1) if estimand.banks and values.ndim == 2 else None
    values = values.mean(axis=0) if values.ndim == 2 else values
    value, tolerance = float(values.mean()), noise(columns, estimand.of)
    error, degrees, third = math.sqrt(sample.variance(values)), float(sample.degrees(values)), sample.third_cumulant(values)
    if by_bank is not None:
        error, degrees = between_banks(error, degrees, by_bank)
    alike = (sample.spread(values) <= tolerance and (by_bank is None or np.ptp(by_bank) <= tolerance)) or error == 0  # which may underflow
    within = None if by_bank is not None else _range(estimand, known)
    independent = sample.units == sample.n and within is not None and all(map(math.isfinite, within))
    if within is not None and (not known.everything if alike else independent):
        note = sample.agreement("number", values, tolerance) if alike else ""
        return _within(values, within, sample, confidence, joined(note, draws.note if draws else ""), 0.0 if alike else error)
    if alike:
        return alike_analysis("number", value, values, tolerance, sample, confidence, known, sample.method)
    tails = StudentTails(lambda theta: (value - theta) / error, degrees, third / error**3, sample.units)
    low, high = tails.ends((1 - confidence) / 2)
    estimate = Estimate(
        value=value,
        low=None if low is None else value - error * low,
        high=None if high is None else value - error * high,
        standard_error=error,
        n=sample.n,
        method=f"mean, t interval ({degrees:.3g} df), {sample.method}",
        note=joined(tails.obstacle, draws.note if draws else ""),
    )
    return Analysis(estimate, tails, False, tolerance, sample.units, obstacle=tails.obstacle)


def _range(estimand: MeanOf, known: Known) -> tuple[float, float] | None:
    found = known.range_of(estimand.of)
    if found is None or not estimand.absolute:
        return found
    low, high = found
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _within(values: np.ndarray, within: tuple[float, float], sample: Sample, confidence: float, note: str, error: float) -> Analysis:
    """By the range that the numbers must lie in. Prompts of a cluster, which then agree, are one number."""
    low, high = min(within[0], float(values.min())), max(within[1], float(values.max()))  # which rounding may leave
    each = np.bincount(sample.codes, values) / sample.sizes if sample.units < sample.n else values
    tails = RangeTails(each, low, high)
    least, most = tails.ends((1 - confidence) / 2)
    method = f"mean of numbers from {within[0]:g} to {within[1]:g}, Gaffke's interval, {sample.method}"
    estimate = Estimate(value=float(values.mean()), low=least, high=most, standard_error=error, n=sample.n, method=method, note=note)
    return Analysis(estimate, tails, False, 0.0, sample.units)


def alike_analysis(
    what: str, value: float, values: np.ndarray, tolerance: float, sample: Sample, confidence: float, known: Known, method: str
) -> Analysis:
    """Of a number without variance, made of `values` [N] that are alike: exact if these are all prompts that there are, else open.

    What prompts that are all alike do say is the share of such prompts, by Clopper and Pearson's bound; not the mean.
    """
    end, units = (value if known.everything else None), sample.alike(values, tolerance)
    agreement = sample.agreement(what, values, tolerance)
    estimate = Estimate(value=value, low=end, high=end, standard_error=0.0, n=sample.n, method=method, note=agreement)
    obstacle = ""
    if not known.everything:
        share, of = (1 - confidence) ** (1 / units), "prompts" if sample.kind == "strata" or sample.units == sample.n else "templates"
        alike = f"{value:.3g}" if np.ptp(values) <= tolerance else "its template's"
        obstacle = f"{agreement}: at least {share:.0%} of {of} have {alike} (at {confidence:.0%}), but without bounds of the number that "
        obstacle += "says nothing of the mean of all"
    return Analysis(estimate, PointTails(value, tolerance, units), True, tolerance, units, obstacle=obstacle)


def between_banks(error: float, degrees: float, means: np.ndarray) -> tuple[float, float]:
    """A standard error over prompts with that over R banks added, each bank being one draw for all prompts: `means` [R].

    What prompts draw for themselves is in both parts, so the whole is never too small. Degrees of freedom are Satterthwaite's.
    """
    own, between = error**2, float(means.var(ddof=1)) / len(means)
    parts = own**2 / degrees + between**2 / (len(means) - 1)
    return math.sqrt(own + between), (own + between) ** 2 / parts if parts else degrees
