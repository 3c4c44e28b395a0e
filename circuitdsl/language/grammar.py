"""Finds the grammar and makes the parser from it, once a process; the tables are kept on disk between processes."""

import contextlib
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from circuitdsl.borders.folders import cache_folder
from circuitdsl.language.lines import KeptTerminals


def grammar_text() -> str:
    """The text of `circ.lark`: beside this module in an installed package, in the repository's `grammar/` in an editable install."""
    packaged = Path(__file__).with_name("circ.lark")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "grammar" / "circ.lark").read_text(encoding="utf-8")


def build(grammar: str, strict: bool = False) -> lark.Lark:
    """The LALR parser of a grammar's text. `strict` refuses every conflict instead of resolving it silently (needs interegular)."""
    return lark.Lark(grammar, parser="lalr", lexer="basic", postlex=KeptTerminals(), propagate_positions=True, strict=strict)


@cache
def parser() -> lark.Lark:
    """The parser of `circ.lark`. Building its tables takes ten times as long as reading them back, so they are kept as JSON
    (never as a pickle: reading a table must not be able to run code)."""
    grammar = grammar_text()
    key = hashlib.sha256(f"{lark.__version__}\0{grammar}".encode()).hexdigest()[:16]
    file = cache_folder() / "grammar" / f"{key}.json"
    try:
        return lark.Lark.load(_integer_keys(json.loads(file.read_text(encoding="utf-8"))))
    except Exception:  # absent, cut short, or of another layout: lark has no narrower word for it, and building is always right
        made = build(grammar)
    with contextlib.suppress(OSError):
        _save(made, file)
    return made


def _integer_keys(table: dict[str, Any]) -> dict[str, Any]:
    """The table with numbers for keys where lark has them, and JSON texts: rules, tokens, and states, in which tokens are keys again."""
    table["memo"] = {int(number): what for number, what in table["memo"].items()}
    actions = table["data"]["parser"]["parser"]
    actions["tokens"] = {int(number): token for number, token in actions["tokens"].items()}
    actions["states"] = {int(state): {int(token): action for token, action in line.items()} for state, line in actions["states"].items()}
    return table


def _save(made: lark.Lark, file: Path) -> None:
    data, memo = made.memo_serialize([TerminalDef, Rule])
    data["options"]["postlex"] = None
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump({"data": data, "memo": memo}, out)
    os.replace(part, file)  # noqa: PTH105 — atomic: another process may be reading
