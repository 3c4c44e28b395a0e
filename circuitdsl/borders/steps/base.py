"""What every step of a plan says of itself, and what steps are made of.

A step reads and writes *registers*. A register holds M variants of one thing over the B prompts of a chunk, at P token positions:
streams and MLP contributions [M, B, P, d], heads' projections and weighted values [M, B, P, n, h], neurons [M, B, P, n].

A new kind of step is a class here, in a file of its own or beside its like, and an arm in the engine's `Chunk.run`: schedule,
liveness, cost, memory and savings ask the methods of `PlanStep` and name no kind.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from circuitdsl.borders.kinds import Kind
from circuitdsl.borders.steps.work import Work
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.borders.values import Gather, Run, World

Index = tuple[int, ...] | None
"""Places along one axis; None: all of them, in order."""

Backgrounds = tuple[World, ...]
"""Base worlds of a step: one for all its variants, or one for each. Several are all rows of one distribution's plain run."""


@dataclass(frozen=True, slots=True)
class Addend:
    """Some of a register's variants and positions, and where they go among those of a step."""

    register: int
    variants: Index = None
    positions: Index = None
    to_variants: Index = None
    to_positions: Index = None


@dataclass(frozen=True, slots=True)
class Register:
    """M variants at token positions `at`; `members` are the heads or neurons along its last axis but one, if it has such an axis."""

    number: int
    variants: int
    at: tuple[int, ...]
    members: tuple[int, ...] | None = None
    width: int = 0

    @property
    def elements(self) -> int:
        """Numbers held for each prompt."""
        return self.variants * len(self.at) * (1 if self.members is None else len(self.members)) * self.width


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a plain run is read: its first `layers` layers, the last of them at the positions `at`, beside its keys and values."""

    layers: int = 0
    at: frozenset[int] = frozenset()

    def __or__(self, other: "Depth") -> "Depth":
        """What serves both."""
        if self.layers != other.layers:
            return max(self, other, key=lambda one: one.layers)
        return Depth(self.layers, self.at | other.at)

    def places(self, length: int) -> tuple[int, ...] | None:
        """Where the last layer is run in prompts of so many tokens; None: everywhere, for a few less would save next to nothing."""
        return tuple(sorted(self.at)) if self.layers and 2 * len(self.at) <= length else None


class Memory(NamedTuple):
    """Numbers that are held for each prompt of a chunk, and those that do not grow with it."""

    each: int
    fixed: int = 0


class Taken(NamedTuple):
    """Contributions of a base world: of some units of one kind in a write group."""

    world: World
    group: WriteGroup
    kind: Kind
    members: tuple[int, ...]


class Products(NamedTuple):
    """How many products of one member and one variant a step makes as one: the variants, over so many backgrounds, and the members."""

    variants: int
    members: int
    backgrounds: int
    projected: int = 0
    """Heads whose port is projected, if that is what the step does."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a step's answers depend on beside itself."""

    shape: ModelShape
    registers: Sequence[Register]
    pools: Counter[str | World]
    """How many of the panel's worlds take rows of one plain run (see `pool`)."""
    prompts: int

    def weights(self, members: Sequence[int], width: int) -> int:
        """Rows of weights for heads or neurons that do not lie together: a copy, which the adapter keeps for a while."""
        return len(members) * width * (self.shape.width + 2) if apart(tuple(members)) else 0

    def picked(self, worlds: Backgrounds, width: int) -> int:
        """Rows of a pool beside the prompts, `width` numbers each: of all the pool's first, where places do not lie together."""
        return (self.pools[pool(worlds[0])] + len(worlds)) * width

    def largest(self, parts: Sequence[Addend]) -> int:
        """Of the parts that are copied before they are added, with zeros around one whose positions and variants are both chosen."""

        def copied(part: Addend) -> int:
            register = self.registers[part.register]
            variants, positions = count(part.variants, register.variants), count(part.positions, len(register.at))
            widened = part.to_variants is not None and part.to_positions is not None
            between = variants * len(register.at) if apart(part.variants) and apart(part.positions) else 0
            return (max(variants * positions * (1 + widened), variants * positions + between)) * register.width

        return max(map(copied, parts), default=0)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One thing that the engine does. Work and memory are for each prompt unless said; memory is an upper bound in numbers."""

    @property
    def output(self) -> int | None:
        """The register that it fills, if it fills one."""
        return None

    @property
    def inputs(self) -> tuple[int, ...]:
        """The registers that it reads."""
        return ()

    @property
    def columns(self) -> int:
        """Numbers, of vectors too, that it leaves for readouts."""
        return 0

    @property
    def calls(self) -> float:
        """Small tensor operations, with what Python does between them, as measured on a CPU."""
        raise NotImplementedError

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        """How much of each base world it reads."""
        yield from ()

    def taken(self) -> Iterator[Taken]:
        """The contributions that it takes from base worlds."""
        yield from ()

    def work(self, setting: Setting) -> Work:
        """Operations, and numbers moved."""
        raise NotImplementedError

    def memory(self, setting: Setting) -> Memory:
        """What it holds beside its registers until it is done."""
        raise NotImplementedError

    def products(self, setting: Setting, backgrounds: int) -> Products | None:
        """Products of matrices that it makes together, if it makes some. `backgrounds`: of what it reads, where it has none itself."""
        return None


@dataclass(frozen=True, slots=True)
class RegisterStep(PlanStep):
    """A step that fills the register `out`."""

    out: int

    @property
    def output(self) -> int:
        return self.out


def pool(world: World) -> str | World:
    """What a world's rows are taken from: worlds whose rows are of one plain run can be the backgrounds of one step."""
    return world.distribution if isinstance(world, Run | Gather) else world


def apart(index: Index) -> bool:
    """Whether the places do not lie together, so that taking them is a copy."""
    return index is not None and index != tuple(range(index[0], index[0] + len(index)))


def count(index: Index, every: int) -> int:
    return every if index is None else len(index)


def gathered(worlds: Backgrounds, numbers: float) -> float:
    """Numbers moved to put rows of a plain run beside the prompts, for each of the worlds: read and written. One is mostly a view."""
    return 2.0 * len(worlds) * numbers * (len(worlds) > 1)


def added(parts: Sequence[Addend], variants: int, positions: int, width: int) -> float:
    """Numbers moved when parts are added to a stream [variants, positions, width]: each is read, what it goes to read and written."""
    return sum(3.0 * count(part.to_variants, variants) * count(part.to_positions, positions) * width for part in parts)
