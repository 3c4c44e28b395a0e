"""How diagnostics look, and what programs get."""

import json
from pathlib import Path

from circuitdsl.borders.source import Diagnostic, Severity, Source, Span
from circuitdsl.language.rendering import Lines, render, to_json


def show(text: str, start: int, end: int, **more) -> str:
    return render([Diagnostic("C001", "message", Span(start, end), source=Source(text, Path("a.circ")), **more)])


def test_place_line_marks_hint():
    assert show("one\ntwo three\n", 8, 13, hint="do this") == (
        "a.circ:2:5: error C001: message\n"
        "  2 | two three\n"
        "    |     ^^^^^\n"
        "  hint: do this\n"
    )  # fmt: skip


def test_tabs_move_the_marks():
    assert show("a\tb\t c", 2, 3).split("\n")[1:3] == ["  1 | a   b    c", "    |     ^"]


def test_wide_and_combining_characters():
    assert show("日本 x", 3, 4).split("\n")[1:3] == ["  1 | 日本 x", "    |      ^"]
    assert show("日本", 1, 2).split("\n")[2] == "    |   ^^"
    assert show("e\u0301 x", 3, 4).split("\n")[2] == "    |   ^"


def test_an_empty_span_has_one_mark():
    assert show("ab", 2, 2).split("\n")[2] == "    |   ^"
    assert show("ab", 1, 1).split("\n")[2] == "    |  ^"
    assert show("a\n\nb", 2, 2).split("\n")[1:3] == ["  2 |", "    | ^"]


def test_spans_of_several_lines_show_the_first_and_the_last():
    text = "one {\n  two\n  three\n}"
    assert show(text, 4, len(text)).split("\n")[1:6] == ["  1 | one {", "    |     ^", "...", "  4 | }", "    | ^"]
    assert show(text, 4, 11).split("\n")[1:5] == ["  1 | one {", "    |     ^", "  2 |   two", "    |   ^^^"]
    assert show(text, 4, 6).split("\n")[1:] == ["  1 | one {", "    |     ^", ""]


def test_labels_are_marked_apart():
    found = show("a = 1\nb\na = 2\n", 8, 9, labels=((Span(0, 1), "first declared here"),))
    assert found.split("\n")[1:] == ["  3 | a = 2", "    | ^", "  1 | a = 1", "    | -", "    | first declared here", ""]


def test_long_lines_are_cut_around_the_place():
    shown = show("x" * 500 + "HERE" + "y" * 500, 500, 504).split("\n")
    assert len(shown[1]) < 180
    column = shown[1].index("HERE")
    assert shown[2] == "    |".ljust(column) + "^^^^"


def test_control_characters_do_not_reach_the_terminal():
    shown = show("a\x1b[31m\u202eb", 0, 1) + render([Diagnostic("C001", "bad \x1b[0m", Span(), source=Source("a"))])
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_line_ends_of_every_system():
    lines = Lines.of("a\r\nbc\rd\n")
    assert [lines.locate(offset) for offset in range(9)] == [(1, 1), (1, 2), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 1)]
    assert lines.locate(99) == (4, 1)


def test_without_a_source_or_text():
    assert render([Diagnostic("C001", "message", Span(3, 5))]) == "error C001: message\n"
    assert render([Diagnostic("C030", "no file", Span(), source=Source("", Path("a.circ")))]) == "a.circ: error C030: no file\n"
    assert render([]) == ""


def test_colour_only_on_demand():
    diagnostic = Diagnostic("W001", "message", Span(0, 1), severity=Severity.WARNING, source=Source("a"), hint="h")
    plain, colored = render([diagnostic]), render([diagnostic], color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;33mwarning W001\x1b[0m" in colored
    assert "<text>:1:1: warning W001: message" in plain


def test_json():
    diagnostic = Diagnostic(
        "C001", "message", Span(4, 7), "hint", source=Source("one\ntwo", Path("a.circ")), labels=((Span(0, 3), "here"),)
    )
    (found,) = json.loads(json.dumps(to_json([diagnostic])))
    assert found == {
        "code": "C001", "severity": "error", "message": "message", "hint": "hint",
        "file": "a.circ", "line": 2, "column": 1, "end_line": 2, "end_column": 4, "start": 4, "end": 7,
        "labels": [{"file": "a.circ", "line": 1, "column": 1, "end_line": 1, "end_column": 4, "start": 0, "end": 3, "text": "here"}],
    }  # fmt: skip
