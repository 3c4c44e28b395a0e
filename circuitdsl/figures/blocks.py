"""Boxes of nodes: how large they are, and the shapes and texts in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuitdsl.figures import style
from circuitdsl.figures.content import CELL, GAP, NAME, PAD, UNIT_MARK, BoxItem, Cell, FigureArrow, FigureContent
from circuitdsl.figures.fonts import SMALLEST, measure, shorten
from circuitdsl.figures.positions import Box, Label, Line, Mark, Point, Rect


@dataclass(slots=True)
class Parts:
    """A figure in the making."""

    boxes: list[Box] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def extend(self, other: "Parts") -> None:
        self.boxes += other.boxes
        self.labels += other.labels
        self.marks += other.marks
        self.lines += other.lines


def rows_of(cells: Sequence[Cell], per: int) -> list[list[Cell]]:
    """Cells in lines of at most `per`; MLPs and runs begin a line of their own after heads of another layer."""
    rows: list[list[Cell]] = []
    for cell in cells:
        if not rows or len(rows[-1]) >= per or _wide(cell) or _wide(rows[-1][0]):
            rows.append([])
        rows[-1].append(cell)
    return rows


def _wide(cell: Cell) -> bool:
    return cell.layers[0] != cell.layers[1] or cell.width > 60


def row_width(row: Sequence[Cell]) -> float:
    return sum(cell.width for cell in row) + GAP * (len(row) - 1)


def stacked_width(cell: Cell) -> float:
    """Width of a cell that stands along many rows, its words one below the other."""
    return max(20.0, *(measure(word, SMALLEST) + 8 for word in cell.text.split()))


def compact(item: BoxItem, per: int) -> tuple[float, float]:
    """Width and height of a node's box with its cells in lines, lower layers below."""
    rows = rows_of(item.cells, per)
    width = max([item.title_width, *map(row_width, rows)], default=0.0)
    height = item.title_height + len(rows) * CELL + max(0, len(rows) - 1) * GAP + (GAP if rows and item.title_height else 0.0)
    return width + 2 * PAD, height + 2 * PAD - 1


def compact_cells(item: BoxItem, rect: Rect, per: int) -> list[tuple[Cell, Rect]]:
    placed = []
    bottom = rect.bottom - PAD
    for row in rows_of(item.cells, per):
        left = rect.middle[0] - row_width(row) / 2
        for cell in row:
            placed.append((cell, Rect(left, bottom - CELL, left + cell.width, bottom)))
            left += cell.width + GAP
        bottom -= CELL + GAP
    return placed


def block(item: BoxItem, rect: Rect, cells: Sequence[tuple[Cell, Rect]], within: str | None, title: float | None = None) -> Parts:
    """A node's box at `rect` with its title at the top or with its middle at the y of `title`, or a group's box."""
    parts = Parts()
    faded = item.outcome == "refuted"
    parts.boxes.append(Box(item.id, item.kind, rect, item.outcome, item.text, within, faded))
    top = rect.top + PAD - 1.0 if title is None else title - item.title_height / 2
    ink = style.GREY if faded else style.INK
    for number, line in enumerate(item.title):
        parts.labels.append(Label(line, rect.middle[0], top + 10.0 * number + 7.6, "name", NAME, bold=True, color=ink, within=item.id))
    top += 10.0 * len(item.title)
    for number, line in enumerate(item.notes):
        parts.labels.append(Label(line, rect.middle[0], top + 9.0 * number + 6.4, "name", SMALLEST, color=style.GREY, within=item.id))
    if item.marked:
        parts.marks.append(Mark(item.outcome, rect.right - 1.5, rect.top + 0.5, 9.0, corner_of=item.id))
    for cell, place in cells:
        text = f"{cell.text} of {item.name}: {style.mark_style(cell.outcome).text}"
        parts.boxes.append(Box(cell.id, cell.kind, place, cell.outcome, text, item.id, faded or cell.outcome == "refuted"))
        colour = style.GREY if faded or cell.outcome == "refuted" else style.INK
        x, y = place.middle
        stacked = place.height > 2 * CELL
        texts = cell.text.split() if stacked else [cell.text]
        if cell.outcome is not None and not stacked:
            x -= UNIT_MARK / 2 + 1
        for number, text in enumerate(texts):
            shown = shorten(text, place.width - 3, SMALLEST)
            base = y + 2.5 + 9.0 * (number - (len(texts) - 1) / 2)
            parts.labels.append(Label(shown, x, base, "unit", SMALLEST, color=colour, within=cell.id))
        if cell.outcome is not None:
            beside = (place.middle[0], y - 4.5 * len(texts) - 5) if stacked else (parts.labels[-1].rect.right + 2 + UNIT_MARK / 2, y)
            parts.marks.append(Mark(cell.outcome, *beside, UNIT_MARK))
    return parts


def line(arrow: FigureArrow, points: Sequence[Point], *, curved: bool) -> Line:
    return Line(
        id=arrow.id,
        points=tuple(points),
        curved=curved,
        port=arrow.port,
        sign=arrow.sign,
        width=arrow.width,
        outcome=arrow.outcome,
        text=arrow.text,
        sender=arrow.sender,
        receiver=arrow.receiver,
    )


def ancestors(found: FigureContent, name: str) -> list[str]:
    """The groups whose boxes a node stands in, inner first."""
    inside, groups = found.inside(), []
    while name in inside:
        name = inside[name]
        groups.append(name)
    return groups
