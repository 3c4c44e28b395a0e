"""`scrub`: causal scrubbing (semantics.md), a value of the algebra like every other experiment.

A call replaces a node's value by the one it has on another prompt that agrees on what the node carries: it is recomputed over
the plain run of one more prompt, `rest`, with each input that the hypothesis names scrubbed in its turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from circuitdsl.borders.hypothesis import Hypothesis, Link, Place
from circuitdsl.borders.units import EMBED, Port, Roles, Unit
from circuitdsl.borders.values import Algebra, Draw, Gather, Override, Recomputed, Run, Value, World
from circuitdsl.measures.circuit import OUTPUT


@dataclass(frozen=True, slots=True)
class DrawGroup:
    """Inputs of a node that are drawn once: one unit of a sender, or all of them if it says `together`, for an edge as written."""

    name: str
    carries: str | None
    links: tuple[Link, ...]

    @property
    def senders(self) -> tuple[Place, ...]:
        return tuple(dict.fromkeys(link.sender for link in self.links))


@dataclass(frozen=True, slots=True)
class Apart:
    """Places that share a draw of their own wherever they are left out."""

    name: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How donors are drawn. With `free` nothing is carried: every donor is any prompt of the layout."""

    on: str
    pool: str
    kind: Literal["tree", "shared"] = "tree"
    free: bool = False
    apart: tuple[Apart, ...] = ()
    replicate: int = 0


@dataclass
class Scrubbing:
    """Values of the scrubbed hypothesis `links` for one way of sampling."""

    algebra: Algebra
    hypothesis: Hypothesis
    links: tuple[Link, ...]
    sampling: Sampling
    incoming: dict[Place, tuple[DrawGroup, ...]] = field(init=False)
    _shared: dict[tuple[Place, Draw | None], Value] = field(default_factory=dict)
    _finer: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.incoming = draw_groups(self.hypothesis, self.links)

    def logits(self) -> Recomputed:
        found = self._call(OUTPUT, None, f"{self.sampling.replicate}:logits")
        assert isinstance(found, Recomputed)
        return found

    @property
    def size(self) -> int:
        """How many recomputations there were, each different one once, where draws are shared."""
        return len(self._shared)

    def world(self, draw: Draw | None) -> World:
        return Run(self.sampling.on) if draw is None else Gather(draw.pool, draw)

    def _call(self, place: Place, given: Draw | None, path: str) -> Value:
        """scrub(place, the row that `given` drew)."""
        if place.unit == EMBED:
            return self.algebra.base(self.world(given), EMBED)
        shared = self.sampling.kind == "shared"
        if shared and (place, given) in self._shared:
            return self._shared[place, given]
        mixes: dict[Port, list[Override]] = {}
        for group in self.incoming.get(place, ()):
            draw = self._donor(group.carries, given, f"{path}/{group.name}")
            for sender in group.senders:
                value = self._call(sender, draw, f"{path}/{group.name}>{_named(sender)}")
                for link in group.links:
                    if link.sender == sender:
                        mixes.setdefault(link.port, []).append(self._put(sender.unit, delivered(link), value, draw))
        for left in self.sampling.apart:
            self._leave_out(place, left, path, mixes)
        background = self.world(self._rest(path, "rest"))
        value = self.algebra.recomputed(place.unit, background, {port: self.algebra.mix(found) for port, found in mixes.items()})
        if shared:
            self._shared[place, given] = value
        return value

    def _put(self, unit: Unit, roles: Roles, value: Value, draw: Draw | None) -> Override:
        """A value at its donor's own positions. Where donors have the row's layout, those are the row's."""
        absolute = self.hypothesis.settings.align == "absolute" and roles is not None
        return Override(unit, roles, value, draw if absolute else None)

    def _donor(self, carries: str | None, given: Draw | None, path: str) -> Draw | None:
        """The draw for what carries a feature, given the call's reference; what is not said to carry one carries everything."""
        if self.sampling.free:
            return self._rest(path, "")
        if carries is None:
            return given
        on, pool = self.sampling.on, self.sampling.pool
        if self.sampling.kind == "tree":
            return Draw(on, pool, path, carries, given)
        while given is not None and given.feature and self._refines(given.feature, carries):
            given = given.given  # its row has the class of the row that it was drawn for
        return Draw(on, pool, f"{self.sampling.replicate}:{carries}", carries, given, shared=True)

    def _rest(self, path: str, name: str) -> Draw:
        """The draw of any prompt of the layout, or length."""
        path = f"{self.sampling.replicate}:{name or 'rest'}" if self.sampling.kind == "shared" else f"{path}/{name}" if name else path
        return Draw(self.sampling.on, self.sampling.pool, path)

    def _refines(self, fine: str, coarse: str) -> bool:
        """Whether rows that agree on one feature agree on the other, among measured prompts and donors."""
        if (fine, coarse) not in self._finer:
            features, to = self.hypothesis.features, dict[int, int]()
            names = dict.fromkeys((self.sampling.on, self.sampling.pool))
            pairs = (pair for name in names for pair in zip(features[fine][name], features[coarse][name], strict=True))
            self._finer[fine, coarse] = all(to.setdefault(one, other) == other for one, other in pairs)
        return self._finer[fine, coarse]

    def _leave_out(self, place: Place, left: Apart, path: str, mixes: dict[Port, list[Override]]) -> None:
        """Puts a draw of their own under those of the places that this one reads and no edge delivers."""
        draw = self._rest(path, f"rest:{left.name}")
        for other in left.places:
            if not self.hypothesis.shape.reads(place.unit, other.unit):
                continue
            for port in place.unit.ports:
                delivered = [one.roles for one in mixes.get(port, ()) if one.unit == other.unit]
                named = {role for roles in delivered for role in roles or ()}
                roles = None if other.roles is None else tuple(role for role in other.roles if role not in named)
                if None not in delivered and roles != ():
                    value = self.algebra.base(self.world(draw), other.unit)
                    mixes.setdefault(port, []).append(self._put(other.unit, roles, value, draw))


def draw_groups(hypothesis: Hypothesis, links: tuple[Link, ...]) -> dict[Place, tuple[DrawGroup, ...]]:
    """For each place, what is drawn for it. An edge without port is one draw for all ports; a link counts in its first edge."""
    kept = set(links)
    found: dict[Place, dict[str, list[Link]]] = {}
    for edge in hypothesis.edges:
        for link in edge.links:
            if link not in kept:
                continue
            kept.discard(link)
            node = hypothesis.nodes[link.sender.node]
            units = "+".join(map(str, node.units)) if node.together else str(link.sender.unit)
            at = ",".join(map(str, delivered(link) or ()))
            name = f"{edge.port or '*'}<{units}" + (f"@{at}" if at else "")
            found.setdefault(link.receiver, {}).setdefault(name, []).append(link)
    return {
        place: tuple(DrawGroup(name, hypothesis.nodes[group[0].sender.node].carries, tuple(group)) for name, group in groups.items())
        for place, groups in found.items()
    }


def delivered(link: Link) -> Roles:
    """The positions at which a link delivers its sender's value."""
    return link.roles if link.roles is not None else link.sender.roles


def tree_size(incoming: Mapping[Place, tuple[DrawGroup, ...]]) -> int:
    """How often a unit is recomputed for one reference when every path has calls of its own."""
    sizes: dict[Place, int] = {}

    def size(place: Place) -> int:
        if place.unit == EMBED:
            return 0
        if place not in sizes:
            sizes[place] = 1 + sum(size(sender) for group in incoming.get(place, ()) for sender in group.senders)
        return sizes[place]

    return size(OUTPUT)


def _named(place: Place) -> str:
    return f"{place.unit}@{','.join(map(str, place.roles))}" if place.roles else str(place.unit)
