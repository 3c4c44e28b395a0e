"""The canonical layout of a document: what belongs together below each other, comments kept, at most one blank line."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from circuitdsl.borders import document as d
from circuitdsl.borders.source import Span
from circuitdsl.language import printing
from circuitdsl.language.strings import encode

WIDTH = 120
INDENT = "  "
BLANK_LINE = re.compile(r"(?:\r\n|\r|\n)[ \t\f]*(?:\r\n|\r|\n)[ \t\f]*\Z")
LINE_START = re.compile(r"(?:\A|[\r\n])[ \t\f\ufeff]*\Z")
BREAK = printing.BREAK


@dataclass(slots=True)
class FormattedRow:
    """One line, or one text over several; `cells` are put below those of its neighbours in the same `group`."""

    cells: list[str]
    span: Span
    depth: int = 0
    group: str = ""
    comment: str = ""
    blank: bool = False
    """A blank line stands before it."""
    opens: bool = False
    closes: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        return len(INDENT * self.depth) + len(" ".join(self.cells))


def format_document(document: d.Document) -> str:
    """The text of a document in its canonical layout. Formatting what this gives, parsed, gives the same text again."""
    rows = [row for statement in document.statements for row in _rows(statement, document.source.text)]
    if document.source.text:
        rows = _with_comments(rows, document)
    else:
        _set_apart(rows)
    for before, row in zip([None, *rows], rows, strict=False):
        row.blank = row.blank and before is not None and not before.opens and not row.closes
    for run in _runs(rows, lambda row, last: row.group != "" and row.group == last.group and not row.blank):
        _align(run)
    for row in rows:
        row.lines = _broken(INDENT * row.depth + " ".join(row.cells), row.depth)
    for run in _runs(rows, lambda row, last: bool(row.comment and last.comment) and len(row.lines) == len(last.lines) == 1):
        _put_comments(run)
    return "".join(("\n" if row.blank else "") + "".join(f"{line}\n" for line in row.lines) for row in rows)


def _rows(node: d.Statement, source: str) -> Iterator[FormattedRow]:
    match node:
        case d.CircuitStatement():
            yield FormattedRow([f"circuit {printing.text(node.title)}"], Span(node.span.start, node.title.span.end))
            if node.description is not None:
                yield FormattedRow([encode(node.description.value, triple=True)], node.description.span)
        case d.PromptsStatement(file=file) if file is not None:
            yield FormattedRow([f"prompts {node.name.text}", f"from {printing.text(file)}"], node.span, group="prompts")
        case d.PromptsStatement():
            base = f" from {node.base.text}" if node.base else ""
            rows = [FormattedRow([printing.prompt_item(item)], item.span, 1) for item in node.items]
            if node.base and len(rows) <= 3 and (row := _on_one_line(node, f"from {node.base.text}", rows, source)):
                yield FormattedRow([f"prompts {node.name.text}", *row], node.span, group="prompts")
            else:
                yield from _block(f"prompts {node.name.text}{base}", rows, node.span)
        case d.SettingsStatement():
            rows = [FormattedRow([one.name.text, f"= {printing.option_value(one.value)}"], one.span, 1, "settings") for one in node.options]
            if row := _on_one_line(node, "settings", rows, source):
                yield FormattedRow(row, node.span)
            else:
                yield from _block("settings", rows, node.span)
        case d.NodesStatement():
            yield from _block("nodes", [FormattedRow(printing.node_line(one), one.span, 1, "nodes") for one in node.definitions], node.span)
        case d.EdgesStatement(all=True):
            yield FormattedRow(["edges all"], node.span)
        case d.EdgesStatement():
            yield from _block("edges", [FormattedRow(printing.edge_line(one), one.span, 1, "edges") for one in node.lines], node.span)
        case d.ClaimsStatement():
            yield from _block("claims", [FormattedRow(printing.claim_line(one), one.span, 1, "claims") for one in node.claims], node.span)
        case _:
            group = type(node).__name__ + (" from" if isinstance(node, d.VocabStatement) and node.file else "")
            yield FormattedRow(printing.simple(node), node.span, group=group)


def _block(head: str, rows: list[FormattedRow], span: Span) -> Iterator[FormattedRow]:
    yield FormattedRow([f"{head} {{"], Span(span.start, span.start), opens=True)
    yield from rows
    last = max(span.end - 1, 0)
    yield FormattedRow(["}"], Span(last, span.end), closes=True)


def _on_one_line(node: d.Syntax, head: str, rows: list[FormattedRow], source: str) -> list[str]:
    """A short block whose author had it on one line stays there; the empty list if it does not."""
    inner = "; ".join(" ".join(row.cells) for row in rows).replace(BREAK, " ")
    written = source[node.span.start : node.span.end]
    line = f"{head} {{ {inner} }}"
    if not rows or len(line) > WIDTH - 20 or "\n" in inner or "\n" in written or "\r" in written:
        return []
    return [line]


def _set_apart(rows: list[FormattedRow]) -> None:
    """Blank lines for a document that was not read from a text: around blocks, and where the kind of statement changes."""
    for before, row in pairwise(rows):
        if row.depth == 0 and not row.closes and not before.opens:
            row.blank = row.group != before.group or row.opens or before.closes


def _with_comments(rows: list[FormattedRow], document: d.Document) -> list[FormattedRow]:
    """Rows and comments in order. A comment within a row's text goes before the row."""
    source = document.source.text
    for row in rows:
        row.blank = bool(BLANK_LINE.search(source, max(0, row.span.start - 10_000), row.span.start))
    before: dict[int, list[FormattedRow]] = {}
    for offset, text in document.comments:
        following = next((place for place, row in enumerate(rows) if row.span.start > offset), len(rows))
        last = rows[following - 1] if following else None
        own_line = bool(LINE_START.search(source, max(0, offset - 10_000), offset))
        inside = last is not None and offset < last.span.end
        if last is not None and not inside and not own_line and not last.comment:
            last.comment = text.rstrip()
            continue
        place = following - 1 if inside else following
        depth = 0 if place == len(rows) else rows[place].depth + rows[place].closes
        blank = own_line and not inside and bool(BLANK_LINE.search(source, max(0, offset - 10_000), offset))
        group = "" if place == len(rows) else rows[place].group
        before.setdefault(place, []).append(FormattedRow([text.rstrip()], Span(offset, offset), depth, group, blank=blank))
        if inside and last is not None:
            first = before[place][0]
            first.blank, last.blank = first.blank or last.blank, False
    merged: list[FormattedRow] = []
    for place in range(len(rows) + 1):
        merged += before.get(place, [])
        merged += rows[place : place + 1]
    return merged


def _runs(rows: Sequence[FormattedRow], joined: Callable[[FormattedRow, FormattedRow], bool]) -> Iterator[list[FormattedRow]]:
    """Neighbours that belong together."""
    run: list[FormattedRow] = []
    for row in rows:
        if run and not joined(row, run[-1]):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _align(run: list[FormattedRow]) -> None:
    """Pads cells to the widest of their column; rows too long for one line do not count and are left as they are."""
    for column in range(max(len(row.cells) for row in run) - 1):
        padded = [row for row in run if len(row.cells) > column + 1 and row.width <= WIDTH and "\n" not in row.cells[column]]
        widest = max((len(row.cells[column]) for row in padded), default=0)
        for row in padded:
            row.cells[column] = row.cells[column].ljust(widest)


def _broken(text: str, depth: int) -> list[str]:
    """The line, broken after commas and operators if it is too long."""
    if len(text) <= WIDTH or "\n" in text:
        return text.replace(BREAK, " ").split("\n")
    lines, line = [], ""
    for piece in text.split(BREAK):
        if line and len(line) + 1 + len(piece) > WIDTH:
            lines.append(line)
            line = INDENT * (depth + 2) + piece
        else:
            line = f"{line} {piece}" if line else piece
    return [*lines, line]


def _put_comments(run: list[FormattedRow]) -> None:
    """Trailing comments, below each other."""
    column = max(len(row.lines[-1]) for row in run)
    for row in run:
        if row.comment:
            row.lines[-1] = f"{row.lines[-1]:<{column}}  {row.comment}"
