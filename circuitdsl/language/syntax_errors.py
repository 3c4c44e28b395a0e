"""Collects what is wrong with the syntax of one source while reading goes on."""

from bisect import bisect_left, insort

from circuitdsl.borders.diagnostics import NOWHERE, Diagnostics, Reported, SpanLabels
from circuitdsl.borders.source import CircError, Diagnostic, Source, Span

MOST = 100
"""More errors than this are not listed: the file is probably not a `.circ` file."""


class SyntaxErrors(Diagnostics):
    """Of each place and code, the first. A place that is *spoiled* has been complained of, so that what follows from it is not."""

    source: Source

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._spoiled: list[int] = []
        self._places: set[tuple[Span, str]] = set()

    def error(
        self,
        code: str,
        message: str,
        span: Span = NOWHERE,
        hint: str = "",
        labels: SpanLabels = (),
        note: str = "",
        *,
        spoils: bool = False,
    ) -> Reported:
        """`spoils`: nothing sensible can be read at `span` any more."""
        if spoils:
            insort(self._spoiled, span.start)
        return super().error(code, message, span, hint, labels, note)

    def add(self, found: Diagnostic) -> None:
        if (found.span, found.code) not in self._places:
            self._places.add((found.span, found.code))
            self.found.append(found)

    def spoiled(self, span: Span) -> bool:
        after = bisect_left(self._spoiled, span.start)
        return after < len(self._spoiled) and self._spoiled[after] < max(span.end, span.start + 1)

    @property
    def full(self) -> bool:
        return len(self.found) >= MOST

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
