"""Runs in which everything after some units is recomputed, along every route or through a group (docs/semantics.md, section 5).

A `PatchedRun` starts from values pinned over a background and walks the layers upward. Its chain of mixes is shared between readers,
so a run of a model with U units holds O(U) overrides, not O(U²).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from circuitdsl.borders.hypothesis import Link, Place
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.units import EMBED, LOGITS, ModelShape, Roles, Unit
from circuitdsl.borders.values import Algebra, Mix, Override, Recomputed, Value, World

PortReader = Callable[[Port, Mix | None], Mix | None]
"""From a port and what a live reader would read there to what this place reads."""


class PatchedRun:
    """The live run over `world` with `pins` in place, and `places` that read something of their own.

    `through` names the only places that are recomputed (None: every unit). `own[place]` changes what a place reads; where the place is
    none of `through`, its other ports read the background. `frozen` is the run whose norm scales the readers keep.
    """

    def __init__(
        self,
        algebra: Algebra,
        shape: ModelShape,
        world: World,
        pins: Iterable[Override],
        own: Mapping[Place, PortReader] | None = None,
        through: Sequence[Place] | None = None,
        frozen: World | None = None,
    ):
        self._algebra, self._shape, self._world, self._frozen = algebra, shape, world, frozen
        self._pins: dict[Unit, list[Override]] = {}
        for pin in pins:
            self._pins.setdefault(pin.unit, []).append(pin)
        self._own: dict[Unit, list[tuple[Place, PortReader]]] = {}
        for place, reads in (own or {}).items():
            self._own.setdefault(place.unit, []).append((place, reads))
        self._through: dict[Unit, list[Place]] | None = None
        if through is not None:
            self._through = {}
            for place in through:
                self._through.setdefault(place.unit, []).append(place)
        self._before: dict[Unit, Mix | None] = {}
        self._walk()

    def before(self, unit: Unit) -> Mix | None:
        """What a live reader reads: the overrides of all that was recomputed or pinned before it. A neuron reads what its MLP does."""
        return self._before[unit.whole or unit]

    def logits(self, own: PortReader | None = None) -> Recomputed:
        """The logits that read everything live, or something of their own."""
        mix = self._before[self._last]
        return self._algebra.logits(self._world, own("in", mix) if own else mix, self._frozen)

    def _walk(self) -> None:
        units = self._units()
        self._last = units[-1]
        mix: Mix | None = None
        pending: list[Override] = []  # of the group being walked, which its own members do not read
        group = units[0].group
        parallel: list[Override] = []  # of this layer's attention, which a parallel MLP does not read
        for unit in units:
            if unit.group != group:
                hold = self._shape.parallel and unit.group.key[0] == group.key[0]
                if hold:
                    parallel = pending
                else:
                    mix = self._algebra.mix([*parallel, *pending], mix)
                    parallel = []
                pending, group = [], unit.group
            self._before[unit] = mix
            pending += self._overrides(unit, mix)

    def _units(self) -> list[Unit]:
        """Units of the architecture with the named neurons among them, in order."""
        named = {u for u in [*self._pins, *self._own, *(self._through or ())] if u.whole}
        return sorted({*self._shape.units(), *named}, key=lambda unit: unit.key)

    def _overrides(self, unit: Unit, mix: Mix | None) -> list[Override]:
        if unit == LOGITS:
            return []
        pins = self._pins.get(unit, [])
        if any(pin.roles is None for pin in pins):
            return pins
        found = list(pins)
        taken = {role for pin in pins for role in pin.roles or ()}
        for place, reads in self._own.get(unit, []):
            if place.roles is None or not taken.issuperset(place.roles):
                found += self._own_overrides(place, reads, mix)
                taken.update(place.roles or ())
        if mix is None or unit == EMBED or any(one.roles is None for one in found):
            return found
        value: Value | None = None
        for roles in self._live_roles(unit):
            left = roles if roles is None else tuple(role for role in roles if role not in taken)
            if left is None or left:
                value = value or self._recomputed(unit, dict.fromkeys(unit.ports, mix))
                found.append(Override(unit, left, value))
                taken.update(left or ())
        return found

    def _live_roles(self, unit: Unit) -> list[Roles]:
        """Where the unit is recomputed."""
        if self._through is None:
            return [] if unit.whole else [None]  # a part is recomputed with its whole
        found = [place.roles for place in self._through.get(unit, [])]
        return [None] if None in found else found

    def _own_overrides(self, place: Place, reads: PortReader, mix: Mix | None) -> list[Override]:
        """A place that reads something of its own; its other ports are live where the unit is recomputed, else at the background."""
        unit, roles = place.unit, place.roles
        live, still = (self._recomputed(unit, {port: reads(port, other) for port in unit.ports}) for other in (mix, None))
        where = [None] if self._through is None else self._live_roles(unit)
        if live is still or None in where:
            return [Override(unit, roles, live)]
        among = tuple(dict.fromkeys(role for some in where for role in some or ()))
        if roles is None:  # named roles win over an override at every position
            return [Override(unit, None, still), *([Override(unit, among, live)] if among else [])]
        parts = tuple(role for role in roles if role in among), tuple(role for role in roles if role not in among)
        return [Override(unit, part, value) for part, value in zip(parts, (live, still), strict=True) if part]

    def _recomputed(self, unit: Unit, mixes: dict[Port, Mix | None]) -> Recomputed:
        return self._algebra.recomputed(unit, self._world, mixes, self._frozen)


def overriding(algebra: Algebra, mix: Mix | None, pins: Sequence[Override]) -> Mix | None:
    """The mix with `pins` put over it: at their roles they win. What comes before the first of them is shared."""
    first = min(pin.unit.group.key for pin in pins)
    of_unit: dict[Unit, list[Override]] = {}
    for pin in pins:
        of_unit.setdefault(pin.unit, []).append(pin)
    later: list[Override] = []
    while mix is not None and mix.group.key >= first:
        later += mix.overrides
        mix = mix.before
    return algebra.mix([*(kept for one in later for kept in _uncovered(one, of_unit.get(one.unit, ()))), *pins], mix)


def _uncovered(override: Override, pins: Sequence[Override]) -> list[Override]:
    """What is left of an override under its unit's pins: nothing where they name its roles, all of it where it is at every position."""
    if any(pin.roles is None or pin.roles == override.roles for pin in pins):
        return []
    if override.roles is None or not pins:
        return [override]
    taken = {role for pin in pins for role in pin.roles or ()}
    left = tuple(role for role in override.roles if role not in taken)
    return [Override(override.unit, left, override.value)] if left else []


def knocked_out(
    algebra: Algebra,
    shape: ModelShape,
    clean: World,
    background: World,
    nodes: Iterable[Place] = (),
    links: Iterable[Link] = (),
    frozen: World | None = None,
) -> Recomputed:
    """Logits of M∖K: the model's run with all edges but those that leave the nodes of K, or but the links of K.

    By the algebra this is the clean run in which the readers of K's edges see the background there, everything after recomputed.
    """
    pins = [Override(place.unit, place.roles, algebra.base(background, place.unit)) for place in nodes]
    cut: dict[Place, dict[Port, list[Override]]] = {}
    for link in links:
        roles = link.roles if link.roles is not None else link.sender.roles
        unseen = Override(link.sender.unit, roles, algebra.base(background, link.sender.unit))
        cut.setdefault(link.receiver, {}).setdefault(link.port, []).append(unseen)

    def reads_of(place: Place) -> PortReader:
        return lambda port, live: overriding(algebra, live, cut[place][port]) if port in cut[place] else live

    own = {place: reads_of(place) for place in cut if place.unit != LOGITS}
    ends = [reads_of(place) for place in cut if place.unit == LOGITS]
    return PatchedRun(algebra, shape, clean, pins, own, frozen=frozen).logits(ends[0] if ends else None)
