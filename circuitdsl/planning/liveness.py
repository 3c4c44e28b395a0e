"""How long registers live, and how deep plain runs are read: from what steps say of themselves."""

from collections.abc import Sequence

from circuitdsl.borders.steps import Depth, PlanStep
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import World


def depths(steps: Sequence[PlanStep], shape: ModelShape) -> dict[World, Depth]:
    """How much of each base world the steps read: what comes later need not be run."""
    found: dict[World, Depth] = {}
    for step in steps:
        for world, depth in step.depths(shape):
            found[world] = found.get(world, Depth()) | depth
    return found


def frees(steps: Sequence[PlanStep]) -> tuple[tuple[int, ...], ...]:
    """For each step, the registers that it reads or fills and no later step reads."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        last.update(dict.fromkeys(step.inputs, number))
        if step.output is not None:
            last[step.output] = number
    found: list[list[int]] = [[] for _ in steps]
    for register, number in last.items():
        found[number].append(register)
    return tuple(map(tuple, found))
