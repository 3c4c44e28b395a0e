"""The small parts of the syntax tree: words, numbers, texts, slots, positions, expressions."""

from collections.abc import Sequence
from typing import Any

from lark import Token
from lark.tree import Meta

from circuitdsl.borders import document as d
from circuitdsl.borders.source import Span
from circuitdsl.language.strings import decode
from circuitdsl.language.syntax_errors import SyntaxErrors


def span_of(at: Token | Meta) -> Span:
    return Span(at.start_pos or 0, at.end_pos or 0)


def around(nodes: Sequence[d.Syntax]) -> Span:
    return nodes[0].span.to(nodes[-1].span)


class WordBuilder:
    """One method a rule; each gets the rule's place and its children, already built (tokens, nodes, None for what was left out)."""

    def __init__(self, problems: SyntaxErrors):
        self.source = problems.source
        self.error = problems.error

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
            hint = r"a backslash itself is written `\\`, a line end `\n`, a quote `\"`"
            self.error("C014", f"`{escape}` is not an escape", Span(meta.start_pos + start, meta.start_pos + end), hint)
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

    def feature(self, meta: Meta, children: list[Any]) -> d.FeatureStatement:
        name, *values = children
        value = values[0] if len(values) == 1 else d.TupleExpr(tuple(values), span=around(values))
        self._no_positions(value)
        return d.FeatureStatement(name, value, span=span_of(meta))

    def metric(self, meta: Meta, children: list[Any]) -> d.MetricStatement:
        name, value, position, lower = children
        self._no_positions(value)
        return d.MetricStatement(name, value, position, lower is not None, span=span_of(meta))

    def binary(self, meta: Meta, children: list[Any]) -> d.BinaryExpr:
        left, operator, right = children
        return d.BinaryExpr(str(operator), left, right, span=span_of(meta))

    def unary(self, meta: Meta, children: list[Any]) -> d.UnaryExpr:
        operator, operand = children
        return d.UnaryExpr(str(operator), operand, span=span_of(meta))

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

    def divergence(self, meta: Meta, children: list[Token]) -> d.CallExpr:
        return d.CallExpr(d.Name("kl", span=span_of(meta)), None, span=span_of(meta))

    def call(self, meta: Meta, children: list[Any]) -> d.CallExpr:
        function, argument = children
        match argument:  # a sum of a slot and a whole number is a position here: `loss(S1+1)`
            case d.BinaryExpr("+" | "-", (d.SlotExpr() | d.PositionRef()) as base, d.NumberExpr(number)) if number.text.isdigit():
                index = base.index if isinstance(base, d.PositionRef) else None
                shift = int(number.value) if argument.operator == "+" else -int(number.value)
                argument = d.PositionRef(base.slot, index, shift, span=argument.span)
        return d.CallExpr(function, self._argument(function, argument, positions=True), span=span_of(meta))

    def call_equal(self, meta: Meta, children: list[Any]) -> d.CallExpr:
        function, argument, value = children
        return d.CallExpr(function, self._argument(function, argument), self._argument(function, value), span=span_of(meta))

    def call_bins(self, meta: Meta, children: list[Any]) -> d.CallExpr:
        function, argument, *cuts = children
        numbers = []
        for cut in cuts:
            match cut:
                case d.NumberExpr(number=number):
                    numbers.append(number)
                case d.UnaryExpr(operator="-", operand=d.NumberExpr(number=number)):
                    numbers.append(d.Number(-number.value, f"-{number.text}", span=cut.span))
                case _:
                    hint = (
                        f"one slot, or numbers after the first comma, as in `bin(YY, 10, 50)`; `{function.text}` takes one thing at a time"
                    )
                    self.error("C017", "expected a number after the comma", cut.span, hint)
        return d.CallExpr(function, self._argument(function, argument), cuts=tuple(numbers), span=span_of(meta))

    def _no_positions(self, expression: Any) -> None:
        """Tokens are spoken of within a call, `loss(block:2[1..24])`, and nowhere else in an expression."""
        match expression:
            case d.PositionRef():
                self.error("C017", "tokens of a slot are no value", expression.span, "write `loss(…)` around them, say")
            case d.BinaryExpr(_, left, right):
                self._no_positions(left)
                self._no_positions(right)
            case d.UnaryExpr(_, operand):
                self._no_positions(operand)
            case d.TupleExpr(items):
                for item in items:
                    self._no_positions(item)
            case d.FoldExpr(_, body, _, _, condition):
                self._no_positions(body)
                self._no_positions(condition)

    def _argument(self, function: d.Name, argument: Any, positions: bool = False) -> Any:
        if isinstance(argument, (d.SlotExpr, d.TextExpr)) or (positions and isinstance(argument, d.PositionRef)):
            return argument
        hint = f'such as `{function.text}(answer)` or `{function.text}(" text")`; sums and differences stand outside'
        self.error("C017", f"`{function.text}( )` takes a slot or a text", argument.span, hint)
        return None

    def fold(self, meta: Meta, children: list[Any]) -> d.FoldExpr:
        function, body, variable, collection, condition = children
        if isinstance(collection, Token):
            collection = d.Name(str(collection), span=span_of(collection))
        return d.FoldExpr(function, body, variable, collection, condition, span=span_of(meta))

    def several(self, meta: Meta, children: list[Any]) -> d.TupleExpr:
        return d.TupleExpr(tuple(children), span=span_of(meta))
