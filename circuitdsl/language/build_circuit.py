"""Units, nodes, edges and paths of the syntax tree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lark import Token
from lark.tree import Meta

from circuitdsl.borders import document as d
from circuitdsl.borders.kinds import IN_LAYERS, KINDS, WRITTEN_PORTS
from circuitdsl.borders.source import Span
from circuitdsl.language.build_words import WordBuilder, span_of

WORDS = {spec.plural.upper(): spec for spec in IN_LAYERS}
"""Kinds of units by the terminals of the grammar."""


class CircuitBuilder(WordBuilder):
    """The rules about the model's parts and the ways between them."""

    # ------------------------------------------------------------ units, nodes, edges

    def kind(self, meta: Meta, children: list[Token]) -> Token:
        return children[0]

    def address(self, meta: Meta, children: list[Token]) -> d.UnitRef:
        """Layers and indices; the kind is filled in by the list that holds it."""
        first, last = children[0], children[-1]
        low = self.integer(_piece(first, 0))
        high = self.integer(_piece(last, 0))
        index = self.integer(_piece(last, 1)) if last.type == "DECIMAL" else None
        return d.UnitRef("", (low, high), index, last.type == "ALL_OF_LAYER", span=span_of(meta))

    def unit(self, meta: Meta, children: list[Any]) -> d.UnitRef:
        whole: d.UnitRef = children[-1]
        if len(children) == 1:
            return whole
        kind, which = children
        if isinstance(which, Token):
            which = d.UnitRef("", None, None, WORDS[kind.type].numbered)
        return self._of_kind(replace(which, kind=WORDS[kind.type].kind, span=span_of(meta)))

    def _of_kind(self, unit: d.UnitRef) -> d.UnitRef:
        """Reports an address that the kind does not have."""
        if unit.layers is None:
            return unit
        low, high = unit.layers
        layers = f"{low}..{high}" if high != low else f"{low}"
        spec = KINDS[unit.kind]  # type: ignore[index]
        if not spec.numbered and (unit.index is not None or unit.all_indices):
            parts = "".join(f", or `{other.plural}` for parts of it" for other in IN_LAYERS if other.whole == spec.kind)
            self.error(
                "C011", f"{spec.article} {spec.noun} is named by its layer alone", unit.span, f"write `{spec.plural} {layers}`{parts}"
            )
        if spec.numbered and unit.index is None and not unit.all_indices:
            hint = f"write `{spec.plural} {layers}.0` for one, `{spec.plural} {layers}.*` for all"
            self.error("C011", f"{spec.article} {spec.noun} is named by its layer and its number in it", unit.span, hint)
        if high < low:
            self.error("C011", f"the range {low}..{high} runs backwards", unit.span, f"write `{high}..{low}`")
        return unit

    def _kinds(self, members: Sequence[Any]) -> tuple[Any, ...]:
        """A kind holds until the next one, or until a name."""
        done: list[Any] = []
        kind = ""
        for member in members:
            if isinstance(member, d.UnitRef):
                if not member.kind and not kind:
                    hint = "write `heads 9.6`, `mlps 3` or `neurons 5.123`; a kind holds for the numbers after it"
                    self.error("C011", "a number needs its kind of unit before it", member.span, hint)
                elif not member.kind:
                    member = self._of_kind(replace(member, kind=kind))
            kind = member.kind if isinstance(member, d.UnitRef) else ""
            done.append(member)
        return tuple(done)

    def at(self, meta: Meta, children: list[Any]) -> tuple[str, Any, Span]:
        return "positions", _positions(children[0]), span_of(meta)

    def carries(self, meta: Meta, children: list[Any]) -> tuple[str, Any, Span]:
        return "carries", children[0], span_of(meta)

    def flag(self, meta: Meta, children: list[Token]) -> tuple[str, Any, Span]:
        return str(children[0]), True, span_of(meta)

    def node(self, meta: Meta, children: list[Any]) -> d.NodeDef:
        name, *rest = children
        modifiers = [child for child in rest if isinstance(child, tuple)]
        given: dict[str, Any] = {}
        for key, value, span in modifiers:
            if key in given:
                word = "@" if key == "positions" else key
                hint = "several positions are written `@ (S1, S2)`" if key == "positions" else ""
                self.error("C016", f"`{word}` is said twice", span, hint)
            given[key] = value
        return d.NodeDef(name, self._kinds(rest[: len(rest) - len(modifiers)]), **given, span=span_of(meta))

    def nodes(self, meta: Meta, children: list[Any]) -> d.NodesStatement:
        return d.NodesStatement(tuple(children), span=span_of(meta))

    def units(self, meta: Meta, children: list[Any]) -> tuple[d.UnitRef, ...]:
        return self._kinds([self.unit(meta, children)] if isinstance(children[0], Token) else children)

    def place(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        target, port, positions = children
        if isinstance(target, Token):
            target = d.Name("*", span=span_of(target))
        if port is not None and port.text.lower() in WRITTEN_PORTS and port.text not in WRITTEN_PORTS:
            self.error("C012", f"ports are written in small letters, not `.{port.text}`", port.span, f"write `.{port.text.lower()}`")
        return d.Endpoint(target, port and port.text, positions and _positions(positions), span=span_of(meta))

    def bare_place(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        return self.place(meta, [(children[0],), *children[1:]])

    def places(self, meta: Meta, children: list[d.Endpoint]) -> tuple[d.Endpoint, ...]:
        done: list[d.Endpoint] = []
        kind = ""
        for place in children:
            if isinstance(place.target, tuple):
                target = self._kinds([d.UnitRef(kind, None), *place.target])[1:] if kind else self._kinds(place.target)
                place = replace(place, target=target)
                kind = target[-1].kind
            else:
                kind = ""
            done.append(place)
        return tuple(done)

    def edge(self, meta: Meta, children: list[Any]) -> d.EdgeLine:
        for place in (place for group in children for place in group):
            if place.port is not None and place.port.lower() not in WRITTEN_PORTS:
                self.error("C012", f"`.{place.port}` is not a port", place.span, "heads read through `.q`, `.k` and `.v`")
        return d.EdgeLine(tuple(children), span=span_of(meta))

    def edges(self, meta: Meta, children: list[Any]) -> d.EdgesStatement:
        return d.EdgesStatement(tuple(children), span=span_of(meta))

    def edges_all(self, meta: Meta, children: list[Any]) -> d.EdgesStatement:
        return d.EdgesStatement(all=True, span=span_of(meta))

    def step(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        place: d.Endpoint = children[1]
        return replace(place, each=True, span=span_of(meta)) if children[0] else place

    def arrow(self, meta: Meta, children: list[Any]) -> d.PathArrow:
        head, *members = children
        kind = {"ARROW": "->", "ANY_ROUTE": "~>", "THROUGH": "-[]->"}[head.type]
        return d.PathArrow(kind, self._kinds(members), span=span_of(meta))

    def path(self, meta: Meta, children: list[Any]) -> d.PathExpr:
        if len(children) > 1:
            for place in children[::2]:
                if place.port is not None and place.port.lower() not in WRITTEN_PORTS:
                    self.error("C012", f"`.{place.port}` is not a port", place.span, "heads read through `.q`, `.k` and `.v`")
        return d.PathExpr(tuple(children[::2]), tuple(children[1::2]), span=span_of(meta))


def _piece(token: Token, number: int) -> Token:
    """`9` or `6` of the token `9.6`."""
    text = token.split(".")[number]
    start = (token.start_pos or 0) if number == 0 else (token.end_pos or 0) - len(text)
    return Token(token.type, text, start, end_pos=start + len(text))


def _positions(found: Any) -> tuple[d.PositionRef, ...]:
    return found if isinstance(found, tuple) else (found,)
