"""All passes in order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Cost, Machine, Panel, Plan, Request
from circuitdsl.borders.readouts import Readout
from circuitdsl.borders.steps import Setting, pool
from circuitdsl.borders.steps.work import Work
from circuitdsl.borders.values import Draw, Gather, Recomputed
from circuitdsl.planning import cost
from circuitdsl.planning.builder import StepBuilder
from circuitdsl.planning.dependencies import Dependencies, dependencies, reference
from circuitdsl.planning.draws import Tape, donors
from circuitdsl.planning.liveness import depths, frees
from circuitdsl.planning.memory import peaks, plain_run
from circuitdsl.planning.row_groups import RowGroup, check_rows, group_rows, space
from circuitdsl.planning.savings import Savings
from circuitdsl.planning.schedule import ComparedRequest, schedule

MEMORY = 2 << 30
BYTES = 4
"""Of a number, in the estimates; the executor knows the model's own."""


def plan(
    requests: Sequence[Request],
    hypothesis: Hypothesis,
    *,
    seed: int | None = None,
    memory: int | None = None,
    machine: Machine | None = None,
) -> Plan:
    """Decides everything about a run: donors, which rows go together, which values are computed where, in which order and batches.

    `seed` defaults to the settings', `memory` (bytes beyond the model) to 2 GiB; with a `machine` the cost has seconds.

    Raises CircError C501, C503, C505 or C506.
    """
    requests = _merged(requests)
    seed = hypothesis.settings.seed if seed is None else seed
    memory = MEMORY if memory is None else memory
    models: dict[str, Recomputed] = {}
    asked = [ComparedRequest(request, reference(request.readout, hypothesis.metrics, models)) for request in requests]
    spaces: dict[str, list[int]] = {}
    for number, request in enumerate(requests):
        spaces.setdefault(space(request.readout.labels, hypothesis.distributions), []).append(number)
    draws: dict[str | Draw, np.ndarray] = {}
    panels: list[Panel] = []
    tally = _Tally(hypothesis, memory, machine)
    for numbers in spaces.values():
        everything = _reach(asked, numbers)
        _draw(draws, everything, requests, numbers, hypothesis, seed)
        tally.values += everything.count
        measured = hypothesis.distributions[requests[numbers[0]].readout.labels]
        reached: dict[tuple[int, ...], Dependencies] = {}
        for rows in group_rows(requests, numbers, measured, everything, hypothesis.distributions, draws):
            mine = reached.setdefault(rows.requests, everything if len(rows.requests) == len(numbers) else _reach(asked, rows.requests))
            for labels in dict.fromkeys(requests[number].readout.labels for number in rows.requests):
                check_rows(labels, rows.rows, mine.worlds, hypothesis.distributions, hypothesis.settings.align)
            builder = schedule([asked[number] for number in rows.requests], mine, rows, hypothesis)
            panels.append(tally.panel(measured.name, rows, builder, mine))
    return Plan(tuple(requests), draws, tuple(panels), tally.cost(), memory, seed, savings=tally.savings.found(tally.plain.flops))


def _merged(requests: Sequence[Request]) -> tuple[Request, ...]:
    """Requests of one readout put together: rows in order of first appearance."""
    rows: dict[str, dict[int, None]] = {}
    readouts: dict[str, Readout] = {}
    for request in requests:
        readouts.setdefault(request.readout.digest, request.readout)
        rows.setdefault(request.readout.digest, {}).update(dict.fromkeys(request.rows))
    return tuple(Request(readout, tuple(rows[digest])) for digest, readout in readouts.items())


def _reach(asked: Sequence[ComparedRequest], numbers: Sequence[int]) -> Dependencies:
    chosen = [asked[number] for number in numbers]
    return dependencies((one.request.readout for one in chosen), [one.reference for one in chosen if one.reference is not None])


def _draw(
    draws: dict[str | Draw, np.ndarray],
    reached: Dependencies,
    requests: Sequence[Request],
    numbers: Sequence[int],
    hypothesis: Hypothesis,
    seed: int,
) -> None:
    chosen = [requests[number] for number in numbers]
    rows = sorted({row for request in chosen for row in request.rows})
    labels = {request.readout.labels for request in chosen}
    measured = hypothesis.distributions[chosen[0].readout.labels]
    tape = Tape(hypothesis, rows, seed)
    draws.update((on, tape.rows(on)) for _, on in reached.roles if on is not None)
    for world in reached.worlds:
        if isinstance(world, Gather) and isinstance(world.draw, Draw):
            draws[world.draw] = tape.rows(world.draw)
        elif isinstance(world, Gather):
            pool = hypothesis.distributions[world.distribution]
            found = donors(world, measured, pool, rows, seed, world.distribution in labels, hypothesis.settings.align)
            if world.draw in draws and not np.array_equal(draws[world.draw], found):
                raise ValueError(f"draw {world.draw!r} stands for two things: name it after what is measured and what is drawn from")
            draws[world.draw] = found


class _Tally:
    """Adds up what panels cost, and what each pass saves."""

    def __init__(self, hypothesis: Hypothesis, memory: int, machine: Machine | None):
        self.hypothesis, self.shape = hypothesis, hypothesis.shape
        self.memory, self.machine = memory, machine
        self.values = self.computed = 0
        self.work, self.base, self.plain = Work(0, 0), Work(0, 0), Work(0, 0)
        self.held = 0
        self.seconds = self.base_seconds = 0.0
        self.savings = Savings(self.shape)

    def panel(self, labels: str, rows: RowGroup, builder: StepBuilder, reached: Dependencies) -> Panel:
        steps, freed = tuple(builder.steps), frees(builder.steps)
        worlds = depths(steps, self.shape)
        n = len(rows.rows)
        setting = Setting(self.shape, builder.registers, Counter(map(pool, worlds)), n)
        each = [step.work(setting) for step in steps]
        runs = cost.runs(worlds, rows.length)
        base = cost.base_work(self.shape, rows.length, runs)
        self.work += sum(each, Work(0, 0)).times(n)
        self.base += base.times(n)
        self.plain += cost.forward(self.shape, rows.length).times(n)
        alive = [node for nodes in builder.graph.nodes.values() for node in nodes if node.demand or node.pattern]
        self.computed = max(self.computed, len(alive))
        captured = cost.captured(self.shape, rows.length, (depth for depth, _ in runs))
        most = peaks(steps, freed, setting, captured, plain_run(self.shape, rows.length))
        largest = max((register.elements for register in builder.registers), default=0)
        panel = Panel(labels, rows.rows, rows.length, worlds, steps, freed, most, captured, len(runs), largest)
        size = panel.prompts(self.memory, BYTES)
        self.held = max(self.held, panel.held(size))
        if self.machine is not None:
            chunks = -(-n // size)
            running = cost.seconds(base, self.machine, n, chunks, cost.LAYER * sum(depth for depth, _ in runs), BYTES)
            made = [0 if step.output is None else builder.registers[step.output].elements * size * BYTES for step in steps]
            self.base_seconds += running
            self.seconds += running + sum(
                cost.seconds(one, self.machine, n, chunks, step.calls, BYTES, of) for step, one, of in zip(steps, each, made, strict=True)
            )
        self.savings.panel(reached, rows, builder, setting, worlds, runs)
        return panel

    def cost(self) -> Cost:
        every = self.work + self.base
        plain = self.plain.flops or 1.0
        passes, base, held = every.flops / plain, self.base.flops / plain, float(self.held * BYTES)
        counted = Cost(self.values, self.computed, every.flops, every.moved * BYTES, passes, base, held)
        if self.machine is None:
            return counted
        return replace(counted, seconds=self.seconds, base_seconds=self.base_seconds, calibrated=self.machine.made)
