"""Requests to numbers: what the engine's `execute` answers, slowly."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Arithmetic, Divergence, Expression, FoldOver
from circuitdsl.borders.units import LOGITS
from circuitdsl.borders.values import Base, Draw, Readout, Recomputed, Run
from circuitdsl.oracle import readouts
from circuitdsl.oracle.modules import Modules
from circuitdsl.oracle.worlds import Measured, Worlds


class Request(Protocol):
    """A readout and the rows, of the distribution of its labels, that are asked for."""

    @property
    def readout(self) -> Readout: ...

    @property
    def rows(self) -> tuple[int, ...]: ...


@torch.no_grad()
def evaluate(
    requests: Sequence[Request], hypothesis: Hypothesis, adapter: Adapter, draws: Mapping[str | Draw, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Readout digest → float64 numbers, or vectors [d], one a row of its request.

    `draws[name][row]` is the donor of that row in a `Gather`.
    """
    worlds = Worlds(Modules(adapter), hypothesis, draws or {})
    return {
        request.readout.digest: np.array([_number(request.readout, row, worlds) for row in request.rows], dtype=np.float64)
        for request in requests
    }


def _number(readout: Readout, row: int, worlds: Worlds) -> float | np.ndarray:
    hypothesis = worlds.hypothesis
    at = Measured(readout.labels, row, hypothesis.distributions[readout.labels].prompts[row])
    if readout.vector:
        assert isinstance(readout.value, Base)
        stream = (
            worlds.value(readout.value, at) if readout.kind == "written" else worlds.read(readout.value.unit, readout.value.world, None, at)
        )
        return stream[0].double().cpu().numpy()[list(at.prompt.layout.positions(readout.query))].mean(0)
    value = worlds.value(readout.value, at)
    if readout.kind == "attention":
        layout = at.prompt.layout
        pattern = worlds.pattern(readout.value, at).double().cpu().numpy()
        weights = [sum(pattern[q, k] for k in layout.positions(readout.key)) for q in layout.positions(readout.query)]
        return float(sum(weights) / len(weights))

    if readout.kind == "moved":
        assert readout.reference is not None
        here, there = (worlds.pattern(one, at).double().cpu().numpy() for one in (readout.value, readout.reference))
        return float(np.mean([np.abs(here[q] - there[q]).sum() / 2 for q in at.prompt.layout.positions(readout.query)]))

    logits = value.double().cpu().numpy()
    assert readout.metric is not None
    metric = hypothesis.metrics[readout.metric]
    if readout.kind == "metric":
        expression = metric.bound[readout.labels]
        own = Recomputed(LOGITS, Run(readout.labels), (("in", None),))
        model = worlds.value(own, at).double().cpu().numpy() if _needs_model(expression) else logits
        return float(readouts.metric(expression, row, logits, model))

    position = metric.positions[readout.labels][row]
    if readout.kind == "beats":
        return readouts.beats(at.prompt, logits[position])
    if readout.kind == "top1":
        return readouts.top1(at.prompt, logits[position])
    assert readout.reference is not None
    reference = worlds.value(readout.reference, at).double().cpu().numpy()
    measure = readouts.kl if readout.kind == "kl" else readouts.agrees
    return measure(reference[position], logits[position])


def _needs_model(expression: Expression) -> bool:
    match expression:
        case Arithmetic(_, left, right):
            return _needs_model(left) or _needs_model(right)
        case FoldOver(_, body, _):
            return _needs_model(body)
    return isinstance(expression, Divergence)
