"""Attention over keys and values that variants share, beside those that each has of its own: the shared ones are multiplied once.

M variants or one that stands for all, B prompts, n heads, P queries, T keys, h numbers. Scores and patterns are [B, n, M, P, T].
"""

from typing import NamedTuple

import torch
from torch import Tensor

from circuitdsl.borders.adapter import Adapter
from circuitdsl.engine.indexing import Indexing


class KeysOrValues(NamedTuple):
    """Keys or values: those that all variants share [B, T, n, h], and each variant's own [M, B, A, n, h] at A indexing, or at all."""

    shared: Tensor | None
    own: Tensor | None = None
    at: tuple[int, ...] | None = None


def attend(
    adapter: Adapter, indexing: Indexing, layer: int, q: Tensor, k: KeysOrValues, v: KeysOrValues, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Queries [M, B, P, n, h] at positions [P] → weighted values [M, B, P, n, h] and pattern [M, B, n, P, T]."""
    pattern = adapter.pattern(layer, _scores(adapter, indexing, layer, q, k), positions)
    return _mix(indexing, pattern, v), pattern.permute(2, 0, 1, 3, 4)


def _scores(adapter: Adapter, indexing: Indexing, layer: int, q: Tensor, k: KeysOrValues) -> Tensor:
    scores = None
    if k.shared is not None:
        along = q.transpose(0, 1).flatten(1, 2)
        scores = torch.unflatten(adapter.scores(layer, along, k.shared), 2, (len(q), -1))
        if k.own is None:
            return scores
    assert k.own is not None
    m = max(len(q), len(k.own))
    queries, keys = (one.expand(m, *one.shape[1:]).flatten(0, 1) for one in (q, k.own))
    own = torch.unflatten(adapter.scores(layer, queries, keys), 0, (m, -1)).permute(1, 2, 0, 3, 4)
    if scores is None:
        return own
    if len(q) < m:
        scores = scores.expand(-1, -1, m, -1, -1).clone()
    at = indexing.along(k.at)
    if isinstance(at, slice):
        scores[..., at] = own
    else:
        scores.index_copy_(-1, at, own)
    return scores


def _mix(indexing: Indexing, pattern: Tensor, v: KeysOrValues) -> Tensor:
    found = None
    if v.own is not None:
        m = max(pattern.shape[2], len(v.own))
        taken = indexing.take(pattern, None, None, None, None, v.at).permute(2, 0, 1, 3, 4)
        weights, values = (one.expand(m, *one.shape[1:]).flatten(0, 1) for one in (taken, v.own))
        found = torch.unflatten(weights @ values.transpose(1, 2), 0, (m, -1)).transpose(2, 3)
        if v.shared is None:
            return found
        pattern = pattern.index_fill(-1, indexing.tensor(v.at or ()), 0)
    assert v.shared is not None
    shared = torch.unflatten(pattern.flatten(2, 3) @ v.shared.transpose(1, 2), 2, pattern.shape[2:4]).permute(2, 0, 3, 1, 4)
    return shared if found is None else found + shared
