"""Position model → SVG: text stays text, every part has an id and says what it is, equal figures give equal bytes."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from circuitdsl.borders.kinds import IN_LAYERS
from circuitdsl.figures import style
from circuitdsl.figures.fonts import FALLBACKS
from circuitdsl.figures.positions import Box, Figure, Label, Line, Mark, Point, Rect

ROUND = 4.0
"""Radius of a line's corners."""
BAR = 3.2
"""Half length of the bar of a line that hinders."""
SHAPES: dict[str, str] = {spec.kind: spec.drawing.shape for spec in IN_LAYERS if spec.drawing is not None}
"""Of units, by kind."""


def svg(figure: Figure) -> bytes:
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": f"{_n(figure.width)}pt",
            "height": f"{_n(figure.height)}pt",
            "viewBox": f"0 0 {_n(figure.width)} {_n(figure.height)}",
            "role": "img",
            "aria-labelledby": "figure_title figure_desc",
            "font-family": FALLBACKS,
        },
    )
    _text(ET.SubElement(root, "title", {"id": "figure_title"}), figure.title)
    _text(ET.SubElement(root, "desc", {"id": "figure_desc"}), figure.description)
    metadata = ET.SubElement(root, "metadata")
    for name, value in sorted(figure.about.items()):
        _text(ET.SubElement(metadata, "c:about", {"xmlns:c": "urn:circuitdsl", "name": _clean(name)}), value)
    ET.SubElement(root, "rect", {"width": _n(figure.width), "height": _n(figure.height), "fill": "#ffffff"})
    back = [box for box in figure.boxes if box.kind in ("band", "group")]
    for box in back:
        _box(root, box)
    for line in sorted(figure.lines, key=lambda line: line.outcome != "refuted"):
        _line(root, line)
    for box in figure.boxes:
        if box not in back:
            _box(root, box)
    for line in figure.lines:
        if line.plate is not None:
            ET.SubElement(root, "rect", {**_rect(line.plate), "rx": "1.5", "fill": "#ffffff"})
    for mark in figure.marks:
        _mark(root, mark)
    for label in figure.labels:
        _label(root, label)
    ET.indent(root, " ")
    body: bytes = ET.tostring(root, encoding="utf-8", short_empty_elements=True)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _clean(text: str) -> str:
    """Without characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "\ufffd", text)


def _text(element: ET.Element, text: str) -> None:
    element.text = _clean(text)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if round(value, 2) else "0"


def _rect(rect: Rect) -> dict[str, str]:
    return {"x": _n(rect.left), "y": _n(rect.top), "width": _n(rect.width), "height": _n(rect.height)}


def _path(points: Sequence[Point], *, closed: bool = False) -> str:
    return "M" + " L".join(f"{_n(x)} {_n(y)}" for x, y in points) + ("Z" if closed else "")


def _group(parent: ET.Element, id: str, text: str) -> ET.Element:
    group = ET.SubElement(parent, "g", {"id": id})
    if text:
        group.set("aria-label", _clean(text))
        _text(ET.SubElement(group, "title"), text)
    return group


# ---------------------------------------------------------------- boxes


def _box(root: ET.Element, box: Box) -> None:
    group, rect = _group(root, box.id, box.text if box.kind != "sample" else ""), box.rect
    ground, outline = style.fill(box.outcome if box.kind in SHAPES else None)
    if box.faded:
        ground, outline = style.FILLS["refuted"]
    kind = box.text if box.kind == "sample" else box.kind
    look = {"fill": ground, "stroke": outline, "stroke-width": "0.8"}
    match SHAPES.get(kind, kind):
        case "band":
            ET.SubElement(group, "rect", {**_rect(rect), "fill": "#f6f6f6"})
        case "token":
            ET.SubElement(group, "rect", {**_rect(rect), "rx": "2", "fill": "#eef1f5"})
        case "group":
            dashes = {"fill": "none", "stroke": "#8a8a8a", "stroke-width": "0.8", "stroke-dasharray": "1.2 1.8", "stroke-linecap": "round"}
            ET.SubElement(group, "rect", {**_rect(rect), "rx": "7", **dashes})
        case "node":
            faint = {"stroke": "#c4c4c4" if box.faded else "#9a9a9a", "stroke-width": "0.7"}
            ET.SubElement(group, "rect", {**_rect(rect), "rx": "4", "fill": "#ffffff", **faint})
        case "capsule":
            ET.SubElement(group, "rect", {**_rect(rect), "rx": _n(min(rect.height, rect.width) / 2), **look})
        case "rectangle":
            ET.SubElement(group, "rect", {**_rect(rect), **look})
        case "hexagon":
            ET.SubElement(group, "path", {"d": _path(_hexagon(rect), closed=True), **look})
        case "call":
            donor = style.donor(box.donor)
            dashes = {"stroke-dasharray": "2.2 1.6"} if box.faded else {}
            pen = {"fill": "#ffffff" if box.faded else donor.ground, "stroke": donor.fill, "stroke-width": "0.9", **dashes}
            ET.SubElement(group, "rect", {**_rect(rect), "rx": "4", **pen})
        case "donor":
            ET.SubElement(group, "rect", {**_rect(rect), "rx": _n(rect.height / 2), "fill": style.donor(box.donor).fill})
        case "embed" | "logits":
            cut = min(8.0, rect.width / 12)
            wide, narrow = ((rect.left, rect.right), (rect.left + cut, rect.right - cut))
            low, high = (wide, narrow) if kind == "embed" else (narrow, wide)
            corners = [(low[0], rect.bottom), (high[0], rect.top), (high[1], rect.top), (low[1], rect.bottom)]
            ET.SubElement(group, "path", {"d": _path(corners, closed=True), "fill": "#e9edf2", "stroke": "#5b6470", "stroke-width": "0.8"})


def _hexagon(rect: Rect) -> list[Point]:
    cut, middle = min(4.0, rect.width / 4), rect.middle[1]
    return [
        (rect.left, middle),
        (rect.left + cut, rect.top),
        (rect.right - cut, rect.top),
        (rect.right, middle),
        (rect.right - cut, rect.bottom),
        (rect.left + cut, rect.bottom),
    ]


def _mark(root: ET.Element, mark: Mark) -> None:
    look, radius = style.mark_style(mark.outcome), mark.size / 2
    group = ET.SubElement(root, "g", {"class": "mark", "aria-label": look.text})
    ring = {"stroke": look.ink, "stroke-width": "0.7"} if look.ring else {}
    ET.SubElement(
        group, "circle", {"cx": _n(mark.x), "cy": _n(mark.y), "r": _n(radius - (0.35 if look.ring else 0)), "fill": look.fill, **ring}
    )
    for stroke in look.strokes:
        points = [(mark.x + a * radius, mark.y + b * radius) for a, b in stroke]
        pen = {
            "fill": "none",
            "stroke": look.ink,
            "stroke-width": _n(mark.size * 0.14),
            "stroke-linecap": "round",
            "stroke-linejoin": "round",
        }
        ET.SubElement(group, "path", {"d": _path(points), **pen})


def _label(root: ET.Element, label: Label) -> None:
    look = {"x": _n(label.x), "y": _n(label.y), "font-size": _n(label.size), "fill": label.color}
    if label.anchor != "start":
        look["text-anchor"] = label.anchor
    if label.bold:
        look["font-weight"] = "bold"
    _text(ET.SubElement(root, "text", look), label.text)


# ---------------------------------------------------------------- lines


def _line(root: ET.Element, line: Line) -> None:
    look = style.port_style(line.port)
    color = style.FAINT if line.outcome == "refuted" or line.faint else look.color
    group = _group(root, line.id, line.text)
    (x, y), direction = line.points[-1], _direction(line)
    size = style.HEAD + 1.3 * max(0.0, line.width - 1)
    back = size - 1.0 if line.arrow else 0.0
    shown = _shortened(line.points, direction, back)
    dash = {"stroke-dasharray": f"{_n(2.2 + line.width)} {_n(1.4 + 0.7 * line.width)}"} if line.sign < 0 else {}
    pen = {"fill": "none", "stroke": color, "stroke-width": _n(line.width)}
    ET.SubElement(group, "path", {"d": _curve(shown) if line.curved else _rounded(shown), **pen, **dash})
    if line.sign < 0:
        at = (x - direction[0] * (size + 2.2), y - direction[1] * (size + 2.2))
        across = (-direction[1] * BAR, direction[0] * BAR)
        ends = [(at[0] - across[0], at[1] - across[1]), (at[0] + across[0], at[1] + across[1])]
        ET.SubElement(group, "path", {"d": _path(ends), "stroke": color, "stroke-width": "1.4", "fill": "none"})
    if line.arrow:
        _head(group, look.head, (x, y), direction, size, color)


def _head(group: ET.Element, kind: str, tip: Point, direction: Point, size: float, color: str) -> None:
    def at(back: float, aside: float) -> Point:
        return tip[0] - direction[0] * back - direction[1] * aside, tip[1] - direction[1] * back + direction[0] * aside

    half = size * 0.43
    shapes = {
        "triangle": ([at(0, 0), at(size, half), at(size, -half)], color),
        "open": ([at(0.4, 0), at(size, half * 0.9), at(size, -half * 0.9)], "#ffffff"),
        "diamond": ([at(0, 0), at(size * 0.6, half * 0.95), at(size * 1.2, 0), at(size * 0.6, -half * 0.95)], color),
        "vee": ([at(0, 0), at(size, half), at(size * 0.6, 0), at(size, -half)], color),
    }
    points, ground = shapes[kind]
    outline = {"stroke": color, "stroke-width": "0.9" if kind == "open" else "0.4", "stroke-linejoin": "round"}
    ET.SubElement(group, "path", {"d": _path(points, closed=True), "fill": ground, **outline})


def _direction(line: Line) -> Point:
    tip = line.points[-1]
    before = next((p for p in reversed(line.points[:-1]) if math.dist(p, tip) > 0.5), (tip[0], tip[1] + 1))
    length = math.dist(before, tip)
    return (tip[0] - before[0]) / length, (tip[1] - before[1]) / length


def _shortened(points: Sequence[Point], direction: Point, by: float) -> list[Point]:
    (x, y), room = points[-1], math.dist(points[-2], points[-1])
    by = min(by, room * 0.9)
    return [*points[:-1], (x - direction[0] * by, y - direction[1] * by)]


def _curve(points: Sequence[Point]) -> str:
    pieces = [points[i : i + 3] for i in range(1, len(points) - 2, 3)]
    return _path(points[:1]) + "".join(" C" + ", ".join(f"{_n(x)} {_n(y)}" for x, y in piece) for piece in pieces)


def _rounded(points: Sequence[Point]) -> str:
    """Straight pieces with quarter-round corners."""
    text = _path(points[:1])
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(ROUND, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start, end = _toward(corner, before, radius), _toward(corner, after, radius)
        text += f" L{_n(start[0])} {_n(start[1])} Q{_n(corner[0])} {_n(corner[1])} {_n(end[0])} {_n(end[1])}"
    return text + f" L{_n(points[-1][0])} {_n(points[-1][1])}"


def _toward(start: Point, end: Point, by: float) -> Point:
    length = max(math.dist(start, end), 1e-9)
    return start[0] + (end[0] - start[0]) / length * by, start[1] + (end[1] - start[1]) / length * by
