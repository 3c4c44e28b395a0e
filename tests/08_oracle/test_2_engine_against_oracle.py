"""The fast engine says what the oracle says, on values that nobody would ask for: every family, world, port, position and readout."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AttentionWeight, KLDivergence, MetricValue
from circuitdsl.borders.values import Draw
from circuitdsl.engine.executor import execute
from circuitdsl.models.exact import exact
from circuitdsl.oracle import evaluate
from circuitdsl.planning import plan

EVERY, ONE_A_LAYOUT = (0, 1, 2, 3, 4, 5), (0, 3, 4)
on_each_kind = pytest.mark.parametrize("kind", ["gemma2", "gpt2", "neox", "olmo2", "qwen2"])
"""Families for cases that are about rows, donors, memory and types: all that differs between families has been compared before. Norms
after the sums with grouped queries, windows and caps; biases; blocks in parallel; norms across heads and none before; another window."""


def both(requests, space, adapter, **options):
    """The plan's requests, and what the engine and the oracle say to them under the same draws."""
    planned = plan(requests, space, **options)
    return planned.requests, execute(planned, adapter, space), evaluate(planned.requests, space, adapter, planned.draws)


def agree(requests, fast, slow, tolerance):
    for request in requests:
        readout = request.readout
        found, expected = fast[readout.digest], slow[readout.digest]
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=repr(readout.question))


def test_random_values(tiny, family, layouts, hypothesis, random_values):
    seed = sum(map(ord, family)) % 10
    adapter = tiny(family, seed)
    space = hypothesis(adapter.shape, seed)
    count = 25 if family in layouts else 8
    requests = [Request(readout, EVERY) for readout in random_values(adapter.shape, seed).readouts(count)]
    with exact():
        agree(*both(requests, space, adapter), 1e-9)


@on_each_kind
def test_random_values_on_some_rows_of_the_counterfactuals(tiny, kind, hypothesis, random_values):
    adapter = tiny(kind, 7)
    space = hypothesis(adapter.shape, 7)
    readouts = random_values(adapter.shape, 7).readouts(12, labels="abc")
    requests = [Request(readout, (4, 0, 3) if i % 2 else (5, 1)) for i, readout in enumerate(readouts)]
    with exact():
        agree(*both(requests, space, adapter), 1e-9)


def test_random_claims(tiny, layout_family, random_claims):
    seed = len(layout_family)  # another circuit for most families
    adapter = tiny(layout_family, seed)
    made = random_claims(adapter.shape, seed)
    requests = [Request(readout, ONE_A_LAYOUT) for readout in made.readouts()]
    assert len(requests) > 15
    with exact():
        agree(*both(requests, made.space, adapter), 1e-9)


@on_each_kind
def test_random_values_under_absolute_alignment(tiny, kind, hypothesis, random_values):
    """Donors and means by length, from layouts that differ; overrides where a donor has their roles."""
    seed = sum(map(ord, kind)) % 7
    adapter = tiny(kind, seed)
    space = hypothesis(adapter.shape, seed)
    space = replace(space, settings=replace(space.settings, align="absolute"))
    drawn = Draw("clean", "pool", "one"), Draw("clean", "pool", "two", given=Draw("clean", "pool", "one"))
    requests = [Request(readout, EVERY) for readout in random_values(adapter.shape, seed, drawn).readouts(12)]
    planned = plan(requests, space)
    layouts = [[prompt.layout for prompt in space.distributions[name].prompts] for name in ("clean", "pool")]
    assert any(layouts[0][row] != layouts[1][donor] for draw in drawn for row, donor in enumerate(planned.draws[draw]))
    with exact():
        agree(*both(requests, space, adapter), 1e-9)


@on_each_kind
def test_memory_and_order_change_nothing(tiny, kind, hypothesis, random_values):
    """One prompt at a time, requests turned round, or everything at once."""
    adapter = tiny(kind, 5)
    space = hypothesis(adapter.shape, 5)
    requests = [Request(readout, EVERY) for readout in random_values(adapter.shape, 5).readouts(15)]
    with exact():
        whole = execute(plan(requests, space), adapter, space)
        pieces = execute(plan(requests[::-1], space, memory=1), adapter, space)
    agree(plan(requests, space).requests, pieces, whole, 1e-12)


@on_each_kind
def test_float32_agrees_to_its_precision(tiny, kind, hypothesis, random_values):
    """Against the oracle on the same weights in float32, and in float64."""
    space = hypothesis(tiny(kind).shape, 3)
    readouts = random_values(space.shape, 3).readouts(8)
    requests = [Request(readout, EVERY) for readout in readouts if isinstance(readout, MetricValue | KLDivergence | AttentionWeight)]
    precise, rough = tiny(kind, 3), tiny(kind, 3, dtype="float32")
    agree(*both(requests, space, rough), 1e-5)
    with exact():
        planned, _, slow = both(requests, space, precise)
    agree(planned, execute(plan(requests, space), rough, space), slow, 1e-4)
