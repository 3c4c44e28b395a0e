"""What a plan takes: floating-point operations, bytes moved, memory, and plain forward passes over the same rows.

A product of [a, b] and [b, c] counts 2abc operations and reads and writes each matrix once. Numbers are a prompt's unless said.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from circuitdsl.borders.plan import Attend, Collect, Machine, Measure, Normalise, Project, Step, Sum, Transform, Write
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import Draw, Gather, Mean, Run, World
from circuitdsl.planning.bench import Register

STEP, LAYER = 150, 600
"""Small tensor operations in a step, and in a layer of a plain run, with what Python does between them. Measured on a CPU."""


class Work(NamedTuple):
    """Operations, and numbers read or written: a prompt's. `weights` are read once for all prompts of a chunk."""

    flops: float
    moved: float
    weights: float = 0.0

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]
        return Work(self.flops + other.flops, self.moved + other.moved, self.weights + other.weights)

    def times(self, factor: float) -> "Work":
        return Work(self.flops * factor, self.moved * factor, self.weights * factor)

    def seconds(self, machine: Machine, prompts: int, chunks: int, calls: float, itemsize: int) -> float:
        """For so many prompts in so many chunks, with `calls` small tensor operations a chunk."""
        moved = prompts * self.moved + chunks * self.weights
        return prompts * self.flops / machine.flops + itemsize * moved / machine.bytes + chunks * calls * machine.operation


def product(rows: float, inner: float, outer: float) -> Work:
    return Work(2 * rows * inner * outer, rows * (inner + outer), inner * outer)


def mlp(shape: ModelShape, tokens: float) -> Work:
    """Two projections, or three where the MLP is gated: the families that have RMS norms."""
    gated = shape.family not in ("gpt2", "neox", "gpt_neox", "toy")
    return product(tokens, shape.width, shape.mlp_width).times(3 if gated else 2)


def forward(shape: ModelShape, length: int, vocabulary: bool = True) -> Work:
    """A plain pass over one prompt."""
    attention = product(length, shape.width, (shape.heads + 2 * shape.kv_heads) * shape.head_width)
    attention += product(length, shape.heads * shape.head_width, shape.width)
    attention += Work(4 * length * length * shape.heads * shape.head_width, 2 * length * length * shape.heads)
    layer = attention + (mlp(shape, length) if shape.mlps else Work(0, 0)) + Work(0, 12 * length * shape.width)
    every = layer.times(shape.layers)
    return every + product(length, shape.width, shape.vocabulary) if vocabulary else every


def step_work(step: Step, registers: Sequence[Register], shape: ModelShape, whole_vocabulary: bool) -> Work:
    d, h = shape.width, shape.head_width
    match step:
        case Normalise(variants=m, positions=at, parts=parts) | Sum(variants=m, positions=at, parts=parts):
            return Work(8 * m * len(at) * d, (3 + 2 * len(parts)) * m * len(at) * d)
        case Project(read=read, heads=heads, positions=at):
            return product(registers[read].variants * len(at), d, len(heads) * h)
        case Attend(variants=m, heads=heads, positions=at, length=length):
            scores = m * len(heads) * len(at) * length
            return Work(4 * scores * h, 4 * scores + 2 * m * length * len(heads) * h)
        case Transform(read=read, neurons=None, positions=at):
            return mlp(shape, registers[read].variants * len(at))
        case Transform(read=read, neurons=neurons, positions=at):
            return product(registers[read].variants * len(at), d, len(neurons or ()))
        case Write(variants=m, positions=at, changes=changes):
            work = Work(0, 2 * m * len(at) * d)
            for change in changes:
                if change.kind in ("head", "neuron"):
                    work += product(m * len(at), len(change.members) * (h if change.kind == "head" else 1), d)
            return work
        case Measure(variants=variants):
            return product(len(variants) * (2 if step.reference else 1), d, shape.vocabulary if whole_vocabulary else 64)
        case Collect(kind=kind, positions=at):
            return product(len(at), h, d) if kind == "head" else Work(0, 2 * len(at) * d)


def peak(steps: Sequence[Step], frees: Sequence[Sequence[int]], registers: Sequence[Register], shape: ModelShape) -> int:
    """Numbers held at once a prompt, at the most: live registers and what the running step needs beside them."""
    live = most = 0
    for step, freed in zip(steps, frees, strict=True):
        beside = 0
        if isinstance(step, Measure):
            beside = 4 * shape.vocabulary * len(step.positions)
        elif isinstance(step, Collect):
            beside = 2 * len(step.positions) * shape.width
        else:
            live += registers[step.out].elements
            beside = registers[step.out].elements
        if isinstance(step, Attend):
            beside += step.variants * len(step.heads) * step.length * (2 * len(step.positions) + 2 * shape.head_width)
        elif isinstance(step, Write):
            beside += sum(2 * step.variants * len(step.positions) * len(c.members) * shape.head_width for c in step.changes)
        most = max(most, live + beside)
        live -= sum(registers[number].elements for number in freed)
    return most


def captured(shape: ModelShape, length: int, worlds: Mapping[World, int]) -> int:
    """Numbers that the base worlds hold for each prompt."""
    layer = shape.heads * shape.head_width + 2 * shape.kv_heads * shape.head_width + (3 if shape.mlps else 1) * shape.width
    return sum(length * (depth * layer + 2 * shape.width) for depth in runs(worlds))


def base_work(shape: ModelShape, length: int, worlds: Mapping[World, int]) -> Work:
    """The plain runs of one prompt, each as far as it is read."""
    return forward(shape, length, vocabulary=False).times(sum(runs(worlds)) / shape.layers)


def runs(worlds: Mapping[World, int]) -> list[int]:
    """Layers of the plain runs for each prompt: of a distribution in its place, of a draw of ablation donors, of a mean.

    The draws of causal scrubbing name rows of one pool over and over: all of them together are one run of it.
    """
    deepest: dict[World | str, int] = {}
    for world, depth in worlds.items():
        if isinstance(world, Run | Gather | Mean):
            run = world.distribution if isinstance(world, Gather) and isinstance(world.draw, Draw) else world
            deepest[run] = max(depth, deepest.get(run, 0))
    return list(deepest.values())
