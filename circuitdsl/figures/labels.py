"""Where the labels of arrows stand: on their own line, which they interrupt, clear of boxes, of other labels and of other lines."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from circuitdsl.borders.flags import Progress, quiet
from circuitdsl.figures import style
from circuitdsl.figures.content import FigureArrow
from circuitdsl.figures.fonts import SMALLEST, measure
from circuitdsl.figures.nearby import Points, Rects
from circuitdsl.figures.positions import Box, Label, Line, Mark, Point, Rect

MARK = 7.5
"""Size of a verdict's glyph on an arrow."""
MANY = 300
"""Above this number of arrows a label is tried at fewer places along its arrow."""
PLACES = 24
"""Places along an arrow that are tried then."""


def place(
    lines: Sequence[Line], arrows: dict[str, FigureArrow], boxes: Sequence[Box], taken: Sequence[Rect], progress: Progress = quiet
) -> tuple[list[Line], list[Label], list[Mark], list[str]]:
    """Lines with their plates, labels and marks, and the ids of arrows whose label found no room.

    `taken` are rectangles of other texts. Groups' boxes may hold a label but their outline may not cross it.
    """
    solid = Rects([box.rect.grown(1.0) for box in boxes if box.kind not in ("group", "band")] + [rect.grown(0.5) for rect in taken])
    said = any(arrow.label or arrow.outcome is not None for arrow in arrows.values())
    samples = {line.id: line.samples(2.0) for line in lines} if said else {}
    every = Points(point for way in samples.values() for point in way)
    outlines = Rects([_head(line) for line in lines] + [box.rect for box in boxes if box.kind == "group"])
    most = None if len(lines) <= MANY else PLACES
    placed: list[Line] = []
    labels: list[Label] = []
    marks: list[Mark] = []
    without = []
    for number, line in enumerate(lines):
        progress("drawing the figure: placing labels", number / len(lines))
        arrow = arrows[line.id]
        text, mark = arrow.label, arrow.outcome is not None
        if not text and not mark:
            placed.append(line)
            continue
        full, height = _size(text, mark)
        spot = _spot(samples[line.id], full + 2, height, solid, outlines, every, most)
        if spot is None:
            without.append(line.id)
            if text and mark:  # the verdict counts for more than the number
                text, (full, height) = "", _size("", mark)
                spot = _spot(samples[line.id], full + 2, height, solid, outlines, every, most)
        if spot is None:
            placed.append(line)
            continue
        rect = Rect(spot[0] - full / 2 - 1, spot[1] - height / 2, spot[0] + full / 2 + 1, spot[1] + height / 2)
        solid.add(rect.grown(0.5))
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
    rects, heads, written = {box.id: box.rect for box in boxes}, Rects([_head(line) for line in lines]), Rects(texts)
    hiding = [mark for mark in marks if mark.corner_of is not None and heads.overlapping(mark.rect)]
    points = Points(point for line in lines for point in line.samples(2.0)) if hiding else Points(())

    def hides(mark: Mark) -> tuple[int, int, int]:
        return len(heads.overlapping(mark.rect)), len(written.overlapping(mark.rect)), points.within(mark.rect)

    found = []
    for mark in marks:
        if mark in hiding:
            assert mark.corner_of is not None
            rect = rects[mark.corner_of]
            rows, columns = (mark.y, rect.bottom - 0.5), (mark.x, rect.left + 1.5)
            mark = min((replace(mark, x=x, y=y) for y in rows for x in columns), key=hides)
        found.append(mark)
    return found


def _spot(
    way: Sequence[Point], width: float, height: float, solid: Rects, outlines: Rects, every: Points, most: int | None = None
) -> Point | None:
    """The clear place on the way that is nearest to its middle, or else beside it; of `most` places along the way, or of all.

    Other lines may run beneath if nothing else is free. `every` are the points of all lines, the way's own among them.
    """
    half, own = len(way) / 2, Points(way)
    aside = (0.0, 0.0), (0.0, -height / 2 - 3.6), (0.0, height / 2 + 3.6), (width / 2 + 3, 0.0), (-width / 2 - 3, 0.0)
    step = 1 if most is None else max(1, len(way) // most)
    tried = [
        (abs(index - half) / max(half, 1.0) + (8.0 if any(off) else 0.0), index, number)
        for index, (number, off) in product(range(0, len(way), step), enumerate(aside))
    ]
    best: tuple[float, int, int] | None = None
    for cost, index, number in sorted(tried):
        if best is not None and (cost, index, number) >= best:  # what follows costs no less, whatever it hides
            break
        (a, b), (dx, dy) = way[index], aside[number]
        x, y, on = a + dx, b + dy, not number
        rect = Rect(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if solid.overlapping(rect) or any(not other.contains(rect.grown(1)) for other in outlines.overlapping(rect)):
            continue
        near = rect.grown(1.2 if on else 0.0)
        hidden = every.within(near) - (own.within(near) if on else 0)
        if best is None or (cost + 3.0 * hidden, index, number) < best:
            best = cost + 3.0 * hidden, index, number
    if best is None:
        return None
    (a, b), (dx, dy) = way[best[1]], aside[best[2]]
    return a + dx, b + dy


def _head(line: Line) -> Rect:
    (x0, y0), (x, y) = line.points[-2], line.points[-1]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
    back = (x - (x - x0) / length * 9, y - (y - y0) / length * 9)
    return Rect(min(x, back[0]) - 3.5, min(y, back[1]) - 3.5, max(x, back[0]) + 3.5, max(y, back[1]) + 3.5)


def _dark(color: str) -> str:
    """The colour as text: dark enough on white."""
    return {"#C87F00": "#8a5700", "#B8578E": "#8f3d6c"}.get(color, color)
