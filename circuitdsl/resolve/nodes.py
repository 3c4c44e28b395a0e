"""Named nodes: units at positions, and groups of nodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.hypothesis import Node, Place
from circuitdsl.borders.source import Span
from circuitdsl.borders.units import EMBED, LOGITS, ModelShape, Unit
from circuitdsl.resolve.names import Scope
from circuitdsl.resolve.positions import PositionResolver, written_slot
from circuitdsl.resolve.units import units_of

SPECIAL = {"embed": Node("embed", (Place(EMBED, "embed"),)), "logits": Node("logits", (Place(LOGITS, "logits"),))}


class NodeResolver:
    """Nodes by name, in the order of the file, and the names of those that an error was found in."""

    def __init__(self, definitions: Sequence[doc.NodeDef], shape: ModelShape, model: str, scope: Scope, problems: Diagnostics):
        self._shape, self._model, self._scope, self._problems = shape, model, scope, problems
        self._definitions = {one.name.text: one for one in definitions}
        self.found: dict[str, Node] = {}
        self.broken: set[str] = set()

    def resolve(self, positions: PositionResolver) -> None:
        for definition in self._definitions.values():
            if not _is_group(definition):
                self._guarded(definition, lambda one: self._units(one, positions))
        for definition in self._definitions.values():
            if _is_group(definition):
                self._guarded(definition, lambda one: self._group(one, ()))
        self.found = {name: self.found[name] for name in self._definitions if name in self.found}
        self._check_parts()
        self._check_overlaps(positions)

    def node(self, name: doc.Name, what: str = "a node") -> Node:
        """The node of that name, `embed` and `logits` too. Reports an unknown one; one with errors is given up silently."""
        if name.text in SPECIAL:
            return SPECIAL[name.text]
        self._scope.find(name, "node", what=what, also=tuple(SPECIAL))
        if name.text not in self.found or name.text in self.broken:
            raise Reported
        return self.found[name.text]

    @property
    def leaves(self) -> list[Node]:
        """Nodes that are no groups."""
        return [node for node in self.found.values() if not node.members]

    def _guarded(self, definition: doc.NodeDef, resolve: Callable[[doc.NodeDef], object]) -> None:
        try:
            resolve(definition)
        except Reported:
            self.broken.add(definition.name.text)

    def _units(self, definition: doc.NodeDef, positions: PositionResolver) -> None:
        units: dict[Unit, Span] = {}
        failure: Reported | None = None
        for member in definition.members:
            assert isinstance(member, doc.UnitRef)
            try:
                for unit in units_of(member, self._shape, self._model, self._problems):
                    if unit in units:
                        labels = ((units[unit], "first here"),) if units[unit] != member.span else ()
                        raise self._problems.error("C125", f"{unit} is named twice in `{definition.name.text}`", member.span, labels=labels)
                    units[unit] = member.span
            except Reported as reported:
                failure = reported
        carries = None
        with self._problems.going_on():
            carries = self._carries(definition.carries)
        roles = positions.roles(definition.positions)
        if failure is not None:
            raise failure
        name = definition.name.text
        places = tuple(Place(unit, name, roles) for unit in sorted(units))
        self.found[name] = Node(name, places, (), carries, definition.together, definition.unconnected, definition.span)

    def _carries(self, slot: doc.SlotRef | None) -> str | None:
        if slot is None:
            return None
        if slot.name.text != "template":
            self._scope.find(slot.name, "slot", "feature", also=("template",))
        return written_slot(slot)

    def _group(self, definition: doc.NodeDef, above: tuple[str, ...]) -> Node:
        name = definition.name.text
        if name in self.found:
            return self.found[name]
        if name in self.broken:
            raise Reported
        units = [one for one in definition.members if isinstance(one, doc.UnitRef)]
        if units:
            hint = "give the units a node of their own, and name that node here"
            raise self._problems.error("C131", f"`{name}` mixes units and nodes", units[0].span, hint)
        for what, there in (("positions", definition.positions), ("`carries`", definition.carries), ("`together`", definition.together)):
            if there:
                hint = "say it of the nodes that the group is made of"
                raise self._problems.error("C132", f"`{name}` is a group of nodes and cannot have {what} of its own", definition.span, hint)
        members: dict[str, Node] = {}
        failure: Reported | None = None
        for member in definition.members:
            assert isinstance(member, doc.Name)
            try:
                if member.text in members:
                    raise self._problems.error("C125", f"`{member.text}` is named twice in `{name}`", member.span)
                members[member.text] = self._member(member, (*above, name))
            except Reported as reported:
                failure = reported
        if failure is not None:
            raise failure
        places = tuple(dict.fromkeys(place for node in members.values() for place in node.places))
        node = Node(name, places, tuple(members), None, False, definition.unconnected, definition.span)
        self.found[name] = node
        return node

    def _member(self, member: doc.Name, above: tuple[str, ...]) -> Node:
        if member.text in SPECIAL:
            raise self._problems.error("C131", f"`{member.text}` cannot be in a group", member.span)
        if member.text in above:
            chain = " is made of ".join(f"`{one}`" for one in [*above[above.index(member.text) :], member.text])
            raise self._problems.error("C130", f"a group cannot contain itself: {chain}", member.span)
        self._scope.find(member, "node")
        definition = self._definitions.get(member.text)
        if definition is None or member.text in self.broken:
            raise Reported
        if not _is_group(definition):
            return self.found[member.text]
        try:
            return self._group(definition, above)
        except Reported:
            self.broken.add(member.text)
            raise

    def _places(self) -> Iterator[tuple[Place, Span]]:
        for node in self.leaves:
            for place in node.places:
                yield place, node.span

    def _check_parts(self) -> None:
        wholes: dict[Unit, tuple[Place, Span]] = {place.unit: (place, span) for place, span in self._places()}
        said: set[tuple[str, str]] = set()
        for place, span in self._places():
            if place.unit.whole is None or place.unit.whole not in wholes:
                continue
            whole, whole_span = wholes[place.unit.whole]
            if (whole.node, place.node) in said:
                continue
            said.add((whole.node, place.node))
            self.broken.add(place.node)
            message = f"{place.unit} is a part of {whole.unit}, which is in `{whole.node}`: one of them has to go"
            labels = ((whole_span, f"{whole.unit} is here"),) if whole_span != span else ()
            self._problems.error("C126", message, span, labels=labels)

    def _check_overlaps(self, positions: PositionResolver) -> None:
        by_unit: dict[Unit, list[tuple[Place, Span]]] = {}
        for place, span in self._places():
            by_unit.setdefault(place.unit, []).append((place, span))
        said: set[tuple[str, str]] = set()
        for unit, places in by_unit.items():
            for index, (place, span) in enumerate(places):
                for earlier, earlier_span in places[:index]:
                    pair = (earlier.node, place.node)
                    where = overlap(earlier, place, positions)
                    if where and pair not in said:
                        said.add(pair)
                        self.broken.add(place.node)
                        message = f"{unit} is in `{earlier.node}` and in `{place.node}`, {where}"
                        hint = "a unit may be in several nodes only at different positions"
                        self._problems.error("C127", message, span, hint, ((earlier_span, f"`{earlier.node}` is here"),))


def overlap(first: Place, second: Place, positions: PositionResolver) -> str:
    """Where two places of a unit overlap, in words, or nothing."""
    if first.roles is None or second.roles is None:
        return "of which one is at every position"
    for layout in positions.layouts:
        common = set(layout.positions(first.roles)) & set(layout.positions(second.roles))
        if common:
            return f"both at token {min(common)} of a prompt of {layout.length} tokens"
    same = set(first.roles) & set(second.roles)
    return f"both at {min(map(str, same))}" if same else ""


def used_nodes(found: Mapping[str, Node], names: set[str]) -> dict[str, Node]:
    """Declared nodes, with `embed` before and `logits` after them where they are used."""
    first = {"embed": SPECIAL["embed"]} if "embed" in names else {}
    last = {"logits": SPECIAL["logits"]} if "logits" in names else {}
    return {**first, **found, **last}


def _is_group(definition: doc.NodeDef) -> bool:
    return any(isinstance(member, doc.Name) for member in definition.members)
