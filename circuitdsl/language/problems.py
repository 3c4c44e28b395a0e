"""Collects what is wrong with one source while the stages go on."""

from bisect import bisect_left, insort

from circuitdsl.borders.source import CircError, Diagnostic, Source, Span

MOST = 100
"""More errors than this are not listed: the file is probably not a `.circ` file."""


class Problems:
    """Diagnostics of one source. A place that is *spoiled* has been complained of, so that what follows from it is not."""

    def __init__(self, source: Source):
        self.source = source
        self.found: dict[tuple[Span, str], Diagnostic] = {}
        self._spoiled: list[int] = []

    def add(
        self, code: str, message: str, span: Span, hint: str = "", *, labels: tuple[tuple[Span, str], ...] = (), spoils: bool = False
    ) -> None:
        """Keeps a diagnostic, the first of its code and place. `spoils`: nothing sensible can be read at `span` any more."""
        self.found.setdefault((span, code), Diagnostic(code, message, span, hint, source=self.source, labels=labels))
        if spoils:
            insort(self._spoiled, span.start)

    def spoiled(self, span: Span) -> bool:
        after = bisect_left(self._spoiled, span.start)
        return after < len(self._spoiled) and self._spoiled[after] < max(span.end, span.start + 1)

    @property
    def full(self) -> bool:
        return len(self.found) >= MOST

    def sorted(self) -> list[Diagnostic]:
        return sorted(self.found.values(), key=lambda one: (one.span, one.code))

    def raise_any(self) -> None:
        if not self.found:
            return
        found = self.sorted()
        if self.full:
            found = found[:MOST]
            end = found[-1].span.end
            hint = "is it a `.circ` file?"
            found.append(Diagnostic("C024", f"more than {MOST} errors; the rest is not shown", Span(end, end), hint, source=self.source))
        raise CircError(found)
