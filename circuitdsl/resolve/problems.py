"""Everything that is found wrong with a file, kept until all of it is known."""

import contextlib
from collections.abc import Iterator

from circuitdsl.borders.source import COMMAND_LINE, Diagnostic, Severity, Span

Labels = tuple[tuple[Span, str], ...]


class Reported(Exception):
    """Something was found wrong and said; what depends on it is given up without another word."""


class Problems:
    """Collects diagnostics. `raise problems.error(...)` gives up one thing, and `with problems.going_on():` goes on with the next."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def error(self, code: str, message: str, span: Span, hint: str = "", labels: Labels = ()) -> Reported:
        self.add(Diagnostic(code, message, span, hint, labels=labels))
        return Reported(message)

    def flag(self, code: str, message: str, hint: str = "") -> Reported:
        """An error about a flag, which stands nowhere in the file."""
        self.add(Diagnostic(code, message, Span(), hint, source=COMMAND_LINE))
        return Reported(message)

    def warning(self, code: str, message: str, span: Span, hint: str = "", labels: Labels = ()) -> None:
        self.add(Diagnostic(code, message, span, hint, Severity.WARNING, labels=labels))

    def add(self, found: Diagnostic) -> None:
        """Keeps it, once: a name in the middle of a chain is looked up twice."""
        if found not in self.found:
            self.found.append(found)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        with contextlib.suppress(Reported):
            yield

    @property
    def failed(self) -> bool:
        return any(one.severity is Severity.ERROR for one in self.found)
