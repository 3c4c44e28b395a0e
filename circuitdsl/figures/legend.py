"""What is said below the drawing: the whole prompt, and a legend of only those signs that occur."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from circuitdsl.borders.kinds import IN_LAYERS, WRITTEN_PORTS
from circuitdsl.figures import style
from circuitdsl.figures.blocks import Parts
from circuitdsl.figures.content import FigureContent
from circuitdsl.figures.fonts import SMALLEST, measure, wrap
from circuitdsl.figures.positions import Box, Label, Line, Mark, Rect

LEADING = 10.5


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A sample `width` points wide, drawn by `draw(left, middle)`, and the words after it."""

    width: float
    text: str
    draw: Callable[[float, float], Parts]


def prompt(tokens: Sequence[str], marked: set[int], left: float, right: float, y: float) -> tuple[Parts, float]:
    """The prompt as running text, tokens at drawn positions bold; returns the y below it."""
    parts, x, line, before = Parts(), left, y + LEADING, ""
    run: tuple[str, float, bool] | None = None

    def close() -> None:
        nonlocal run
        if run and run[0]:
            colour = style.INK if run[2] else style.GREY
            parts.labels.append(Label(run[0], run[1], line, "prompt", SMALLEST, "start", bold=run[2], color=colour))
        run = None

    for index, token in enumerate(tokens):
        bold, text = index in marked, token.replace("\r", "").replace("\n", "⏎")
        spaced = text.startswith(" ") or before.endswith("⏎")
        word, space = text.strip(), measure(" ", SMALLEST)
        width = measure(word, SMALLEST, bold=bold)
        if x > left and x + (space if spaced else 0) + width > right:
            close()
            x, line, spaced = left, line + LEADING, False
        if spaced and x > left:
            x += space
        if run and run[2] == bold:
            run = (run[0] + (" " if spaced and run[0] else "") + word, run[1], bold)
        else:
            close()
            run = (word, x, bold)
        x += width
        before = text
    close()
    return parts, line + 4


def legend(found: FigureContent, left: float, right: float, y: float, notes: Sequence[str]) -> tuple[Parts, float]:
    """Samples with their words in lines that fill the width, then notes; returns the y below."""
    parts, x, middle = Parts(), left, y + 7
    for entry in _entries(found):
        lines = wrap(entry.text, right - left - entry.width - 4, SMALLEST)
        width = entry.width + 4 + max(measure(text, SMALLEST) for text in lines)
        if x > left and x + width > right:
            x, middle = left, middle + 12.5
        parts.extend(entry.draw(x, middle))
        for number, text in enumerate(lines):
            middle += LEADING if number else 0.0
            parts.labels.append(Label(text, x + entry.width + 4, middle + 2.5, "legend", SMALLEST, "start"))
        x += width + 12
    y = middle + 10 if parts.labels else y
    for note in notes:
        for text in wrap(note, right - left, SMALLEST):
            parts.labels.append(Label(text, left, y + 6, "note", SMALLEST, "start", color=style.GREY))
            y += LEADING
    ids = iter(range(10**6))
    parts.boxes = [replace(box, id=f"legend_{next(ids)}") for box in parts.boxes]
    parts.lines = [replace(line, id=f"legend_{next(ids)}") for line in parts.lines]
    return parts, y + 2


def _entries(found: FigureContent) -> list[LegendEntry]:
    entries = []
    kinds = [cell.kind for item in found.items.values() for cell in item.cells]
    for spec in IN_LAYERS:
        if spec.kind in kinds:
            entries.append(LegendEntry(16, spec.noun, _shape(spec.kind)))
    ports = {arrow.port if arrow.port in WRITTEN_PORTS else None for arrow in found.arrows}
    for port in (*WRITTEN_PORTS, None):
        if port in ports:
            entries.append(LegendEntry(22, style.port_style(port).text, _arrow(port=port)))
    metric = found.graph.effect_of or "the metric"
    signs = {arrow.sign for arrow in found.arrows}
    if -1 in signs:
        entries.append(LegendEntry(18, f"cutting it lowers {metric}", _arrow(sign=1, arrow=False)))
        entries.append(LegendEntry(18, f"cutting it raises {metric}", _arrow(sign=-1, arrow=False)))
    if found.strongest:
        for share in (0.25, 1.0):
            width = style.LINE_WIDTHS[0] + share * (style.LINE_WIDTHS[1] - style.LINE_WIDTHS[0])
            text = f"|effect| {share * found.strongest:.2g}" + (" and above" if share == 1 else "")
            entries.append(LegendEntry(18, text, _arrow(width=width, arrow=False)))
    if any(arrow.label.startswith("×") for arrow in found.arrows):
        entries.append(LegendEntry(11, "number of links", _count))
    if not found.judged:
        return entries
    outcomes = {item.outcome for item in found.items.values() if item.marked}
    outcomes |= {cell.outcome for item in found.items.values() for cell in item.cells if cell.outcome is not None}
    outcomes |= {arrow.outcome for arrow in found.arrows if arrow.outcome is not None}
    for outcome in ("supported", "refuted", "inconclusive", "not testable", None):
        if outcome in {o if o != "measured" else None for o in outcomes}:
            entries.append(LegendEntry(8, style.mark_style(outcome).text, _mark(outcome)))
    return entries


def _shape(kind: str) -> Callable[[float, float], Parts]:
    return lambda x, y: Parts(boxes=[Box("", "sample", Rect(x, y - 4.5, x + 16, y + 4.5), text=kind)])


def _arrow(*, port: str | None = None, sign: int = 0, width: float = 1.0, arrow: bool = True) -> Callable[[float, float], Parts]:
    long = 22 if arrow else 18
    return lambda x, y: Parts(lines=[Line("", ((x, y), (x + long, y)), port=port, sign=sign, width=width, arrow=arrow)])


def _mark(outcome: str | None) -> Callable[[float, float], Parts]:
    return lambda x, y: Parts(marks=[Mark(outcome, x + 4, y, 8.0)])


def _count(x: float, y: float) -> Parts:
    return Parts(labels=[Label("×n", x, y + 2.5, "legend", SMALLEST, "start", bold=True)])
