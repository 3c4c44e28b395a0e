"""From lark's tree to the frozen `Document`, bottom up. What the grammar lets through and the language does not is reported here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lark import Token, Transformer, v_args
from lark.tree import Meta

from circuitdsl.borders import document as d
from circuitdsl.borders.source import Diagnostic, Source, Span
from circuitdsl.language.texts import decode

Report = Callable[[Diagnostic], None]
KINDS = {"HEADS": "head", "MLPS": "mlp", "NEURONS": "neuron"}
PORTS = ("q", "k", "v")


def span_of(at: Token | Meta) -> Span:
    return Span(at.start_pos or 0, at.end_pos or 0)


def _around(nodes: Sequence[d.Syntax]) -> Span:
    return nodes[0].span.to(nodes[-1].span)


@v_args(meta=True)
class Builder(Transformer[Token, Any]):
    """One method a rule; each gets the rule's place and its children, already built (tokens, nodes, None for what was left out)."""

    def __init__(self, source: Source, report: Report):
        super().__init__(visit_tokens=False)
        self.source = source
        self.report = report

    def error(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.report(Diagnostic(code, message, span, hint, source=self.source))

    # ------------------------------------------------------------ words and numbers

    def name(self, meta: Meta, children: list[Token]) -> d.Name:
        return d.Name(str(children[0]), span=span_of(meta))

    word = name

    def keyword(self, meta: Meta, children: list[Token]) -> Token:
        return children[0]

    def text(self, meta: Meta, children: list[Token]) -> d.Text:
        token = children[0]
        value, wrong = decode(token)
        for start, end, escape in wrong:
            hint = r"a backslash itself is written `\\\\`; line ends are `\\n`, quotes `\\\"`"
            self.error("C014", f"`{escape}` is not an escape", Span(token.start_pos + start, token.start_pos + end), hint)
        return d.Text(value, triple=token.type == "LONG", span=span_of(meta))

    description = text

    def number(self, meta: Meta, children: list[Token]) -> d.Number:
        written = str(children[0])
        if len(written) > 40 or float(written) == float("inf"):
            self.error("C009", f"`{written[:12]}…` is too long a number", span_of(meta))
            return d.Number(0.0, "0", span=span_of(meta))
        return d.Number(float(written), written, span=span_of(meta))

    def signed_number(self, meta: Meta, children: list[Any]) -> d.Number:
        minus, number = children
        return number if minus is None else d.Number(-number.value, f"-{number.text}", span=span_of(meta))

    def integer(self, token: Token) -> int:
        """A count or a place. Longer ones than any model or prompt has are reported, since Python itself refuses the longest."""
        if len(token) > 9:
            self.error("C009", f"`{token[:12]}…` is too long a number", span_of(token))
            return 0
        return int(token)

    # ------------------------------------------------------------ statements

    def start(self, meta: Meta, children: list[Any]) -> d.Document:
        return d.Document(tuple(children), source=self.source, span=Span(0, len(self.source.text)))

    def circuit(self, meta: Meta, children: list[Any]) -> d.Circuit:
        title, description = children
        return d.Circuit(title, description, span=Span(meta.start_pos, (description or title).span.end))

    def cite(self, meta: Meta, children: list[Any]) -> d.Cite:
        return d.Cite(tuple(children), span=span_of(meta))

    def use(self, meta: Meta, children: list[Any]) -> d.Use:
        return d.Use(children[0], span=span_of(meta))

    def model(self, meta: Meta, children: list[Any]) -> d.Model:
        return d.Model(*children, span=span_of(meta))

    def fields(self, meta: Meta, children: list[Any]) -> tuple[d.Name, ...]:
        return tuple(children)

    def entry(self, meta: Meta, children: list[Any]) -> tuple[d.Text, ...]:
        return tuple(children)

    def vocab(self, meta: Meta, children: list[Any]) -> d.Vocab:
        name, fields, *values = children
        for value in values:
            if len(value) != max(len(fields or ()), 1):
                wanted = f"{len(fields)} fields" if fields else "one value"
                self.error("C018", f"this entry has {len(value)} values; `{name.text}` has {wanted}", _around(value))
        return d.Vocab(name, fields or (), values=tuple(values), span=span_of(meta))

    def vocab_range(self, meta: Meta, children: list[Any]) -> d.Vocab:
        name, fields, low, high = children
        return d.Vocab(name, fields or (), range=(low, high), span=span_of(meta))

    def vocab_file(self, meta: Meta, children: list[Any]) -> d.Vocab:
        name, fields, file = children
        return d.Vocab(name, fields or (), file=file, span=span_of(meta))

    # ------------------------------------------------------------ prompts

    def prompts(self, meta: Meta, children: list[Any]) -> d.Prompts:
        name, base, *items = children
        return d.Prompts(name, base, items=tuple(items), span=span_of(meta))

    def prompts_file(self, meta: Meta, children: list[Any]) -> d.Prompts:
        name, file = children
        return d.Prompts(name, file=file, span=span_of(meta))

    def draw(self, meta: Meta, children: list[Any]) -> d.Draw:
        *slots, vocab, distinct = children
        return d.Draw(tuple(slots), vocab, distinct=distinct is not None, span=span_of(meta))

    def draw_tokens(self, meta: Meta, children: list[Any]) -> d.Draw:
        *slots, count, distinct = children
        return d.Draw(tuple(slots), None, self.integer(count), distinct is not None, span=span_of(meta))

    def assign(self, meta: Meta, children: list[Any]) -> d.Assign:
        return d.Assign(*children, span=span_of(meta))

    def redraw(self, meta: Meta, children: list[Any]) -> d.Redraw:
        *slots, distinct = children
        return d.Redraw(tuple(slots), distinct is not None, span=span_of(meta))

    def answer(self, meta: Meta, children: list[Any]) -> d.Answer:
        answer, *wrong = children
        return d.Answer(answer, tuple(w for w in wrong if w is not None), span=span_of(meta))

    # ------------------------------------------------------------ slots and positions

    def slot(self, meta: Meta, children: list[Any]) -> d.SlotRef:
        name, field, occurrence = children
        return d.SlotRef(name, field, None if occurrence is None else self.integer(occurrence), span=span_of(meta))

    def index(self, meta: Meta, children: list[Any]) -> tuple[int, int]:
        low, high = children
        start = self.integer(low)
        return start, start if high is None else self.integer(high)

    def shift(self, meta: Meta, children: list[Any]) -> int:
        sign, count = children
        return -self.integer(count) if sign.type == "MINUS" else self.integer(count)

    def position(self, meta: Meta, children: list[Any]) -> d.PositionRef:
        slot, index, shift = children
        return d.PositionRef(slot, index, shift or 0, span=span_of(meta))

    def position_list(self, meta: Meta, children: list[Any]) -> tuple[d.PositionRef, ...]:
        return tuple(children)

    # ------------------------------------------------------------ expressions

    def feature(self, meta: Meta, children: list[Any]) -> d.Feature:
        name, *values = children
        value = values[0] if len(values) == 1 else d.TupleExpr(tuple(values), span=_around(values))
        return d.Feature(name, value, span=span_of(meta))

    def metric(self, meta: Meta, children: list[Any]) -> d.Metric:
        name, value, position, lower = children
        return d.Metric(name, value, position, lower is not None, span=span_of(meta))

    def binary(self, meta: Meta, children: list[Any]) -> d.Binary:
        left, operator, right = children
        return d.Binary(str(operator), left, right, span=span_of(meta))

    def unary(self, meta: Meta, children: list[Any]) -> d.Unary:
        operator, operand = children
        return d.Unary(str(operator), operand, span=span_of(meta))

    def number_expr(self, meta: Meta, children: list[Any]) -> d.NumberExpr:
        return d.NumberExpr(children[0], span=span_of(meta))

    def text_expr(self, meta: Meta, children: list[Any]) -> d.TextExpr:
        return d.TextExpr(children[0], span=span_of(meta))

    def slot_expr(self, meta: Meta, children: list[Any]) -> d.SlotExpr:
        return d.SlotExpr(children[0], span=span_of(meta))

    def role_expr(self, meta: Meta, children: list[Token]) -> d.SlotExpr:
        span = span_of(meta)
        return d.SlotExpr(d.SlotRef(d.Name(str(children[0]), span=span), span=span), span=span)

    def span_expr(self, meta: Meta, children: list[Any]) -> d.PositionRef:
        return d.PositionRef(*children, span=span_of(meta))

    def divergence(self, meta: Meta, children: list[Token]) -> d.Call:
        return d.Call(d.Name("kl", span=span_of(meta)), None, span=span_of(meta))

    def call(self, meta: Meta, children: list[Any]) -> d.Call:
        function, argument = children
        match argument:  # a sum of a slot and a number is a position here: `loss(S1+1)`
            case d.Binary(operator="+" | "-", left=d.SlotExpr(slot=slot) | d.PositionRef(slot=slot), right=d.NumberExpr(number=number)):
                index = argument.left.index if isinstance(argument.left, d.PositionRef) else None
                if number.text.isdigit():
                    shift = int(number.value) if argument.operator == "+" else -int(number.value)
                    return d.Call(function, d.PositionRef(slot, index, shift, span=argument.span), span=span_of(meta))
        return d.Call(function, self._argument(function, argument, positions=True), span=span_of(meta))

    def call_equal(self, meta: Meta, children: list[Any]) -> d.Call:
        function, argument, value = children
        return d.Call(function, self._argument(function, argument), self._argument(function, value), span=span_of(meta))

    def call_bins(self, meta: Meta, children: list[Any]) -> d.Call:
        function, argument, *cuts = children
        numbers = []
        for cut in cuts:
            match cut:
                case d.NumberExpr(number=number):
                    numbers.append(number)
                case d.Unary(operator="-", operand=d.NumberExpr(number=number)):
                    numbers.append(d.Number(-number.value, f"-{number.text}", span=cut.span))
                case _:
                    hint = (
                        f"one slot, or numbers after the first comma, as in `bin(YY, 10, 50)`; `{function.text}` takes one thing at a time"
                    )
                    self.error("C017", "expected a number after the comma", cut.span, hint)
        return d.Call(function, self._argument(function, argument), cuts=tuple(numbers), span=span_of(meta))

    def _argument(self, function: d.Name, argument: Any, positions: bool = False) -> Any:
        if isinstance(argument, (d.SlotExpr, d.TextExpr)) or (positions and isinstance(argument, d.PositionRef)):
            return argument
        hint = f'such as `{function.text}(answer)` or `{function.text}(" text")`; sums and differences stand outside'
        self.error("C017", f"`{function.text}( )` takes a slot or a text", argument.span, hint)
        return None

    def fold(self, meta: Meta, children: list[Any]) -> d.Fold:
        function, body, variable, collection, condition = children
        if isinstance(collection, Token):
            collection = d.Name(str(collection), span=span_of(collection))
        return d.Fold(function, body, variable, collection, condition, span=span_of(meta))

    def several(self, meta: Meta, children: list[Any]) -> d.TupleExpr:
        return d.TupleExpr(tuple(children), span=span_of(meta))

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
        if len(children) == 1:
            return children[0]
        kind, which = children
        if isinstance(which, Token):
            which = d.UnitRef("", None, None, kind.type != "MLPS")
        return self._of_kind(replace(which, kind=KINDS[kind.type], span=span_of(meta)))

    def _of_kind(self, unit: d.UnitRef) -> d.UnitRef:
        """Reports an address that the kind does not have."""
        if unit.layers is None:
            return unit
        low, high = unit.layers
        layers = f"{low}..{high}" if high != low else f"{low}"
        if unit.kind == "mlp" and (unit.index is not None or unit.all_indices):
            self.error("C011", "an MLP is named by its layer alone", unit.span, f"write `mlps {layers}`, or `neurons` for parts of it")
        if unit.kind != "mlp" and unit.index is None and not unit.all_indices:
            hint = f"write `{unit.kind}s {layers}.0` for one, `{unit.kind}s {layers}.*` for all"
            self.error("C011", f"a {unit.kind} is named by its layer and its number in it", unit.span, hint)
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

    def nodes(self, meta: Meta, children: list[Any]) -> d.Nodes:
        return d.Nodes(tuple(children), span=span_of(meta))

    def units(self, meta: Meta, children: list[Any]) -> tuple[d.UnitRef, ...]:
        return self._kinds([self.unit(meta, children)] if isinstance(children[0], Token) else children)

    def place(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        target, port, positions = children
        if isinstance(target, Token):
            target = d.Name("*", span=span_of(target))
        if port is not None and port.text.lower() in PORTS and port.text not in PORTS:
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
            if place.port is not None and place.port.lower() not in PORTS:
                self.error("C012", f"`.{place.port}` is not a port", place.span, "heads read through `.q`, `.k` and `.v`")
        return d.EdgeLine(tuple(children), span=span_of(meta))

    def edges(self, meta: Meta, children: list[Any]) -> d.Edges:
        return d.Edges(tuple(children), span=span_of(meta))

    def edges_all(self, meta: Meta, children: list[Any]) -> d.Edges:
        return d.Edges(all=True, span=span_of(meta))

    # ------------------------------------------------------------ settings, claims

    def settings(self, meta: Meta, children: list[Any]) -> d.Settings:
        return d.Settings(tuple(children), span=span_of(meta))

    def option(self, meta: Meta, children: list[Any]) -> d.Option:
        return d.Option(*children, span=span_of(meta))

    def option_slot(self, meta: Meta, children: list[Any]) -> d.Name | d.Endpoint | d.PositionRef:
        slot, index, shift = children
        if index is None and shift is None and slot.occurrence is None:
            if slot.field is None:
                return slot.name
            if slot.field.text in PORTS:
                return d.Endpoint(slot.name, slot.field.text, span=span_of(meta))
        return d.PositionRef(slot, index, shift or 0, span=span_of(meta))

    option_word = name

    def apply(self, meta: Meta, children: list[Any]) -> d.Apply:
        function, *arguments = children
        return d.Apply(function, tuple(arguments), span=span_of(meta))

    def option_units(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        return d.Endpoint(self.units(meta, children), span=span_of(meta))

    def option_places(self, meta: Meta, children: list[Any]) -> tuple[d.Endpoint, ...]:
        return children[0]

    def measure(self, meta: Meta, children: list[d.Name]) -> d.Name:
        return d.Name(".".join(name.text for name in children), span=span_of(meta))

    def each(self, meta: Meta, children: list[Token]) -> Token:
        return children[0]

    def step(self, meta: Meta, children: list[Any]) -> d.Endpoint:
        each, place = children
        return replace(place, each=True, span=span_of(meta)) if each else place

    def arrow(self, meta: Meta, children: list[Any]) -> d.Arrow:
        head, *members = children
        kind = {"ARROW": "->", "ANY_ROUTE": "~>", "THROUGH": "-[]->"}[head.type]
        return d.Arrow(kind, self._kinds(members), span=span_of(meta))

    def path(self, meta: Meta, children: list[Any]) -> d.Path:
        if len(children) > 1:
            for place in children[::2]:
                if place.port is not None and place.port.lower() not in PORTS:
                    self.error("C012", f"`.{place.port}` is not a port", place.span, "heads read through `.q`, `.k` and `.v`")
        return d.Path(tuple(children[::2]), tuple(children[1::2]), span=span_of(meta))

    def bound(self, meta: Meta, children: list[Any]) -> d.Comparison:
        operator, value, *margin = children
        if operator.type == "EQUAL" and margin == [None]:
            self.error("C013", "`=` needs a margin", span_of(meta), f"write `= {value.text} +- 0.05`, or `>=` or `<=`")
        return d.Comparison(str(operator), value, margin[0] if margin else None, span=span_of(meta))

    def claim(self, meta: Meta, children: list[Any]) -> d.Claim:
        label, warn, measure, *arguments, bound = children
        paths: list[d.Path] = []
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
        return d.Claim(label, measure, tuple(paths), which, tuple(options), bound, warn is not None, span=span_of(meta))

    def claims(self, meta: Meta, children: list[Any]) -> d.Claims:
        return d.Claims(tuple(children), span=span_of(meta))


def _piece(token: Token, number: int) -> Token:
    """`9` or `6` of the token `9.6`."""
    text = token.split(".")[number]
    start = token.start_pos if number == 0 else token.end_pos - len(text)
    return Token.new_borrow_pos(token.type, text, token) if start is None else Token(token.type, text, start, end_pos=start + len(text))


def _positions(found: Any) -> tuple[d.PositionRef, ...]:
    return found if isinstance(found, tuple) else (found,)
