"""What goes wrong while a plan runs is said in words, and leaves the model as it was."""

import numpy as np
import pytest
import torch

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import CircError
from circuitdsl.borders.values import Algebra, Run
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan

ROWS = tuple(range(8))


def planned(space, metric="ld"):
    return plan([Request(MetricValue(Algebra().logits(Run("clean")), "clean", metric), ROWS)], space)


def test_a_number_that_is_not_finite_names_its_readout(tiny, space):
    adapter = tiny("gpt2")
    space = space(adapter.shape)
    with pytest.raises(CircError, match="C510: `broken` of logits is not finite on 8 of 8 prompts, first on “clean 0”") as caught:
        execute(planned(space, "broken"), adapter, space)
    assert "division by zero" in caught.value.diagnostics[0].hint


def test_an_overflow_in_half_precision_points_at_the_type(tiny, space):
    adapter = tiny("gpt2", dtype="float16")
    space = space(adapter.shape)
    with torch.no_grad():
        adapter.parts(0).down.bias.fill_(60000)
        adapter.parts(1).down.bias.fill_(60000)
    with pytest.raises(CircError, match="C510") as caught:
        execute(planned(space), adapter, space)
    assert "float32" in caught.value.diagnostics[0].hint


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_no_hook_is_left_behind(tiny, space, unhooked, error):
    adapter = tiny("gpt2")
    space = space(adapter.shape)

    def fail(module, args):
        raise error

    handle = adapter.parts(1).mlp.register_forward_pre_hook(fail)
    with pytest.raises(error):
        execute(planned(space), adapter, space)
    handle.remove()
    assert unhooked(adapter)
    assert np.isfinite(next(iter(execute(planned(space), adapter, space).values()))).all()


def test_progress_counts_rows_up_to_all(tiny, space):
    adapter = tiny("gpt2")
    space = space(adapter.shape)
    said = []
    execute(planned(space), adapter, space, progress=lambda done, every: said.append((done, every)))
    assert said == [(4, 8), (8, 8)]


def test_nothing_of_the_model_changes(tiny, space):
    adapter = tiny("llama")
    before = {name: parameter.clone() for name, parameter in adapter.model.named_parameters()}
    space = space(adapter.shape)
    execute(planned(space), adapter, space)
    assert all(torch.equal(parameter, before[name]) for name, parameter in adapter.model.named_parameters())
