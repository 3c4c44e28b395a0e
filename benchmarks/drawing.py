"""What draws the curves."""

from typing import Any


def pyplot() -> Any:
    """matplotlib's, for SVG; asked for before anything is measured, so that minutes are not lost. Raises SystemExit without it."""
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("the curves are drawn by matplotlib: pip install matplotlib") from error
    matplotlib.use("svg")
    import matplotlib.pyplot

    return matplotlib.pyplot
