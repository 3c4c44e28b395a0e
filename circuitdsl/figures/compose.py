"""A whole figure: the drawing in a layout, with title, labels on arrows, prompt, legend and notes round it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from circuitdsl.borders.evidence import GraphRecord
from circuitdsl.borders.flags import Progress, quiet
from circuitdsl.figures import dot, grid, labels, legend, slots, style
from circuitdsl.figures.blocks import Parts
from circuitdsl.figures.content import FigureContent, UnitLabels, content
from circuitdsl.figures.fonts import wrap
from circuitdsl.figures.positions import Figure, Label, Rect

LayoutName = Literal["graph", "grid"]
MARGIN, TITLE = 4.0, 9.0
SIZES = ((88, 3, 36, 24), (64, 3, 32, 24), (64, 2, 30, 24), (64, 2, 28, 34), (56, 2, 24, 26), (56, 1, 22, 28), (52, 1, 20, 36))
"""Ways of drawing, the best first: widest title, cells a line, room between columns and between rows, in points."""
TRIES = 160
"""Arrows that are laid in search of the best way of drawing."""
MANY = 300
"""Above this number of arrows Graphviz is asked for the narrowest way of drawing alone, which takes seconds and is yards wide."""


def compose(
    graph: GraphRecord,
    *,
    layout: LayoutName = "grid",
    width_in: float = 5.5,
    units: UnitLabels = "9.6",
    numbers: bool = False,
    about: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> Figure:
    """Lays a graph out for a column `width_in` inches wide, with no text below 7 pt.

    What does not fit so makes the figure wider, and it says so.
    """
    progress("drawing the figure", 0.0)
    room = 72 * width_in - 2 * MARGIN
    found, parts, area = _drawing(graph, layout, room, units, numbers, progress)
    inner = max(room, area.width)
    notes = list(found.notes)
    if inner > room + 1:
        notes.append(f"{(inner + 2 * MARGIN) / 72:.1f} in wide: at {width_in:g} in the text would be smaller than 7 pt")
    whole = Parts()
    y = MARGIN
    for text in wrap(graph.title, inner, TITLE, bold=True) if graph.title else []:
        whole.labels.append(Label(text, MARGIN, y + TITLE, "title", TITLE, "start", bold=True, color=style.INK))
        y += TITLE + 3
    y += 4
    whole.extend(_moved(parts, MARGIN + (inner - area.width) / 2 - area.left, y - area.top))
    y += area.height + 2
    if graph.tokens:
        below, y = legend.prompt(graph.tokens, slots.usage(found), MARGIN, MARGIN + inner, y)
        whole.extend(below)
    below, y = legend.legend(found, MARGIN, MARGIN + inner, y + 4, notes)
    whole.extend(below)
    return Figure(
        width=inner + 2 * MARGIN,
        height=y + MARGIN,
        title=graph.title or "circuit",
        description=_description(found, graph),
        boxes=tuple(whole.boxes),
        labels=tuple(whole.labels),
        marks=tuple(whole.marks),
        lines=tuple(whole.lines),
        about={**(about or {}), "layout": layout, **({"caption": graph.caption} if graph.caption else {})},
    )


def _drawing(
    graph: GraphRecord, layout: LayoutName, room: float, units: UnitLabels, numbers: bool, progress: Progress
) -> tuple[FigureContent, Parts, Rect]:
    """The first way of drawing that fits the width and has a track for every arrow and room for every label, or else the least bad.

    Ways are tried in the order of what they exceed the width by, a few if there are many arrows.
    """
    ways = sorted(_ways(graph, layout, units, numbers, room), key=lambda way: max(0, round(way.width - room)))
    best: tuple[tuple[int, int], tuple[FigureContent, Parts, Rect]] | None = None
    for way in ways[: 1 + TRIES // (1 + len(ways[0].found.arrows))]:
        drawn, taken, crowded = way.draw(progress)
        parts, area, without = _labelled(way.found, drawn, taken, progress)
        badness = int(max(0.0, area.width - room)), len(crowded) + len(without)
        if best is None or badness < best[0]:
            best = badness, (_noted(way.found, crowded), parts, area)
        if badness == (0, 0):
            break
    assert best is not None
    return best[1]


def _noted(found: FigureContent, crowded: list[str]) -> FigureContent:
    """With a note that arrows cannot be told apart, where there are many."""
    if len(found.arrows) <= MANY or not crowded:
        return found
    return replace(found, notes=(*found.notes, f"{len(crowded):,} of {len(found.arrows):,} arrows run over others in part"))


@dataclass(frozen=True, slots=True)
class _Way:
    """A way of drawing that has a width before it has arrows."""

    found: FigureContent
    width: float
    draw: Callable[[Progress], tuple[Parts, Rect, list[str]]]


def _ways(graph: GraphRecord, layout: LayoutName, units: UnitLabels, numbers: bool, room: float) -> list[_Way]:
    ways: list[_Way] = []
    for names, per, columns, rows in SIZES:
        found = content(graph, labels=units, names=names, numbers=numbers, places=layout == "graph")
        if layout == "graph" and len(found.arrows) > MANY and (names, per, columns, rows) != SIZES[-1]:
            continue
        if layout == "graph":
            drawing = dot.layout(found, per, rows + 16.0, columns - 8.0)
            ways.append(_Way(drawing[0], drawing[2].width, partial(_done, drawing[1], drawing[2])))
        else:
            plan = grid.Grid(found, room, slots.Spacing(per, columns, max(16.0, columns - 14.0), rows))
            ways.append(_Way(plan.found, plan.width, plan.draw))
    return ways


def _done(parts: Parts, area: Rect, _: Progress) -> tuple[Parts, Rect, list[str]]:
    return parts, area, []


def _labelled(found: FigureContent, parts: Parts, area: Rect, progress: Progress) -> tuple[Parts, Rect, list[str]]:
    """With the labels of arrows, the rectangle of it all, and the ids of arrows whose label has no room."""
    written = [label.rect for label in parts.labels]
    parts.marks = labels.uncover(parts.marks, parts.lines, parts.boxes, written)
    taken = written + [mark.rect for mark in parts.marks]
    lines, texts, marks, without = labels.place(parts.lines, {arrow.id: arrow for arrow in found.arrows}, parts.boxes, taken, progress)
    whole = Parts(parts.boxes, parts.labels + texts, parts.marks + marks, lines)
    for rect in [*(b.rect for b in whole.boxes), *(t.rect for t in whole.labels), *(m.rect for m in marks)]:
        area = area.union(rect)
    for line in lines:
        xs, ys = zip(*line.samples(4.0), strict=True)
        area = area.union(Rect(min(xs) - 2, min(ys) - 2, max(xs) + 2, max(ys) + 2))
    return whole, area, without


def _moved(parts: Parts, dx: float, dy: float) -> Parts:
    return Parts(
        [replace(box, rect=box.rect.moved(dx, dy)) for box in parts.boxes],
        [replace(label, x=label.x + dx, y=label.y + dy) for label in parts.labels],
        [replace(mark, x=mark.x + dx, y=mark.y + dy) for mark in parts.marks],
        [
            replace(line, points=tuple((x + dx, y + dy) for x, y in line.points), plate=line.plate.moved(dx, dy) if line.plate else None)
            for line in parts.lines
        ],
    )


def _description(found: FigureContent, graph: GraphRecord) -> str:
    nodes = "; ".join(item.text for item in found.items.values() if item.kind == "node")
    edges = "; ".join(dict.fromkeys(arrow.text.split(";")[0] for arrow in found.arrows))
    return ". ".join(part for part in (graph.caption.rstrip("."), f"Nodes: {nodes}", f"Edges: {edges}", *found.notes) if part) + "."
