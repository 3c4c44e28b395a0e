"""Attention over shared keys and values and each variant's own, against plain attention of every variant with all of its own."""

from itertools import product

import pytest
import torch

from circuitdsl.engine.attention import KeysOrValues, attend
from circuitdsl.engine.indexing import Indexing

LAYER, HEADS, VARIANTS, PROMPTS, LENGTH = 1, 3, 4, 2, 7
PLACES = {"none": None, "some that lie together": (2, 3), "some that do not": (0, 2, 6), "all": tuple(range(LENGTH))}


def numbers(adapter, *sizes):
    return torch.randn(*sizes, HEADS, adapter.shape.head_width, dtype=adapter.dtype)


def given(adapter, at):
    """KeysOrValues as the engine has them, and the same for each variant."""
    shared, own = numbers(adapter, PROMPTS, LENGTH), numbers(adapter, VARIANTS, PROMPTS, len(at or ()))
    if at is None:
        return KeysOrValues(shared), shared[None]
    if len(at) == LENGTH:
        return KeysOrValues(None, own), own
    every = shared.expand(VARIANTS, *shared.shape).clone()
    every[:, :, list(at)] = own
    return KeysOrValues(shared, own, at), every


@pytest.mark.parametrize(("of_keys", "of_values"), list(product(PLACES, PLACES)))
@pytest.mark.parametrize("variants", [1, VARIANTS])
@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_it_is_attention_of_each_variant(tiny, name, variants, of_keys, of_values):
    torch.manual_seed(0)
    adapter, positions = tiny(name), (1, 5, 6)
    (k, every_k), (v, every_v) = given(adapter, PLACES[of_keys]), given(adapter, PLACES[of_values])
    q = numbers(adapter, variants, PROMPTS, len(positions))
    found, pattern = attend(adapter, Indexing(adapter.device), LAYER, q, k, v, torch.tensor(positions))
    m = max(len(q), len(every_k), len(every_v))
    for variant in range(m):
        each = (one[variant % len(one)] for one in (q, every_k, every_v))
        expected, weights = adapter.attend(LAYER, *each, torch.tensor(positions))
        assert torch.allclose(found[variant], expected, rtol=0, atol=1e-12)
        assert torch.allclose(pattern[variant % len(pattern)], weights, rtol=0, atol=1e-12)
    assert len(found) == m


def test_what_is_shared_is_multiplied_once(tiny, monkeypatch):
    adapter, seen = tiny("gpt2"), []
    monkeypatch.setattr(adapter, "scores", lambda layer, q, k, own=adapter.scores: seen.append(k.shape[:2]) or own(layer, q, k))
    (k, _), (v, _) = given(adapter, (4,)), given(adapter, None)
    attend(adapter, Indexing(adapter.device), LAYER, numbers(adapter, VARIANTS, PROMPTS, 1), k, v, torch.tensor((6,)))
    assert seen == [(PROMPTS, LENGTH), (VARIANTS * PROMPTS, 1)]
