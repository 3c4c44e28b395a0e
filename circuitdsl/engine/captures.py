"""Plain runs, made when first needed, and the worlds of a chunk."""

from dataclasses import dataclass, field

import numpy as np
import torch

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Panel, Plan, Write
from circuitdsl.borders.units import Layout
from circuitdsl.borders.values import Gather, Mean, Run, World, Zero
from circuitdsl.engine.disk import At, RunsOnDisk, capture, holds
from circuitdsl.engine.places import Places
from circuitdsl.engine.worlds import CapturedPool, Pool, View, Views, average, zeros


@dataclass
class Captures:
    """Captured runs by distribution and rows, as deep as they were needed. Kept between plans, it saves runs of rows that come again.

    Not more than `budget` bytes are kept: what was used longest ago goes first, and what is larger than that is not kept at all.
    With `disk`, runs of earlier invocations are read from there.
    """

    keep: bool = True
    budget: int = 1 << 29
    disk: RunsOnDisk | None = None
    _kept: dict[tuple[str, tuple[int, ...]], Captured] = field(default_factory=dict)

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

    @property
    def bytes(self) -> int:
        """What is kept; a tensor that stands in several places counts once."""
        kept = self._kept.values()
        tensors = (one for c in kept for one in (c.embed, *c.heads, *c.mlps, *c.reads.values(), *c.keys, *c.values))
        return sum({one.data_ptr(): one.nbytes for one in tensors}.values())

    def __len__(self) -> int:
        return len(self._kept)


@dataclass
class Worlds:
    """Views of a panel's worlds on chunks of its rows."""

    adapter: Adapter
    hypothesis: Hypothesis
    plan: Plan
    panel: Panel
    captures: Captures
    places: Places
    chunk: int
    _made: dict[World, tuple[Pool, dict[Layout | int, int]]] = field(default_factory=dict)
    _gathered: dict[str, tuple[np.ndarray, Pool]] = field(default_factory=dict)
    """What serves later chunks as well."""

    def views(self, rows: tuple[int, ...]) -> Views:
        """Every world of the panel beside these rows."""
        runs, chosen = self._runs(rows), np.asarray(rows)
        views: dict[World, View] = {}
        for world in self.panel.worlds:
            if isinstance(world, Run | Gather):
                place, pool = runs[world.distribution]
                taken = place[chosen if isinstance(world, Run) else self.plan.draws[world.draw][chosen]]
                size = len(pool.embed)
            else:
                pool, strata = self._average(world)
                taken = np.array([strata[self._alike(row)] if strata else 0 for row in rows])
                size = len(strata) or 1
            same = np.array_equal(taken, np.arange(size))
            views[world] = View(self.adapter, pool, self.places, None if same else torch.tensor(taken[None], device=self.adapter.device))
        return Views(views, len(rows))

    def _runs(self, rows: tuple[int, ...]) -> dict[str, tuple[np.ndarray, Pool]]:
        """For each distribution the places of its rows in a pool, and the pool: one plain run of all rows that worlds take of it.

        Where rows are gathered it serves the whole panel, unless that is more than is kept: chunks have donors in common.
        """
        held = self.panel.captured * len(self.panel.rows) * self.adapter.dtype.itemsize
        gathered = {world.distribution for world in self.panel.worlds if isinstance(world, Gather) and held <= self.captures.budget}
        needed: dict[str, dict[int, None]] = {}
        depths: dict[str, tuple[int, set[int]]] = {}
        for world, depth in self.panel.worlds.items():
            if isinstance(world, Run | Gather):
                name, at = world.distribution, set(self.panel.last[world])
                deepest, there = depths.get(name, (-1, set()))
                depths[name] = max(depth, deepest), (at if depth > deepest else there if depth < deepest else at | there)
                mine = np.asarray(self.panel.rows if name in gathered else rows)
                taken = mine if isinstance(world, Run) else self.plan.draws[world.draw][mine]
                needed.setdefault(name, {}).update(dict.fromkeys(taken.tolist()))
        for name, some in needed.items():
            if name not in self._gathered:
                place, order = np.full(len(self.hypothesis.distributions[name]), -1), sorted(some)
                place[order] = np.arange(len(order))
                self._gathered[name] = place, self._pool(name, tuple(order), depths[name][0], tuple(sorted(depths[name][1])))
        found = {name: self._gathered[name] for name in needed}
        self._gathered = {name: found[name] for name in gathered}
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
                depth = self.panel.worlds[world]
                alike = self.hypothesis.distributions[world.distribution].rows_alike(self.hypothesis.settings.align)
                strata = dict.fromkeys(self._alike(row) for row in self.panel.rows)
                pool = average(
                    self.adapter,
                    lambda rows: self._pool(world.distribution, rows, depth),
                    [alike[common] for common in strata],
                    self.chunk,
                    depth,
                    self._neurons(world),
                )
                self._made[world] = pool, {common: number for number, common in enumerate(strata)}
        return self._made[world]

    def _neurons(self, world: World) -> list[tuple[int, int]]:
        """Neurons of a world that some write takes, as (layer, index)."""
        found: dict[tuple[int, int], None] = {}
        for step in (step for step in self.panel.steps if isinstance(step, Write)):
            for change in step.changes:
                if change.kind == "neuron":
                    taken = [p.members or () for p in (*change.placements, *change.instead) if world in p.worlds]
                    for members in [change.members, *taken] if world in step.backgrounds else taken:
                        found.update(((step.group.layer, index), None) for index in members)
        return list(found)
