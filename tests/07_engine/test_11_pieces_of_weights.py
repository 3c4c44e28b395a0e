"""What the planner decides about weights is done: of a whole layer they are taken as they lie, of the unembedding the named columns."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AnswerBeats, MetricValue
from circuitdsl.borders.steps import ReadLogits
from circuitdsl.borders.values import Algebra, Run
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan

ROWS = tuple(range(8))


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_a_whole_layers_weights_are_not_copied(tiny, name):
    adapter = tiny(name)
    own = {parameter.untyped_storage().data_ptr() for parameter in adapter.model.parameters()}
    heads = adapter.shape.heads
    for port, every in (("q", heads), ("k", adapter.shape.kv_heads), ("v", adapter.shape.kv_heads)):
        weight, _ = adapter._gather_port(1, port, tuple(range(every)))
        assert weight.untyped_storage().data_ptr() in own
    assert adapter._gather_output(1, tuple(range(heads))).untyped_storage().data_ptr() in own
    apart, _ = adapter._gather_port(1, "q", (0, 2))
    assert apart.untyped_storage().data_ptr() not in own


def test_named_tokens_give_the_numbers_of_the_whole_vocabulary(tiny, space, monkeypatch):
    adapter = tiny("gpt2")
    found, taken = space(adapter.shape), []
    original = adapter.logits
    monkeypatch.setattr(adapter, "logits", lambda reads, columns=None: taken.append(columns) or original(reads, columns))
    value = Algebra().logits(Run("clean"))
    planned = plan([Request(readout(value, "clean", "ld"), ROWS) for readout in (MetricValue, AnswerBeats)], found)
    named = execute(planned, adapter, found)
    assert len(taken) and all(columns is not None and len(columns) < adapter.shape.vocabulary for columns in taken)
    taken.clear()
    panels = tuple(
        replace(panel, steps=tuple(replace(step, whole=True) if isinstance(step, ReadLogits) else step for step in panel.steps))
        for panel in planned.panels
    )
    whole = execute(replace(planned, panels=panels), adapter, found)
    assert len(taken) and all(columns is None for columns in taken)
    for digest, numbers in named.items():
        np.testing.assert_allclose(numbers, whole[digest], rtol=1e-12)
