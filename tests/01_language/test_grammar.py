"""The grammar has no conflicts, is found, is fast to have again, and its words are reserved."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lark.exceptions import GrammarError

from circuitdsl.borders.source import CircError, Source
from circuitdsl.language import grammar
from circuitdsl.language.brackets import STATEMENTS
from circuitdsl.language.parser import parse
from circuitdsl.language.wording import FORMS, GROUPS, SINGLE


def test_no_conflicts():
    pytest.importorskip("interegular")
    grammar.build(grammar.grammar_text(), strict=True)


def test_a_conflict_would_be_seen():
    pytest.importorskip("interegular")
    ambiguous = grammar.grammar_text().replace("sum (PLUS | MINUS) product", "sum (PLUS | MINUS) sum")
    grammar.build(ambiguous)  # lark resolves it silently
    with pytest.raises(GrammarError, match="conflict"):
        grammar.build(ambiguous, strict=True)


def test_found_in_the_repository():
    assert grammar.grammar_text() == (Path(__file__).parents[2] / "grammar" / "circ.lark").read_text(encoding="utf-8")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder; the parser is made anew within and after the test."""
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path))
    grammar.parser.cache_clear()
    yield tmp_path / "grammar"
    grammar.parser.cache_clear()


def test_tables_are_kept_as_json(cache):
    before = parse(Source('model "a"'))
    (file,) = cache.iterdir()
    assert json.loads(file.read_text())["data"]
    grammar.parser.cache_clear()
    file.write_text(file.read_text().replace('"value": "model"', '"value": "ledom"'))  # shows that the file is what is read
    with pytest.raises(CircError):
        parse(Source('model "a"'))
    assert before.statements


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"data": {}, "memo": {"1": 2}}', "\0"])
def test_a_broken_cache_is_made_again(cache, content):
    parse(Source('model "a"'))
    (file,) = cache.iterdir()
    file.write_text(content)
    grammar.parser.cache_clear()
    assert parse(Source('model "a"')).statements
    assert json.loads(file.read_text())["data"]


def test_no_cache_folder_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path / "file" / "cache"))
    grammar.parser.cache_clear()
    assert parse(Source('model "a"')).statements
    grammar.parser.cache_clear()


def keywords() -> set[str]:
    return {str(one.pattern.value) for one in grammar.parser().terminals if one.pattern.type == "str" and str(one.pattern.value).isalpha()}


@pytest.mark.parametrize("word", sorted(keywords()))
def test_words_are_reserved_everywhere(word):
    for text in (f'vocab {word} = "a"', f"nodes {{ {word} = heads 9.6 }}", f"metric {word} = a", f"nodes {{ a = heads 9.6 @ {word} }}"):
        with pytest.raises(CircError) as caught:
            parse(Source(text))
        assert caught.value.diagnostics[0].code == "C020"


def test_every_word_of_the_messages_is_a_terminal():
    known = {one.name for one in grammar.parser().terminals}
    named = set(SINGLE) | set(STATEMENTS) | {name for _, group in GROUPS for name in group}
    assert named <= known | {"$END"}
    assert set(FORMS) == set(STATEMENTS)
    silent = {"COMMENT", "LINE_END", "SPACE", "UNCLOSED", "UNCLOSED_LONG", "UNKNOWN"}
    assert {one for one in known if one.lower() not in keywords()} == (set(SINGLE) - {"$END"}) | silent


def test_parsing_needs_no_heavy_imports():
    code = "import sys, circuitdsl.language.parser, circuitdsl.language.formatter, circuitdsl.language.rendering; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"torch", "transformers", "numpy", "pydantic", "rich", "scipy", "networkx"}


def test_explaining_and_showing_need_no_parser():
    code = "import sys, circuitdsl.language.codes, circuitdsl.language.rendering, circuitdsl.language.reading; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert "lark" not in loaded
