"""What a token that does not fit most likely means. A `Mend` says so, and what to read in its place."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from lark import Token

from circuitdsl.borders.kinds import IN_LAYERS
from circuitdsl.borders.source import Span
from circuitdsl.language import wording
from circuitdsl.language.brackets import begins_statement
from circuitdsl.language.character_mistakes import made, span_of

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Mend:
    """`put` is read instead of `take` tokens from the misfit on, and `back` before it; without it the rest of the line is left out."""

    code: str
    message: str
    span: Span
    hint: str = ""
    put: tuple[Token, ...] = ()
    back: int = 0
    take: int = 1


@dataclass(frozen=True, slots=True)
class ParserState:
    """Where the parser stands: the token that does not fit, its neighbours, what would fit, and the statement around it.

    `fits(*tokens)` tells whether the parser would take those tokens and then the one after the misfit (after `take` tokens from the
    misfit on); `first` is the number of the line's first token.
    """

    tokens: list[Token]
    at: int
    first: int
    statement: str
    accepts: frozenset[str]
    fits: "Callable[..., bool]"

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def before(self) -> Token | None:
        return self.tokens[self.at - 1] if self.at else None


def explain(place: ParserState) -> Mend:
    """The first explanation that holds, or the plain "expected …"."""
    for attempt in _ATTEMPTS:
        if (mend := attempt(place)) is not None:
            return mend
    return _plain(place)


def _equals(place: ParserState) -> Mend | None:
    """`==` where one compares with a number, `=` where one asks."""
    token = place.token
    other = {"SAME": ("EQUAL", "="), "EQUAL": ("SAME", "==")}.get(token.type)
    if other is None or not place.fits(put := made(*other, token)):
        return None
    what = "a value is given with one `=`" if token.type == "SAME" else "equality of values is written `==`"
    if token.type == "SAME" and place.statement == "CLAIMS":
        what = "a claim's equivalence is written with one `=`"
    return Mend("C010", what, span_of(token), f"write `{other[1]}`", (put,))


def _texts(place: ParserState) -> Mend | None:
    token, before = place.token, place.before
    if token.type not in ("STRING", "LONG") or before is None or before.type not in ("STRING", "LONG"):
        return None
    if place.fits(comma := made("COMMA", ",", token), token):
        return Mend("C004", "two texts on one statement", span_of(before, token), "a comma stands between two of a list", (comma, token))
    end = made("_END", "", token)
    hint = "one template a line" if place.statement == "PROMPTS" else "the second goes to a line of its own"
    return Mend("C004", "two texts on one statement", span_of(before, token), hint, (end, token) if place.fits(end, token) else ())


def _unquoted(place: ParserState) -> Mend | None:
    """`model gpt2`, `vocab names = Mary, John`."""
    if "STRING" not in place.accepts or "NAME" in place.accepts or begins_statement(place.tokens, place.at):
        return None
    word = [place.token]
    for token in place.tokens[place.at + 1 :]:
        if token.start_pos != word[-1].end_pos or token.type in ("COMMA", "_END", "RBRACE", "RPAR", "STRING"):
            break
        word.append(token)
    text = "".join(word)
    if not re.match(r"[\w./~]", text) or not place.fits(put := made("STRING", f'"{text}"', word[0], word[-1]), take=len(word)):
        return None
    return Mend("C001", "expected a quoted text", span_of(word[0], word[-1]), f'write `"{text}"`', (put,), take=len(word))


def _each(place: ParserState) -> Mend | None:
    """`each nodes`."""
    token, before = place.token, place.before
    word = token.lower().removesuffix("s")
    if before is None or before.type != "EACH" or token == word or not place.fits(put := made(word.upper(), word, token)):
        return None
    return Mend("C021", "after `each` stands one word in the singular, or a node", span_of(token), f"write `each {word}`", (put,))


def _reserved(place: ParserState) -> Mend | None:
    token = place.token
    name = made("NAME", str(token), token)
    if token.type == "NAME" or not IDENTIFIER.fullmatch(token) or "NAME" not in place.accepts or begins_statement(place.tokens, place.at):
        return None
    if not place.fits(name):
        return None
    return Mend("C020", f"`{token}` is a word of the language and cannot be a name", span_of(token), f"call it `{token}_`, say", (name,))


def _statement(place: ParserState) -> Mend | None:
    token = place.token
    if not {"CIRCUIT", "CLAIMS"} <= place.accepts or "NAME" in place.accepts:
        return None
    if token.type == "NAME" and (word := _closest(token, wording.STATEMENT_WORDS)):
        put = made(word.upper(), word, token)
        if place.fits(put):
            return Mend("C005", f"`{token}` does not begin a statement", span_of(token), f"did you mean `{word}`?", (put,))
    following = place.tokens[place.at + 1].type if place.at + 1 < len(place.tokens) else ""
    ended = place.tokens[place.at - 2] if place.at > 1 else None
    if token.type == "STRING" and ended is not None and ended.type == "STRING":
        following = "STRING"
    hint = {
        "STRING": "a list goes on in the next line if the line before ends with a comma",
        "EQUAL": "lines like this stand in `nodes { … }`, `settings { … }` or `prompts NAME { … }`",
        "COLON": "lines like this stand in `claims { … }`",
        "ARROW": "lines like this stand in `edges { … }`",
    }.get(following, f"a statement begins with {', '.join(f'`{one.lower()}`' for one in wording.FORMS)}")
    return Mend(
        "C005",
        f"`{token[:24]}` does not begin a statement" if token.type != "LONG" else "a text does not begin a statement",
        span_of(token),
        hint,
    )


def _keyword(place: ParserState) -> Mend | None:
    """A word within a statement misspelt, in capitals, or in the singular."""
    token = place.token
    if not IDENTIFIER.fullmatch(token):
        return None
    words = {one.lower() for one in place.accepts if one.isalpha() and one not in wording.SINGLE} - {"or"}
    word = _closest(token, words, cutoff=0.65)
    if word is None or not place.fits(put := made(word.upper(), word, token)):
        return None
    return Mend("C021", f"`{token}` is not a word of the language here", span_of(token), f"did you mean `{word}`?", (put,))


def _head(place: ParserState) -> Mend | None:
    """A number after a name: `head 9.6`, `mlp 3`, `attn 9.6`."""
    token, before = place.token, place.before
    if token.type not in ("DECIMAL", "INT", "ALL_OF_LAYER", "STAR") or before is None or before.type != "NAME":
        return None
    word = _closest(before, [spec.plural for spec in IN_LAYERS])
    if word is None:
        word = next((spec.plural for spec in IN_LAYERS if before.lower() in spec.mistaken), None)
    if word is None:
        return None
    return Mend(
        "C021",
        f"`{before}` is not a kind of unit",
        span_of(before),
        f"did you mean `{word} {token}`?",
        (made(word.upper(), word, before), token),
        1,
    )


def _comma(place: ParserState) -> Mend | None:
    """A comma too many, or one that is missing."""
    token = place.token
    if token.type == "COMMA" and "_END" in place.accepts:
        end = made("_END", "", token)
        after = [one.type for one in place.tokens[place.at + 1 : place.at + 3]]
        message, hint = "a comma does not end a line", "between two of them stands `;` or a line end"
        if after[:1] == ["_END"]:
            return Mend("C022", message, span_of(token), hint, (end,), take=2)
        if after[:1] == ["STRING"] or after[1:] in (["EQUAL"], ["COLON"], ["IN"]):
            return Mend("C022", message, span_of(token), hint, (end,))
        if place.statement == "NODES":
            return Mend("C022", "the list of units ended at the `@`", span_of(token), "several positions are written `@ (S1, S2)`")
    lists = place.statement != "CLAIMS" and token.type in ("NAME", "DECIMAL", "ALL_OF_LAYER", "HEADS", "MLPS", "LOWER")
    if lists and "COMMA" in place.accepts and place.at > place.first and place.fits(comma := made("COMMA", ",", token), token):
        span = span_of(place.tokens[place.at - 1], token)
        return Mend("C022", "there is no comma between these", span, "lists take commas", (comma, token))
    return None


def _trailing_comma(place: ParserState) -> Mend | None:
    before = place.before
    if before is None or before.type != "COMMA":
        return None
    if place.token.type in ("_END", "RPAR", "RBRACE", "RSQB", "$END") or (place.token.line or 0) > (before.line or 0):
        hint = "remove it: a line that ends with a comma goes on in the next"
        return Mend("C022", "nothing of the list follows this comma", span_of(before), hint)
    return None


def _range(place: ParserState) -> Mend | None:
    """`mlps 0-3`, `mlps 0:3`."""
    token, before = place.token, place.before
    after = place.tokens[place.at + 1] if place.at + 1 < len(place.tokens) else None
    if token.type not in ("MINUS", "COLON") or before is None or before.type != "INT" or after is None or after.type != "INT":
        return None
    if not place.fits(put := made("RANGE", "..", token)):
        return None
    return Mend("C011", "layers from one to another are written with `..`", span_of(before, after), f"write `{before}..{after}`", (put,))


def _position(place: ParserState) -> Mend | None:
    """`@ -1`, `@ 3`."""
    token, before = place.token, place.before
    if before is None or before.type != "AT" or token.type not in ("MINUS", "PLUS", "INT"):
        return None
    hint = "write a slot of the prompts or a place beside one (`@ S1`, `@ S1+1`), or `@ END` for the last token"
    return Mend("C001", "positions have names, not numbers", span_of(token), hint)


def _backward(place: ParserState) -> Mend | None:
    """`receiver <- sender`."""
    token = place.token
    after = place.tokens[place.at + 1] if place.at + 1 < len(place.tokens) else None
    if place.statement != "EDGES" or token.type != "LESS" or after is None or after.type != "MINUS":
        return None
    return Mend("C002", "edges point to the right, from the sender to what reads it", span_of(token, after), "write `sender -> receiver.q`")


def _arrow(place: ParserState) -> Mend | None:
    token = place.token
    if place.statement != "EDGES" or token.type not in ("ANY_ROUTE", "THROUGH") or "ARROW" not in place.accepts:
        return None
    message, hint = "an edge of the circuit is direct", "write `->`; routes (`~>`, `-[group]->`) are asked about in claims"
    if token.type == "ANY_ROUTE":
        return Mend("C023", message, span_of(token), hint, (made("ARROW", "->", token),))
    return Mend("C023", message, span_of(token), hint)


def _parentheses(place: ParserState) -> Mend | None:
    """`(a, b) -> c`."""
    if place.statement == "CLAIMS" and place.token.type == "NAME" and "HEADS" in place.accepts and "NAME" not in place.accepts:
        hint = "nodes are patched together as a group: `both = a, b` in `nodes { … }`"
        hint = "`embed` is patched by itself" if place.token == "embed" else hint
        return Mend("C001", "only units such as `heads 9.6, mlps 3` stand in parentheses here", span_of(place.token), hint)
    if place.statement != "EDGES" or place.before is None or place.before.type != "LPAR" or place.token.type != "NAME":
        return None
    return Mend("C001", "lists of nodes stand without parentheses", span_of(place.before), "write `a, b -> c`")


_ATTEMPTS: tuple[Callable[[ParserState], Mend | None], ...] = (
    _equals,
    _texts,
    _unquoted,
    _each,
    _reserved,
    _statement,
    _head,
    _keyword,
    _comma,
    _trailing_comma,
    _range,
    _position,
    _backward,
    _arrow,
    _parentheses,
)
"""In the order in which they are tried."""


def _plain(place: ParserState) -> Mend:
    token = place.token
    form = (
        wording.PROMPT_ITEM
        if place.statement == "PROMPTS" and place.first and place.tokens[place.first].type != "PROMPTS"
        else wording.FORMS.get(place.statement, "")
    )
    span = span_of(token)
    found = wording.found(token)
    before = place.before
    if before is not None and (token.type == "_END" or (token.line or 0) > (before.end_line or 0)):
        span = Span(before.end_pos or 0, before.end_pos or 0)
        found = "the line ends" if token != ";" else found
    return Mend("C001", f"expected {wording.expected(place.accepts)}, but {found}", span, form)


def _closest(word: str, words: Iterable[str], cutoff: float = 0.7) -> str | None:
    near = get_close_matches(word.lower(), list(words), n=1, cutoff=cutoff)
    return near[0] if near else None
