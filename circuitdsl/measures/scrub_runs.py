"""`scrub`: causal scrubbing (docs/semantics.md, section 7), a value of the algebra like every other experiment.

A call replaces a node's value by the one it has on another prompt that agrees on what the node carries: it is recomputed over
the plain run of one more prompt, `rest`, with each input that the hypothesis names scrubbed in its turn.
"""

import hashlib
import struct
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from circuitdsl.borders.hypothesis import Hypothesis, Link, Place
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.units import EMBED, Roles, Unit
from circuitdsl.borders.values import Algebra, Draw, Gather, Override, Recomputed, Run, Value, World
from circuitdsl.measures.circuit_runs import OUTPUT

JointDrawing = Literal["as stated", "together", "apart"]


class TooLarge(Exception):
    """A sampled hypothesis has more recomputations than it may."""


@dataclass(frozen=True, slots=True)
class DrawGroup:
    """Inputs of a node that are drawn once: one unit of a sender, or all of them if it says `together`, for an edge as written."""

    name: str
    carries: str | None
    links: tuple[Link, ...]
    joint: str = ""
    """The name of a draw that it shares with other groups of its reader."""

    @property
    def senders(self) -> tuple[Place, ...]:
        return tuple(dict.fromkeys(link.sender for link in self.links))

    @property
    def drawn(self) -> str:
        return self.joint or self.name


@dataclass(frozen=True, slots=True)
class SharedDraw:
    """Places that share a draw of their own wherever they are left out."""

    name: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How donors are drawn. With `free` nothing is carried: every donor is any prompt of the layout.

    `banks` is how many slots each node has where calls share them (measures/banks.py). `joint` draws what carries one feature
    for one reader together or apart, whatever the file says.
    """

    on: str
    pool: str
    kind: Literal["tree", "shared", "banks"] = "tree"
    banks: int = 0
    joint: JointDrawing = "as stated"
    free: bool = False
    apart: tuple[SharedDraw, ...] = ()
    replicate: int = 0


@dataclass
class Scrubbing:
    """Values of the scrubbed hypothesis `links` for one way of sampling."""

    algebra: Algebra
    hypothesis: Hypothesis
    links: tuple[Link, ...]
    sampling: Sampling
    incoming: dict[Place, tuple[DrawGroup, ...]] = field(init=False)
    kept: frozenset[Place] = field(init=False)
    limit: int | None = None
    """Most recomputations of shared draws or banks. Raises TooLarge above it."""
    _shared: dict[tuple[Place, Draw | None, int], Value] = field(default_factory=dict)
    _slots: dict[tuple[Place, str], tuple[int, ...]] = field(default_factory=dict)
    _finer: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.incoming = draw_groups(self.hypothesis, self.links, self.sampling.joint)
        self.kept = frozenset() if self.sampling.free else kept_whole(self.hypothesis, self.incoming)

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

    def _call(self, place: Place, given: Draw | None, path: str, slot: int = 0) -> Value:
        """scrub(place, the row that `given` drew). Calls that share their draws, or a slot and the reference, are one."""
        if place.unit == EMBED or place in self.kept:
            return self.algebra.base(self.world(given), place.unit)
        kept = self.sampling.kind != "tree"
        if kept and (place, given, slot) in self._shared:
            return self._shared[place, given, slot]
        if self.sampling.kind == "banks":
            path = f"{self.sampling.replicate}:bank:{_named(place)}"
        mixes: dict[Port, list[Override]] = {}
        for group in self.incoming.get(place, ()):
            theirs = self._slot(place, group, slot)
            draw = self._donor(group, given, f"{path}/{group.drawn}", theirs)
            for sender in group.senders:
                value = self._call(sender, draw, f"{path}/{group.name}>{_named(sender)}", theirs)
                for link in group.links:
                    if link.sender == sender:
                        mixes.setdefault(link.port, []).append(self._put(sender.unit, delivered(link), value, draw))
        for left in self.sampling.apart:
            self._leave_out(place, left, path, slot, mixes)
        background = self.world(self._rest(path, "rest", slot))
        value = self.algebra.recomputed(place.unit, background, {port: self.algebra.mix(found) for port, found in mixes.items()})
        if kept:
            self._shared[place, given, slot] = value
            if self.limit is not None and len(self._shared) > self.limit:
                raise TooLarge
        return value

    def _put(self, unit: Unit, roles: Roles, value: Value, draw: Draw | None) -> Override:
        """A value at its donor's own positions. Where donors have the row's layout, those are the row's."""
        absolute = self.hypothesis.settings.align == "absolute" and roles is not None
        return Override(unit, roles, value, draw if absolute else None)

    def _slot(self, place: Place, group: DrawGroup, slot: int) -> int:
        """Which of the senders' slots this slot of the reader takes: a random one, and all slots of the reader take different ones."""
        sampling = self.sampling
        if sampling.kind != "banks":
            return 0
        key = (place, group.drawn)
        if key not in self._slots:
            seed = self.hypothesis.settings.seed
            self._slots[key] = permutation(sampling.banks, f"{seed}/{sampling.replicate}/{_named(place)}/{group.drawn}")
        return self._slots[key][slot]

    def _donor(self, group: DrawGroup, given: Draw | None, path: str, slot: int) -> Draw | None:
        """The draw for what carries a feature, given the call's reference; what is not said to carry one carries everything."""
        carries, sampling = group.carries, self.sampling
        if sampling.kind == "banks":
            path = f"{sampling.replicate}:bank:{group.joint or '+'.join(map(_named, group.senders))}"
        if sampling.free:
            return self._rest(path, "", slot)
        if carries is None:
            return given
        on, pool = sampling.on, sampling.pool
        if sampling.kind == "tree":
            return Draw(on, pool, path, carries, given)
        while given is not None and given.feature and self._refines(given.feature, carries):
            given = given.given  # its row has the class of the row that it was drawn for
        if sampling.kind == "banks":
            return Draw(on, pool, path, carries, given, shared=True, slot=slot)
        return Draw(on, pool, f"{sampling.replicate}:{carries}", carries, given, shared=True)

    def _rest(self, path: str, name: str, slot: int) -> Draw:
        """The draw of any prompt of the layout, or length."""
        path = f"{self.sampling.replicate}:{name or 'rest'}" if self.sampling.kind == "shared" else f"{path}/{name}" if name else path
        return Draw(self.sampling.on, self.sampling.pool, path, slot=slot if self.sampling.kind == "banks" else None)

    def _refines(self, fine: str, coarse: str) -> bool:
        """Whether rows that agree on one feature agree on the other, among measured prompts and donors."""
        if (fine, coarse) not in self._finer:
            features, to = self.hypothesis.features, dict[int, int]()
            names = dict.fromkeys((self.sampling.on, self.sampling.pool))
            pairs = (pair for name in names for pair in zip(features[fine][name], features[coarse][name], strict=True))
            self._finer[fine, coarse] = all(to.setdefault(one, other) == other for one, other in pairs)
        return self._finer[fine, coarse]

    def _leave_out(self, place: Place, left: SharedDraw, path: str, slot: int, mixes: dict[Port, list[Override]]) -> None:
        """Puts a draw of their own under those of the places that this one reads and no edge delivers."""
        draw = self._rest(path, f"rest:{left.name}", slot)
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


def draw_groups(hypothesis: Hypothesis, links: tuple[Link, ...], joint: JointDrawing = "as stated") -> dict[Place, tuple[DrawGroup, ...]]:
    """For each place, what is drawn for it. An edge without port is one draw for all ports; a link counts in its first edge.

    `together`: all that carries one feature for one reader is one draw. `apart`: every unit draws for itself.
    """
    kept = set(links)
    found: dict[Place, dict[str, list[Link]]] = {}
    for edge in hypothesis.edges:
        for link in edge.links:
            if link not in kept:
                continue
            kept.discard(link)
            node = hypothesis.nodes[link.sender.node]
            units = "+".join(map(str, node.units)) if node.together and joint != "apart" else str(link.sender.unit)
            at = ",".join(map(str, delivered(link) or ()))
            name = f"{edge.port or '*'}<{units}" + (f"@{at}" if at else "")
            found.setdefault(link.receiver, {}).setdefault(name, []).append(link)
    carried = {name: node.carries for name, node in hypothesis.nodes.items()}

    def group(name: str, mine: list[Link]) -> DrawGroup:
        carries = carried[mine[0].sender.node]
        return DrawGroup(name, carries, tuple(mine), f"together<{carries}" if carries and joint == "together" else "")

    return {place: tuple(group(name, mine) for name, mine in groups.items()) for place, groups in found.items()}


def delivered(link: Link) -> Roles:
    """The positions at which a link delivers its sender's value."""
    return link.roles if link.roles is not None else link.sender.roles


def kept_whole(hypothesis: Hypothesis, incoming: Mapping[Place, tuple[DrawGroup, ...]]) -> frozenset[Place]:
    """Places that are given all they read, everywhere and by places that carry everything: the model's own on the reference.

    Nothing of them is left out, so their value is that of the plain run, and need not be recomputed.
    """
    shape, found = hypothesis.shape, set[Place]()
    for place in sorted(incoming, key=lambda one: one.unit.key):
        if place == OUTPUT:
            continue
        links = [link for group in incoming[place] if group.carries is None for link in group.links]
        whole = (link for link in links if link.sender.unit == EMBED or link.sender in found)
        given = {(link.sender.unit, link.port) for link in whole if link.roles is None and link.sender.roles is None}
        if all((unit, port) in given for unit in shape.units() if shape.reads(place.unit, unit) for port in place.unit.ports):
            found.add(place)
    return frozenset(found)


def tree_size(incoming: Mapping[Place, tuple[DrawGroup, ...]], kept: Set[Place] = frozenset()) -> int:
    """How often a unit is recomputed for one reference when every path has calls of its own; what is kept whole is not."""
    sizes: dict[Place, int] = {}

    def size(place: Place) -> int:
        if place.unit == EMBED or place in kept:
            return 0
        if place not in sizes:
            sizes[place] = 1 + sum(size(sender) for group in incoming.get(place, ()) for sender in group.senders)
        return sizes[place]

    return size(OUTPUT)


def permutation(size: int, key: str) -> tuple[int, ...]:
    """The numbers below `size` in an order that depends on the key alone: sorted by 64 bits each of its SHAKE-256 stream."""
    keys = struct.unpack(f"<{size}Q", hashlib.shake_256(f"slots/{key}".encode()).digest(8 * size))
    return tuple(sorted(range(size), key=keys.__getitem__))


def _named(place: Place) -> str:
    return f"{place.unit}@{','.join(map(str, place.roles))}" if place.roles else str(place.unit)
