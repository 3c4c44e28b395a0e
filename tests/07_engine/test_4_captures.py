"""A run that stops early is the beginning of the whole one, and leaves no hook."""

import pytest
import torch

from circuitdsl.borders.units import WriteGroup


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_first_layers(tiny, family, unhooked, layers):
    adapter = tiny(family)
    tokens = torch.tensor([[3, 9, 27, 4], [5, 8, 1, 2]])
    whole, part = adapter.capture(tokens), adapter.capture(tokens, layers)
    assert unhooked(adapter)
    for name in ("heads", "mlps", "keys", "values"):
        found = getattr(part, name)
        assert len(found) == layers
        assert all(torch.equal(a, b) for a, b in zip(found, getattr(whole, name), strict=False))
    assert torch.equal(part.embed, whole.embed)
    assert torch.equal(part.reads[WriteGroup(layers, "attention")], whole.reads[WriteGroup(layers, "attention")])
