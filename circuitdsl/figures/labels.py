"""Where the labels of arrows stand: on their own line, which they interrupt, clear of boxes, of other labels and of other lines."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from circuitdsl.figures import style
from circuitdsl.figures.content import FigureArrow
from circuitdsl.figures.fonts import SMALLEST, measure
from circuitdsl.figures.positions import Box, Label, Line, Mark, Point, Rect

MARK = 7.5
"""Size of a verdict's glyph on an arrow."""


def place(
    lines: Sequence[Line], arrows: dict[str, FigureArrow], boxes: Sequence[Box], taken: Sequence[Rect]
) -> tuple[list[Line], list[Label], list[Mark], list[str]]:
    """Lines with their plates, labels and marks, and the ids of arrows whose label found no room.

    `taken` are rectangles of other texts. Groups' boxes may hold a label but their outline may not cross it.
    """
    solid = [box.rect.grown(1.0) for box in boxes if box.kind not in ("group", "band")] + [rect.grown(0.5) for rect in taken]
    frames = [box.rect for box in boxes if box.kind == "group"]
    samples = {line.id: line.samples(2.0) for line in lines}
    heads = [_head(line) for line in lines]
    placed: list[Line] = []
    labels: list[Label] = []
    marks: list[Mark] = []
    without = []
    for line in lines:
        arrow = arrows[line.id]
        text, mark = arrow.label, arrow.outcome is not None
        if not text and not mark:
            placed.append(line)
            continue
        others = [point for other, points in samples.items() if other != line.id for point in points]
        rects = heads + frames
        full, height = _size(text, mark)
        spot = _spot(samples[line.id], full + 2, height, solid, rects, others)
        if spot is None:
            without.append(line.id)
            if text and mark:  # the verdict counts for more than the number
                text, (full, height) = "", _size("", mark)
                spot = _spot(samples[line.id], full + 2, height, solid, rects, others)
        if spot is None:
            placed.append(line)
            continue
        rect = Rect(spot[0] - full / 2 - 1, spot[1] - height / 2, spot[0] + full / 2 + 1, spot[1] + height / 2)
        solid.append(rect.grown(0.5))
        left = rect.left + 1
        if mark:
            marks.append(Mark(arrow.outcome, left + MARK / 2, spot[1], MARK))
            left += MARK + 2
        if text:
            color = style.GREY if arrow.outcome == "refuted" else style.port_style(arrow.port).color
            labels.append(Label(text, left, spot[1] + 0.26 * SMALLEST + 0.6, "edge", SMALLEST, "start", color=_dark(color)))
        placed.append(replace(line, plate=rect))
    return placed, labels, marks, without


def _size(text: str, mark: bool) -> tuple[float, float]:
    """Width and height of a label with its verdict's mark."""
    width = measure(text, SMALLEST) + (MARK if mark else 0.0) + (2.0 if mark and text else 0.0)
    return width, max(8.6 if text else 0.0, MARK if mark else 0.0)


def uncover(marks: Sequence[Mark], lines: Sequence[Line], boxes: Sequence[Box], texts: Sequence[Rect]) -> list[Mark]:
    """Boxes' verdicts, each moved to the corner where it hides the least: arrow heads above all, then texts, then lines."""
    rects, heads = {box.id: box.rect for box in boxes}, [_head(line) for line in lines]
    points = [point for line in lines for point in line.samples(2.0)]

    def hides(mark: Mark) -> tuple[int, int, int]:
        covered = sum(mark.rect.left < x < mark.rect.right and mark.rect.top < y < mark.rect.bottom for x, y in points)
        return sum(mark.rect.overlaps(head) for head in heads), sum(mark.rect.overlaps(text) for text in texts), covered

    found = []
    for mark in marks:
        if mark.corner_of is not None and hides(mark)[0]:
            rect = rects[mark.corner_of]
            rows, columns = (mark.y, rect.bottom - 0.5), (mark.x, rect.left + 1.5)
            mark = min((replace(mark, x=x, y=y) for y in rows for x in columns), key=hides)
        found.append(mark)
    return found


def _spot(way: Sequence[Point], width: float, height: float, solid, outlines, others: Sequence[Point]) -> Point | None:
    """The clear place on the way that is nearest to its middle, or else beside it.

    Other lines may run beneath if nothing else is free.
    """
    half = len(way) / 2
    best: tuple[float, Point] | None = None
    aside = (0.0, 0.0), (0.0, -height / 2 - 3.6), (0.0, height / 2 + 3.6), (width / 2 + 3, 0.0), (-width / 2 - 3, 0.0)
    for (index, (a, b)), (dx, dy) in product(enumerate(way), aside):
        x, y, on = a + dx, b + dy, not dx and not dy
        cost = abs(index - half) / max(half, 1.0) + (0.0 if on else 8.0)
        if best is not None and cost >= best[0]:
            continue
        rect = Rect(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if any(rect.overlaps(other) for other in solid):
            continue
        if any(rect.overlaps(other) and not other.contains(rect.grown(1)) for other in outlines):
            continue
        near = rect.grown(1.2 if on else 0.0)
        hidden = sum(near.left < p < near.right and near.top < q < near.bottom for p, q in (others if on else [*others, *way]))
        if best is None or cost + 3.0 * hidden < best[0]:
            best = (cost + 3.0 * hidden, (x, y))
    return best[1] if best else None


def _head(line: Line) -> Rect:
    (x0, y0), (x, y) = line.points[-2], line.points[-1]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
    back = (x - (x - x0) / length * 9, y - (y - y0) / length * 9)
    return Rect(min(x, back[0]) - 3.5, min(y, back[1]) - 3.5, max(x, back[0]) + 3.5, max(y, back[1]) + 3.5)


def _dark(color: str) -> str:
    """The colour as text: dark enough on white."""
    return {"#C87F00": "#8a5700", "#B8578E": "#8f3d6c"}.get(color, color)
