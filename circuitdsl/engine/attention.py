"""Attention over keys and values that variants share, beside those that each has of its own: the shared ones are multiplied once.

M variants or one that stands for all, B prompts, n heads, P queries, T keys, h numbers. Scores and patterns are [B, n, M, P, T].
"""

from typing import NamedTuple

from torch import Tensor

from circuitdsl.borders.adapter import Adapter
from circuitdsl.engine.places import Places


class Keys(NamedTuple):
    """Keys or values: those that all variants share [B, T, n, h], and each variant's own [M, B, A, n, h] at A places, or at all."""

    shared: Tensor | None
    own: Tensor | None = None
    at: tuple[int, ...] | None = None


def attend(adapter: Adapter, places: Places, layer: int, q: Tensor, k: Keys, v: Keys, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Queries [M, B, P, n, h] at positions [P] → weighted values [M, B, P, n, h] and pattern [M, B, n, P, T]."""
    pattern = adapter.pattern(layer, _scores(adapter, places, layer, q, k), positions)
    return _mix(places, pattern, v), pattern.permute(2, 0, 1, 3, 4)


def _scores(adapter: Adapter, places: Places, layer: int, q: Tensor, k: Keys) -> Tensor:
    scores = None
    if k.shared is not None:
        along = q.transpose(0, 1).flatten(1, 2)
        scores = adapter.scores(layer, along, k.shared).unflatten(2, (len(q), -1))
        if k.own is None:
            return scores
    assert k.own is not None
    m = max(len(q), len(k.own))
    queries, keys = (one.expand(m, *one.shape[1:]).flatten(0, 1) for one in (q, k.own))
    own = adapter.scores(layer, queries, keys).unflatten(0, (m, -1)).permute(1, 2, 0, 3, 4)
    if scores is None:
        return own
    if len(q) < m:
        scores = scores.expand(-1, -1, m, -1, -1).clone()
    at = places.along(k.at)
    if isinstance(at, slice):
        scores[..., at] = own
    else:
        scores.index_copy_(-1, at, own)
    return scores


def _mix(places: Places, pattern: Tensor, v: Keys) -> Tensor:
    found = None
    if v.own is not None:
        m = max(pattern.shape[2], len(v.own))
        taken = places.take(pattern, None, None, None, None, v.at).permute(2, 0, 1, 3, 4)
        weights, values = (one.expand(m, *one.shape[1:]).flatten(0, 1) for one in (taken, v.own))
        found = (weights @ values.transpose(1, 2)).unflatten(0, (m, -1)).transpose(2, 3)
        if v.shared is None:
            return found
        pattern = pattern.index_fill(-1, places.tensor(v.at or ()), 0)
    assert v.shared is not None
    shared = (pattern.flatten(2, 3) @ v.shared.transpose(1, 2)).unflatten(2, pattern.shape[2:4]).permute(2, 0, 3, 1, 4)
    return shared if found is None else found + shared
