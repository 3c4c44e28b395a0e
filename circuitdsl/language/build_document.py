"""From lark's tree to the frozen `Document`, bottom up. What the grammar lets through and the language does not is reported here."""

from typing import Any

from lark import Token, Tree
from lark.tree import Meta

from circuitdsl.borders import document as d
from circuitdsl.borders.kinds import WRITTEN_PORTS
from circuitdsl.borders.source import Span
from circuitdsl.language.build_circuit import CircuitBuilder
from circuitdsl.language.build_words import around, span_of


class DocumentBuilder(CircuitBuilder):
    """The statements; `build` takes a whole tree."""

    def build(self, tree: Tree[Token]) -> Any:
        """The node that a tree stands for: the method named like its rule makes it from its children's nodes."""
        children = [self.build(child) if isinstance(child, Tree) else child for child in tree.children]
        return getattr(self, tree.data)(tree.meta, children)

    # ------------------------------------------------------------ statements

    def start(self, meta: Meta, children: list[Any]) -> d.Document:
        return d.Document(tuple(children), source=self.source, span=Span(0, len(self.source.text)))

    def circuit(self, meta: Meta, children: list[Any]) -> d.CircuitStatement:
        title, description = children
        return d.CircuitStatement(title, description, span=Span(meta.start_pos, (description or title).span.end))

    def cite(self, meta: Meta, children: list[Any]) -> d.CiteStatement:
        return d.CiteStatement(tuple(children), span=span_of(meta))

    def use(self, meta: Meta, children: list[Any]) -> d.UseStatement:
        return d.UseStatement(children[0], span=span_of(meta))

    def model(self, meta: Meta, children: list[Any]) -> d.ModelStatement:
        return d.ModelStatement(*children, span=span_of(meta))

    def fields(self, meta: Meta, children: list[Any]) -> tuple[d.Name, ...]:
        return tuple(children)

    def entry(self, meta: Meta, children: list[Any]) -> tuple[d.Text, ...]:
        return tuple(children)

    def vocab(self, meta: Meta, children: list[Any]) -> d.VocabStatement:
        name, fields, *values = children
        for value in values:
            if len(value) != max(len(fields or ()), 1):
                wanted = f"{len(fields)} fields" if fields else "one value"
                self.error("C018", f"`{name.text}` has {wanted}, and this entry {len(value)}", around(value))
        return d.VocabStatement(name, fields or (), values=tuple(values), span=span_of(meta))

    def vocab_range(self, meta: Meta, children: list[Any]) -> d.VocabStatement:
        name, fields, low, high = children
        return d.VocabStatement(name, fields or (), range=(low, high), span=span_of(meta))

    def vocab_file(self, meta: Meta, children: list[Any]) -> d.VocabStatement:
        name, fields, file = children
        return d.VocabStatement(name, fields or (), file=file, span=span_of(meta))

    # ------------------------------------------------------------ prompts

    def prompts(self, meta: Meta, children: list[Any]) -> d.PromptsStatement:
        name, base, *items = children
        return d.PromptsStatement(name, base, items=tuple(items), span=span_of(meta))

    def prompts_file(self, meta: Meta, children: list[Any]) -> d.PromptsStatement:
        name, file = children
        return d.PromptsStatement(name, file=file, span=span_of(meta))

    def draw(self, meta: Meta, children: list[Any]) -> d.DrawItem:
        *slots, vocab, distinct = children
        return d.DrawItem(tuple(slots), vocab, distinct=distinct is not None, span=span_of(meta))

    def draw_tokens(self, meta: Meta, children: list[Any]) -> d.DrawItem:
        *slots, count, distinct = children
        return d.DrawItem(tuple(slots), None, self.integer(count), distinct is not None, span=span_of(meta))

    def assign(self, meta: Meta, children: list[Any]) -> d.AssignItem:
        return d.AssignItem(*children, span=span_of(meta))

    def redraw(self, meta: Meta, children: list[Any]) -> d.RedrawItem:
        *slots, distinct = children
        return d.RedrawItem(tuple(slots), distinct is not None, span=span_of(meta))

    def answer(self, meta: Meta, children: list[Any]) -> d.AnswerItem:
        answer, *wrong = children
        return d.AnswerItem(answer, tuple(w for w in wrong if w is not None), span=span_of(meta))

    # ------------------------------------------------------------ settings, claims

    def settings(self, meta: Meta, children: list[Any]) -> d.SettingsStatement:
        return d.SettingsStatement(tuple(children), span=span_of(meta))

    def option(self, meta: Meta, children: list[Any]) -> d.Option:
        return d.Option(*children, span=span_of(meta))

    def option_slot(self, meta: Meta, children: list[Any]) -> d.Name | d.Endpoint | d.PositionRef:
        slot: d.SlotRef = children[0]
        index, shift = children[1:]
        if index is None and shift is None and slot.occurrence is None:
            if slot.field is None:
                return slot.name
            if slot.field.text in WRITTEN_PORTS:
                return d.Endpoint(slot.name, slot.field.text, span=span_of(meta))
        return d.PositionRef(slot, index, shift or 0, span=span_of(meta))

    option_word = CircuitBuilder.name

    def apply(self, meta: Meta, children: list[Any]) -> d.Apply:
        function, *arguments = children
        return d.Apply(function, tuple(arguments), span=span_of(meta))

    def option_units(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        return d.Endpoint(self.units(meta, children), span=span_of(meta))

    def option_places(self, meta: Meta, children: list[tuple[d.Endpoint, ...]]) -> tuple[d.Endpoint, ...]:
        return children[0]

    def option_texts(self, meta: Meta, children: list[d.Text]) -> tuple[d.Text, ...]:
        return tuple(children)

    def measure(self, meta: Meta, children: list[d.Name]) -> d.Name:
        return d.Name(".".join(name.text for name in children), span=span_of(meta))

    def each(self, meta: Meta, children: list[Token]) -> Token:
        return children[0]

    def bound(self, meta: Meta, children: list[Any]) -> d.ComparisonExpr:
        operator, value, *margin = children
        if operator.type == "EQUAL" and margin == [None]:
            self.error("C013", "`=` needs a margin", span_of(meta), f"write `= {value.text} +- 0.05`, or `>=` or `<=`")
        return d.ComparisonExpr(str(operator), value, margin[0] if margin else None, span=span_of(meta))

    def claim(self, meta: Meta, children: list[Any]) -> d.ClaimLine:
        label, warn, measure, *arguments, bound = children
        paths: list[d.PathExpr] = []
        options: list[d.Option] = []
        each: Token | None = None
        for argument in arguments:
            if isinstance(argument, d.Option):
                options.append(argument)
            elif isinstance(argument, Token):
                if each is not None:
                    self.error("C016", "`each` is said twice", span_of(argument))
                each = argument
            elif argument is not None:
                if options or each is not None:
                    self.error(
                        "C019", "this argument comes too late", argument.span, "first paths, nodes and metrics, then `each …`, then options"
                    )
                paths.append(argument)
            if isinstance(argument, Token) and options:
                self.error(
                    "C019", "`each` comes too late", span_of(argument), "first paths, nodes and metrics, then `each …`, then options"
                )
        which = None if each is None else str(each)
        return d.ClaimLine(label, measure, tuple(paths), which, tuple(options), bound, warn is not None, span=span_of(meta))

    def claims(self, meta: Meta, children: list[Any]) -> d.ClaimsStatement:
        return d.ClaimsStatement(tuple(children), span=span_of(meta))
