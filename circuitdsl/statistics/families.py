"""Many questions at once: Holm's correction, intersection-union, and e-Benjamini-Hochberg."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values (Holm 1979), in the order given: valid however the tests depend on each other.

    The k-th smallest of m times m − k + 1, made monotone. (statsmodels has it too, but collects garbage in every call.)
    """
    raw = np.asarray(p_values, dtype=float)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)))
    return adjusted


def all_hold(p_values: Sequence[float]) -> float:
    """P-value of "some member is false": the largest (intersection-union, Berger 1982). No correction is needed."""
    return max(p_values, default=1.0)


def some_fails(p_values: Sequence[float]) -> float:
    """P-value of "every member is true": the smallest after Holm, that is the smallest times their number."""
    return min(1.0, len(p_values) * min(p_values)) if p_values else 1.0


def multipliers(p_values: Sequence[float]) -> np.ndarray:
    """What Holm multiplies each p-value by, at least 1: the adjusted over the raw."""
    raw = np.asarray(p_values, dtype=float)
    return np.divide(holm(raw), raw, out=np.full(len(raw), float(len(raw))), where=raw > 0)


def e_bh(e_values: Sequence[float], level: float) -> np.ndarray:
    """Which nulls e-BH rejects (Wang & Ramdas 2022): the k largest e-values, k the largest with e_(k) ≥ m / (k·level).

    The false discovery rate is at most `level`, however the e-values depend on each other and whenever one stops.
    """
    values = np.asarray(e_values, dtype=float)
    ranked = np.sort(values)[::-1]
    good = np.flatnonzero(ranked * np.arange(1, len(values) + 1) >= len(values) / level)
    return values >= ranked[good[-1]] if len(good) else np.zeros(len(values), dtype=bool)
