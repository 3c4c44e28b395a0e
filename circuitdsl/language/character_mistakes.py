"""Mistakes that show in the characters alone: signs of other languages and of papers, quotes, numbers, names of heads.

Each is reported and put right, so that the parser sees what was meant and finds the next mistake.
"""

import re
import unicodedata
from itertools import pairwise

from lark import Token

from circuitdsl.borders.source import Span
from circuitdsl.language.syntax_errors import SyntaxErrors

SIGNS = {
    **dict.fromkeys("→⟶⇒➜➔⭢", ("ARROW", "->")),
    **dict.fromkeys("⇝⤳↝⟿", ("ANY_ROUTE", "~>")),
    **dict.fromkeys("−–—‐‑", ("MINUS", "-")),
    **dict.fromkeys("×·∗⋅", ("STAR", "*")),
    **dict.fromkeys("…‥", ("RANGE", "..")),
    "≥": ("MORE_EQUAL", ">="),
    "≤": ("LESS_EQUAL", "<="),
    "≠": ("DIFFERS", "!="),
    "±": ("MARGIN", "+-"),
    "÷": ("SLASH", "/"),
    "∧": ("AND", "and"),
    "∨": ("OR", "or"),
    "¬": ("NOT", "not"),
    "∈": ("IN", "in"),
}
"""Characters, and what the language writes instead."""

PAIRS = {
    ("MINUS", "ARROW"): ("ARROW", "->"),
    ("EQUAL", "LESS"): ("LESS_EQUAL", "<="),
    ("PLUS", "SLASH", "MINUS"): ("MARGIN", "+-"),
    ("LESS", "MORE"): ("DIFFERS", "!="),
    ("STAR", "STAR"): ("STAR", "*"),
    ("&", "&"): ("AND", "and"),
    ("|", "|"): ("OR", "or"),
}
"""Tokens without a space between that are one sign elsewhere (unknown characters stand for themselves)."""

QUOTES = {"'": "'", "‘": "’", "’": "’", "“": "”", "”": "”", "„": "“", "«": "»", "`": "`"}
INVISIBLE = frozenset({"Zs", "Cf", "Zl", "Zp"})
LAYER = re.compile(r"[aAlL](\d{1,4})")
HEAD = re.compile(r"[hH](\d{1,4})")
LAYER_HEAD = re.compile(r"[aAlL](\d{1,4})[._]?[hH](\d{1,4})")


def made(kind: str, text: str, first: Token, last: Token | None = None) -> Token:
    """A token that stands in the place of those from `first` to `last`."""
    last = last or first
    return Token(kind, text, first.start_pos, first.line, first.column, last.end_line, last.end_column, last.end_pos)


def span_of(first: Token, last: Token | None = None) -> Span:
    return Span(first.start_pos or 0, (last or first).end_pos or 0)


class Mender:
    """Goes through the tokens once; every method looks at the ones from `self.at` on and takes what it understands."""

    def __init__(self, tokens: list[Token], problems: SyntaxErrors):
        self.tokens = tokens
        self.problems = problems
        self.at = 0
        self.out: list[Token] = []
        self.declared = {str(token) for token, after in pairwise(tokens) if token.type == "NAME" and after.type == "EQUAL"}

    def run(self) -> list[Token]:
        tries = {
            **dict.fromkeys(("UNCLOSED", "UNCLOSED_LONG"), (self.unclosed,)),
            **dict.fromkeys(("MINUS", "EQUAL", "PLUS", "LESS", "STAR"), (self.signs,)),
            "UNKNOWN": (self.signs, self.quoted, self.unknown),
            "SLASH": (self.slashes,),
            "INT": (self.percent, self.fraction),
            "DECIMAL": (self.percent,),
            "DOT": (self.fraction,),
            "NAME": (self.head,),
        }
        while self.at < len(self.tokens) and not self.problems.full:
            token = self.tokens[self.at]
            taken = next((count for attempt in tries.get(token.type, ()) if (count := attempt(token))), 0)
            if not taken:
                self.out.append(token)
            self.at += taken or 1
        return self.out

    def touching(self, count: int) -> list[Token]:
        """The next `count` tokens if they follow without space, else fewer."""
        found = self.tokens[self.at : self.at + 1]
        for token in self.tokens[self.at + 1 : self.at + count]:
            if token.start_pos != found[-1].end_pos or token.type in ("LINE_END", "COMMENT"):
                break
            found.append(token)
        return found

    def touches_last(self, token: Token) -> bool:
        return bool(self.out) and self.out[-1].end_pos == token.start_pos

    # ------------------------------------------------------------ one mistake each: how many tokens were taken

    def unclosed(self, token: Token) -> int:
        if token.type == "UNCLOSED":
            self.problems.error("C003", "this text is never closed", span_of(token), 'end it with `"`, on the same line', spoils=True)
            self.out.append(made("STRING", '""', token))
        elif token.type == "UNCLOSED_LONG":
            opening = Span(token.start_pos or 0, (token.start_pos or 0) + 3)
            self.problems.error("C003", "this text is never closed", opening, 'end it with `"""`', spoils=True)
            self.out.append(made("LONG", '""""""', token))
        else:
            return 0
        return 1

    def slashes(self, token: Token) -> int:
        pair = [one.type for one in self.touching(2)]
        if pair not in (["SLASH", "SLASH"], ["SLASH", "STAR"]):
            return 0
        rest = 0
        while self.at + rest < len(self.tokens) and self.tokens[self.at + rest].type not in ("LINE_END", "COMMENT"):
            rest += 1
        self.problems.error(
            "C002",
            f"`/{self.tokens[self.at + 1]}` does not begin a comment",
            span_of(token, self.tokens[self.at + 1]),
            "comments begin with `#`",
        )
        return rest

    def signs(self, token: Token) -> int:
        near = self.touching(3)
        if near[0].type == "UNKNOWN" and SIGNS.get(near[0], ("",))[0] == "MINUS" and len(near) > 1 and near[1].type == "MORE":
            return self.replaced(2, "ARROW", "->")
        if [one.type for one in near[:2]] == ["EQUAL", "MORE"]:
            return self.replaced(2, "MORE_EQUAL", ">=") if self.out and self.out[-1].type == "RPAR" else self.replaced(2, "ARROW", "->")
        for signs, (kind, text) in PAIRS.items():
            if tuple(str(one) if one.type == "UNKNOWN" else one.type for one in near[: len(signs)]) == signs:
                return self.replaced(len(signs), kind, text)
        if token.type == "UNKNOWN" and token in SIGNS:
            return self.replaced(1, *SIGNS[token])
        return 0

    def replaced(self, count: int, kind: str, text: str) -> int:
        last = self.tokens[self.at + count - 1]
        token = made(kind, text, self.tokens[self.at], last)
        written = self.problems.source.text[token.start_pos or 0 : token.end_pos or 0]
        self.problems.error("C002", f"`{written}` is not a sign of the language", span_of(token), f"write `{text}`")
        self.out.append(token)
        return count

    def quoted(self, token: Token) -> int:
        if token not in QUOTES:
            return 0
        for place in range(self.at + 1, len(self.tokens)):
            last = self.tokens[place]
            if last.type in ("LINE_END", "COMMENT"):
                break
            if last.type == "UNKNOWN" and last in (QUOTES[token], token):
                inner = self.problems.source.text[token.end_pos or 0 : last.start_pos or 0]
                self.problems.error("C002", "texts stand in double quotes", span_of(token, last), f'write `"{inner}"`')
                self.out.append(made("STRING", '"' + re.sub(r'\\|"', "", inner) + '"', token, last))
                return place - self.at + 1
        return 0

    def percent(self, token: Token) -> int:
        near = self.touching(2)
        if token.type not in ("INT", "DECIMAL") or len(near) < 2 or near[1] != "%" or len(token) > 20:
            return 0
        number = f"{float(token) / 100:.10f}".rstrip("0")
        number += "0" if number.endswith(".") else ""
        self.problems.error("C009", "percentages are written as fractions", span_of(token, near[1]), f"write `{number}`")
        self.out.append(made("DECIMAL", number, token, near[1]))
        return 2

    def fraction(self, token: Token) -> int:
        near = self.touching(3)
        kinds = [one.type for one in near]
        if kinds[:2] == ["DOT", "INT"] and not (
            self.touches_last(token) and self.out[-1].type in ("NAME", "INT", "DECIMAL", "RPAR", "RSQB", "STAR")
        ):
            first, last, number = token, near[1], f"0.{near[1]}"
        elif kinds[:2] == ["INT", "DOT"] and kinds[2:] not in (["NAME"], ["INT"]) and not self.touches_last(token):
            first, last, number = token, near[1], f"{token}.0"
        else:
            return 0
        self.problems.error("C009", "a number has digits on both sides of its point", span_of(first, last), f"write `{number[:40]}`")
        self.out.append(made("DECIMAL", number, first, last))
        return 2

    def head(self, token: Token) -> int:
        """`a9.h6` anywhere, `L9H6` where a head is expected."""
        near = self.touching(3) if (layer := LAYER.fullmatch(token)) else []
        if layer and len(near) == 3 and near[1].type == "DOT" and (head := HEAD.fullmatch(near[2])):
            found, last = (layer[1], head[1]), near[2]
        elif (both := LAYER_HEAD.fullmatch(token)) and self._in_heads() and token not in self.declared:
            found, last = (both[1], both[2]), token
        else:
            return 0
        address = f"{int(found[0])}.{int(found[1])}"
        self.problems.error(
            "C011", "heads are written as layer and number", span_of(token, last), f"write `heads {address}`, or `{address}` after `heads`"
        )
        if not self._in_heads():
            self.out.append(made("HEADS", "heads", token))
        self.out.append(made("DECIMAL", address, token, last))
        return 3 if last is not token else 1

    def _in_heads(self) -> bool:
        """Whether a head may come next: after `heads`, or after a comma in its list."""
        for token in reversed(self.out):
            if token.type == "HEADS":
                return True
            if token.type not in ("COMMA", "DECIMAL", "ALL_OF_LAYER"):
                return False
        return False

    def unknown(self, token: Token) -> int:
        if token.isalpha():
            return self.word(token)
        count = 1
        while (
            count < len(self.tokens) - self.at
            and self.tokens[self.at + count].type == "UNKNOWN"
            and self._plain(self.tokens[self.at + count])
        ):
            count += 1
        span = span_of(token, self.tokens[self.at + count - 1])
        kind = unicodedata.category(token)
        if kind in INVISIBLE:
            name = unicodedata.name(token, "an invisible character").lower()
            self.problems.error("C002", f"there is an invisible character here ({name})", span, "replace it by a space")
            return count
        if kind == "Cc":
            self.problems.error("C002", f"there is a control character here (U+{ord(token):04X})", span, "remove it", spoils=True)
            return count
        if token in QUOTES:
            hint = 'texts stand in double quotes: `"…"`'
        else:
            hint = "outside quotes and comments only ASCII letters, digits and the signs of the language stand"
        text = self.problems.source.text[span.start : min(span.end, span.start + 12)]
        self.problems.error("C002", f"`{text}` means nothing here", span, hint, spoils=True)
        return count

    def word(self, token: Token) -> int:
        """A name with letters that names do not have, whole: what touches it belongs to it."""
        first = self.out.pop() if self.touches_last(token) and self.out[-1].type == "NAME" else token
        near = self.touching(64)
        count = next((place for place, one in enumerate(near) if one.type not in ("NAME", "INT") and not one.isalpha()), len(near))
        last = near[count - 1]
        span = span_of(first, last)
        text = self.problems.source.text[span.start : span.end]
        plain = re.sub(r"\W", "_", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()) or "name"
        self.problems.error("C002", f"`{text}` is not a name here", span, "names are made of the letters a to z, digits and `_`")
        self.out.append(made("NAME", plain if not plain[0].isdigit() else f"_{plain}", first, last))
        return count

    def _plain(self, token: Token) -> bool:
        return token not in SIGNS and token not in QUOTES and unicodedata.category(token) not in INVISIBLE
