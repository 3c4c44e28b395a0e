"""Everything that is found wrong with an input, kept until all of it is known; and an error that is the only one."""

import contextlib
from collections.abc import Iterator

from circuitdsl.borders.source import COMMAND_LINE, CircError, Diagnostic, Severity, Source, Span

SpanLabels = tuple[tuple[Span, str], ...]
NOWHERE = Span()


class Reported(Exception):
    """Something was found wrong and said; what depends on it is given up without another word."""


class Diagnostics:
    """Collects errors and warnings of one source (None: it is found out later).

    `raise found.error(...)` gives up one thing, and `with found.going_on():` goes on with the next.
    """

    def __init__(self, source: Source | None = None) -> None:
        self.source = source
        self.found: list[Diagnostic] = []

    def error(self, code: str, message: str, span: Span = NOWHERE, hint: str = "", labels: SpanLabels = (), note: str = "") -> Reported:
        self.add(Diagnostic(code, message, span, hint, Severity.ERROR, self.source, labels, note))
        return Reported(message)

    def flag(self, code: str, message: str, hint: str = "") -> Reported:
        """An error about a flag, which stands nowhere in the file."""
        self.add(Diagnostic(code, message, Span(), hint, source=COMMAND_LINE))
        return Reported(message)

    def warning(self, code: str, message: str, span: Span = NOWHERE, hint: str = "", labels: SpanLabels = ()) -> None:
        self.add(Diagnostic(code, message, span, hint, Severity.WARNING, self.source, labels))

    def add(self, found: Diagnostic) -> None:
        """Keeps it, once: the same may be come across twice."""
        if found not in self.found:
            self.found.append(found)

    def keep(self, error: CircError) -> None:
        """Keeps all that an error says."""
        for one in error.diagnostics:
            self.add(one)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        with contextlib.suppress(Reported):
            yield

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Keeps what is raised, and goes on."""
        try:
            yield
        except CircError as error:
            self.keep(error)

    @property
    def failed(self) -> bool:
        return self.errors > 0

    @property
    def errors(self) -> int:
        return sum(one.severity is Severity.ERROR for one in self.found)

    def sorted(self) -> list[Diagnostic]:
        """In the order of the text."""
        return sorted(self.found, key=lambda one: (one.span, one.code))

    def raise_any(self) -> None:
        """Raises CircError with everything, if an error is among it."""
        if self.failed:
            raise CircError(self.found)


def refusal(
    code: str, message: str, span: Span = NOWHERE, hint: str = "", source: Source | None = None, labels: SpanLabels = ()
) -> CircError:
    """One error that nothing can be done after."""
    return CircError([Diagnostic(code, message, span, hint, source=source, labels=labels)])
