"""A file and the files that it uses, as one text.

Texts are joined, and spans of used files moved, so that everything after this has one source and plain spans. `Program.place`
puts a diagnostic back into the file that it is about.
"""

import dataclasses
import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.source import LARGEST, CircError, Diagnostic, Source, Span
from circuitdsl.resolve.names import suggestion

Parse = Callable[[Source], doc.Document]


@dataclass(frozen=True, slots=True)
class Program:
    """`source` has the texts of all files after each other, the main one first; `statements` are in the order of use."""

    source: Source
    statements: tuple[doc.Statement, ...]
    comments: tuple[tuple[int, str], ...]
    files: tuple[tuple[int, Source], ...]
    """Where each file's text starts in the joined text."""

    def file(self, span: Span) -> tuple[int, Source]:
        return max((found for found in self.files if found[0] <= span.start), key=lambda found: found[0])

    def is_main(self, span: Span) -> bool:
        return self.file(span)[0] == 0

    def text(self, span: Span) -> str:
        """What stands there, on one line and without comments."""
        text = self.source.text[span.start : span.end]
        for offset, comment in sorted(self.comments, reverse=True):
            if span.start <= offset < span.end:
                text = text[: offset - span.start] + text[offset - span.start + len(comment) :]
        return " ".join(text.split())

    def place(self, found: Diagnostic) -> Diagnostic:
        """The diagnostic with its own file's source and spans. Labels in other files become part of the hint."""
        if found.source is not None and found.source is not self.source:
            return found
        start, source = self.file(found.span)
        hints, labels = [found.hint] if found.hint else [], []
        for span, text in found.labels:
            other_start, other = self.file(span)
            if other is source:
                labels.append((_moved(span, -start), text))
            else:
                line = other.text.count("\n", 0, span.start - other_start) + 1
                hints.append(f"{text}: {other.path.name if other.path else other.name}, line {line}")
        span = _moved(found.span, -start)
        return dataclasses.replace(found, span=span, source=source, labels=tuple(labels), hint="; ".join(hints))


def assemble(document: doc.Document, parse: Parse | None, problems: Diagnostics) -> Program:
    """The file with each `use` replaced by what it names. Names are relative to the main file's folder and stay inside it."""
    return _Assembly(document.source, parse, problems).program(document)


class _Assembly:
    def __init__(self, main: Source, parse: Parse | None, problems: Diagnostics):
        self.parse, self.problems, self.main = parse, problems, main
        self.files: list[tuple[int, Source]] = [(0, main)]
        self.texts = [main.text]
        self.comments: list[tuple[int, str]] = []
        self.statements: list[doc.Statement] = []
        self.open: list[Path] = [main.path.resolve()] if main.path else []
        self.done: set[Path] = set()

    def program(self, document: doc.Document) -> Program:
        self.take(document, 0)
        text = "\n".join(self.texts)
        source = self.main if len(self.texts) == 1 else Source(text, self.main.path)
        return Program(source, tuple(self.statements), tuple(self.comments), tuple(self.files))

    def take(self, document: doc.Document, start: int) -> None:
        self.comments += [(offset + start, text) for offset, text in document.comments]
        for statement in document.statements:
            moved = moved_tree(statement, start)
            if isinstance(moved, doc.UseStatement):
                with self.problems.going_on():
                    self.use(moved)
            else:
                self.statements.append(moved)

    def use(self, statement: doc.UseStatement) -> None:
        path = inside(self.main.folder, statement.path, self.problems)
        if path in self.open:
            chain = " uses ".join(one.name for one in [*self.open[self.open.index(path) :], path])
            raise self.problems.error("C103", f"the file uses itself: {chain}", statement.path.span)
        if path in self.done:
            return
        self.done.add(path)
        shown = (self.main.path.parent if self.main.path else Path()) / statement.path.value
        try:
            if path.stat().st_size > LARGEST:
                raise OSError(errno.EFBIG, f"it has more than {LARGEST:,} bytes")
            source = Source(path.read_text(encoding="utf-8-sig"), shown)
        except (OSError, UnicodeDecodeError) as error:
            why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or "unknown reason"
            raise self.problems.error("C101", f"cannot read `{statement.path.value}`: {why}", statement.path.span) from None
        start = sum(len(text) + 1 for text in self.texts)
        self.files.append((start, source))
        self.texts.append(source.text)
        if self.parse is None:
            raise self.problems.error("C101", "`use` is not possible here: no parser was given", statement.span)
        self.open.append(path)
        try:
            self.take(self.parse(source), start)
        except CircError as error:
            self.problems.found += [_moved_diagnostic(found, start) for found in error.diagnostics]
        finally:
            self.open.pop()


def inside(folder: Path, name: doc.Text, problems: Diagnostics, folders: bool = False) -> Path:
    """The file of that name in the folder, or with `folders` the folder, links followed. Reports one that is outside or missing."""
    try:
        path = (folder / name.value).resolve()
        outside = Path(name.value).is_absolute() or not path.is_relative_to(folder.resolve())
        missing = not (path.is_file() or (folders and path.is_dir()))
    except (OSError, ValueError):
        raise problems.error("C101", f"`{name.value}` is not the name of a file", name.span) from None
    if outside:
        hint = "names are relative to the folder of the file that is checked, and may not leave it, links followed"
        raise problems.error("C102", f"`{name.value}` is outside the project's folder", name.span, hint)
    if missing:
        hint = suggestion(name.value, (str(other.relative_to(folder.resolve())) for other in sorted(path.parent.glob("*.circ"))))
        raise problems.error("C101", f"there is no file `{name.value}`", name.span, hint)
    return path


def moved_tree(node: Any, by: int) -> Any:
    """The syntax tree with every span moved by so many characters."""
    if by == 0:
        return node
    if isinstance(node, tuple):
        return tuple(moved_tree(one, by) for one in node)
    if isinstance(node, Span):
        return _moved(node, by)
    if isinstance(node, doc.Syntax):
        return dataclasses.replace(node, **{one.name: moved_tree(getattr(node, one.name), by) for one in dataclasses.fields(node)})
    return node


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _moved_diagnostic(found: Diagnostic, by: int) -> Diagnostic:
    labels = tuple((_moved(span, by), text) for span, text in found.labels)
    return dataclasses.replace(found, span=_moved(found.span, by), labels=labels, source=None)
