"""Diagnostics as text for people and as data for programs.

ioi.circ:12:15: error C020: `nodes` is a word of the language and cannot be a name
  12 | metric nodes = logit(answer)
     |        ^^^^^
  hint: call it `nodes_`, say
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from circuitdsl.borders.source import COMMAND_LINE, Diagnostic, Severity, Source, Span

TAB = 4
WIDEST = 160
"""Longer lines are cut around the place that is spoken of."""

LINE_END = re.compile(r"\r\n|\r|\n")
COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "mark": "\x1b[31m", "note": "\x1b[36m"}
RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines of a text begin and end."""

    text: str
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, text: str) -> "Lines":
        starts, ends = [0], []
        for end in LINE_END.finditer(text):
            ends.append(end.start())
            starts.append(end.end())
        return cls(text, tuple(Span(start, end) for start, end in zip(starts, [*ends, len(text)], strict=True)))

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1. Places behind the end are the end's."""
        offset = max(0, min(offset, len(self.text)))
        low, high = 0, len(self.spans)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.spans[middle].start <= offset else (low, middle)
        line = self.spans[low]
        return low + 1, min(offset, line.end) - line.start + 1

    def line(self, number: int) -> str:
        span = self.spans[number - 1]
        return self.text[span.start : span.end]


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """All diagnostics, a blank line between them, sorted as they come; with ANSI colours if `color`."""
    known: dict[str, Lines] = {}
    return "\n".join("\n".join(_render(one, known, color)) + "\n" for one in diagnostics)


def _render(one: Diagnostic, known: dict[str, Lines], color: bool) -> Iterator[str]:
    def paint(text: str, style: str) -> str:
        return f"{COLORS[style]}{text}{RESET}" if color and text else text

    severity = one.severity.value
    head = f"{paint(f'{severity} {one.code}', severity)}: {paint(_visible(one.message), 'bold')}"
    source = one.source
    if source is None or not source.text:
        yield head if source in (None, COMMAND_LINE) else f"{source.name}: {head}"
    else:
        lines = known.setdefault(source.text, Lines.of(source.text))
        number, column = lines.locate(one.span.start)
        yield f"{source.name}:{number}:{column}: {head}"
        places = [(one.span, "", "^"), *((span, label, "-") for span, label in one.labels)]
        gutter = max(len(str(lines.locate(max(span.end, span.start))[0])) for span, _, _ in places) + 2
        for span, label, mark in places:
            for label_number, text, marks in _excerpt(lines, span, mark):
                if label_number is None:
                    yield f"{'...':>{gutter}}"
                    continue
                yield f"{label_number:>{gutter}} | {text}".rstrip()
                yield f"{'':>{gutter}} | {paint(marks, 'mark' if mark == '^' else 'note')}"
            if label:
                yield f"{'':>{gutter}} | {paint(_visible(label), 'note')}"
    yield from (f"  {_visible(line)}".rstrip() for line in one.note.splitlines())
    if one.hint:
        yield f"  {paint('hint', 'note')}: {_visible(one.hint)}"


def _excerpt(lines: Lines, span: Span, mark: str) -> Iterator[tuple[int | None, str, str]]:
    """Line number, line and marks of the first and the last line of a span; None stands for lines left out."""
    first, start = lines.locate(span.start)
    last, end = lines.locate(max(span.end, span.start))
    if last > first and end == 1:  # the span ends with a line end
        last -= 1
        end = len(lines.line(last)) + 1
    for number in sorted({first, last}):
        line = lines.line(number)
        low = start - 1 if number == first else len(line) - len(line.lstrip())
        high = end - 1 if number == last else len(line.rstrip())
        if number == last and last > first + 1:
            yield None, "", ""
        yield number, *_marked(line, low, max(high, low + 1), mark)


def _marked(line: str, low: int, high: int, mark: str) -> tuple[str, str]:
    """The line as a terminal shows it, and marks below the characters `[low, high)`; one mark behind the end where there are none."""
    if len(line) > WIDEST:
        cut = max(0, min(low - WIDEST // 4, len(line) - WIDEST))
        head, tail = "…" if cut else "", "…" if cut + WIDEST < len(line) else ""
        line = head + line[cut : cut + WIDEST] + tail
        low, high = low - cut + len(head), min(high - cut + len(head), len(line))
    shown, marks = "", ""
    for place, character in enumerate(line):
        cell = " " * (TAB - _width(shown) % TAB) if character == "\t" else _visible(character)
        shown += cell
        marks += (mark if low <= place < high else " ") * _width(cell)
    marks = marks.rstrip()
    return shown, marks or " " * _width(shown) + mark if low >= len(line) else marks


def _width(text: str) -> int:
    """Columns on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _visible(text: str) -> str:
    """Control characters, and those that would turn the line around, as signs."""
    return "".join(
        c if c.isprintable() or c == " " else chr(0x2400 + ord(c)) if ord(c) < 0x20 else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Plain data for `json.dumps`: lines and columns from 1, ends exclusive, offsets in characters."""
    known: dict[str, Lines] = {}

    def place(source: Source | None, span: Span) -> dict[str, Any]:
        found: dict[str, Any] = {"start": span.start, "end": span.end}
        if source not in (None, COMMAND_LINE):
            lines = known.setdefault(source.text, Lines.of(source.text))
            (line, column), (end_line, end_column) = lines.locate(span.start), lines.locate(span.end)
            found |= {"file": source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}
        return found

    return [
        {
            "code": one.code,
            "severity": one.severity.value,
            "message": one.message,
            "hint": one.hint,
            **({"note": one.note} if one.note else {}),
            **place(one.source, one.span),
            "labels": [{**place(one.source, span), "text": text} for span, text in one.labels],
        }
        for one in diagnostics
    ]


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(one.severity is Severity.ERROR for one in diagnostics)
