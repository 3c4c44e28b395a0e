"""A run that stops early is the beginning of the whole one, and leaves no hook."""

from collections import Counter

import pytest
import torch

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import Algebra, Mean
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.models.exact import exact
from circuitdsl.planning import plan


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


@pytest.mark.parametrize("layers", [1, 2, None])
@pytest.mark.parametrize("at", [(1, 4), (3,), ()])
def test_the_last_layer_at_some_positions(tiny, family, unhooked, layers, at):
    """It has the whole run's numbers there and none elsewhere; what came before, and its keys and values, are as ever."""
    adapter = tiny(family)
    tokens = torch.tensor([[3, 9, 27, 4, 6], [5, 8, 1, 2, 7]])
    with exact():  # else transformers' softmax is of less precision
        whole, part = adapter.capture(tokens, layers), adapter.capture(tokens, layers, at)
    assert unhooked(adapter) and part.at == at and whole.at is None
    last = len(whole.heads) - 1
    partial = [(part.heads[last], whole.heads[last])]
    for name in ("heads", "mlps", "keys", "values"):
        found, expected = getattr(part, name), getattr(whole, name)
        assert len(found) == len(expected)
        for a, b in zip(found[:last], expected, strict=False):
            assert torch.equal(a, b)
    assert set(part.reads) == set(whole.reads)
    torch.testing.assert_close((part.keys[last], part.values[last]), (whole.keys[last], whole.values[last]))
    if adapter.shape.mlps:
        mlp = WriteGroup(last, "mlp")
        partial += [(part.mlps[last], whole.mlps[last]), (part.reads[mlp], whole.reads[mlp])]
    after = WriteGroup(0, "logits") if layers is None else WriteGroup(layers, "attention")
    for some, all_ in [*partial, (part.reads[after], whole.reads[after])]:
        torch.testing.assert_close(some[:, at], all_[:, at])
        assert some[:, [place for place in range(5) if place not in at]].isnan().all()


def test_a_run_at_more_positions_takes_the_place_of_one_at_fewer(tiny, space):
    adapter = tiny("gpt2")
    space, depth, captures = space(adapter.shape), adapter.shape.layers, Captures()

    def run(at, layers=depth):
        return captures.run(adapter, space, "clean", (0,), layers, at)

    few = run((2,))
    assert run((2,)) is few and run((2,), depth - 1) is few and few.at == (2,)
    more = run((1, 2))
    assert more is not few and run((2,)) is more
    every = run(None)
    assert every is not more and every.at is None and run((1, 2)) is every


def test_a_mean_is_made_once_for_all_panels(tiny, space):
    """Two plans over the same mean: its runs are made in the first alone, and the numbers are the same."""
    adapter = tiny("gpt2")
    space, algebra, made = space(adapter.shape), Algebra(), Counter()

    class Counting(Captures):
        def run(self, adapter, hypothesis, distribution, rows, layers, at=None):
            made[distribution] += len(rows)
            return super().run(adapter, hypothesis, distribution, rows, layers, at)

    captures = Counting(budget=0)
    planned = plan([Request(MetricValue(algebra.logits(Mean("abc")), "clean", "ld"), (0, 2))], space)
    first, second = (execute(planned, adapter, space, captures=captures) for _ in range(2))
    once = made["abc"]
    assert once and all((first[name] == second[name]).all() for name in first)
    execute(planned, adapter, space, captures=Counting(keep=False))
    assert made["abc"] == 2 * once
