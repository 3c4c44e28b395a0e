"""Edges as written to edges between nodes, with the links between units that they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.hypothesis import Edge, Link, Node, Place
from circuitdsl.borders.kinds import GROUPS, Port
from circuitdsl.borders.source import Span
from circuitdsl.borders.units import ModelShape, Roles, Unit
from circuitdsl.resolve.nodes import SPECIAL, NodeResolver, overlap
from circuitdsl.resolve.positions import PositionResolver


@dataclass(frozen=True, slots=True)
class EdgeEnd:
    """One side of an edge: a node, the port or positions said here, and whether `*` brought it."""

    node: Node
    span: Span
    port: Port | None = None
    roles: Roles = None
    star: bool = False


class EdgeResolver:
    def __init__(self, nodes: NodeResolver, shape: ModelShape, model: str, positions: PositionResolver, problems: Diagnostics):
        self._nodes, self._shape, self._model, self._positions, self._problems = nodes, shape, model, positions, problems
        self.found: list[Edge] = []
        self._made: list[tuple[Edge, bool]] = []
        self.complete = True
        """False once an edge was given up: then nothing is said about paths."""

    def resolve(self, statements: Sequence[doc.EdgesStatement]) -> None:
        every = [one for one in statements if one.all]
        for statement in every:
            others = [one for one in statements if one is not statement]
            if others:
                self.complete = False
                hint = "`edges all` already states every edge between the declared nodes"
                self._problems.error("C157", "`edges all` stands alone", statement.span, hint, ((others[0].span, "other edges are here"),))
                return
            self._all(statement)
        for statement in statements:
            for line in statement.lines:
                for senders, receivers in zip(line.groups, line.groups[1:], strict=False):
                    self._product(senders, receivers, first=senders is line.groups[0], last=receivers is line.groups[-1])
        self.found = self._without_repeats()
        self._check_delivered_once()

    def _all(self, statement: doc.EdgesStatement) -> None:
        leaves = self._nodes.leaves
        for sender in [SPECIAL["embed"], *leaves]:
            for receiver in [*leaves, SPECIAL["logits"]]:
                links = tuple(links_between(sender.places, receiver.places, None, None, self._shape))
                if links:
                    self._made.append((Edge(sender.name, receiver.name, None, links, span=statement.span), True))

    def _product(self, senders: Sequence[doc.Endpoint], receivers: Sequence[doc.Endpoint], first: bool, last: bool) -> None:
        sending = [end for one in senders for end in self._sender(one, first)]
        receiving = [end for one in receivers for end in self._receiver(one, last)]
        for receiver in receiving:
            reached = False
            for sender in sending:
                links = tuple(links_between(sender.node.places, receiver.node.places, receiver.port, sender.roles, self._shape))
                star = sender.star or receiver.star
                if links:
                    reached = True
                    span = sender.span.to(receiver.span)
                    edge = Edge(sender.node.name, receiver.node.name, receiver.port, links, sender.roles, span)
                    self._made.append((edge, star))
                elif not star:
                    reached = True
                    self._impossible(sender, receiver)
            if sending and not reached and not receiver.star:
                self.complete = False
                message = f"`* -> {receiver.node.name}` stands for no edge: no declared node comes before it"
                self._problems.error("C154", message, sending[0].span.to(receiver.span))

    def _sender(self, endpoint: doc.Endpoint, first: bool) -> list[EdgeEnd]:
        try:
            if first and endpoint.port is not None:
                hint = "ports are where units read; write the port of the receiver"
                raise self._problems.error("C153", f"a sender has no port `.{endpoint.port}`", endpoint.span, hint)
            ends = self._ends(endpoint)
            roles = self._positions.roles(endpoint.positions)
            for end in ends:
                check_delivered(end.node.places, roles, end.node.name, endpoint.span, self._positions, self._problems)
                if end.node.name == "logits":
                    raise self._problems.error("C154", "`logits` comes last: it sends nothing", endpoint.span)
            return [EdgeEnd(end.node, end.span, None, roles, end.star) for end in ends if end.node.name != "logits"]
        except Reported:
            self.complete = False
            return []

    def _receiver(self, endpoint: doc.Endpoint, last: bool) -> list[EdgeEnd]:
        try:
            ends = self._ends(endpoint, receiver=True)
            if last and endpoint.positions is not None:
                hint = "a receiver reads at its node's own positions; `@` after a sender says where its value is delivered"
                raise self._problems.error("C153", "a receiver has no positions of its own in an edge", endpoint.span, hint)
            kept = []
            for end in ends:
                if end.node.name == "embed":
                    raise self._problems.error("C154", "`embed` comes first: it reads nothing", endpoint.span)
                port = check_port(endpoint, end.node.places, None if end.star else end.node.name, self._problems)
                if not end.star or port is None or all(port in place.unit.ports for place in end.node.places):
                    kept.append(EdgeEnd(end.node, end.span, port, None, end.star))
            return kept
        except Reported:
            self.complete = False
            return []

    def _ends(self, endpoint: doc.Endpoint, receiver: bool = False) -> list[EdgeEnd]:
        if endpoint.each:
            raise self._problems.error("C151", "`each` belongs to claims, not to edges", endpoint.span)
        if not isinstance(endpoint.target, doc.Name):
            hint = "declare a node for them in `nodes { … }` and use its name: edges are reported by name"
            raise self._problems.error("C151", "units in an edge need a name", endpoint.span, hint)
        if endpoint.target.text == "*":
            nodes = [*self._nodes.leaves, SPECIAL["logits"]] if receiver else self._nodes.leaves
            if self._nodes.broken:
                self.complete = False
            return [EdgeEnd(node, endpoint.span, star=True) for node in nodes if node.name not in self._nodes.broken]
        return [EdgeEnd(self._nodes.node(endpoint.target), endpoint.span)]

    def _impossible(self, sender: EdgeEnd, receiver: EdgeEnd) -> None:
        self.complete = False
        why = why_not(
            [place.unit for place in sender.node.places], [place.unit for place in receiver.node.places], self._shape, self._model
        )
        port = f".{receiver.port}" if receiver.port else ""
        message = f"`{sender.node.name} -> {receiver.node.name}{port}` stands for no edge of the model: {why}"
        turned = any(links_between(receiver.node.places, sender.node.places, None, None, self._shape))
        hint = f"the sender stands first: `{receiver.node.name} -> {sender.node.name}` has edges" if turned else ""
        self._problems.error("C154", message, sender.span.to(receiver.span), hint)

    def _without_repeats(self) -> list[Edge]:
        """Each edge once: one that `*` repeats is left out, one that is written twice is reported, and one that overlaps warned of."""
        kept: dict[tuple[object, ...], Edge] = {}
        links: dict[Link, Edge] = {}
        for edge, _ in sorted(self._made, key=lambda made: made[1]):
            key = (edge.sender, edge.receiver, edge.port, edge.roles)
            if key not in kept:
                kept[key] = edge
        written: dict[tuple[object, ...], Edge] = {}
        for edge, star in self._made:
            key = (edge.sender, edge.receiver, edge.port, edge.roles)
            if not star and (first := written.setdefault(key, edge)) is not edge:
                self._problems.error("C155", f"`{edge.label}` is written twice", edge.span, labels=((first.span, "first here"),))
        for edge in kept.values():
            for other in {id(links[link]): links[link] for link in edge.links if link in links}.values():
                hint = "cutting one of the two leaves what they share in place"
                message = f"`{edge.label}` shares links with `{other.label}`"
                self._problems.warning("W031", message, edge.span, hint, ((other.span, "the other is here"),))
            for link in edge.links:
                links.setdefault(link, edge)
        order = {id(edge): index for index, (edge, _) in enumerate(self._made)}
        return sorted(kept.values(), key=lambda edge: order[id(edge)])

    def _check_delivered_once(self) -> None:
        """That no two edges deliver one unit's value to one port at the same position, unless one of them does so everywhere."""
        delivered: dict[tuple[Place, Place, Port], dict[Place, Edge]] = {}
        said: set[tuple[int, int]] = set()
        for edge in self.found:
            for link in edge.links:
                at = link.sender if link.roles is None else replace(link.sender, roles=link.roles)
                if at.roles is None:
                    continue
                earlier = delivered.setdefault((link.sender, link.receiver, link.port), {})
                for place, other in earlier.items():
                    pair = (id(other), id(edge))
                    if place != at and pair not in said and (where := overlap(place, at, self._positions)):
                        said.add(pair)
                        message = f"`{edge.label}` delivers {at.unit} where `{other.label}` does, {where}"
                        hint = "name all positions in one of them, or let them deliver at different ones"
                        self._problems.error("C158", message, edge.span, hint, ((other.span, "the other is here"),))
                earlier.setdefault(at, edge)


def links_between(
    senders: Sequence[Place], receivers: Sequence[Place], port: Port | None, roles: Roles, shape: ModelShape
) -> Iterator[Link]:
    """Every link that the architecture has, into one port or into all."""
    for receiver in receivers:
        ports: tuple[Port, ...] = receiver.unit.ports if port is None else (port,)
        for sender in senders:
            if shape.reads(receiver.unit, sender.unit):
                for one in ports:
                    yield Link(sender, receiver, one, roles)


def check_port(endpoint: doc.Endpoint, places: Sequence[Place], node: str | None, problems: Diagnostics) -> Port | None:
    """The port, if every unit there has it. With `node` None (for `*`) units without it are passed over."""
    port = endpoint.port
    if port is None:
        return None
    without = next((place.unit for place in places if port not in place.unit.ports), None)
    if without is not None and node is not None:
        hint = "leave the port out, or make a node of the heads alone"
        raise problems.error("C152", f"{without} of `{node}` has no port `.{port}`: only heads have", endpoint.span, hint)
    return port  # type: ignore[return-value]


def check_delivered(
    places: Sequence[Place], roles: Roles, name: str, span: Span, positions: PositionResolver, problems: Diagnostics
) -> None:
    """A value can be delivered only at positions where its node has one."""
    own = next((place.roles for place in places if place.roles is not None), None)
    if roles is None or own is None:
        return
    for layout in positions.layouts:
        outside = set(layout.positions(roles)) - {at for place in places for at in layout.positions(place.roles)}
        if outside:
            at, has = ", ".join(map(str, roles)), ", ".join(map(str, own))
            raise problems.error("C143", f"`{name}` is at {has}, so it delivers nothing at {at}", span)


def why_not(senders: Sequence[Unit], receivers: Sequence[Unit], shape: ModelShape, model: str) -> str:
    """Why no unit of the one reads any of the other."""
    first, last = min(senders), max(receivers)
    if first == last:
        return f"{first} does not read itself"
    if first.layer != last.layer:
        return f"{first} comes after {last}"
    if first.group == last.group:
        return f"{max(first, last).spec.nouns} of one layer do not read each other"
    if first < last and shape.parallel:
        groups = f"{GROUPS[first.group.kind]} and {GROUPS[last.group.kind]}"
        return f"{model} runs {groups} of a layer in parallel, so {last} does not read {first}"
    return f"{first} comes after {last}"
