"""The step that turns changed contributions of a write group into a change of the stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from circuitdsl.borders.kinds import KINDS, Kind
from circuitdsl.borders.steps.base import (
    Addend,
    Backgrounds,
    Depth,
    Index,
    Memory,
    Products,
    RegisterStep,
    Setting,
    Taken,
    added,
    apart,
    count,
    gathered,
    pool,
)
from circuitdsl.borders.steps.streams import layers_written
from circuitdsl.borders.steps.work import Work, product
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.borders.values import World


@dataclass(frozen=True, slots=True)
class Placement:
    """Contributions put in place of others: from a register, or from base worlds whose units `members` are taken.

    `members` are places along the register's axis of heads or neurons, or, for a world, their numbers in the layer.
    """

    register: int | None
    worlds: Backgrounds
    variants: Index
    positions: Index
    members: Index
    to_variants: Index
    to_positions: Index
    to_members: Index


@dataclass(frozen=True, slots=True)
class WriteChange:
    """Members of a write group whose contributions change: `placements` in place of `instead` (the background where not said)."""

    kind: Kind
    members: tuple[int, ...]
    placements: tuple[Placement, ...]
    instead: tuple[Placement, ...] = ()

    @property
    def every(self) -> tuple[Placement, ...]:
        return (*self.placements, *self.instead)

    @property
    def projected(self) -> bool:
        """Whether contributions are multiplied by weights on their way to the stream."""
        return KINDS[self.kind].numbered


@dataclass(frozen=True, slots=True)
class Write(RegisterStep):
    """What the changes of one write group do to the stream, post-norm included: [M, B, P, d]."""

    group: WriteGroup
    backgrounds: Backgrounds
    positions: tuple[int, ...]
    variants: int
    changes: tuple[WriteChange, ...]
    added: tuple[Addend, ...] = ()
    """Whole contributions in place of those of parts, such as heads, which are changed to zero."""
    removed: tuple[Addend, ...] = ()

    @property
    def inputs(self) -> tuple[int, ...]:
        placed = tuple(one.register for change in self.changes for one in change.every if one.register is not None)
        return (*placed, *(part.register for part in (*self.added, *self.removed)))

    @property
    def calls(self) -> float:
        return 4 + 9.5 * sum(len(change.every) for change in self.changes) + 4 * len((*self.added, *self.removed))

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        depth = Depth(layers_written(self.group), frozenset(self.positions))
        for worlds in (self.backgrounds, *(one.worlds for change in self.changes for one in change.every)):
            yield from ((world, depth) for world in worlds)

    def taken(self) -> Iterator[Taken]:
        for change in self.changes:
            yield from (Taken(world, self.group, change.kind, change.members) for world in self.backgrounds)
            for one in change.every:
                yield from (Taken(world, self.group, change.kind, one.members or ()) for world in one.worlds)

    def work(self, setting: Setting) -> Work:
        m, at, d = self.variants, len(self.positions), setting.shape.width
        work = Work(0, 3 * m * at * d * (len(self.changes) - 1) + sum(added(some, m, at, d) for some in (self.added, self.removed)))
        for change in self.changes:
            inner = len(change.members) * setting.shape.width_of(change.kind)
            each = at * inner
            both = sum(placed(some, self.backgrounds, m, each) for some in (change.placements, change.instead))
            work += Work(0, both + 3 * m * each)  # their difference
            if change.projected:
                work += product(m * at, inner, d)
                if apart(change.members):
                    work += Work(0, 0, 2 * inner * d)  # weights that do not lie together are copied
        return work

    def products(self, setting: Setting, backgrounds: int) -> Products:
        members = sum(len(change.members) if KINDS[change.kind].exchangeable else 1 for change in self.changes)
        return Products(self.variants, members, len(set(self.backgrounds)))

    def memory(self, setting: Setting) -> Memory:
        """Contributions in place of others, their difference, and what came of the changes before; then the post-norm's two sides."""
        shape = setting.shape
        stream = self.variants * len(self.positions) * shape.width
        most = max((self._changed(setting, change) for change in self.changes), default=0)
        if shape.post_norm:
            most = max(most, 4 * stream + setting.picked(self.backgrounds, len(self.positions) * shape.width))
        weights = sum(setting.weights(change.members, shape.width_of(change.kind)) for change in self.changes if change.projected)
        whole = (*self.added, *self.removed)
        return Memory(most + stream * (len(self.changes) > 1) + (stream + 2 * setting.largest(whole) if whole else 0), weights)

    def _changed(self, setting: Setting, change: WriteChange) -> int:
        width = len(change.members) * setting.shape.width_of(change.kind)
        one = len(self.positions) * width
        own, every = setting.picked(self.backgrounds, one), self.variants * one

        def side(placements: Sequence[Placement]) -> tuple[int, int]:
            """At rest, and while it is made."""
            if not placements:
                return len(self.backgrounds) * one, own
            put = max(count(p.to_variants, self.variants) * count(p.to_positions, len(self.positions)) for p in placements) * width
            put += max((setting.pools[pool(p.worlds[0])] for p in placements if p.worlds), default=0) * one
            return every, own + every + put

        (new, making_new), (old, making_old) = side(change.placements), side(change.instead)
        return max(making_new, new + making_old, new + old + every * change.projected)


def placed(placements: Sequence[Placement], backgrounds: Backgrounds, variants: int, numbers: float) -> float:
    """ValueNumbering moved for contributions [variants, …] of `numbers` each in which some are put in the place of the background's."""
    if not placements:
        return gathered(backgrounds, numbers)
    moved = 2 * variants * numbers + gathered(backgrounds, numbers) if len(placements) > 1 else 0.0
    for one in placements:
        moved += gathered(one.worlds, numbers) + (2.0 * count(one.to_variants, variants) * numbers if len(placements) > 1 else 0.0)
    return moved
