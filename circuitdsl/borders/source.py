"""A `.circ` file as text, places in it, and what is wrong there."""

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

LARGEST = 1_000_000
"""Bytes of a `.circ` file. Vocabularies and prompts of more than that belong in files of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """Text and where it came from. `path` is None for text that is in no file (standard input, a notebook cell)."""

    text: str
    path: Path | None = None

    @property
    def name(self) -> str:
        return str(self.path) if self.path else "<text>"

    @property
    def folder(self) -> Path:
        """The project's folder: relative names in the file are looked up here and may not leave it."""
        return self.path.resolve().parent if self.path else Path.cwd()


COMMAND_LINE = Source("")
"""Where a diagnostic about a flag is: in no file."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of characters `[start, end)` in a source. Lines and columns are derived where they are shown."""

    start: int = 0
    end: int = 0

    def to(self, other: "Span") -> "Span":
        return Span(min(self.start, other.start), max(self.end, other.end))


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing to say about one place: a stable code, what is wrong in the user's words, and a likely mend.

    `labels` point at further places that matter ("first declared here"); `note` may have several lines (a table of tokens).
    """

    code: str
    message: str
    span: Span
    hint: str = ""
    severity: Severity = Severity.ERROR
    source: Source | None = None
    labels: tuple[tuple[Span, str], ...] = field(default=())
    note: str = ""


class CodedWarning(NamedTuple):
    """Something about an answer that a careful reader should know; `explain CODE` says more. `str()` is how evidence keeps it."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message

    @classmethod
    def read(cls, text: "str | CodedWarning") -> "CodedWarning":
        """From evidence. A text without a code, which others may have written, is a message alone."""
        if isinstance(text, CodedWarning):
            return text
        if not isinstance(text, str):
            raise ValueError("a warning is a text")
        code, colon, message = text.partition(": ")
        return cls(code, message) if colon and re.fullmatch(r"W\d{3}", code) else cls("", text)


class CircError(Exception):
    """All that is wrong with an input, at once. The command line renders it; it is never shown as a traceback."""

    def __init__(self, diagnostics: "list[Diagnostic] | tuple[Diagnostic, ...]"):
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in self.diagnostics))


class GuardError(Exception):
    """The model fails a guard (parity, the sum of writes, token ids): exit status 4."""

    def __init__(self, code: str, message: str, hint: str = ""):
        self.code, self.message, self.hint = code, message, hint
        super().__init__(f"{code}: {message}")
