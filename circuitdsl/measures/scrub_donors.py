"""Which prompts may exchange values, and where a donor's values are delivered (docs/semantics.md, section 3).

Under `align = layout` a donor has its row's layout, so every position of a node is the row's own. Under `align = absolute` it has the
row's length alone: the node's positions are the donor's, and its value is delivered there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Link, Place
from circuitdsl.borders.kinds import OWN_POSITION, Port
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import Layout, Roles, Unit
from circuitdsl.borders.values import Gather, World
from circuitdsl.measures.scrub_runs import DrawGroup, Sampling, delivered

_CLASSES = {"layout": "cut by layout (template, length, spans of the slots)", "absolute": "cut by length (donors of any layout)"}


@dataclass
class ScrubDonors:
    """Donors of one way of sampling: who may stand in for whom, and where a node stands on them."""

    claim: Claim
    hypothesis: Hypothesis
    sampling: Sampling
    _positions: dict[tuple[str, Roles], tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    @property
    def cut(self) -> str:
        """What classes are cut by."""
        return "layout" if self.hypothesis.settings.align == "layout" else "length"

    @property
    def classes(self) -> str:
        """The same for the report."""
        return _CLASSES[self.hypothesis.settings.align]

    def cells(self, feature: str) -> Mapping[tuple[Layout | int, int], int]:
        """How many donors each class of a feature has, cut by layout or length."""
        return Counter(self._keys(self.sampling.pool, feature))

    def fixed(self, feature: str) -> bool:
        """Whether a feature tells layouts apart and nothing else: donors of one layout then agree on it whatever they are."""
        prompts = self.hypothesis.distributions[self.sampling.pool].prompts
        values = self.hypothesis.features[feature][self.sampling.pool]
        pairs = {(prompt.layout, value) for prompt, value in zip(prompts, values, strict=True)}
        return len(set(values)) > 1 and len(pairs) == len({layout for layout, _ in pairs}) < len(prompts)

    def elsewhere(self, incoming: Mapping[Place, Sequence[DrawGroup]]) -> dict[str, str]:
        """Expected shares of draws in which the donor has another layout than the row, and in which a node stands elsewhere on it."""
        carried = {group.carries: None for groups in incoming.values() for group in groups if group.carries}
        found = {f"donor has another layout ({feature})": self._differing(feature, self._layouts) for feature in carried}
        for groups in incoming.values():
            for group in groups:
                roles = delivered(group.links[0])
                if group.carries and roles:
                    name = f"{group.links[0].sender.node} @ {', '.join(map(str, roles))}"
                    found[f"donor stands elsewhere ({name})"] = self._differing(group.carries, partial(self._placed, roles=roles))
        return {name: f"{share:.1%} of draws" for name, share in found.items()}

    def check(self, incoming: Mapping[Place, Sequence[DrawGroup]]) -> None:
        """That every value lands where it is read, and no two of one unit in one place.

        Raises CircError C374, C381 or C382.
        """
        for receiver, groups in incoming.items():
            for group in groups:
                for link in group.links:
                    if group.carries and link.port in OWN_POSITION:
                        self._check_local(link, group.carries)
            self._check_apart(receiver, groups)

    def check_free(self, incoming: Mapping[Place, Sequence[DrawGroup]]) -> None:
        """The same where every donor is free: nothing is carried, so nothing need land anywhere, but two values may meet."""
        for receiver, groups in incoming.items():
            self._check_apart(receiver, groups)

    def _check_local(self, link: Link, feature: str) -> None:
        roles = delivered(link)
        if roles is None:
            return
        for places in self._reachable(feature, roles).values():
            if len(places) > 1:
                first, second = sorted(places)[:2]
                reader = f"the queries of {link.receiver.unit}" if link.port == "q" else str(link.receiver.unit)
                raise self._error(
                    "C374",
                    f"`{link.sender.node}` feeds {reader}, where each position is read for itself; but of two prompts that agree on "
                    f"`{feature}` one has `{_named(roles)}` at token {_listed(first)}, one at {_listed(second)}",
                    f"let it carry its place too (`feature both = {feature}, template`), or deliver it to keys or values alone",
                    link,
                )

    def _check_apart(self, receiver: Place, groups: Sequence[DrawGroup]) -> None:
        """That values of one unit from different donors cannot meet."""
        for port in receiver.unit.ports:
            placed: dict[Unit, list[tuple[Link, str | None]]] = {}
            for link, feature in self._arriving(receiver, port, groups):
                if delivered(link) is not None:
                    placed.setdefault(link.sender.unit, []).append((link, feature))
            for (one, first), (other, second) in (pair for same in placed.values() for pair in combinations(same, 2)):
                same_row = first == second and (first == "" or (first and self.sampling.kind == "shared"))
                if same_row or delivered(one) == delivered(other):
                    continue
                for mine, theirs in zip(self._around(first, delivered(one)), self._around(second, delivered(other)), strict=True):
                    if mine & theirs:
                        raise self._error(
                            "C381",
                            f"{one.sender.unit} is in `{one.sender.node}` and `{other.sender.node}`, and their donors may both deliver at "
                            f"token {min(mine & theirs)}",
                            "let both carry their place (`feature both = …, template`)"
                            + (", or take another baseline" if self.sampling.free else ""),
                            one,
                        )

    def _arriving(self, receiver: Place, port: Port, groups: Sequence[DrawGroup]) -> list[tuple[Link, str | None]]:
        """What arrives at a port, with the feature of its donor: "" for the caller's own row, None for any row."""
        named = [
            (link, None if self.sampling.free else group.carries or "") for group in groups for link in group.links if link.port == port
        ]
        delivered_places = {link.sender for link, _ in named}
        reads = self.hypothesis.shape.reads
        left = [
            (Link(place, receiver, port), None)
            for apart in self.sampling.apart
            for place in apart.places
            if place not in delivered_places and reads(receiver.unit, place.unit)
        ]
        return [*named, *left]

    def _around(self, feature: str | None, roles: Roles) -> Iterator[set[int]]:
        """For each prompt, every position at which a donor that agrees with it may deliver."""
        for name in self._names():
            if feature == "":
                yield from map(set, self._placed(name, roles))
            else:
                every = {key: set().union(*places) for key, places in self._reachable(feature, roles).items()}
                yield from (every.get(key, set()) for key in self._keys(name, feature))

    def _reachable(self, feature: str | None, roles: Roles) -> dict[tuple[Layout | int, int], set[tuple[int, ...]]]:
        """Where the roles stand on the prompts of each class."""
        found: dict[tuple[Layout | int, int], set[tuple[int, ...]]] = {}
        for name in self._names():
            for key, places in zip(self._keys(name, feature), self._placed(name, roles), strict=True):
                found.setdefault(key, set()).add(places)
        return found

    def _differing(self, feature: str, of: Callable[[str], Iterable[object]]) -> float:
        """Share of (row, donor) pairs that differ in something, the donor any that agrees with the row."""
        pool = self.sampling.pool
        every = Counter(self._keys(pool, feature))
        alike = Counter(zip(self._keys(pool, feature), of(pool), strict=True))
        rows = list(zip(self._keys(self.sampling.on, feature), of(self.sampling.on), strict=True))
        return sum(1 - alike[key, what] / every[key] for key, what in rows if every[key]) / len(rows)

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.sampling.on, self.sampling.pool)))

    def _layouts(self, distribution: str) -> list[Layout]:
        return [prompt.layout for prompt in self.hypothesis.distributions[distribution].prompts]

    def _keys(self, distribution: str, feature: str | None) -> list[tuple[Layout | int, int]]:
        align = self.hypothesis.settings.align
        layouts = self._layouts(distribution)
        values = [0] * len(layouts) if feature is None else self.hypothesis.features[feature][distribution]
        return [(layout.alike(align), value) for layout, value in zip(layouts, values, strict=True)]

    def _placed(self, distribution: str, roles: Roles) -> tuple[tuple[int, ...], ...]:
        """Where the roles stand on each prompt. Raises CircError C382 where they do not."""
        if (distribution, roles) not in self._positions:
            try:
                found = tuple(layout.positions(roles) for layout in self._layouts(distribution))
            except (KeyError, IndexError):
                message = f"`{_named(roles)}` does not stand in every prompt of `{distribution}`, where donors come from"
                raise self._error("C382", message, "draw donors from prompts that have it") from None
            self._positions[distribution, roles] = found
        return self._positions[distribution, roles]

    def _error(self, code: str, message: str, hint: str, link: Link | None = None) -> CircError:
        span = self.hypothesis.nodes[link.sender.node].span if link else self.claim.span
        labels = ((self.claim.span, "scrubbed here"),) if link and span != self.claim.span else ()
        return refusal(code, message, span, hint, labels=labels, source=self.hypothesis.source)


def check_source(claim: Claim, hypothesis: Hypothesis, world: World, measured: str, places: Sequence[Place]) -> None:
    """That the values that a path starts from stand on drawn donors where they stand on the row.

    Raises CircError C383: what is pinned at a position is read there by whatever the path goes to.
    """
    if hypothesis.settings.align == "layout" or not isinstance(world, Gather):
        return
    donors = ScrubDonors(claim, hypothesis, Sampling(measured, world.distribution))
    for place in places:
        if place.roles is not None and any(len(found) > 1 for found in donors._reachable(None, place.roles).values()):
            message = f"`{_named(place.roles)}` stands elsewhere in some donors from `{world.distribution}`"
            hint = "take the value from paired prompts, or leave out `align = absolute`"
            raise refusal("C383", message, claim.span, hint, source=hypothesis.source)


def _named(roles: Roles) -> str:
    return ", ".join(map(str, roles or ()))


def _listed(places: tuple[int, ...]) -> str:
    return ", ".join(map(str, places))
