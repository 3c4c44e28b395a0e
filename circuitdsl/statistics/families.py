"""Many questions at once: Holm's correction in two directions, intersection-union, and e-Benjamini-Hochberg."""

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


def both_ways(p_values: Sequence[float]) -> np.ndarray:
    """What the p-values of one direction, of all claims of a file, are multiplied by to be read against α, at least 1.

    Twice Holm's multipliers, the first of them one less: for m claims 2(m − 1), 2(m − 1), 2(m − 2), …, 2 in the order of the p-values,
    made monotone; and 1 where there is but one claim. If each direction is decided so, **some verdict is wrong with probability at most
    α**, for any number of claims and however they depend on each other.

    Proof. Each claim is either true or false, so it can be wrong in one direction only. Let s claims be false and r = m − s be true; the
    p-values of support of the s, and of refutation of the r, are valid. Suppose a false claim is supported, and take the one with the
    smallest p-value of support, at rank k: the k − 1 before it are true, so k − 1 ≤ r.

    - One claim: either no support can be wrong or no refutation, and the other is with probability at most α.
    - Both s and r at least 1: its multiplier is at least 2 min(m − k + 1, m − 1) ≥ 2s, so one of s valid p-values is at most α/2s:
      probability at most α/2 (Bonferroni). Wrong refutations have at most α/2 likewise; together α.
    - r = 0: no refutation can be wrong. One of m valid p-values is at most α/2(m − 1): probability at most α m/2(m − 1) ≤ α for m ≥ 2.
      So for s = 0. ∎

    One claim has all of α in each direction, and two have α/2, which no procedure can better; halving α between the directions first,
    and Holm within each, would multiply by 2m, 2(m − 1), …, 2. Holm over the smaller p-value of each claim, by m, m − 1, …, 1, would
    err up to twice as often: a claim near its bound that is rightly decided makes way for another, and the two can depend.
    """
    raw = np.asarray(p_values, dtype=float)
    size = len(raw)
    if size <= 1:
        return np.ones(size)
    order = np.argsort(raw, kind="stable")
    counts = 2.0 * np.minimum(np.arange(size, 0, -1), size - 1)
    factors = np.empty(size)
    factors[order] = np.divide(np.maximum.accumulate(raw[order] * counts), raw[order], out=counts.copy(), where=raw[order] > 0)
    return factors


def e_bh(e_values: Sequence[float], level: float) -> np.ndarray:
    """Which nulls e-BH rejects (Wang & Ramdas 2022): the k largest e-values, k the largest with e_(k) ≥ m / (k·level).

    The false discovery rate is at most `level`, however the e-values depend on each other and whenever one stops.
    """
    values = np.asarray(e_values, dtype=float)
    ranked = np.sort(values)[::-1]
    good = np.flatnonzero(ranked * np.arange(1, len(values) + 1) >= len(values) / level)
    return values >= ranked[good[-1]] if len(good) else np.zeros(len(values), dtype=bool)
