"""Progress: a bar on a terminal, a line now and then where standard error goes into a file or a pipe."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from circuitdsl.borders.flags import Progress

EVERY = 8.0
"""Seconds between two lines."""
SOON = 0.02
"""Share of a step below which nothing is said of the time that is left."""


@contextmanager
def progress(about: str = "") -> Iterator[Progress]:
    """Tells on standard error how far a run is; `about` names the file where there are several. In a pipe what is quick says nothing."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        yield from _bar(about)
        return
    lines = _Lines(about)
    lines.start()
    try:
        yield lines.tell
    finally:
        lines.stop()


def _bar(about: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def tell(what: str, share: float) -> None:
            bars.update(task, description=f"{about}{what}", total=1.0 if share else None, completed=share)

        yield tell


class _Lines(threading.Thread):
    """Says every few seconds what is being done, whether or not it is told anything new: a single step may take minutes."""

    def __init__(self, about: str) -> None:
        super().__init__(daemon=True, name="progress")
        self._about = about
        self._done = threading.Event()
        self._begun = time.monotonic()
        self._step: tuple[str, float, float] = ("starting", 0.0, self._begun)
        """What is being done, which share of it is done, and when it began."""

    def tell(self, what: str, share: float) -> None:
        before, _, begun = self._step
        self._step = (what, share, begun if what == before else time.monotonic())

    def run(self) -> None:
        while not self._done.wait(EVERY):
            try:
                print(self.line(time.monotonic()), file=sys.stderr, flush=True)
            except (OSError, ValueError):  # nobody reads it: the run goes on
                return

    def stop(self) -> None:
        self._done.set()
        self.join()

    def line(self, now: float) -> str:
        """`62 s  measuring: 45 %, about 75 s left`: seconds since the beginning, and what is left of the step."""
        what, share, begun = self._step
        text = f"{now - self._begun:,.0f} s  {self._about}{what}"
        if share <= 0:
            return text
        left = (now - begun) * (1 - share) / share
        return f"{text}: {share:.0%}" + (f", about {_span(left)} left" if SOON <= share < 1 else "")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
