"""Colours, dashes, arrowheads and marks. Every difference is carried by a form as well as by a colour (palette: Okabe and Ito)."""

from typing import NamedTuple

INK, GREY, FAINT = "#222222", "#767676", "#b0b0b0"
LINE_WIDTHS = (0.8, 3.0)
"""Points: an effect of nothing, and the largest of the figure or above."""
HEAD = 5.5
"""Length of an arrowhead in points."""


class PortStyle(NamedTuple):
    color: str
    head: str
    text: str


PORTS: dict[str | None, PortStyle] = {
    "q": PortStyle("#0072B2", "triangle", "into queries (q)"),
    "k": PortStyle("#C87F00", "open", "into keys (k)"),
    "v": PortStyle("#B8578E", "diamond", "into values (v)"),
    None: PortStyle("#333333", "vee", "into every input"),
}


def port_style(port: str | None) -> PortStyle:
    """`in`, the only port of MLPs and logits, looks like every port."""
    return PORTS.get(port, PORTS[None])


class MarkStyle(NamedTuple):
    """A disc with a glyph on it; glyph strokes run in a square from -1 to 1."""

    fill: str
    ink: str
    strokes: tuple[tuple[tuple[float, float], ...], ...]
    text: str
    ring: bool = False


# a question mark's hook, as points on its curve
_HOOK = (
    *((-0.28, -0.25), (-0.26, -0.42), (-0.14, -0.54), (0.02, -0.57), (0.18, -0.52), (0.28, -0.39), (0.28, -0.23)),
    *((0.18, -0.09), (0.05, 0.0), (0.0, 0.1), (0.0, 0.2)),
)
_DOT = ((0.0, 0.53), (0.0, 0.54))

MARKS: dict[str | None, MarkStyle] = {
    "supported": MarkStyle("#009E73", "#ffffff", (((-0.48, 0.02), (-0.14, 0.4), (0.5, -0.38)),), "supported"),
    "refuted": MarkStyle("#D55E00", "#ffffff", (((-0.4, -0.4), (0.4, 0.4)), ((-0.4, 0.4), (0.4, -0.4))), "refuted"),
    "inconclusive": MarkStyle("#F0E442", "#222222", (_HOOK, _DOT), "inconclusive"),
    "not testable": MarkStyle("#ffffff", "#222222", (_HOOK, _DOT), "not testable", ring=True),
    None: MarkStyle("#ffffff", "#767676", (((-0.42, 0.0), (0.42, 0.0)),), "untested", ring=True),
}

FILLS: dict[str | None, tuple[str, str]] = {
    "supported": ("#e3f4ee", "#00795a"),
    "refuted": ("#f1f1f1", "#9a9a9a"),
    "inconclusive": ("#fdfbe0", "#8f8600"),
}
"""Ground and outline of units by verdict."""


class DonorStyle(NamedTuple):
    """Of a donor's mark and of the boxes with its values; the number on the mark says the same."""

    fill: str
    ink: str
    ground: str


REFERENCE = DonorStyle("#4d4d4d", "#ffffff", "#ececec")
DONORS = (
    DonorStyle("#0072B2", "#ffffff", "#e0eff7"),
    DonorStyle("#E69F00", "#222222", "#fdf3e0"),
    DonorStyle("#009E73", "#ffffff", "#e0f4ee"),
    DonorStyle("#CC79A7", "#222222", "#f9eff5"),
    DonorStyle("#56B4E9", "#222222", "#ebf6fd"),
    DonorStyle("#D55E00", "#ffffff", "#fbece0"),
    DonorStyle("#F0E442", "#222222", "#fdfce8"),
)


def donor(number: int) -> DonorStyle:
    """0 is the reference; more donors than colours have the colours again, under other numbers."""
    return DONORS[(number - 1) % len(DONORS)] if number else REFERENCE


def mark_style(outcome: str | None) -> MarkStyle:
    return MARKS.get(outcome if outcome != "measured" else None, MARKS[None])


def fill(outcome: str | None) -> tuple[str, str]:
    return FILLS.get(outcome, ("#ffffff", "#555555"))
