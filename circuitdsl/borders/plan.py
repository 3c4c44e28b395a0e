"""What will be computed, decided before any tensor exists: rows, draws, steps with concrete positions, and their cost.

A step reads and writes *registers*. A register holds M variants of one thing over the B prompts of a chunk, at P token positions:
streams and MLP contributions [M, B, P, d], heads' projections and weighted values [M, B, P, n, h], neurons [M, B, P, n].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from circuitdsl.borders.kinds import Kind, Port
from circuitdsl.borders.readouts import AttentionReadout, LogitsReadout, Readout, VectorReadout
from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import Draw, World

LOGITS_AT_ONCE = 1 << 25
"""Logits of the whole vocabulary that are held at once."""
MLP_ROWS_AT_ONCE = 1024
"""Rows of an MLP that are computed at once on a CPU: activations [rows, 4d] that stay in the caches are 1.5 times as fast."""

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


Index = tuple[int, ...] | None
"""Places along one axis; None: all of them, in order."""

Worlds = tuple[World, ...]
"""Base worlds of a step: one for all its variants, or one for each. Several are all rows of one distribution's plain run."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a register's variants and positions, and where they go among those of a step."""

    register: int
    variants: Index = None
    positions: Index = None
    to_variants: Index = None
    to_positions: Index = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Contributions put in place of others: from a register, or from base worlds whose units `members` are taken.

    `members` are places along the register's axis of heads or neurons, or, for a world, their numbers in the layer.
    """

    register: int | None
    worlds: Worlds
    variants: Index
    positions: Index
    members: Index
    to_variants: Index
    to_positions: Index
    to_members: Index


@dataclass(frozen=True, slots=True)
class Normalise:
    """Reads normalised for their readers: norm(background's read + sum of the parts) [M, B, P, d]."""

    out: int
    reader: WriteGroup
    backgrounds: Worlds
    frozen: World | None
    positions: tuple[int, ...]
    variants: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """One port of some heads, rotated where the family does: [M, B, P, d] → [M, B, P, n, h]."""

    out: int
    read: int
    layer: int
    port: Port
    heads: tuple[int, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What a head's port is given: variants (one, or one for each of the step) and heads of a `Project` at some of its positions."""

    register: int
    variants: Index
    heads: Index
    positions: Index
    at: tuple[int, ...]
    """The token positions of what is taken."""


@dataclass(frozen=True, slots=True)
class Attend:
    """Attention of some heads, queries at `positions`, keys and values at positions below `length`.

    Keys and values are the background's where a source has none. `patterns` names readouts that are made of the weights.
    """

    out: int
    layer: int
    backgrounds: Worlds
    heads: tuple[int, ...]
    positions: tuple[int, ...]
    length: int
    variants: int
    q: Source
    k: Source | None
    v: Source | None
    patterns: "tuple[PatternReadout, ...]" = ()


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


@dataclass(frozen=True, slots=True)
class Transform:
    """An MLP (`neurons` None), or some of its neurons' activations, of normalised reads."""

    out: int
    read: int
    layer: int
    neurons: tuple[int, ...] | None
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Members of a write group whose contributions change: `placements` in place of `instead` (the background where not said)."""

    kind: Kind
    members: tuple[int, ...]
    placements: tuple[Placement, ...]
    instead: tuple[Placement, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """What the changes of one write group do to the stream, post-norm included: [M, B, P, d]."""

    out: int
    group: WriteGroup
    backgrounds: Worlds
    positions: tuple[int, ...]
    variants: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """Sums of parts, kept because several reads share them: [M, B, P, d]."""

    out: int
    positions: tuple[int, ...]
    variants: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ReadLogits:
    """Readouts of logits that ask the same question: one for each of `variants` of a `Normalise` for the logits.

    `reference` is (register, variant) of what they compare with, where they compare.
    """

    readouts: tuple[LogitsReadout, ...]
    read: int
    variants: tuple[int, ...]
    positions: tuple[int, ...]
    whole: bool
    """Whether it needs the logits of the whole vocabulary, and not only of the tokens that it names."""
    reference: tuple[int, int] | None = None
    reference_positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadVector:
    """A vector for each prompt [B, d], averaged over `positions`: what a unit writes, or the stream that it reads."""

    readout: VectorReadout
    world: World
    positions: tuple[int, ...]


Step = Normalise | Project | Attend | Transform | Write | Sum | ReadLogits | ReadVector


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


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows in which every position that matters is the same number, with the steps for them."""

    labels: str
    """A distribution whose rows these are; those paired with it have the same layouts."""
    rows: tuple[int, ...]
    length: int
    worlds: Mapping[World, Depth]
    """Base worlds that a step reads, and how much of each."""
    steps: tuple[Step, ...]
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
