"""No text makes the parser raise anything but CircError, and what it says always makes sense."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circuitdsl.borders.source import CircError, Source
from circuitdsl.language.codes import CODES
from circuitdsl.language.formatter import format_document
from circuitdsl.language.grammar import parser
from circuitdsl.language.parser import parse
from circuitdsl.language.rendering import render, to_json

WHOLE = '''circuit "Title"
"""
A description
"""
cite "a", "b"
use "other.circ"
model "m" revision "r"   # comment
vocab names = "Mary", "John"
vocab facts(country, capital) = ("France", "Paris"), ("Japan", "Tokyo")
vocab years = "02".."98"
prompts clean {
  "When {IO} and {S1}"
  IO, S1 in names distinct
  block in random tokens 25
  S2 = S1
  answer IO wrong S1, "x"
}
prompts abc from clean { redraw IO, block:2 distinct }
feature same = IO == S1 and not (a != "b" or bin(YY, 1, 2)), template
metric m = sum(prob(YY = y) for y in years if y > YY) - 2 * loss(block:2[1..24]) @ END, lower
nodes {
  a = heads 9.6, 10.*, mlps 0..3 @ (S1, S2+1) carries S2 together
  b = heads *; c = neurons 5.123 unconnected
}
edges { embed @ S1 -> a.q, b
  -> logits }
edges all
settings { prompts = 256; ablate = resample(abc) }
claims {
  works: warn accuracy(m, of = model) >= 0.95
  eq: minimality.single(m, each unit, keep = (a, heads 9.6)) = 1 +- 0.2
  path: effect(each heads * -[mlps *, a]-> b.q ~> logits, from = abc, at = S1+1)
}
'''
SIGNS = ["\n", "  ", "\t", ";", "==", "->", "→", "≥", "%", "'", "“", "\0", "\\", "\r\n", "\ufeff"]
PIECES = sorted({*re.findall(r'"""|\w+|\S', WHOLE), *SIGNS})


def check(text: str) -> None:
    source = Source(text)
    try:
        document = parse(source)
    except CircError as error:
        assert error.diagnostics
        spans = [one.span for one in error.diagnostics]
        assert spans == sorted(spans)
        for one in error.diagnostics:
            assert one.code in CODES
            assert 0 <= one.span.start <= one.span.end <= len(text)
            words = set(re.findall(r"[A-Z_$]{3,}", f"{one.message} {one.hint}")) - set(re.findall(r"[A-Z_$]{3,}", text))
            assert not words & {terminal.name for terminal in parser().terminals} - {"NAME"}, one
        shown = render(error.diagnostics)
        assert shown.count(" error C") >= len(spans)
        assert len(to_json(error.diagnostics)) == len(spans)
    else:
        formatted = format_document(document)
        again = parse(Source(formatted))
        assert again == document
        assert format_document(again) == formatted
        assert sorted(text.rstrip() for _, text in again.comments) == sorted(text.rstrip() for _, text in document.comments)


@pytest.mark.parametrize(
    "text", [WHOLE, "", "\n\n", "# only a comment", "\ufeff" + WHOLE, WHOLE.replace("\n", "\r\n"), WHOLE.replace("  ", "\t")]
)
def test_texts_without_errors_survive_formatting(text):
    parse(Source(text))
    check(text)


@settings(deadline=None)
@given(st.text())
def test_any_text(text):
    check(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join))
@example("metric m = " + "(" * 5000 + "a" + ")" * 5000)
@example("metric m = a" + " + a" * 5000)
@example("metric m = " + "-" * 5000 + "a")
@example("feature f = " + "not " * 5000 + "a")
@example("nodes {" * 500)
@example("claims { a: " + "b(" * 3000)
@example('"' * 2001)
@example("\0" * 3000)
@example("vocab a = " + "9" * 6000)
@example("nodes { a = heads " + "9" * 6000 + "." + "9" * 6000 + " }")
@example("metric m = a @ S1[" + "9" * 6000 + "]")
@example("metric m = 1" + "0" * 6000 + " * 1e999999")
def test_any_words_of_the_language(text):
    check(text)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage_to_a_file(data):
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]
    check(text)


@settings(deadline=None)
@given(st.data())
def test_any_part_of_a_file(data):
    start = data.draw(st.integers(0, len(WHOLE)))
    check(WHOLE[start : data.draw(st.integers(start, len(WHOLE)))])
