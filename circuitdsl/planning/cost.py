"""What a plan takes: floating-point operations, bytes moved, memory, and plain forward passes over the same rows.

A product of [a, b] and [b, c] counts 2abc operations and reads and writes each matrix once. Numbers are a prompt's unless said.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from circuitdsl.borders.kinds import KINDS
from circuitdsl.borders.plan import (
    Attend,
    Depth,
    Machine,
    Normalise,
    Part,
    Placement,
    Project,
    ReadLogits,
    ReadVector,
    Source,
    Step,
    Sum,
    Transform,
    Worlds,
    Write,
)
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import Draw, Gather, Mean, Run, World
from circuitdsl.planning.bench import Register

CALLS: dict[type[Step], float] = {Sum: 4, Normalise: 11, Project: 8, Transform: 16, Write: 4, Attend: 22, ReadLogits: 65, ReadVector: 11}
PLACE = {Sum: 1.5, Normalise: 2.2, Write: 9.5, Attend: 12}
READOUT, LAYER = 1, 120
"""Small tensor operations in a step, for each part or placement of it (of keys: where some are read anew), for each readout, and in a
layer of a plain run, with what Python does between them. Measured on a CPU.
"""

TILE = 48
"""Numbers along each side of a product that take as long as none: its blocks do not fill at the edges. Half of it along the rows."""
NEAR = 1 << 22
"""Bytes of a result that the next operation finds in a cache."""
ACTIVATION = 16
"""Numbers moved for each neuron by an MLP's activation, which is several operations."""


class Work(NamedTuple):
    """Operations, and numbers read or written: a prompt's. `weights` are read once for all prompts of a chunk.

    `padded` are the products' operations with those that they lose at their edges; other operations take less than what they move.
    """

    flops: float
    moved: float
    weights: float = 0.0
    padded: float = 0.0

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]
        return Work(*(mine + its for mine, its in zip(self, other, strict=True)))

    def times(self, factor: float) -> "Work":
        return Work(*(factor * one for one in self))

    def seconds(self, machine: Machine, prompts: int, chunks: int, calls: float, itemsize: int, made: float = 0.0) -> float:
        """For so many prompts in so many chunks, with `calls` small tensor operations a chunk. `made`: bytes of its result in a chunk."""
        operations = prompts * self.padded + chunks * TILE * self.weights
        return (
            operations / machine.flops
            + itemsize * prompts * self.moved / (machine.bytes if made <= NEAR else machine.memory)
            + itemsize * chunks * self.weights / machine.memory
            + chunks * calls * machine.operation
        )


def product(rows: float, inner: float, outer: float) -> Work:
    flops = 2 * rows * inner * outer
    return Work(flops, rows * (inner + outer), inner * outer, flops * (1 + TILE / max(inner, 1) + TILE / max(outer, 1)))


def gated(shape: ModelShape) -> bool:
    """Whether MLPs are gated: in the families that have RMS norms."""
    return shape.family not in ("gpt2", "neox", "gpt_neox", "toy")


def mlp(shape: ModelShape, tokens: float) -> Work:
    """Two projections, or three where the MLP is gated."""
    return product(tokens, shape.width, shape.mlp_width).times(3 if gated(shape) else 2) + Work(0, ACTIVATION * tokens * shape.mlp_width)


def layer(shape: ModelShape, length: int, positions: int | None = None) -> Work:
    """A layer of a plain pass over one prompt; its keys and values at all positions, the rest at some."""
    some = length if positions is None else positions
    attention = product(length, shape.width, 2 * shape.kv_heads * shape.head_width)
    attention += product(some, shape.width, shape.heads * shape.head_width)
    attention += product(some, shape.heads * shape.head_width, shape.width)
    attention += attend(some, length, shape.heads, shape.head_width)
    return attention + (mlp(shape, some) if shape.mlps else Work(0, 0)) + Work(0, 12 * some * shape.width)


def forward(shape: ModelShape, length: int, vocabulary: bool = True) -> Work:
    """A plain pass over one prompt."""
    every = layer(shape, length).times(shape.layers)
    return every + product(length, shape.width, shape.vocabulary) if vocabulary else every


def value(kind: str, shape: ModelShape, length: int) -> Work:
    """One unit's contribution at one position of a prompt, made alone; the logits are a read, which is next to nothing."""
    if kind == "head":
        made = product(1, shape.width, 3 * shape.head_width) + attend(1, length, 1, shape.head_width)
        return made + product(1, shape.head_width, shape.width)
    if kind == "neuron":
        return product(1, shape.width, 2)
    return mlp(shape, 1) if kind == "mlp" else Work(0, 0)


def attend(queries: float, keys: float, heads: float, width: float, laid: float | None = None) -> Work:
    """Scores, softmax and weighted values of one prompt. Keys and values are laid out anew for the products: so many numbers, which are
    fewer than all heads' where variants share them.
    """
    scores = heads * queries * keys
    flops = 4 * scores * width
    padded = flops * (1 + TILE / width + TILE / keys)
    return Work(flops, 12 * scores + 4 * (2 * heads * keys * width if laid is None else laid) + 4 * heads * queries * width, 0, padded)


def laid_out(port: Source | None, registers: Sequence[Register], length: int, worlds: int) -> int:
    """Positions of keys or values in all sets of them: what variants share once, and what each has of its own (engine/attention.py)."""
    if port is None or (sets := registers[port.register].variants) <= worlds:
        return length * worlds
    return sets * len(port.at) + (length if len(port.at) < length else 0)


def gathered(worlds: Worlds, numbers: float) -> float:
    """Numbers moved to put rows of a plain run beside the prompts, for each of the worlds: read and written. One is mostly a view."""
    return 2.0 * len(worlds) * numbers * (len(worlds) > 1)


def placed(placements: Sequence[Placement], backgrounds: Worlds, variants: int, numbers: float) -> float:
    """Numbers moved for contributions [variants, …] of `numbers` each in which some are put in the place of the background's."""
    if not placements:
        return gathered(backgrounds, numbers)
    moved = 2 * variants * numbers + gathered(backgrounds, numbers) if len(placements) > 1 else 0.0
    for one in placements:
        taken = len(one.to_variants) if one.to_variants is not None else variants
        moved += gathered(one.worlds, numbers) + (2.0 * taken * numbers if len(placements) > 1 else 0.0)
    return moved


def added(parts: Sequence[Part], variants: int, positions: int, width: int) -> float:
    """Numbers moved when parts are added to a stream [variants, positions, width]: each is read, what it goes to read and written."""

    def count(index: tuple[int, ...] | None, every: int) -> int:
        return every if index is None else len(index)

    return sum(3.0 * count(part.to_variants, variants) * count(part.to_positions, positions) * width for part in parts)


def calls(step: Step) -> float:
    """Small tensor operations of a step."""
    match step:
        case Normalise(parts=parts) | Sum(parts=parts):
            return CALLS[type(step)] + PLACE[type(step)] * len(parts)
        case Write(changes=changes):
            return CALLS[Write] + PLACE[Write] * sum(len(change.placements) + len(change.instead) for change in changes)
        case Attend(k=k, v=v, length=length):
            return CALLS[Attend] + PLACE[Attend] * sum(port is not None and len(port.at) < length for port in (k, v))
        case ReadLogits(readouts=readouts):
            return CALLS[ReadLogits] + READOUT * len(readouts)
    return CALLS[type(step)]


def step_work(step: Step, registers: Sequence[Register], shape: ModelShape, columns: int) -> Work:
    """`columns`: tokens that a measured readout looks at."""
    d, h = shape.width, shape.head_width
    match step:
        case Normalise(variants=m, positions=at, parts=parts, backgrounds=worlds):
            moved = 6 * m * len(at) * d + gathered(worlds, len(at) * d) + added(parts, m, len(at), d)
            return Work(8 * m * len(at) * d, moved)
        case Sum(variants=m, positions=at, parts=parts):
            return Work(m * len(at) * d * len(parts), added(parts, m, len(at), d))
        case Project(read=read, heads=heads, positions=at):
            return product(registers[read].variants * len(at), d, len(heads) * h)
        case Attend(variants=m, heads=heads, positions=at, length=length, backgrounds=worlds, k=k, v=v):
            laid = sum(laid_out(port, registers, length, len(worlds)) for port in (k, v))
            own = attend(len(at), length, m * len(heads), h, laid * len(heads) * h)
            return own + Work(0, 2 * gathered(worlds, length * len(heads) * h))
        case Transform(read=read, neurons=None, positions=at):
            return mlp(shape, registers[read].variants * len(at))
        case Transform(read=read, neurons=neurons, positions=at):
            return product(registers[read].variants * len(at), d, len(neurons or ()))
        case Write(variants=m, positions=at, changes=changes, backgrounds=worlds):
            work = Work(0, 3 * m * len(at) * d * (len(changes) - 1))
            for change in changes:
                each = len(at) * (len(change.members) * shape.width_of(change.kind))
                both = placed(change.placements, worlds, m, each) + placed(change.instead, worlds, m, each)
                work += Work(0, both + 3 * m * each)  # their difference
                if KINDS[change.kind].numbered:
                    inner = each / len(at)
                    work += product(m * len(at), inner, d)
                    if change.members != tuple(range(change.members[0], change.members[0] + len(change.members))):
                        work += Work(0, 0, 2 * inner * d)  # weights that do not lie together are copied
            return work
        case ReadLogits(variants=variants):
            looked = product(len(variants) * (2 if step.reference else 1), d, columns)
            return looked + Work(0, 4 * len(variants) * columns)
        case ReadVector(readout=readout, positions=at):
            return product(len(at), h, d) if readout.value.unit.kind == "head" else Work(0, 2 * len(at) * d)


def captured(shape: ModelShape, length: int, depths: Iterable[int]) -> int:
    """Numbers that plain runs of so many layers hold for each prompt."""
    layer = shape.heads * shape.head_width + 2 * shape.kv_heads * shape.head_width + (3 if shape.mlps else 1) * shape.width
    return sum(length * (depth * layer + 2 * shape.width) for depth in depths)


def base_work(shape: ModelShape, length: int, depths: Iterable[tuple[int, int]]) -> Work:
    """Plain runs of one prompt, each of some layers, the last of them at some positions."""
    found = Work(0, 0)
    for depth, some in depths:
        if depth:
            found += layer(shape, length).times(depth - 1) + layer(shape, length, some)
    return found


def runs(worlds: Mapping[World, Depth], length: int) -> list[tuple[int, int]]:
    """Layers of the plain runs for each prompt, and at how many positions the last is run: of a distribution in its place, of a draw of
    ablation donors, of a mean, which takes all positions.

    The draws of causal scrubbing name rows of one pool over and over: all of them together are one run of it.
    """
    found: dict[World | str, Depth] = {}
    for world, depth in worlds.items():
        if isinstance(world, Run | Gather | Mean):
            run = world.distribution if isinstance(world, Gather) and isinstance(world.draw, Draw) else world
            whole = Depth(depth.layers, frozenset(range(length)))
            found[run] = found.get(run, Depth()) | (whole if isinstance(world, Mean) else depth)
    return [(depth.layers, length if (places := depth.places(length)) is None else len(places)) for depth in found.values()]
