"""Where things are while steps are laid out: registers, and the parts that make up a stream."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from circuitdsl.borders.steps import Addend, Backgrounds, Index, Normalise, PlanStep, Register
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.borders.values import World
from circuitdsl.planning.graph import Graph, State, ValueNode
from circuitdsl.planning.value_numbering import positions_in

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RegisterVariant:
    """One variant of a register."""

    register: Register
    variant: int


class Stream(NamedTuple):
    """What is read: a background, and what is changed in it (None: nothing)."""

    world: World
    state: State | None


@dataclass(slots=True)
class StepBuilder:
    """What has been laid out so far for one panel."""

    shape: ModelShape
    graph: Graph
    steps: list[PlanStep] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    values: dict[ValueNode, RegisterVariant] = field(default_factory=dict)
    changes: dict[State, RegisterVariant] = field(default_factory=dict)
    """What a state's own group changes, where it changes anything that is needed."""
    sums: dict[State, RegisterVariant] = field(default_factory=dict)
    """States that are kept as sums."""
    reads: dict[tuple[object, ...], Register] = field(default_factory=dict)

    def register(self, variants: int, at: tuple[int, ...], width: int, members: tuple[int, ...] | None = None) -> Register:
        made = Register(len(self.registers), variants, at, members, width)
        self.registers.append(made)
        return made

    def stream(self, state: State | None) -> list[RegisterVariant]:
        """The parts whose sum is what a state changes."""
        found = []
        while state is not None:
            if state in self.sums:
                found.append(self.sums[state])
                break
            if state in self.changes:
                found.append(self.changes[state])
            state = state.parent
        return found

    def parts(self, states: Sequence[State | None], at: tuple[int, ...]) -> tuple[Addend, ...]:
        """Parts that add up to the states, one a variant, at token positions `at`."""
        wanted: dict[int, tuple[list[int], list[int]]] = {}
        for variant, state in enumerate(states):
            for found in self.stream(state):
                taken, to = wanted.setdefault(found.register.number, ([], []))
                taken.append(found.variant)
                to.append(variant)
        parts = []
        for number, (taken, to) in wanted.items():
            register = self.registers[number]
            positions, to_positions = meet(register.at, at)
            if positions != ():
                every = index(taken, register.variants)
                parts.append(Addend(number, every, positions, index(to, len(states)), to_positions))
        return tuple(parts)

    def read(self, reader: WriteGroup, frozen: World | None, at: int, streams: Sequence[Stream]) -> Register:
        """A register of normalised reads, one variant a stream; made once."""
        worlds, states = together(stream.world for stream in streams), [stream.state for stream in streams]
        key = (reader, worlds, frozen, at, *map(id, states))
        if key not in self.reads:
            positions = positions_in(at)
            made = self.reads[key] = self.register(len(states), positions, self.shape.width)
            parts = self.parts(states, positions)
            self.steps.append(Normalise(made.number, reader, worlds, frozen, positions, len(states), parts))
        return self.reads[key]


def along_one_axis(things: Iterable[Item], kind: Callable[[Item], Key]) -> list[tuple[Key, list[Item]]]:
    """Variants of one kind as one batch, side by side along the first axis of a register: one step makes them all."""
    batches: dict[Key, list[Item]] = {}
    for thing in things:
        batches.setdefault(kind(thing), []).append(thing)
    return list(batches.items())


def together(worlds: Iterable[World]) -> Backgrounds:
    """The worlds of a step's variants; the one world of all of them where they have but one."""
    several = tuple(worlds)
    return several[:1] if len(set(several)) == 1 else several


def index(taken: Iterable[int], size: int) -> Index:
    """None where everything is taken in order."""
    taken = tuple(taken)
    return None if taken == tuple(range(size)) else taken


def meet(have: tuple[int, ...], want: tuple[int, ...]) -> tuple[Index, Index]:
    """Places along `have` and along `want` of the positions that are in both; None: all of them. Both empty if none is."""
    if have == want:
        return None, None
    place = {position: number for number, position in enumerate(have)}
    both = [(place[position], number) for number, position in enumerate(want) if position in place]
    if not both:
        return (), ()
    return index((a for a, _ in both), len(have)), index((b for _, b in both), len(want))
