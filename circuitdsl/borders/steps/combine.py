"""The step that adds up shares of contributions: parts of values, and what lies between two."""

from collections.abc import Iterator
from dataclasses import dataclass

from circuitdsl.borders.kinds import KINDS, Kind
from circuitdsl.borders.steps.base import Depth, Memory, RegisterStep, Setting, Taken
from circuitdsl.borders.steps.streams import layers_written
from circuitdsl.borders.steps.work import Work, product
from circuitdsl.borders.steps.writes import Placement
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.borders.values import Subspace, World


@dataclass(frozen=True, slots=True)
class WeightedPlacement:
    """`weight` times what a unit of this kind and number contributes, or times its projection onto a subspace.

    Without a kind it is taken from a register of whole contributions [M, B, P, d].
    """

    weight: float
    subspace: Subspace | None
    kind: Kind | None
    member: int
    taken: Placement

    @property
    def projected(self) -> bool:
        """Whether it is multiplied by weights on its way to the stream."""
        return self.kind is not None and KINDS[self.kind].numbered


@dataclass(frozen=True, slots=True)
class Combine(RegisterStep):
    """Sums of weighted contributions of one group's units, before a post-norm: [M, B, P, d]."""

    group: WriteGroup
    positions: tuple[int, ...]
    variants: int
    shares: tuple[WeightedPlacement, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(share.taken.register for share in self.shares if share.taken.register is not None)

    @property
    def calls(self) -> float:
        return 4 + 9.5 * len(self.shares)

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        depth = Depth(layers_written(self.group), frozenset(self.positions))
        yield from ((world, depth) for share in self.shares for world in share.taken.worlds)

    def taken(self) -> Iterator[Taken]:
        for share in self.shares:
            if share.kind is not None:
                yield from (Taken(world, self.group, share.kind, (share.member,)) for world in share.taken.worlds)

    def work(self, setting: Setting) -> Work:
        rows, d = self.variants * len(self.positions), setting.shape.width
        work = Work(0, 0)
        for share in self.shares:
            work += Work(2 * rows * d, 3 * rows * d)
            if share.kind is not None and share.projected:
                work += product(rows, setting.shape.width_of(share.kind), d)
            if share.subspace is not None:
                work += product(rows, d, share.subspace.rank) + product(rows, share.subspace.rank, d)
        return work

    def memory(self, setting: Setting) -> Memory:
        """A share as it is taken, in the stream, projected, and weighted."""
        worlds = [share.taken.worlds for share in self.shares if share.taken.worlds]
        picked = max((setting.picked(some, len(self.positions) * setting.shape.width) for some in worlds), default=0)
        return Memory(4 * setting.registers[self.out].elements + picked)
