"""The parser's terminals in the user's words."""

from collections.abc import Iterable

from lark import Token

from circuitdsl.borders.kinds import IN_LAYERS

FORMS = {
    "CIRCUIT": 'a file begins `circuit "Title"`',
    "CITE": 'a reference is written `cite "arXiv:2211.00593"`',
    "USE": 'another file is read with `use "other.circ"`',
    "MODEL": 'a model is named `model "smollm2-135m"`, or `model "owner/name" revision "main"`',
    "VOCAB": 'a vocabulary is written `vocab names = "Mary", "John"`, `vocab years = "02".."98"` or `vocab names from "names.txt"`',
    "PROMPTS": 'prompts are written `prompts NAME { … }`, `prompts NAME from OTHER { … }` or `prompts NAME from "file.jsonl"`',
    "FEATURE": "a feature is written `feature same = IO == S1`",
    "METRIC": "a metric is written `metric NAME = logit(answer) - logit(wrong) @ END`",
    "NODES": "a node is written `NAME = heads 9.6, 9.9 @ END carries IO`",
    "EDGES": "an edge is written `sender, other -> receiver.q`",
    "SETTINGS": "a setting is written `name = value`, and `;` or a line end stands between two of them",
    "CLAIMS": "a claim is written `label: measure(arguments) >= number`, or `… = number +- margin`",
}
"""How each statement, or a line of its block, is written."""

PROMPT_ITEM = 'a line of prompts is a "template", `SLOT in vocabulary`, `SLOT = value`, `redraw SLOT` or `answer SLOT wrong SLOT`'

STATEMENT_WORDS = frozenset(word.lower() for word in FORMS)

UNIT_WORDS = frozenset(spec.plural.upper() for spec in IN_LAYERS)

GROUPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("a statement", frozenset({"CIRCUIT", "NODES", "CLAIMS", "METRIC"})),
    ("a unit such as `heads 9.6` or `mlps 3`", UNIT_WORDS),
    ("a layer and number such as `9.6`", frozenset({"DECIMAL", "ALL_OF_LAYER", "INT"})),
    ("a number", frozenset({"INT", "DECIMAL", "FLOAT"})),
    ("a quoted text", frozenset({"STRING", "LONG"})),
    ("an operator", frozenset({"PLUS", "MINUS", "STAR", "SLASH"})),
    ("a comparison", frozenset({"MORE_EQUAL", "LESS_EQUAL", "SAME", "DIFFERS", "MORE", "LESS"})),
    ("a comparison such as `>= 0.8` or `= 1 +- 0.1`", frozenset({"MORE_EQUAL", "LESS_EQUAL", "EQUAL", "MORE", "LESS"})),
    ("`and`, `or`", frozenset({"AND", "OR"})),
    ("an arrow", frozenset({"ARROW", "ANY_ROUTE", "THROUGH"})),
)
"""Terminals that go by one name where they are expected together; the first that fits is taken."""

SINGLE = {
    "NAME": "a name",
    "STRING": "a quoted text",
    "LONG": 'a description in `"""`',
    "INT": "a whole number",
    "DECIMAL": "a number",
    "FLOAT": "a number",
    "ALL_OF_LAYER": "a layer and number such as `9.6`",
    "_END": "the end of the line",
    "$END": "the end of the file",
    "STAR": "`*`",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "SLASH": "`/`",
    "SAME": "`==`",
    "DIFFERS": "`!=`",
    "LESS": "`<`",
    "LESS_EQUAL": "`<=`",
    "MORE": "`>`",
    "MORE_EQUAL": "`>=`",
    "ANY_ROUTE": "`~>`",
    "THROUGH": "`-[`",
    "EQUAL": "`=`",
    "ARROW": "`->`",
    "MARGIN": "`+-`",
    "RANGE": "`..`",
    "COMMA": "`,`",
    "DOT": "`.`",
    "COLON": "`:`",
    "AT": "`@`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
}
ORDER = (
    "NAME",
    "STRING",
    "INT",
    "EQUAL",
    "COLON",
    "LPAR",
    "LBRACE",
    "ARROW",
    "COMMA",
    "RPAR",
    "RSQB",
    "AT",
    "_END",
    "RBRACE",
    "MARGIN",
    "RANGE",
)
MOST = 5


def expected(terminals: Iterable[str]) -> str:
    """Terminals as a phrase: "a name or `,`"."""
    left = set(terminals)
    if {"CIRCUIT", "CITE", "KL", "NAME"} <= left:  # a place where words of all kinds may stand
        left = {one for one in left if one in SINGLE}
    phrases: list[str] = []
    for phrase, group in GROUPS:
        if group <= left:
            if group == UNIT_WORDS:
                left -= {"DECIMAL", "ALL_OF_LAYER", "INT"}
            left -= group
            phrases.append(phrase)
            if phrase == "a statement":
                left = {"RBRACE"} & left
    common = [one for one in ORDER if one in left]
    words = sorted(one for one in left if one not in SINGLE)
    phrases = [SINGLE[one] for one in common if one in ("NAME", "STRING")] + phrases + [f"`{one.lower()}`" for one in words]
    phrases += [SINGLE[one] for one in common if one not in ("NAME", "STRING")]
    phrases = list(dict.fromkeys(phrases)) or [SINGLE[one] for one in sorted(left) if one in SINGLE]
    if len(phrases) > 2 and SINGLE["LPAR"] in phrases:
        phrases.remove(SINGLE["LPAR"])
    phrases = phrases[:MOST]
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} or {phrases[-1]}"


def found(token: Token) -> str:
    """What stands there instead."""
    if token.type == "$END":
        return "the file ends"
    if token.type == "_END":
        return "the statement ends" if token == ";" else "the line ends"
    if token.type in ("STRING", "LONG"):
        return "there is a quoted text"
    if token == "":
        return "the bracket ends"
    text = token if len(token) <= 24 else f"{token[:24]}…"
    return f"there is `{text}`"
