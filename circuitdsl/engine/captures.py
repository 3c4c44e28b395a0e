"""Plain runs, made when first needed, and the worlds of a chunk."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.kinds import KINDS
from circuitdsl.borders.plan import Panel, Plan
from circuitdsl.borders.steps import Depth
from circuitdsl.borders.units import Layout
from circuitdsl.borders.values import Gather, Mean, Run, World, Zero
from circuitdsl.engine.disk import At, RunsOnDisk, capture, holds
from circuitdsl.engine.indexing import Indexing
from circuitdsl.engine.worlds import CapturedPool, Pool, Views, average, zeros


@dataclass
class Captures:
    """Captured runs by distribution and rows, as deep as they were needed, and means of them. Kept between panels and plans, they save
    runs of rows that come again.

    Not more than `budget` bytes of runs are kept: what was used longest ago goes first, and what is larger than that is not kept at all.
    With `disk`, runs of earlier invocations are read from there.
    """

    keep: bool = True
    budget: int = 1 << 29
    disk: RunsOnDisk | None = None
    _kept: dict[tuple[str, tuple[int, ...]], Captured] = field(default_factory=dict)
    _means: dict[Hashable, Pool] = field(default_factory=dict)

    def run(
        self, adapter: Adapter, hypothesis: Hypothesis, distribution: str, rows: tuple[int, ...], layers: int, at: At = None
    ) -> Captured:
        """A plain run's first `layers` layers, the last at the positions `at`, or more."""
        key = (distribution, rows)
        captured = self._kept.pop(key, None)
        if captured is None or not holds(captured.at, len(captured.heads), layers, at):
            if captured is not None and captured.at is not None and at is not None and len(captured.heads) == layers:
                at = tuple(sorted({*at, *captured.at}))  # so that two plans do not take turns in running it
            prompts = hypothesis.distributions[distribution].prompts
            tokens = torch.tensor([prompts[row].tokens for row in rows], device=adapter.device)
            captured = (capture if self.disk is None else self.disk.run)(adapter, tokens, layers, at)
        if self.keep:
            self._kept[key] = captured
            while self._kept and self.bytes > self.budget:
                del self._kept[next(iter(self._kept))]
        return captured

    def mean(self, which: Hashable, make: Callable[[], Pool]) -> Pool:
        """A mean's contributions, a row a layout: next to nothing beside the runs that it takes."""
        found = self._means.get(which) or make()
        if self.keep:
            self._means[which] = found
        return found

    @property
    def bytes(self) -> int:
        """What is kept; a tensor that stands in several places counts once."""
        kept = self._kept.values()
        tensors = (one for c in kept for one in (c.embed, *c.heads, *c.mlps, *c.reads.values(), *c.keys, *c.values))
        return sum({one.data_ptr(): one.nbytes for one in tensors}.values())

    def __len__(self) -> int:
        return len(self._kept)


class RowsOfRun(NamedTuple):
    """Rows of one distribution's plain run: the numbers of the worlds that take them, which, how much of it, and whether some are drawn."""

    numbers: list[int]
    rows: np.ndarray
    depth: Depth
    drawn: bool


@dataclass
class PanelWorlds:
    """Views of a panel's worlds on chunks of its rows."""

    adapter: Adapter
    hypothesis: Hypothesis
    plan: Plan
    panel: Panel
    captures: Captures
    indexing: Indexing
    chunk: int
    room: bool = True
    """Whether there is more memory than a chunk takes: not where it has run out once."""
    _made: dict[World, tuple[Pool, dict[Layout | int, int]]] = field(default_factory=dict)
    _gathered: dict[str, tuple[np.ndarray, Pool]] = field(default_factory=dict)
    """What serves later chunks as well."""
    _known: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Where the rows of each distribution's plain run are taken: by worlds [W, panel's rows], with the deepest layer."""
        self._number = {world: number for number, world in enumerate(self.panel.worlds)}
        self._place = {row: number for number, row in enumerate(self.panel.rows)}
        mine = np.asarray(self.panel.rows)
        runs: dict[str, list[Run | Gather]] = {}
        for world in self.panel.worlds:
            if isinstance(world, Run | Gather):
                runs.setdefault(world.distribution, []).append(world)
        self._runs_of = {
            name: RowsOfRun(
                [self._number[world] for world in worlds],
                np.stack([mine if isinstance(world, Run) else self.plan.draws[world.draw][mine] for world in worlds]),
                reduce(or_, (self.panel.worlds[world] for world in worlds)),
                any(isinstance(world, Gather) for world in worlds),
            )
            for name, worlds in runs.items()
        }

    def views(self, rows: tuple[int, ...]) -> Views:
        """Every world of the panel beside these rows."""
        some = np.array([self._place[row] for row in rows])
        taken = np.zeros((len(self.panel.worlds), len(rows)), dtype=np.int64)
        pools: dict[World, Pool] = {}
        by_name = {}
        for name, (place, pool) in self._runs(some).items():
            numbers, drawn, *_ = self._runs_of[name]
            taken[numbers], by_name[name] = place[drawn[:, some]], pool
        for world, number in self._number.items():
            if isinstance(world, Run | Gather):
                pools[world] = by_name[world.distribution]
            else:
                pools[world], strata = self._average(world)
                taken[number] = [strata[self._alike(row)] if strata else 0 for row in rows]
        return Views(self.adapter, self.indexing, pools, self._number, taken, self._known)

    def _runs(self, some: np.ndarray) -> dict[str, tuple[np.ndarray, Pool]]:
        """For each distribution the places of its rows in a pool, and the pool: one plain run of all rows that worlds take of it.

        It serves the whole panel where that is not more than is kept, and, unless rows are drawn, which chunks have in common, where it
        fits beside a chunk.
        """
        size = self.adapter.dtype.itemsize
        every = self.panel.captured * len(self.panel.rows) * size
        beside = self.room and every + self.panel.held(self.chunk) * size <= self.plan.memory
        found = {}
        for name, (_, drawn, depth, gathered) in self._runs_of.items():
            held = self.panel.captured // max(1, self.panel.runs) * len(np.unique(drawn)) * size
            whole = (gathered or beside) and held <= self.captures.budget
            if name not in self._gathered or not whole:
                place, order = np.full(len(self.hypothesis.distributions[name]), -1), np.unique(drawn if whole else drawn[:, some])
                place[order] = np.arange(len(order))
                self._gathered.pop(name, None)  # before the next is made
                found[name] = place, self._pool(name, tuple(order.tolist()), depth.layers, depth.places(self.panel.length))
                if whole:
                    self._gathered[name] = found[name]
            else:
                found[name] = self._gathered[name]
        return found

    def _pool(self, distribution: str, rows: tuple[int, ...], layers: int, at: At = None) -> Pool:
        return CapturedPool(self.adapter, self.captures.run(self.adapter, self.hypothesis, distribution, rows, layers, at))

    def _alike(self, row: int) -> Layout | int:
        return self.hypothesis.distributions[self.panel.labels].prompts[row].layout.alike(self.hypothesis.settings.align)

    def _average(self, world: World) -> tuple[Pool, dict[Layout | int, int]]:
        """The pool of a mean (a row a layout, or length, of the panel) or of zero, made once a panel."""
        if world not in self._made:
            if isinstance(world, Zero):
                self._made[world] = zeros(self.adapter, self.panel.length), {}
            else:
                assert isinstance(world, Mean)
                depth, neurons = self.panel.worlds[world].layers, self._neurons(world)
                alike = self.hypothesis.distributions[world.distribution].rows_alike(self.hypothesis.settings.align)
                strata = dict.fromkeys(self._alike(row) for row in self.panel.rows)
                make = partial(
                    average,
                    self.adapter,
                    lambda rows: self._pool(world.distribution, rows, depth),
                    [alike[common] for common in strata],
                    self.chunk,
                    depth,
                    neurons,
                )
                pool = self.captures.mean((world, *strata, depth, *neurons), make)
                self._made[world] = pool, {common: number for number, common in enumerate(strata)}
        return self._made[world]

    def _neurons(self, world: World) -> list[tuple[int, int]]:
        """Parts of wholes, such as neurons, that some step takes of a world: (layer, index)."""
        taken = [one for step in self.panel.steps for one in step.taken() if one.world == world and KINDS[one.kind].whole is not None]
        return list(dict.fromkeys((one.group.layer, index) for one in taken for index in one.members))
