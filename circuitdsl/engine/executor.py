"""Runs a plan: panel by panel, chunk by chunk, step by step."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.diagnostics import Diagnostics, refusal
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Panel, Plan
from circuitdsl.engine.captures import Captures, PanelWorlds
from circuitdsl.engine.chunk import Chunk
from circuitdsl.engine.indexing import Indexing

RowProgress = Callable[[int, int], None]
"""Called with the rows that are done and their number, over all panels."""


def execute(
    plan: Plan, adapter: Adapter, hypothesis: Hypothesis, *, progress: RowProgress | None = None, captures: Captures | None = None
) -> dict[str, np.ndarray]:
    """Readout digest → float64 numbers [N], or vectors [N, d], aligned with the request's rows.

    Prompts are taken in chunks that fit the plan's memory, smaller ones where memory runs out; the numbers do not depend on it.
    With `captures` plain runs are kept for the next plan. Raises CircError C510 for a number that is not finite, C511 if not
    even one prompt fits. Nothing of the model is changed.
    """
    columns = {
        request.readout.digest: np.full((len(request.rows), *[adapter.shape.width] * request.readout.vector), np.nan)
        for request in plan.requests
    }
    place = {request.readout.digest: {row: number for number, row in enumerate(request.rows)} for request in plan.requests}
    every, done = sum(len(panel.rows) for panel in plan.panels), 0
    captures = Captures(keep=False) if captures is None else captures
    with torch.inference_mode():
        for panel in plan.panels:
            for rows, numbers in _chunks(plan, panel, adapter, hypothesis, captures):
                for digest, found in numbers.items():
                    columns[digest][[place[digest][row] for row in rows]] = found
                done += len(rows)
                if progress is not None:
                    progress(done, every)
    _check(plan, columns, adapter, hypothesis)
    return columns


def _chunks(
    plan: Plan, panel: Panel, adapter: Adapter, hypothesis: Hypothesis, captures: Captures
) -> Iterator[tuple[tuple[int, ...], dict[str, np.ndarray]]]:
    """Numbers of each chunk. Where memory runs out, the chunk is halved and taken again."""
    size = panel.prompts(plan.memory, adapter.dtype.itemsize, adapter.device.type == "cpu")
    indexing = Indexing(adapter.device)
    worlds = PanelWorlds(adapter, hypothesis, plan, panel, captures, indexing, size)
    start = 0
    while start < len(panel.rows):
        rows = panel.rows[start : start + size]
        try:
            numbers = _run(panel, rows, worlds)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if size == 1:
                message = f"one prompt of {panel.length} tokens does not fit into memory"
                raise refusal("C511", message, hint="state fewer claims at once, or use shorter prompts") from error
            size = worlds.chunk = max(1, size // 2)
            worlds.room = False
            continue
        yield rows, numbers
        start += len(rows)


def _run(panel: Panel, rows: tuple[int, ...], worlds: PanelWorlds) -> dict[str, np.ndarray]:
    chunk = Chunk(worlds.adapter, worlds.hypothesis, np.asarray(rows), worlds.views(rows), worlds.indexing)
    for step, freed in zip(panel.steps, panel.frees, strict=True):
        chunk.run(step)
        for register in freed:
            del chunk.registers[register]
    columns = {name: number.expand(len(rows)) for name, number in chunk.numbers.items()}
    return {name: column for some in (columns, chunk.vectors) if some for name, column in _transferred(some)}


def _transferred(some: dict[str, torch.Tensor]) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors of one shape, taken off the device together."""
    return zip(some, torch.stack([*some.values()]).cpu().numpy(), strict=True)


def _out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "out of memory" in said or "can't allocate memory" in said


def _check(plan: Plan, columns: dict[str, np.ndarray], adapter: Adapter, hypothesis: Hypothesis) -> None:
    """Raises CircError C510 with every readout that has a number which is not finite."""
    found = Diagnostics()
    for request in plan.requests:
        readout = request.readout
        column = columns[readout.digest]
        bad = np.flatnonzero(~np.isfinite(column.reshape(len(column), -1)).all(axis=1))
        if len(bad):
            row = request.rows[bad[0]]
            text = hypothesis.distributions[readout.labels].prompts[row].text
            low = adapter.dtype in (torch.float16, torch.bfloat16)
            hint = "compute in float32" if low else readout.not_finite
            message = (
                f"`{readout.name}` of {readout.value.unit} is not finite on {len(bad)} of {len(request.rows)} prompts, first on “{text}”"
            )
            found.error("C510", message, hint=hint)  # replicates of one readout say the same, once
    found.raise_any()
