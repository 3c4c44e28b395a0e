"""Plain runs, made when first needed, and the worlds of a chunk."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Panel, Plan, Write
from circuitdsl.borders.units import Layout
from circuitdsl.borders.values import Gather, Mean, Run, World, Zero
from circuitdsl.engine.disk import RunsOnDisk, capture
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

    def run(self, adapter: Adapter, hypothesis: Hypothesis, distribution: str, rows: tuple[int, ...], layers: int) -> Captured:
        """A plain run's first `layers` layers, or more."""
        key = (distribution, rows)
        captured = self._kept.pop(key, None)
        if captured is None or len(captured.heads) < layers:
            prompts = hypothesis.distributions[distribution].prompts
            tokens = torch.tensor([prompts[row].tokens for row in rows], device=adapter.device)
            captured = capture(adapter, tokens, layers) if self.disk is None else self.disk.run(adapter, tokens, layers)
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

    def views(self, rows: tuple[int, ...]) -> Views:
        """A distribution is run once a chunk, on all rows that its worlds need there."""
        needed: dict[str, dict[int, None]] = {}
        depths: dict[str, int] = {}
        donors: dict[World, Sequence[int]] = {}
        for world, depth in self.panel.worlds.items():
            if isinstance(world, Run | Gather):
                depths[world.distribution] = max(depth, depths.get(world.distribution, 0))
                mine = rows if isinstance(world, Run) else self.plan.draws[world.draw][np.asarray(rows)].tolist()
                donors[world] = mine
                needed.setdefault(world.distribution, {}).update(dict.fromkeys(mine))
        runs = {name: (tuple(some), self._pool(name, tuple(some), depths[name])) for name, some in needed.items()}
        views: dict[World, View] = {}
        for world in self.panel.worlds:
            if isinstance(world, Run | Gather):
                captured, pool = runs[world.distribution]
                place = {row: number for number, row in enumerate(captured)}
                taken = tuple(place[row] for row in donors[world])
            else:
                pool, strata = self._average(world)
                taken = tuple(strata[self._alike(row)] if strata else 0 for row in rows)
                captured = tuple(strata.values()) if strata else (0,)
            same = taken == tuple(range(len(captured)))
            views[world] = View(self.adapter, pool, self.places, None if same else torch.tensor([taken], device=self.adapter.device))
        return Views(views, len(rows))

    def _pool(self, distribution: str, rows: tuple[int, ...], layers: int) -> Pool:
        return CapturedPool(self.adapter, self.captures.run(self.adapter, self.hypothesis, distribution, rows, layers))

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
