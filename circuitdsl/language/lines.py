"""Tokens, and the small filter that decides which line ends end a statement."""

from collections.abc import Iterable, Iterator

from lark import Token

COMPARES = frozenset({"SAME", "DIFFERS", "LESS", "LESS_EQUAL", "MORE", "MORE_EQUAL"})
OPERATORS = COMPARES | {"PLUS", "MINUS", "STAR", "SLASH", "AND", "OR", "NOT"}
ARROWS = frozenset({"ARROW", "ANY_ROUTE", "THROUGH"})
CONTINUES = (OPERATORS - {"STAR"}) | ARROWS | {"COMMA", "EQUAL", "MARGIN", "RANGE", "AT", "COLON", "DOT", "LBRACE"}
"""A line goes on after these (and after a star that multiplies)."""

OPENS, CLOSES = frozenset({"LPAR", "LSQB", "THROUGH"}), frozenset({"RPAR", "RSQB"})
OPERANDS = frozenset({"NAME", "INT", "DECIMAL", "FLOAT", "STRING", "LONG", "RPAR", "RSQB", "KL", "ANSWER", "WRONG"})


class KeptTerminals:
    """Keeps the terminals that no rule mentions; tells lark to leave line ends to `join_lines`."""

    always_accept = ("COMMENT", "LINE_END", "UNCLOSED", "UNCLOSED_LONG", "UNKNOWN")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


def join_lines(tokens: Iterable[Token]) -> list[Token]:
    """Drops comments and the line ends that end nothing (a `{` may stand on the next line).

    Every statement and every line in braces is left with one `_END` behind it.
    """
    kept: list[Token] = []
    depth = 0
    pending: Token | None = None  # a line end, until it is known whether the next line goes on

    def end(token: Token) -> None:
        if kept and kept[-1].type not in ("_END", "LBRACE"):
            kept.append(Token.new_borrow_pos("_END", "", token))

    for token in tokens:
        if token.type == "COMMENT":
            continue
        if token.type == "LINE_END":
            if depth == 0 and kept and not _goes_on(kept):
                pending = pending or token
            continue
        if pending is not None and token.type not in ARROWS and token.type != "LBRACE":
            end(pending)
        pending = None
        if token.type == "_END":
            end(token)
            continue
        if token.type == "RBRACE":
            end(token)
        depth = depth + 1 if token.type in OPENS else max(depth - 1, 0) if token.type in CLOSES else depth
        kept.append(token)
    if kept:
        last = kept[-1]
        end(pending or Token("_END", "", last.end_pos, last.end_line, last.end_column, last.end_line, last.end_column, last.end_pos))
    return kept


def _goes_on(kept: list[Token]) -> bool:
    """A star is an operator after an operand, and `all of them` otherwise."""
    last = kept[-1].type
    return last in CONTINUES or (last == "STAR" and len(kept) > 1 and kept[-2].type in OPERANDS)
