"""The tree of calls of a scrubbed hypothesis, for one reference prompt: what `render --tree` draws."""

from dataclasses import dataclass
from typing import Literal

from circuitdsl.borders.hypothesis import Place
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.values import Draw

CallPart = Literal["call", "embed", "rest"]


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of another reads: units of a node, recomputed in their turn, the embedding of a donor, or all that is left out.

    `reader` is the number of the call that reads it (None: the logits, read by the metric). `draw` says whose value it is (None: the
    reference's), `carries` on what that donor agrees with its reader's. Units that have all this in common are one call here; of
    several `rest` draws of such units the first stands for all.
    """

    part: CallPart
    reader: int | None
    places: tuple[Place, ...]
    ports: tuple[Port, ...]
    draw: Draw | None
    carries: str | None = None


@dataclass(frozen=True, slots=True)
class CallTree:
    """Calls from the logits downwards, each after its reader: `shown` of the `total` different ones.

    `again`: some are read by others too, where they are left out.
    """

    calls: tuple[Call, ...]
    shown: int
    total: int
    again: bool


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call in words. `ports` are empty where it goes into all. `donor` is a number of `TreeRecord.donors`; `same` is what it agrees on
    with its reader's prompt."""

    part: CallPart
    reader: int | None
    name: str
    unit: str
    ports: tuple[str, ...]
    donor: int
    same: str = ""


@dataclass(frozen=True, slots=True)
class TreeRecord:
    """A tree with its donors' prompts: the first is the reference, the others in the order of the calls."""

    title: str
    caption: str
    donors: tuple[str, ...]
    calls: tuple[CallRecord, ...]
    shown: int
    total: int
    again: bool = False
