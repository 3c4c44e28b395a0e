"""Families of node sets K for `completeness` and `minimality` (Wang et al. 2022, arXiv 2211.00593, sections 4.2 and 4.3)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from circuitdsl.borders.hypothesis import Hypothesis, Link, Place
from circuitdsl.borders.units import EMBED

if TYPE_CHECKING:
    import numpy as np

KnockoutFamily = Literal["class", "single", "random", "greedy"]
RANDOM_SETS = 10
GREEDY_ROUNDS = 10
PATIENCE = 2
"""Rounds that a greedy search goes on without a larger gap: redundant parts show none until all but one of them are gone."""


@dataclass(frozen=True, slots=True)
class KnockoutSet:
    """A set of units of the circuit, at their places, under a name that a reader understands."""

    label: str
    places: frozenset[Place]

    def without(self, other: "KnockoutSet") -> "KnockoutSet":
        rest = self.places - other.places
        return KnockoutSet(f"{self.label} less {other.label}" if rest != self.places else self.label, rest)

    def with_(self, other: "KnockoutSet") -> "KnockoutSet":
        label = f"{self.label}, {other.label}" if self.places else other.label
        return KnockoutSet(label, self.places | other.places)


NOTHING = KnockoutSet("nothing", frozenset())


def units(links: Iterable[Link], live: frozenset[Place] = frozenset()) -> list[KnockoutSet]:
    """Each unit of the circuit that sends anything, at all its places; `embed` and what is kept live are in no K."""
    places: dict[str, set[Place]] = {}
    for place in sorted({link.sender for link in links}, key=lambda p: (p.unit.key, p.node)):
        if place.unit != EMBED and place not in live:
            places.setdefault(str(place.unit), set()).add(place)
    return [KnockoutSet(name, frozenset(found)) for name, found in places.items()]


def classes(hypothesis: Hypothesis, links: Iterable[Link], live: frozenset[Place] = frozenset()) -> list[KnockoutSet]:
    """Each named node of the circuit, groups left out."""
    sending = {link.sender for link in links if link.sender.unit != EMBED} - live
    nodes = [node for node in hypothesis.nodes.values() if not node.members]
    return [KnockoutSet(node.name, frozenset(sending.intersection(node.places))) for node in nodes if sending.intersection(node.places)]


def random_sets(singles: list[KnockoutSet], seed: int, count: int = RANDOM_SETS) -> list[KnockoutSet]:
    """Sets in which each unit is with probability 1/2, by draws keyed by the seed alone."""
    import numpy as np

    key = int.from_bytes(hashlib.sha256(f"knockouts/{seed}".encode()).digest()[:16], "little")
    chosen = np.random.Generator(np.random.Philox(key=key)).random((count, len(singles))) < 0.5
    sets = []
    for number, row in enumerate(chosen):
        members = [single for single, taken in zip(singles, row, strict=True) if taken]
        places = frozenset(place for member in members for place in member.places)
        sets.append(KnockoutSet(f"random set {number + 1} ({len(members)} units)", places))
    return [found for found in sets if found.places]


def rounding(whole: "np.ndarray") -> float:
    """How far apart two gaps of a circuit that gives `whole` may be and still count as equal."""
    return 1e-6 * float(abs(whole).max(initial=0.0))


def largest(
    gaps: "Mapping[KnockoutSet, np.ndarray]", without: "Mapping[KnockoutSet, np.ndarray]", whole: "np.ndarray"
) -> tuple[float, KnockoutSet]:
    """The K whose mean gap is largest in size, and that size.

    Of equals, up to rounding, the one `without` which the circuit still does most nearly what the `whole` one does, for what breaks
    the circuit hides whatever else it needs; then the first.
    """
    sizes = {k: abs(float(gap.mean())) for k, gap in gaps.items()}
    tied = [k for k, size in sizes.items() if size >= max(sizes.values()) - rounding(whole)]
    best = min(tied, key=lambda k: round(abs(float((without[k] - whole).mean())), 9))
    return sizes[best], best
