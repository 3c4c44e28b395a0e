"""Paths of claims: places and the steps between them, with what the architecture lacks left out."""

import dataclasses
from collections.abc import Iterable, Sequence

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.hypothesis import Path, Place, Step
from circuitdsl.borders.units import ModelShape, Unit
from circuitdsl.resolve.edges import check_delivered, check_port, why_not
from circuitdsl.resolve.nodes import SPECIAL, NodeResolver
from circuitdsl.resolve.positions import PositionResolver
from circuitdsl.resolve.program import Program
from circuitdsl.resolve.units import units_of

KINDS = {"->": "direct", "~>": "all", "-[]->": "through"}


class PathResolver:
    def __init__(
        self, program: Program, nodes: NodeResolver, shape: ModelShape, model: str, positions: PositionResolver, problems: Diagnostics
    ):
        self._program, self._nodes, self._shape, self._model = program, nodes, shape, model
        self._positions, self._problems = positions, problems
        self.named: set[str] = set()
        """NodeResolver that some path names."""

    def resolve(self, path: doc.PathExpr, measured: Sequence[str]) -> Path:
        """Places of the path on its steps. Every mistake in it is reported before it is given up."""
        each = [index for index, place in enumerate(path.places) if place.each]
        if len(each) > 1:
            raise self._problems.error(
                "C319", "`each` is said twice", path.places[each[1]].span, "one claim goes through the members of one node"
            )
        places: list[tuple[Place, ...]] = []
        through: list[tuple[Place, ...]] = []
        failure: Reported | None = None
        for index, endpoint in enumerate(path.places):
            try:
                places.append(self._places(endpoint, measured, first=index == 0, last=index == len(path.places) - 1))
            except Reported as reported:
                failure = reported
        for arrow in path.arrows:
            try:
                through.append(self._through(arrow))
            except Reported as reported:
                failure = reported
        if failure is not None:
            raise failure
        self._check_parts(path, {place.unit for found in [*places, *through] for place in found})
        if path.arrows:
            places = self._possible(path, places, through)
        steps = tuple(
            Step(KINDS[arrow.kind], arrived, endpoint.port, inner)  # type: ignore[arg-type]
            for arrow, inner, arrived, endpoint in zip(path.arrows, through, places[1:], path.places[1:], strict=True)
        )
        text = self._program.text(path.span) or "?"
        return Path(text.removeprefix("each "), places[0], steps, each[0] if each else None)

    def _check_parts(self, path: doc.PathExpr, units: set[Unit]) -> None:
        for unit in sorted(units):
            if unit.whole in units:
                raise self._problems.error("C126", f"{unit} is a part of {unit.whole}: a path goes through one of them", path.span)

    def _places(self, endpoint: doc.Endpoint, measured: Sequence[str], first: bool, last: bool) -> tuple[Place, ...]:
        if isinstance(endpoint.target, doc.Name):
            name = endpoint.target.text
            if name == "*":
                found = tuple(place for node in self._nodes.leaves for place in node.places)
            else:
                found = self._nodes.node(endpoint.target).places
            self.named.add(name)
        else:
            name, found = self._in_place(endpoint.target)
        if first and endpoint.port is not None:
            hint = "ports are where units read; write the port of a receiver"
            raise self._problems.error("C153", f"the start of a path has no port `.{endpoint.port}`", endpoint.span, hint)
        if not first and name == "embed":
            raise self._problems.error("C325", "`embed` comes first: it reads nothing", endpoint.span)
        if not last and name == "logits":
            raise self._problems.error("C325", "`logits` comes last: it sends nothing", endpoint.span)
        check_port(endpoint, found, name, self._problems)
        roles = self._positions.roles(endpoint.positions, measured)
        for role in dict.fromkeys(role for place in found for role in place.roles or () if endpoint.positions is None):
            self._positions.check(role, endpoint.span, measured)
        if roles is not None:
            check_delivered(found, roles, name, endpoint.span, self._positions, self._problems)
            found = tuple(dict.fromkeys(dataclasses.replace(place, roles=roles) for place in found))
        return found

    def _in_place(self, refs: Sequence[doc.UnitRef]) -> tuple[str, tuple[Place, ...]]:
        span = refs[0].span.to(refs[-1].span)
        name = self._program.text(span) or "units"
        units = [unit for ref in refs for unit in units_of(ref, self._shape, self._model, self._problems)]
        return name, tuple(Place(unit, name) for unit in sorted(set(units)))

    def _through(self, arrow: doc.PathArrow) -> tuple[Place, ...]:
        found: list[Place] = []
        failure: Reported | None = None
        for member in arrow.through:
            try:
                if isinstance(member, doc.UnitRef):
                    found += self._in_place([member])[1]
                else:
                    if member.text in SPECIAL:
                        raise self._problems.error("C325", f"`{member.text}` is never between other units", member.span)
                    found += self._nodes.node(member).places
                    self.named.add(member.text)
            except Reported as reported:
                failure = reported
        if failure is not None:
            raise failure
        return tuple(dict.fromkeys(found))

    def _possible(self, path: doc.PathExpr, places: list[tuple[Place, ...]], through: list[tuple[Place, ...]]) -> list[tuple[Place, ...]]:
        """Places that some whole way along the path goes through. Reports the first step that the architecture lacks."""
        reads = self._shape.reads
        forward = [places[0]]
        for index, receivers in enumerate(places[1:]):
            senders = forward[-1]
            arrived = tuple(to for to in receivers if any(reads(to.unit, sender.unit) for sender in senders))
            if not arrived:
                start, end = path.places[index], path.places[index + 1]
                why = why_not([place.unit for place in senders], [place.unit for place in receivers], self._shape, self._model)
                message = f"`{self._shown(start)} {path.arrows[index].kind} {self._shown(end)}` is no step in the model: {why}"
                raise self._problems.error("C325", message, start.span.to(end.span))
            forward.append(arrived)
        kept = [forward[-1]]
        for senders in reversed(forward[:-1]):
            kept.insert(0, tuple(one for one in senders if any(reads(to.unit, one.unit) for to in kept[0])))
        for index, inner in enumerate(through):
            if inner and not any(self._between(kept[index], one, kept[index + 1]) for one in inner):
                span = path.arrows[index].span
                message = "no unit of this group lies between the two ends, so this says the same as `->`"
                self._problems.warning("W034", message, span)
        return kept

    def _between(self, senders: Iterable[Place], inner: Place, receivers: Iterable[Place]) -> bool:
        reads = self._shape.reads
        return any(reads(inner.unit, one.unit) for one in senders) and any(reads(one.unit, inner.unit) for one in receivers)

    def _shown(self, endpoint: doc.Endpoint) -> str:
        target = endpoint.target.text if isinstance(endpoint.target, doc.Name) else ""
        name = target or self._program.text(endpoint.span).removeprefix("each ") or "units"
        return name + (f".{endpoint.port}" if endpoint.port and target else "")
