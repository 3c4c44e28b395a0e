"""What will be computed, decided before any tensor exists: rows, draws, steps with concrete positions, and their cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from circuitdsl.borders.readouts import Readout
from circuitdsl.borders.steps import Depth, PlanStep
from circuitdsl.borders.values import Draw, World

REGISTER_AT_ONCE = 1 << 25
"""Bytes of a register on a CPU: glibc gives larger ones back to the system, and to touch each new page of the next costs more than
to fill it.
"""
PROMPTS_AT_ONCE = 8
"""As many prompts are taken at once all the same, where memory allows, so that what a step costs whatever its size is shared."""


@dataclass(frozen=True, slots=True)
class Request:
    """A readout and the rows, of the distribution of its labels, that are asked for."""

    readout: Readout
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows in which every position that matters is the same number, with the steps for them."""

    labels: str
    """A distribution whose rows these are; those paired with it have the same layouts."""
    rows: tuple[int, ...]
    length: int
    worlds: Mapping[World, Depth]
    """Base worlds that a step reads, and how much of each."""
    steps: tuple[PlanStep, ...]
    frees: tuple[tuple[int, ...], ...]
    """For each step, the registers that nothing reads any more after it."""
    peaks: tuple[tuple[int, int], ...]
    """Numbers held at once by the steps that hold most: for each prompt, and whatever the prompts."""
    captured: int
    """How many for each prompt are the plain runs'."""
    runs: int
    """How many plain runs those are."""
    largest: int = 0
    """Of a register, for each prompt."""

    def held(self, prompts: int) -> int:
        """Numbers held at once, at the most, by a chunk of so many prompts."""
        return max(prompts * each + fixed for each, fixed in self.peaks)

    def prompts(self, memory: int, itemsize: int, cpu: bool = True) -> int:
        """How many prompts a chunk has, so that it stays within `memory` bytes, and its registers in what a CPU's memory is fast with.

        One at the least.
        """
        fit = min((memory // itemsize - fixed) // max(1, each) for each, fixed in self.peaks)
        if cpu and self.largest:
            fit = min(fit, max(PROMPTS_AT_ONCE, REGISTER_AT_ONCE // (itemsize * self.largest)))
        return max(1, min(len(self.rows), fit))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a device does in a second, for predictions: operations of a matrix product, bytes read and written.

    `bytes` of what was just made, by operations that make something new; `memory` of what no cache holds. `operation`: seconds that
    an operation on next to nothing takes.
    """

    flops: float
    bytes: float
    operation: float
    memory: float
    made: float = 0.0
    """When it was measured, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan takes. `passes` is in plain forward passes over the same rows, vocabulary included."""

    values: int
    """Recomputed values that the readouts reach, each distinct one once."""
    computed: int
    """The same after pruning and merging, at the panel that computes most."""
    flops: float
    bytes: float
    passes: float
    base_passes: float
    """How many of those are the plain runs of the base worlds."""
    peak_bytes: float
    seconds: float | None = None
    base_seconds: float | None = None
    """How many of those are the plain runs."""
    calibrated: float | None = None
    """When the machine was measured."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What a pass of the planner finds and what it leaves, in units of its own."""

    name: str
    unit: str
    before: int
    after: int
    passes: float
    """Operations that it saves, in plain forward passes over the same rows; 0 where it saves something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything decided. The same plan gives the same numbers whatever the chunks and the machine, to rounding."""

    requests: tuple[Request, ...]
    draws: Mapping[str | Draw, np.ndarray]
    """Draw → for every row of the measured distribution the donor's row (-1 for rows that nothing measures)."""
    panels: tuple[Panel, ...]
    cost: Cost
    memory: int
    seed: int
    notes: tuple[str, ...] = field(default=())
    savings: tuple[Saving, ...] = ()
    """One for each pass, in the order in which they work on one thing: each begins with what the one before it left."""
