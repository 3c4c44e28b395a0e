"""The mean of a column over prompts: Student's t over strata or clusters."""

import math
from collections.abc import Mapping

import numpy as np

from circuitdsl.borders.measure import MeanOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Analysis, combine, joined, noise
from circuitdsl.statistics.replicates import components
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import StudentTails, student_quantile


def mean_interval(values: np.ndarray, sample: Sample, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of [..., N], its standard error and the half-width of its interval, each [...]."""
    from scipy.special import stdtrit

    error = np.sqrt(sample.variance(values))
    return values.mean(axis=-1), error, error * stdtrit(sample.degrees(values), (1 + confidence) / 2)


def analyse_mean(estimand: MeanOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """`columns` [N] or [R, N]. A column that is the same on every prompt, or on all of a template, has its mean as interval."""
    values = combine(estimand.of, columns)
    if estimand.absolute:
        values = np.abs(values.mean(axis=0) if values.ndim == 2 else values)
    draws = components(values, sample) if values.ndim == 2 else None
    by_bank = values.mean(axis=1) if estimand.banks and values.ndim == 2 else None
    values = values.mean(axis=0) if values.ndim == 2 else values
    value, tolerance = float(values.mean()), noise(columns, estimand.of)
    error, degrees = math.sqrt(sample.variance(values)), float(sample.degrees(values))
    if by_bank is not None:
        error, degrees = between_banks(error, degrees, by_bank)
    if (sample.spread(values) <= tolerance and (by_bank is None or np.ptp(by_bank) <= tolerance)) or error == 0:  # which may underflow
        note = sample.agreement("number", values, tolerance)
        estimate = Estimate(value=value, low=value, high=value, standard_error=0.0, n=sample.n, method=sample.method, note=note)
        return Analysis(estimate, StudentTails(lambda theta: math.nan, 1.0), True, tolerance, sample.alike(values, tolerance))
    half = error * student_quantile((1 + confidence) / 2, degrees)
    estimate = Estimate(
        value=value,
        low=value - half,
        high=value + half,
        standard_error=error,
        n=sample.n,
        method=f"mean, t interval ({degrees:.3g} df), {sample.method}",
        note=joined(draws.note if draws else ""),
    )
    return Analysis(estimate, StudentTails(lambda theta: (value - theta) / error, degrees), False, tolerance, sample.units)


def between_banks(error: float, degrees: float, means: np.ndarray) -> tuple[float, float]:
    """A standard error over prompts with that over R banks added, each bank being one draw for all prompts: `means` [R].

    What prompts draw for themselves is in both parts, so the whole is never too small. Degrees of freedom are Satterthwaite's.
    """
    own, between = error**2, float(means.var(ddof=1)) / len(means)
    parts = own**2 / degrees + between**2 / (len(means) - 1)
    return math.sqrt(own + between), (own + between) ** 2 / parts if parts else degrees
