"""A run that stops early is the beginning of the whole one, and leaves no hook."""

import pytest
import torch

from circuitdsl.borders.units import WriteGroup
from circuitdsl.engine.captures import Captures


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


def test_what_was_used_longest_ago_makes_room(tiny, space):
    adapter = tiny("gpt2")
    space = space(adapter.shape)

    def run(captures, *rows):
        return captures.run(adapter, space, "clean", rows, adapter.shape.layers)

    whole = Captures()
    first = run(whole, 0)
    budget = 2 * whole.bytes
    assert len(whole) == 1 and run(whole, 0) is first
    small = Captures(budget=budget)
    kept = [run(small, row) for row in (0, 2)]
    assert run(small, 0) is kept[0]  # row 2 is now the oldest
    run(small, 4)
    assert len(small) == 2 and small.bytes <= budget
    assert run(small, 0) is kept[0] and run(small, 2) is not kept[1]
    none = Captures(budget=0)
    assert run(none, 0) is not run(none, 0) and len(none) == 0
