"""A share of prompts: exact binomial, and no more prompts counted than the templates are worth."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.measure import ProportionOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Analysis, joined
from circuitdsl.statistics.replicates import components
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import BetaTails, student_quantile


class Interval(NamedTuple):
    low: float
    high: float


def clopper_pearson(count: float, n: float, confidence: float) -> Interval:
    """Clopper and Pearson's interval of a share; `count` and `n` need not be whole (an effective number of prompts)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return Interval(low, high)


def effective_prompts(values: np.ndarray, sample: Sample, confidence: float) -> float:
    """What n prompts in clusters are worth as independent ones, at most n (Korn & Graubard 1998).

    n / design effect · (t_{n−1} / t_{df})², the design effect being the cluster-robust variance over the binomial one; where all
    prompts agree there is neither, and a cluster is worth one. In fixed strata the binomial variance is already the larger, so n itself.
    """
    if sample.kind == "strata" or sample.units == sample.n:
        return float(sample.n)
    share = float(values.mean())
    if share in (0.0, 1.0):
        return float(sample.units)
    effect = float(sample.variance(values)) * (sample.n - 1) / (share * (1 - share))
    tail = (1 + confidence) / 2
    correction = student_quantile(tail, sample.n - 1) / student_quantile(tail, float(sample.degrees(values)))
    return min(float(sample.n), sample.n / effect * correction**2) if effect > 1 else float(sample.n)


def analyse_proportion(estimand: ProportionOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """A column of 0 and 1, [N] or [R, N]. Prompts count as independent unless ten templates or more say otherwise.

    Raises ValueError for numbers outside [0, 1] or, without replicates, between 0 and 1: a mean difference is no share.
    """
    column = np.asarray(columns[estimand.of], dtype=float)
    if not (np.isin(column, (0.0, 1.0))).all():
        raise ValueError(f"column {estimand.of!r} has other numbers than 0 and 1, so it is no share of prompts")
    draws = components(column, sample) if column.ndim == 2 else None
    values = column.mean(axis=0) if column.ndim == 2 else column
    share, worth = float(values.mean()), effective_prompts(values, sample, confidence)
    low, high = clopper_pearson(share * worth, worth, confidence)
    clustered = sample.kind == "clusters" and sample.units < sample.n
    method = f"worth {worth:.3g} independent prompts, {sample.method}" if clustered else sample.method
    estimate = Estimate(
        value=share,
        low=low,
        high=high,
        standard_error=math.sqrt(share * (1 - share) / worth),
        n=sample.n,
        method=f"exact binomial (Clopper-Pearson), {method}",
        note=joined(draws.note if draws else ""),
    )
    return Analysis(estimate, BetaTails(share * worth, worth), units=sample.units)
