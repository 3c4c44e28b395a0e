"""The tree of a scrubbed hypothesis: the logits above, each call with the prompt that its value is of, by number and colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import graphviz

from circuitdsl.borders.tree import CallRecord, TreeRecord
from circuitdsl.figures import style
from circuitdsl.figures.blocks import Parts
from circuitdsl.figures.fonts import SMALLEST, shorten, wrap
from circuitdsl.figures.legend import LEADING
from circuitdsl.figures.positions import Box, Figure, Label, Line, Rect

MARGIN, TITLE, NAME = 4.0, 9.0, 7.5
DISC, PAD, GAP, ROOM = 10.0, 4.0, 8.0, 26.0
"""Points: a donor's mark, room in a box, between boxes, and between the rows for lines."""
WAYS = ((118.0, 1), (104.0, 2), (92.0, 2), (78.0, 2), (76.0, 0))
"""Ways of drawing, the best first: width of a box, and lines of its prompt's text."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A call with its texts and the height of its box. Boxes are equally wide."""

    call: CallRecord
    name: str
    lines: tuple[str, ...]
    above: tuple[str, ...]
    height: float
    inputs: tuple[int, ...]


def compose_tree(tree: TreeRecord, *, width_in: float = 5.5, about: Mapping[str, str] | None = None) -> Figure:
    """Lays a tree out for a column `width_in` inches wide; what does not fit makes the figure wider, and it says so."""
    column = 72 * width_in - 2 * MARGIN
    middles, steps = _middles(tree)
    width, lines = next((way for way in WAYS if steps * (way[0] + GAP) - GAP <= column), WAYS[-1])
    needed = steps * (width + GAP) - GAP
    inner = max(column, needed)
    notes = [f"{tree.shown:,} of {tree.total:,} calls, those nearest to the logits"] if tree.shown < tree.total else []
    if inner > column + 1:
        notes.append(f"{(inner + 2 * MARGIN) / 72:.1f} in wide: at {width_in:g} in the text would be smaller than 7 pt")
    whole = Parts()
    y = MARGIN
    for text, size, bold in ((tree.title, TITLE, True), (tree.caption, SMALLEST, False)):
        for line in wrap(text, inner, size, bold=bold) if text else []:
            whole.labels.append(Label(line, MARGIN, y + size, "title" if bold else "note", size, "start", bold=bold))
            y += size + 3
    first = MARGIN + (inner - needed) / 2 + width / 2
    drawn, y = _drawn(_sized(tree, width, lines), width, [first + middle * (width + GAP) for middle in middles], y + 8)
    whole.extend(drawn)
    below, y = _legend(tree, MARGIN, MARGIN + inner, y + 16, notes)
    whole.extend(below)
    return Figure(
        width=inner + 2 * MARGIN,
        height=y + MARGIN,
        title=f"{tree.title}: tree of calls",
        description=". ".join([tree.caption, *(_words(tree, number) for number in range(len(tree.calls))), *notes]) + ".",
        boxes=tuple(whole.boxes),
        labels=tuple(whole.labels),
        marks=(),
        lines=tuple(whole.lines),
        about=dict(about or {}),
    )


def tree_source(tree: TreeRecord) -> str:
    """The tree in DOT, for other programs."""
    graph = graphviz.Digraph("tree", comment=tree.caption)
    graph.attr("graph", rankdir="BT")
    graph.attr("node", shape="box", style="rounded,filled", fontname="DejaVu Sans", fontsize="7")
    graph.attr("edge", fontname="DejaVu Sans", fontsize="7", arrowsize="0.6")
    for number, call in enumerate(tree.calls):
        text = "\n".join(filter(None, (f"{_mark(call.donor)} {call.name}", call.unit, tree.donors[call.donor])))
        look = style.donor(call.donor)
        dashes = {"style": "rounded,filled,dashed"} if call.part == "rest" else {}
        graph.node(f"call_{number}", graphviz.escape(text).replace("\n", r"\n"), color=look.fill, fillcolor=look.ground, **dashes)
        if call.reader is not None:
            graph.edge(f"call_{number}", f"call_{call.reader}", graphviz.escape("\n".join(_said(call))).replace("\n", r"\n"))
    return str(graph.source)


def _inputs(tree: TreeRecord) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in tree.calls]
    for number, call in enumerate(tree.calls):
        if call.reader is not None:
            found[call.reader].append(number)
    return found


def _middles(tree: TreeRecord) -> tuple[list[float], float]:
    """Where boxes stand across, in steps from the leftmost, and how many steps that is. After Reingold and Tilford 1981: what each
    box reads lies in a row below its middle, as close as the rows of it allow."""
    inputs = _inputs(tree)
    offsets = [0.0] * len(tree.calls)
    """From the reader's middle."""
    outlines: dict[int, list[tuple[float, float]]] = {}
    """Leftmost and rightmost middles of each row below, from the box's own."""
    for number in reversed(range(len(tree.calls))):
        right: list[float] = []
        places: list[float] = []
        for other in inputs[number]:
            shape = outlines[other]
            place = max((edge + 1 - low for edge, (low, _) in zip(right, shape, strict=False)), default=0.0)
            right[: len(shape)] = [place + high for _, high in shape]
            places.append(place)
        middle = (places[0] + places[-1]) / 2 if places else 0.0
        rows: list[tuple[float, float]] = []
        for other, place in zip(inputs[number], places, strict=True):
            offsets[other] = place - middle
            for depth, (low, high) in enumerate(outlines[other]):
                here = place - middle + low, place - middle + high
                if depth < len(rows):
                    rows[depth] = min(rows[depth][0], here[0]), max(rows[depth][1], here[1])
                else:
                    rows.append(here)
        outlines[number] = [(0.0, 0.0), *rows]
    for number, call in enumerate(tree.calls):
        offsets[number] += offsets[call.reader] if call.reader is not None else 0.0
    return [middle - min(offsets) for middle in offsets], max(offsets) - min(offsets) + 1


def _sized(tree: TreeRecord, width: float, lines: int) -> list[Sized]:
    found = []
    for call, inputs in zip(tree.calls, _inputs(tree), strict=True):
        below = wrap(call.unit, width - 2 * PAD, SMALLEST) if call.unit else []
        below += _cut(tree.donors[call.donor], width - 2 * PAD, lines)
        above = tuple(text for said in _said(call) for text in wrap(said, width, SMALLEST))
        name = shorten(call.name, width - DISC - 3 * PAD, NAME, bold=True)
        height = 2 * PAD + DISC + 9.0 * len(below)
        found.append(Sized(call, name, tuple(below), above, height, tuple(inputs)))
    return found


def _cut(text: str, width: float, most: int) -> list[str]:
    """The text in at most so many lines, the last with an ellipsis if it is not all."""
    lines = wrap(text, width, SMALLEST)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), width, SMALLEST)] if most else []


def _said(call: CallRecord) -> list[str]:
    """What stands on the line from a call to its reader."""
    ports = f"into {', '.join(call.ports)}" if call.ports else ""
    return [text for text in (ports, call.same) if text]


def _drawn(sized: Sequence[Sized], width: float, middles: Sequence[float], top: float) -> tuple[Parts, float]:
    """Boxes in rows by their distance from the logits; returns the y below."""
    depths = {0: 0}
    for number, one in enumerate(sized):
        depths.update(dict.fromkeys(one.inputs, depths[number] + 1))
    tops = [top]
    for depth in range(max(depths.values())):
        row = [one for number, one in enumerate(sized) if depths[number] == depth]
        below = [one for number, one in enumerate(sized) if depths[number] == depth + 1]
        tops.append(tops[-1] + max(one.height for one in row) + ROOM + 9.0 * max(len(one.above) for one in below))
    rects = []
    for number, one in enumerate(sized):
        x, y = middles[number] - width / 2, tops[depths[number]]
        rects.append(Rect(x, y, x + width, y + one.height))
    parts = Parts()
    for number, one in enumerate(sized):
        parts.extend(_box(number, one, rects[number]))
        for place, other in enumerate(one.inputs, 1):
            at = rects[number].left + width * place / (len(one.inputs) + 1), rects[number].bottom
            parts.extend(_line(other, sized[other], rects[other], at, number))
    return parts, max(rect.bottom for rect in rects)


def _box(number: int, one: Sized, rect: Rect) -> Parts:
    id = f"call_{number}"
    parts = Parts([Box(id, "call", rect, text=" ".join(one.lines), faded=one.call.part == "rest", donor=one.call.donor)])
    parts.extend(disc(f"{id}_donor", one.call.donor, rect.left + PAD, rect.top + PAD + DISC / 2, id))
    x, y = rect.left + 2 * PAD + DISC, rect.top + PAD + 7.7
    parts.labels.append(Label(one.name, x, y, "name", NAME, "start", bold=True, within=id))
    for line, text in enumerate(one.lines, 1):
        parts.labels.append(Label(text, rect.left + PAD, y + 9.0 * line + 0.8, "unit", SMALLEST, "start", within=id))
    return parts


def disc(id: str, donor: int, left: float, middle: float, within: str | None = None) -> Parts:
    """A donor's mark: its number on its colour, R for the reference."""
    rect = Rect(left, middle - DISC / 2, left + DISC, middle + DISC / 2)
    label = Label(_mark(donor), left + DISC / 2, middle + 2.6, "unit", SMALLEST, bold=True, color=style.donor(donor).ink, within=id)
    return Parts([Box(id, "donor", rect, donor=donor, within=within)], [label])


def _mark(donor: int) -> str:
    return str(donor) if donor else "R"


def _line(number: int, one: Sized, rect: Rect, to: tuple[float, float], reader: int) -> Parts:
    """From the words that stand above a call up to its reader."""
    x, top = (rect.left + rect.right) / 2, rect.top - 3.0 - 9.0 * len(one.above)
    bend = (top + to[1]) / 2
    port = one.call.ports[0] if len(one.call.ports) == 1 else None
    text = f"{one.name}: {', '.join(_said(one.call))}"
    points, faint = ((x, top), (x, bend), (to[0], bend), to), one.call.part == "rest"
    line = Line(f"line_{number}", points, True, port, text=text, sender=f"call_{number}", receiver=f"call_{reader}", faint=faint)
    labels = [Label(said, x, top + 7.2 + 9.0 * row, "edge", SMALLEST) for row, said in enumerate(one.above)]
    return Parts(labels=labels, lines=[line])


def _legend(tree: TreeRecord, left: float, right: float, y: float, notes: Sequence[str]) -> tuple[Parts, float]:
    """Every donor's prompt in full, and what faint boxes are; returns the y below."""
    parts = Parts()
    for donor, prompt in enumerate(tree.donors):
        parts.extend(disc(f"legend_{donor}", donor, left, y))
        text = f"{'the reference' if donor == 0 else 'donor'}: {prompt}"
        for line in wrap(text, right - left - DISC - 4, SMALLEST):
            parts.labels.append(Label(line, left + DISC + 4, y + 2.5, "legend", SMALLEST, "start"))
            y += LEADING
        y += 1.5
    if any(call.part == "rest" for call in tree.calls):
        notes = ["dashed: what the hypothesis leaves out of a call, from one more prompt", *notes]
    if tree.again:
        notes = [*notes, "a value that several calls read is drawn at the first of them"]
    for note in notes:
        for line in wrap(note, right - left, SMALLEST):
            parts.labels.append(Label(line, left, y + 2.5, "note", SMALLEST, "start", color=style.GREY))
            y += LEADING
    return parts, y


def _words(tree: TreeRecord, number: int) -> str:
    call = tree.calls[number]
    reader = "" if call.reader is None else f", read by {tree.calls[call.reader].name}"
    said = "".join(f", {text}" for text in _said(call))
    return f"{call.name}{reader}{said}: {tree.donors[call.donor]}"
