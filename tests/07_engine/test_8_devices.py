"""Nothing of the engine is bound to a device or a type: no waiting for the device while steps run, and float32, float64 and bfloat16.

Without a graphics card here, waiting is found by refusing the operations that make the host wait for one, whatever the device.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AnswerBeats, AttentionWeight, KLDivergence, MetricValue, Readout, SameArgmax, Top1
from circuitdsl.borders.units import EMBED, Unit
from circuitdsl.borders.values import Algebra, Gather, Mean, Override, Run
from circuitdsl.engine.captures import Captures, capture
from circuitdsl.engine.chunk import Chunk
from circuitdsl.engine.executor import execute
from circuitdsl.engine.worlds import CapturedPool, average
from circuitdsl.planning import plan

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "repeat_interleave.Tensor")
ROWS = tuple(range(8))
CLEAN, ABC = Run("clean"), Run("abc")
BOUNDS = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 6e-2}
"""Of a number, as a share of the largest."""


class NoWaiting(TorchDispatchMode):
    """Refuses what a device would have to finish its work for: numbers taken out of tensors, shapes that depend on them, copies back."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten.")
        assert not name.startswith(WAITING), f"{name} waits for the device"
        indices = args[1] if name.startswith(("index.Tensor", "index_put")) else ()
        assert not any(index is not None and index.dtype is torch.bool for index in indices), f"{name} by a mask waits for the device"
        return func(*args, **(kwargs or {}))


def readouts(shape) -> list[Readout]:
    """Every kind of step: heads by q, k and v, MLPs, neurons, ablation by a mean and by donors, patterns, each kind of readout."""
    algebra = Algebra()
    embed = Override(EMBED, None, algebra.base(CLEAN, EMBED))
    mix = algebra.mix([embed])
    first = [
        algebra.recomputed(unit, ABC, dict.fromkeys(unit.ports, mix)) for unit in (Unit("head", 0, 1), Unit("head", 0, 2), Unit("mlp", 0))
    ]
    later = algebra.mix([Override(value.unit, None, value) for value in first], mix)
    head = Unit("head", 1, 3)
    ports = [algebra.recomputed(head, ABC, {port: later}) for port in "qkv"]
    neuron = algebra.recomputed(Unit("neuron", 1, 3), ABC, {"in": later})
    found = []
    for value in (*ports, neuron):
        for world in (ABC, Mean("abc"), Gather("abc", "other")):
            logits = algebra.logits(world, algebra.mix([Override(value.unit, None, value)], later))
            found.append(MetricValue(logits, "clean", "ld"))
    found += [readout(logits, "clean", None) for readout in (AnswerBeats, Top1)]
    found += [readout(logits, "clean", None, algebra.logits(CLEAN)) for readout in (KLDivergence, SameArgmax)]
    found.append(AttentionWeight(ports[0], "clean"))
    return found


@pytest.fixture
def numbers(space):
    """`numbers(adapter, around=…)`: every readout on every row [readouts, rows]; base runs are there already."""

    def run(adapter, around=None):
        file = space(adapter.shape)
        planned = plan([Request(readout, ROWS) for readout in readouts(adapter.shape)], file)
        captures = Captures()
        execute(planned, adapter, file, captures=captures)
        found = execute(planned, adapter, file, captures=captures)
        return np.array([found[request.readout.digest] for request in planned.requests]), planned, file, captures

    return run


def test_no_step_waits_for_the_device(tiny, family, numbers, monkeypatch):
    adapter = tiny(family, dtype="float32")
    steps, original = [], Chunk.run

    def run(self, step):
        steps.append(type(step).__name__)
        with NoWaiting():
            original(self, step)

    numbers(adapter)  # weights are gathered once, when a unit is first asked for, which may look at indices
    monkeypatch.setattr(Chunk, "run", run)
    numbers(adapter)
    assert {"Normalise", "Project", "Attend", "Transform", "Write", "ReadLogits"} <= set(steps)


def test_waiting_would_be_noticed():
    tensor = torch.arange(4.0)
    for wait in (lambda: tensor[0].item(), lambda: tensor[tensor > 1], lambda: bool(tensor.any()), lambda: tensor.nonzero()):
        with NoWaiting(), pytest.raises(AssertionError, match="waits for the device"):
            wait()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_types_agree_within_their_precision(tiny, family, numbers, dtype):
    """With the same weights, rounded to the type first, so that only the arithmetic differs."""
    rounded = tiny(family, dtype=dtype)
    exact = tiny(family, dtype="float64")
    exact.model.load_state_dict({name: value.double() for name, value in rounded.model.state_dict().items()})
    found, planned, *_ = numbers(rounded)
    wanted, *_ = numbers(exact)
    graded = MetricValue | KLDivergence | AttentionWeight
    compared = [number for number, request in enumerate(planned.requests) if isinstance(request.readout, graded)]
    scale = np.abs(wanted[compared]).max()
    assert np.abs(found[compared] - wanted[compared]).max() <= BOUNDS[dtype] * scale
    assert found.dtype == np.float64


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("chunk", [1, 64])
def test_a_mean_of_many_prompts_is_no_less_precise_than_its_parts(tiny, dtype, chunk):
    adapter, rows = tiny("gpt2", dtype=dtype), 600
    tokens = torch.randint(0, adapter.shape.vocabulary, (rows, 4), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        run = capture(adapter, tokens, 1)

        def pools(some):
            return CapturedPool(adapter, capture(adapter, tokens[list(some)], 1))

        found = average(adapter, pools, [range(rows)], chunk, 1, [(0, 3)])
        wanted = run.embed, run.heads[0], run.mlps[0], CapturedPool(adapter, run).neurons(0, (3,))
        for one, all_ in zip((found.embed, found.heads(0), found.mlp(0), found.neurons(0, (3,))), wanted, strict=True):
            mean = all_.double().mean(0)
            assert one.dtype is adapter.dtype
            torch.testing.assert_close(one[0].double(), mean, rtol=0, atol=2 * torch.finfo(adapter.dtype).eps * float(mean.abs().max()))
