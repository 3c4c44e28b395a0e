"""docs/language.md: what it shows is parsed by the real parser, and it shows everything that there is."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from circuitdsl.borders import document as doc
from circuitdsl.borders.source import Source
from circuitdsl.language.brackets import Balancer
from circuitdsl.language.character_mistakes import Mender
from circuitdsl.language.grammar import grammar_text, parser
from circuitdsl.language.lines import join_lines
from circuitdsl.language.parser import Recovery, parse
from circuitdsl.language.syntax_errors import SyntaxErrors

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```circ\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def kinds(part: object) -> set[type]:
    """Every kind of syntax in a tree."""
    if isinstance(part, tuple):
        return set().union(*map(kinds, part))
    if not is_dataclass(part):
        return set()
    return {type(part)}.union(*(kinds(getattr(part, one.name)) for one in fields(part)))


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_is_in_the_language(number):
    assert parse(Source(BLOCKS[number], Path(f"block{number}.circ"))).statements


def test_every_kind_of_syntax_is_shown():
    shown = set().union(*(kinds(parse(Source(block)).statements) for block in BLOCKS))
    every = {one for one in vars(doc).values() if isinstance(one, type) and issubclass(one, doc.Syntax) and one is not doc.Syntax}
    assert {one.__name__ for one in every - shown - {doc.Document}} == set()


ELSEWHERE = {
    "several": "a tuple in parentheses is written without them where it is shown",
    "bare_place": "units in edges are read, and refused with what to write instead (C151)",
    "option_units": "units as a value of an option likewise",
}


def rules(text: str) -> set[str]:
    """The rules of the grammar that a text is read with."""
    problems, made = SyntaxErrors(Source(text)), parser()
    tokens = join_lines(Balancer(Mender(list(made.lex(text)), problems).run(), problems).run())
    return {str(tree.data) for tree in Recovery(made, tokens, problems).run().iter_subtrees()}


def test_every_rule_of_the_grammar_is_shown():
    every = {str(rule.alias or rule.origin.name) for rule in parser().rules if rule.alias or not rule.options.expand1}
    shown = set().union(*map(rules, BLOCKS))
    assert {name for name in every - shown if not name.startswith("__")} == ELSEWHERE.keys()


def test_every_word_of_the_language_is_shown():
    words = set(re.findall(r'"([a-z]+)"', re.sub(r"//[^\n]*", "", grammar_text())))
    shown = set(re.findall(r"[a-z]+", re.sub(r'#[^\n]*|"[^"\n]*"', "", "\n".join(BLOCKS))))
    assert words - shown == set()


def test_the_readme_shows_the_language_and_leads_here():
    (block,) = re.findall(r"^```circ\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert parse(Source(block)).statements
    assert "(docs/language.md)" in README and "(docs/measures.md)" in README
