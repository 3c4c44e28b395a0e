"""The algebra (docs/semantics.md, section 2): base worlds, recomputation over a background, sums. All that is measured
is a value in it.

Values are pure and hash-consed by an `Algebra`: equal values are the same object, so identity is equality and shared work is seen.
Positions are roles; the planner resolves them on each layout. No tensor appears here.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from circuitdsl.borders.kinds import Port
from circuitdsl.borders.units import LOGITS, Roles, Unit, WriteGroup


@dataclass(frozen=True, slots=True)
class Run:
    """A plain run of the model on a distribution; row i of the measured rows is row i there (itself, or its paired partner)."""

    distribution: str


@dataclass(frozen=True, slots=True)
class Draw:
    """Whose rows stand in for those of `on` in causal scrubbing: for each a row of `pool` in its layout, itself allowed.

    Under `align = absolute` the donor has the row's length alone. It agrees on `feature` with the row that `given` drew (None: with
    the row of `on` itself); without a feature any such row may be drawn. `path` is the draw's part of the random key. Where
    `shared`, the class of the feature is a part of it as well, so that draws of one path agree wherever they are given the same
    class. Draws of one path that differ in `slot` take the candidates in turn, in one random order, and in another once all were
    taken: each slot's is uniform.
    """

    on: str
    pool: str
    path: str
    feature: str | None = None
    given: "Draw | None" = None
    shared: bool = False
    slot: int | None = None
    _hash: int = field(init=False, repr=False, compare=False)
    """Made once: a draw is looked up many times, and has those before it within."""

    def __post_init__(self) -> None:
        key = (self.on, self.pool, self.path, self.feature, self.given, self.shared, self.slot)
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Gather:
    """Rows of a plain run put in place of the measured rows, whole and position by position; `draw` names the plan's row numbers."""

    distribution: str
    draw: str | Draw


@dataclass(frozen=True, slots=True)
class Mean:
    """Contributions averaged over the distribution's rows of the same layout (which has the template in it)."""

    distribution: str


@dataclass(frozen=True, slots=True)
class Zero:
    """Every contribution is zero."""


World = Run | Gather | Mean | Zero


@dataclass(frozen=True, eq=False)
class Base:
    """A unit's contribution in a base world, [B, T, d]."""

    world: World
    unit: Unit

    @cached_property
    def digest(self) -> str:
        return hashed("base", repr(self.world), repr(self.unit))


@dataclass(frozen=True, eq=False)
class Override:
    """At `roles`, a mix takes `value` for `unit` instead of the background's contribution.

    A mix may hold for one unit an override at every position (`roles` None) beside ones at named roles: there the named ones
    win (a unit that is pinned at some positions and recomputed at the others). Named ones of one unit never overlap.
    Roles stand where the measured row has them, or where the row has them that `on` drew (`align = absolute`).
    """

    unit: Unit
    roles: Roles
    value: "Value"
    on: Draw | None = None


@dataclass(frozen=True, eq=False)
class Mix:
    """Overrides over a background, as a chain of write groups in the order of the architecture: `before`, then this group's.

    The chain makes prefixes shared: two readers with the same senders up to a layer hold the same object there.
    """

    before: "Mix | None"
    group: WriteGroup
    overrides: tuple[Override, ...]

    @cached_property
    def digest(self) -> str:
        parts = [f"{o.unit!r}{o.roles!r}{o.value.digest}{o.on or ''}" for o in self.overrides]
        return hashed("mix", self.before.digest if self.before else "", *parts)


@dataclass(frozen=True, eq=False)
class Recomputed:
    """`f_v` of one mix for each port, over the background world. A port with mix None reads the background.

    `frozen` fixes the scale of the reader's norm at its value in that world (centring stays live).
    For `logits` the value is the logits, else the unit's contribution [B, T, d].
    """

    unit: Unit
    background: World
    mixes: tuple[tuple[Port, Mix | None], ...]
    frozen: World | None = None

    def mix(self, port: Port) -> Mix | None:
        return dict(self.mixes)[port]

    @cached_property
    def digest(self) -> str:
        mixes = [f"{port}{mix.digest if mix else ''}" for port, mix in self.mixes]
        return hashed("recomputed", repr(self.unit), repr(self.background), repr(self.frozen), *mixes)


@dataclass(frozen=True, slots=True)
class Subspace:
    """Of the residual stream, of so many dimensions. The hypothesis holds its vectors by its name."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Share:
    """`weight` times a value, or times its orthogonal projection onto a subspace."""

    weight: float
    value: "Value"
    subspace: Subspace | None = None


@dataclass(frozen=True, eq=False)
class Linear:
    """A sum of shares of one unit's values, [B, T, d]: a part of a value, or what lies between two (docs/semantics.md, section 2).

    Made by `Algebra.linear` alone, which leaves no two shares of one value in one subspace, and none of weight 0.
    """

    unit: Unit
    shares: tuple[Share, ...]

    @cached_property
    def digest(self) -> str:
        return hashed("linear", *(f"{share.weight!r}{share.subspace!r}{share.value.digest}" for share in self.shares))


Value = Base | Recomputed | Linear


def worlds(values: Iterable[Value]) -> Iterator[World]:
    """The base worlds that values are made of; one may come several times. Each value and mix within is looked at once."""
    seen: set[Value | Mix] = set()
    open_: list[Value | Mix | None] = list(values)
    while open_:
        one = open_.pop()
        if one is None or one in seen:
            continue
        seen.add(one)
        match one:
            case Base(world):
                yield world
            case Mix(before, _, overrides):
                open_ += (before, *(override.value for override in overrides))
            case Recomputed(background=background, mixes=mixes, frozen=frozen):
                yield background
                if frozen is not None:
                    yield frozen
                open_ += (mix for _, mix in mixes)
            case Linear(shares=shares):
                open_ += (share.value for share in shares)


def hashed(*parts: str) -> str:
    """A digest of content: 32 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _in_order(override: Override) -> tuple[int, int, int]:
    return override.unit.key


Kept = TypeVar("Kept")


@dataclass(slots=True)
class Algebra:
    """Makes values and keeps each once. One algebra serves one plan; it is passed along, never global."""

    _kept: dict[tuple[object, ...], Any] = field(default_factory=dict)
    _overrides: dict[tuple[object, ...], Override] = field(default_factory=dict)
    _mixes: dict[tuple[object, ...], Mix] = field(default_factory=dict)

    def _keep(self, key: tuple[object, ...], make: Callable[[], Kept]) -> Kept:
        if key not in self._kept:
            self._kept[key] = make()
        return cast(Kept, self._kept[key])

    def base(self, world: World, unit: Unit) -> Base:
        return self._keep(("base", world, unit), lambda: Base(world, unit))

    def mix(self, overrides: Iterable[Override], over: Mix | None = None) -> Mix | None:
        """Overrides in any order, put after those of `over`, whose groups must all come earlier. None if there are none."""
        mix = over
        group: list[Override] = []
        for override in sorted(overrides, key=_in_order):
            if group and override.unit.group.key != group[0].unit.group.key:
                mix = self._extended(mix, group)
                group = []
            group.append(self._overrides.setdefault((override.unit, override.roles, override.value, override.on), override))
        return self._extended(mix, group) if group else mix

    def _extended(self, mix: Mix | None, members: list[Override]) -> Mix:
        """A mix and the overrides of one group after it, which are kept ones in the order of their units."""
        if len(members) > 1 and len({one.unit for one in members}) < len(members):
            members = sorted(members, key=lambda one: (one.unit.key, repr(one.roles), one.value.digest))
        key = (mix, *members)
        if (found := self._mixes.get(key)) is None:
            group = members[0].unit.group
            if mix is not None and mix.group.key >= group.key:
                raise ValueError(f"mix out of order: {group} after {mix.group}")
            found = self._mixes[key] = Mix(mix, group, tuple(members))
        return found

    def recomputed(self, unit: Unit, background: World, mixes: dict[Port, Mix | None], frozen: World | None = None) -> Recomputed:
        """`mixes` may leave ports out: they read the background."""
        ports = tuple((port, mixes.get(port)) for port in unit.ports)
        key = ("recomputed", unit, background, frozen, tuple((port, id(mix)) for port, mix in ports))
        return self._keep(key, lambda: Recomputed(unit, background, ports, frozen))

    def linear(self, unit: Unit, shares: Iterable[Share]) -> Value:
        """Their sum. Sums within are taken apart where that changes nothing; a sum that is one whole value is that value.

        Raises ValueError for values of another unit and for logits, which are no contribution to the stream.
        """
        weights: dict[tuple[Subspace | None, int], Share] = {}
        for share in self._apart(shares):
            if share.value.unit != unit or unit == LOGITS:
                raise ValueError(f"a share of a value of {share.value.unit} is no contribution of {unit}")
            key = (share.subspace, id(share.value))
            before = weights[key].weight if key in weights else 0.0
            weights[key] = Share(before + share.weight, share.value, share.subspace)
        left = tuple(share for share in weights.values() if share.weight)
        if not left:
            return self.base(Zero(), unit)
        if len(left) == 1 and left[0].weight == 1 and left[0].subspace is None:
            return left[0].value
        same = frozenset((share.weight, share.subspace, id(share.value)) for share in left)
        return self._keep(("linear", unit, same), partial(Linear, unit, left))

    def _apart(self, shares: Iterable[Share]) -> Iterator[Share]:
        """Shares of sums as shares of what is summed: of any sum where nothing is projected, of a projection onto the same subspace."""
        for share in shares:
            inner = share.value.shares if isinstance(share.value, Linear) else ()
            if inner and all(share.subspace is None or one.subspace in (None, share.subspace) for one in inner):
                yield from (Share(share.weight * one.weight, one.value, share.subspace or one.subspace) for one in inner)
            else:
                yield share

    def blend(self, first: Value, second: Value, share: float) -> Value:
        """(1 − share) · first + share · second."""
        return self.linear(first.unit, (Share(1 - share, first), Share(share, second)))

    def projected(self, value: Value, subspace: Subspace) -> Value:
        """P · value: the part of it that lies in the subspace."""
        return self.linear(value.unit, (Share(1, value, subspace),))

    def with_part(self, value: Value, subspace: Subspace, other: Value) -> Value:
        """value + P (other − value): its part in the subspace is the other's."""
        return self.linear(value.unit, (Share(1, value), Share(-1, value, subspace), Share(1, other, subspace)))

    def logits(self, background: World, mix: Mix | None = None, frozen: World | None = None) -> Recomputed:
        """The logits of a mix; with no mix, the background's own."""
        return self.recomputed(LOGITS, background, {"in": mix}, frozen)
