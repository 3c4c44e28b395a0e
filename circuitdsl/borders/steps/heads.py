"""Steps of attention heads: projections of their ports, and attention."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from circuitdsl.borders.kinds import Port
from circuitdsl.borders.readouts import AttentionReadout
from circuitdsl.borders.steps.base import (
    Backgrounds,
    Depth,
    Index,
    Memory,
    Products,
    Register,
    RegisterStep,
    Setting,
    apart,
    count,
    gathered,
)
from circuitdsl.borders.steps.work import Work, attend, product
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import World


@dataclass(frozen=True, slots=True)
class Project(RegisterStep):
    """One port of some heads, rotated where the family does: [M, B, P, d] → [M, B, P, n, h]."""

    read: int
    layer: int
    port: Port
    heads: tuple[int, ...]
    positions: tuple[int, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        return (self.read,)

    @property
    def calls(self) -> float:
        return 8

    def work(self, setting: Setting) -> Work:
        rows = setting.registers[self.read].variants * len(self.positions)
        return product(rows, setting.shape.width, len(self.heads) * setting.shape.head_width)

    def memory(self, setting: Setting) -> Memory:
        rotated = 1 if self.port == "v" else 3
        return Memory(rotated * setting.registers[self.out].elements, setting.weights(self.heads, setting.shape.head_width))

    def products(self, setting: Setting, backgrounds: int) -> Products:
        return Products(setting.registers[self.read].variants, len(self.heads), backgrounds, len(self.heads))


@dataclass(frozen=True, slots=True)
class Projected:
    """What a head's port is given: variants (one, or one for each of the step) and heads of a `Project` at some of its positions."""

    register: int
    variants: Index
    heads: Index
    positions: Index
    at: tuple[int, ...]
    """The token positions of what is taken."""

    @property
    def copied(self) -> bool:
        """Whether taking it is a copy."""
        return apart(self.variants) or apart(self.heads) or apart(self.positions)


@dataclass(frozen=True, slots=True)
class PatternReadout:
    """The attention pattern of one variant and head, for a readout that has it as the value number `place` of its values."""

    readout: AttentionReadout
    place: int
    variant: int
    head: int
    queries: tuple[int, ...]
    """Places along the step's positions."""
    keys: tuple[int, ...]
    """Token positions that the readout names; all where it names none."""


class KeyMemory(NamedTuple):
    """Keys or values: numbers that all variants share, those that each has of its own, and positions of these. All that they hold beside
    registers, and what is held while they are made."""

    shared: int
    own: int
    at: int
    rest: int
    made: int


@dataclass(frozen=True, slots=True)
class Attend(RegisterStep):
    """Attention of some heads, queries at `positions`, keys and values at positions below `length`.

    Keys and values are the background's where nothing is projected. `patterns` names readouts that are made of the weights.
    """

    layer: int
    backgrounds: Backgrounds
    heads: tuple[int, ...]
    positions: tuple[int, ...]
    length: int
    variants: int
    q: Projected
    k: Projected | None
    v: Projected | None
    patterns: tuple[PatternReadout, ...] = ()

    @property
    def ports(self) -> tuple[Projected, ...]:
        """What is projected anew, queries first."""
        return tuple(port for port in (self.q, self.k, self.v) if port is not None)

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(port.register for port in self.ports)

    @property
    def columns(self) -> int:
        return len(self.patterns)

    @property
    def calls(self) -> float:
        return 22 + 12 * sum(port is not None and len(port.at) < self.length for port in (self.k, self.v))

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        yield from ((world, Depth(self.layer + 1)) for world in self.backgrounds)  # its keys and values

    def work(self, setting: Setting) -> Work:
        n, h, worlds = len(self.heads), setting.shape.head_width, len(self.backgrounds)
        laid = sum(laid_out(port, setting.registers, self.length, worlds) for port in (self.k, self.v))
        own = attend(len(self.positions), self.length, self.variants * n, h, laid * n * h)
        return own + Work(0, 2 * gathered(self.backgrounds, self.length * n * h))

    def products(self, setting: Setting, backgrounds: int) -> Products:
        return Products(self.variants, len(self.heads), len(set(self.backgrounds)))

    def memory(self, setting: Setting) -> Memory:
        """Queries, keys and values as they are taken, laid out anew for each of the two products, and up to three sets of scores.

        What is shared and what each variant has of its own is multiplied one after the other.
        """
        m, n, length = self.variants, len(self.heads), self.length
        one = length * n * setting.shape.head_width
        out, scores = m * len(self.positions) * n * setting.shape.head_width, m * n * len(self.positions) * length
        k, v = (self.keys(setting, port, one) for port in (self.k, self.v))
        queries = out * (self.q.copied or (k.shared > 0 and m > 1))
        scored = out + max(k.shared, k.own) + scores + scores * k.at // length
        mixed = 2 * scores + max(v.shared, v.own)
        if v.shared and v.own:
            mixed = max(scores + scores * v.at // length + v.own + out, 2 * scores + v.shared + 2 * out)
        most = queries + max(k.made, k.rest + v.made, k.rest + v.rest + max(scored, 3 * scores, mixed))
        return Memory(most, 3 * len(self.positions) * length)  # which keys a query sees, 12 bytes each

    def keys(self, setting: Setting, given: Projected | None, one: int) -> KeyMemory:
        """Keys or values for attention, `one` set of them for each variant or for all."""
        worlds, length = len(self.backgrounds), self.length

        def whole(sets: int, rest: int, made: int) -> KeyMemory:
            return KeyMemory(one, 0, length, rest, made) if sets == 1 else KeyMemory(0, sets * one, length, rest, made)

        picked = setting.picked(self.backgrounds, one)
        if given is None:
            return whole(worlds, worlds * one, picked)
        sets = count(given.variants, setting.registers[given.register].variants)
        if given.at == tuple(range(length)):
            return whole(sets, sets * one * given.copied, sets * one * given.copied)
        new = sets * one * len(given.at) // length
        if sets > worlds:
            return KeyMemory(one, new, len(given.at), one + new * given.copied, picked + new * given.copied)
        return whole(worlds, worlds * one, picked + worlds * one + new)


def laid_out(port: Projected | None, registers: Sequence[Register], length: int, worlds: int) -> int:
    """Positions of keys or values in all sets of them: what variants share once, and what each has of its own (engine/attention.py)."""
    if port is None or (sets := registers[port.register].variants) <= worlds:
        return length * worlds
    return sets * len(port.at) + (length if len(port.at) < length else 0)
