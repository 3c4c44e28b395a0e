"""Progress on a terminal; nothing in a pipe."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from circuitdsl.borders.flags import Progress, quiet


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on standard error if that is a terminal that can draw one."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield quiet
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def tell(what: str, share: float) -> None:
            bars.update(task, description=what, total=1.0 if share else None, completed=share)

        yield tell
