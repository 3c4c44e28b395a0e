"""Requests to numbers: what the engine's `execute` answers, slowly."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import Readout
from circuitdsl.borders.values import Draw
from circuitdsl.oracle.evaluator import Evaluator, MeasuredPrompt
from circuitdsl.oracle.modules import Modules
from circuitdsl.oracle.readouts import number


@torch.no_grad()
def evaluate(
    requests: Sequence[Request], hypothesis: Hypothesis, adapter: Adapter, draws: Mapping[str | Draw, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Readout digest → float64 numbers, or vectors [d], one a row of its request.

    `draws[name][row]` is the donor of that row in a `Gather`.
    """
    evaluator = Evaluator(Modules(adapter), hypothesis, draws or {})
    prompts = {name: distribution.prompts for name, distribution in hypothesis.distributions.items()}

    def of_row(readout: Readout, row: int) -> float | np.ndarray:
        return number(readout, MeasuredPrompt(readout.labels, row, prompts[readout.labels][row]), evaluator)

    return {
        request.readout.digest: np.array([of_row(request.readout, row) for row in request.rows], dtype=np.float64) for request in requests
    }
