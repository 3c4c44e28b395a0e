"""What a panel holds at once beyond the model: its working set, live registers and what the running step makes on its way.

Numbers, an upper bound by the operations of `engine/chunk.py` and the adapter, with what they give to the next still there. Of a
float32 model on a CPU; attention patterns are counted with a cap on the scores, ports as rotated.
"""

from collections.abc import Sequence

from circuitdsl.borders.steps import Memory, PlanStep, Setting
from circuitdsl.borders.steps.work import activations
from circuitdsl.borders.units import ModelShape


def peaks(
    steps: Sequence[PlanStep], frees: Sequence[Sequence[int]], setting: Setting, captured: int, running: Memory
) -> tuple[tuple[int, int], ...]:
    """What no other step exceeds in both numbers. `captured` is there all the time; `running` while the plain runs are made.

    Vectors and numbers of readouts stay until the last step; then they are put together.
    """
    told, live = 0, captured
    found = {Memory(captured + running.each, running.fixed)}
    for step, freed in zip(steps, frees, strict=True):
        beside = step.memory(setting)
        if step.output is not None:
            live += setting.registers[step.output].elements
        found.add(Memory(live + beside.each, beside.fixed))
        left = 2 * step.columns
        told += left
        live += left - sum(setting.registers[number].elements for number in freed)
    found.add(Memory(live + told))
    most: list[Memory] = []
    for one in sorted(found, reverse=True):
        if not most or one.fixed > most[-1].fixed:
            most.append(one)
    return tuple(most)


def plain_run(shape: ModelShape, length: int) -> Memory:
    """What a layer of a plain run makes in passing, beside what is kept of it, which is a copy; and its mask and positions."""
    attention = 5 * shape.heads * shape.head_width + 3 * shape.heads * length
    each = length * (2 + 6 * shape.width + max(attention, activations(shape) * shape.mlp_width * shape.mlps))
    return Memory(each, length * (length + 4))
