"""What a plan takes: floating-point operations, bytes moved, time, and plain forward passes over the same rows."""

from collections.abc import Iterable, Mapping

from circuitdsl.borders.kinds import KINDS, Kind
from circuitdsl.borders.plan import Machine
from circuitdsl.borders.steps import Depth
from circuitdsl.borders.steps.work import TILE, Work, attend, mlp, product
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import Draw, Gather, Mean, Run, World

LAYER = 120
"""Small tensor operations in a layer of a plain run, with what Python does between them. Measured on a CPU."""
LOADING, LOADING_EACH = 3.0, 4e-8
"""Seconds of loading a model, whatever its size (libraries above all), and for each number in it. Measured on a CPU."""
NEAR = 1 << 22
"""Bytes of a result that the next operation finds in a cache."""


def seconds(work: Work, machine: Machine, prompts: int, chunks: int, calls: float, itemsize: int, made: float = 0.0) -> float:
    """For so many prompts in so many chunks, with `calls` small tensor operations a chunk. `made`: bytes of its result in a chunk."""
    operations = prompts * work.padded + chunks * TILE * work.weights
    return (
        operations / machine.flops
        + itemsize * prompts * work.moved / (machine.bytes if made <= NEAR else machine.memory)
        + itemsize * chunks * work.weights / machine.memory
        + chunks * calls * machine.operation
    )


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


def loading_seconds(shape: ModelShape) -> float:
    """Processor time for reading the weights, looking at each of them, and comparing the model with transformers'."""
    numbers = layer(shape, 1).weights * shape.layers + 2 * shape.vocabulary * shape.width
    return LOADING + LOADING_EACH * numbers


def value(kind: Kind, shape: ModelShape, length: int) -> Work:
    """One unit's contribution at one position of a prompt, made alone; the logits are a read, which is next to nothing."""
    if KINDS[kind].attends:
        made = product(1, shape.width, 3 * shape.head_width) + attend(1, length, 1, shape.head_width)
        return made + product(1, shape.head_width, shape.width)
    if KINDS[kind].whole:
        return product(1, shape.width, 2)
    return mlp(shape, 1) if kind == "mlp" else Work(0, 0)


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
