"""Where everything in a figure stands, in points from the upper left corner. Layouts make it, writers draw it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from circuitdsl.borders.kinds import Kind
from circuitdsl.figures.fonts import ASCENT, DESCENT, measure

BoxKind = Kind | Literal["node", "group", "band", "token", "sample", "call", "donor"]
LabelKind = Literal["title", "name", "unit", "edge", "axis", "role", "token", "prompt", "legend", "note"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle by its sides."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def grown(self, by: float) -> "Rect":
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, dx: float, dy: float) -> "Rect":
        return Rect(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def overlaps(self, other: "Rect", slack: float = 1e-6) -> bool:
        across = self.left < other.right - slack and other.left < self.right - slack
        return across and self.top < other.bottom - slack and other.top < self.bottom - slack

    def contains(self, other: "Rect", slack: float = 1e-6) -> bool:
        across = self.left <= other.left + slack and other.right <= self.right + slack
        return across and self.top <= other.top + slack and other.bottom <= self.bottom + slack

    def union(self, other: "Rect") -> "Rect":
        low, high = (min(self.left, other.left), min(self.top, other.top)), (max(self.right, other.right), max(self.bottom, other.bottom))
        return Rect(*low, *high)


@dataclass(frozen=True, slots=True)
class Box:
    """A shape. `within` is the id of the box that it stands in; `text` is what a pointer over it shows.

    `donor` is whose value a call is, which gives its colour.
    """

    id: str
    kind: BoxKind
    rect: Rect
    outcome: str | None = None
    text: str = ""
    within: str | None = None
    faded: bool = False
    donor: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text; `x` is its start, middle or end and `y` its baseline. `within` is the id of the box it stands in."""

    text: str
    x: float
    y: float
    kind: LabelKind
    size: float = 7.0
    anchor: Literal["start", "middle", "end"] = "middle"
    bold: bool = False
    color: str = "#222222"
    within: str | None = None

    @property
    def rect(self) -> Rect:
        width = measure(self.text, self.size, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Rect(left, self.y - ASCENT * self.size, left + width, self.y + DESCENT * self.size)


@dataclass(frozen=True, slots=True)
class Mark:
    """The glyph of a verdict, drawn as a shape of `size` points around its middle. `corner_of` is the id of the box whose verdict it is."""

    outcome: str | None
    x: float
    y: float
    size: float = 8.0
    corner_of: str | None = None

    @property
    def rect(self) -> Rect:
        half = self.size / 2
        return Rect(self.x - half, self.y - half, self.x + half, self.y + half)


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow through `points`: straight pieces with round corners, or with `curved` cubic Bézier pieces (1 + 3 n points).

    `sign` is that of the sender's help: 1 if cutting the edge lowers the metric, -1 if it raises it, 0 if neither is known.
    `plate` is the ground of its label, which interrupts the line. `faint` is for what stands back.
    """

    id: str
    points: tuple[Point, ...]
    curved: bool = False
    port: str | None = None
    sign: int = 0
    width: float = 1.0
    outcome: str | None = None
    text: str = ""
    sender: str = ""
    receiver: str = ""
    arrow: bool = True
    plate: Rect | None = None
    faint: bool = False

    def samples(self, step: float = 3.0) -> list[Point]:
        """Points along the line, about `step` apart, both ends included."""
        found = [self.points[0]]
        for piece in self._pieces():
            length = sum(_distance(a, b) for a, b in itertools.pairwise(piece))
            count = max(1, round(length / step))
            found += [_along(piece, i / count) for i in range(1, count + 1)]
        return found

    def _pieces(self) -> Iterator[tuple[Point, ...]]:
        size = 3 if self.curved else 1
        for start in range(0, len(self.points) - 1, size):
            yield self.points[start : start + size + 1]


@dataclass(frozen=True, slots=True)
class Figure:
    """A whole figure. Boxes come outer before inner; `about` is the provenance that writers put in the metadata."""

    width: float
    height: float
    title: str
    description: str
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    about: dict[str, str] = field(default_factory=dict)


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _along(piece: tuple[Point, ...], t: float) -> Point:
    """De Casteljau's construction at `t` of a straight or a cubic piece."""
    if len(piece) == 2:
        return _between(*piece, t)
    a, b, c, d = piece
    middle = _between(b, c, t)
    return _between(_between(_between(a, b, t), middle, t), _between(middle, _between(c, d, t), t), t)


def _between(a: Point, b: Point, t: float) -> Point:
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])
