"""Simulations have fixed seeds; their tolerances are binomial: a right program fails one of them in about ten thousand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import Estimand, Member
from circuitdsl.borders.verdict import ClaimVerdict, Question
from circuitdsl.statistics import judge


@pytest.fixture
def plausible() -> Callable[..., bool]:
    """`plausible(hits, trials, low, high)`: whether a share between low and high (high = low if left out) explains the hits."""

    def check(hits: int, trials: int, low: float, high: float | None = None) -> bool:
        from scipy.stats import binom

        least, most = binom.ppf(5e-5, trials, low), binom.ppf(1 - 5e-5, trials, low if high is None else high)
        return bool(least <= hits <= most)

    return check


@pytest.fixture
def ask() -> Callable[..., ClaimVerdict]:
    """Judges one claim of one member: `ask(estimand, columns, ">=", 0.5, margin=…, clusters=…, ranges=…, everything=…)`."""

    def verdict(
        estimand: Estimand,
        columns: dict[str, np.ndarray],
        operator: str | None = None,
        value: float = 0.0,
        margin: float | None = None,
        clusters: np.ndarray | None = None,
        **known: Any,
    ) -> ClaimVerdict:
        n = np.shape(next(iter(columns.values())))[-1]
        comparison = Comparison(operator, value, margin) if operator else None
        labels = np.arange(n) if clusters is None else clusters
        question = Question("claim", comparison, (Member("claim", estimand),), columns, labels, **known)
        return judge([question], confidence=0.95, seed=0)[0]

    return verdict
