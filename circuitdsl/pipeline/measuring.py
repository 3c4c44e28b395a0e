"""Values → plan → numbers. A claim that has to look first is measured on exploring prompts, and lowered by what was found there."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.measure import Lowered
from circuitdsl.pipeline.lowering import on_its_rows

if TYPE_CHECKING:
    from circuitdsl.borders.adapter import Adapter
    from circuitdsl.borders.measured import MeasuredClaim, SearchingClaim
    from circuitdsl.borders.plan import Machine, Plan
    from circuitdsl.engine.captures import Captures

Numbers = dict[str, dict[int, float]]
"""Per-prompt numbers, or vectors [d]: readout digest, then row."""


def machine(flags: Flags) -> "Machine":
    """What predictions of time need to know of this machine: measured once a day, which takes about a second."""
    from circuitdsl.borders.folders import cache_folder
    from circuitdsl.engine.machine import machine as measured

    return measured(cache_folder(), flags.device, flags.dtype)


def plan(
    hypothesis: Hypothesis, asked: "Sequence[MeasuredClaim | SearchingClaim]", memory: int | None = None, machine: "Machine | None" = None
) -> "Plan":
    """Values in order, every draw made. A readout that several claims ask for is asked for once, on all their rows.

    With a `machine` the plan's cost says how long it takes.
    """
    from circuitdsl.borders.plan import Request
    from circuitdsl.planning import plan as plan_requests

    rows: dict[str, set[int]] = {}
    readouts = {}
    for one in asked:
        for readout in one.lowered.readouts.values():
            readouts[readout.digest] = readout
            rows.setdefault(readout.digest, set()).update(one.rows)
    requests = tuple(Request(readout, tuple(sorted(rows[digest]))) for digest, readout in readouts.items())
    planned = plan_requests(requests, hypothesis, seed=hypothesis.settings.seed, memory=memory, machine=machine)
    notes = (note for one in asked if isinstance(one.lowered, Lowered) for note in one.lowered.notes)
    return replace(planned, notes=(*planned.notes, *notes))


def measure(
    planned: "Plan",
    adapter: "Adapter",
    hypothesis: Hypothesis,
    progress: Progress = quiet,
    captures: "Captures | None" = None,
    what: str = "measuring",
) -> Numbers:
    """Per-prompt numbers, or vectors [d]: readout digest, then row."""
    from circuitdsl.engine.executor import execute
    from circuitdsl.models.exact import exact

    with exact() if adapter.dtype.itemsize == 8 else nullcontext():
        found = execute(planned, adapter, hypothesis, captures=captures, progress=lambda done, every: progress(what, done / every))
    return {request.readout.digest: dict(zip(request.rows, found[request.readout.digest], strict=True)) for request in planned.requests}


def settle(
    hypothesis: Hypothesis,
    found: "Sequence[MeasuredClaim | SearchingClaim]",
    look: "Callable[[Plan], Numbers]",
    memory: int | None = None,
) -> "tuple[MeasuredClaim, ...]":
    """Looks for the claims that have to, until every claim is lowered. All that look do so together."""
    from circuitdsl.borders.measured import SearchingClaim

    found = list(found)
    while looking := [one for one in found if isinstance(one, SearchingClaim)]:
        numbers = look(plan(hypothesis, looking, memory))
        found = [
            on_its_rows(hypothesis, one.claim, one.lowered.then(one.columns(numbers)), looked=True)
            if isinstance(one, SearchingClaim)
            else one
            for one in found
        ]
    return tuple(one for one in found if not isinstance(one, SearchingClaim))
