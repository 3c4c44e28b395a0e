"""What a careful reader would look at beside a claim: watched columns, from which statistics makes coded warnings.

A measure says what to watch; it warns of nothing itself. Columns are those of its readouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from circuitdsl.borders.measure import MeanOf, PermutedOf, RatioOf, SpreadOf


@dataclass(frozen=True, slots=True)
class EmptyCircuit:
    """W050: column `empty`, F(∅), should be near `chance`; column `model` is F(M)."""

    empty: str
    model: str
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class Mechanism:
    """W051: each head's column of how much of its attention moves when clean prompts are exchanged for donors."""

    moved: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rival:
    """A random circuit of `size` edges, `disjoint` from the claim's or not."""

    ratio: RatioOf
    size: int
    disjoint: bool


@dataclass(frozen=True, slots=True)
class Rivals:
    """W054: random circuits that should not be as near to 1 as the claim's own ratio `of`."""

    of: RatioOf
    size: int
    others: tuple[Rival, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """W055: what `node` is worth alone, and once what could stand in for it is gone; needed from `least` on."""

    node: str
    alone: RatioOf
    without_backup: RatioOf
    least: float


@dataclass(frozen=True, slots=True)
class SecondAblation:
    """W056: the claim's ratio under its own ablation `first` and under another."""

    first: str
    second: str
    ratio: RatioOf


@dataclass(frozen=True, slots=True)
class DonorCounts:
    """W057: how many donors each layout or class has."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Guesses:
    """W060 and W061: a probe that fits permuted labels as well, and one that learns labels without meaning as well.

    `selectivity` is its accuracy less that of its control task; None where there is no control task.
    """

    probe: str
    permuted: PermutedOf
    selectivity: MeanOf | None


@dataclass(frozen=True, slots=True)
class BankBias:
    """W066: by how much a score (the second of `bias`) from banks of so many slots is off, as banks of half as many tell."""

    slots: int
    bias: SpreadOf


@dataclass(frozen=True, slots=True)
class Joined:
    """W067: a score less the one with what carries the same `features` drawn `how`: together, or apart."""

    features: str
    how: str
    spread: SpreadOf


@dataclass(frozen=True, slots=True)
class Regrouped:
    """W068: a score less the one with what is left out drawn in the groups that an adversary found."""

    grouping: str
    spread: SpreadOf


Watch = EmptyCircuit | Mechanism | Rivals | Backup | SecondAblation | DonorCounts | Guesses | BankBias | Joined | Regrouped
