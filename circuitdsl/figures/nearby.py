"""What lies where, found without looking at everything: rectangles by the cells of a grid, points by bands."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

from circuitdsl.figures.positions import Point, Rect

CELL = 16.0
"""Side of a cell, in points."""
BAND = 2.0
"""Height of a band, in points."""


class Rects:
    """Rectangles, to be asked which of them overlap one."""

    def __init__(self, rects: Iterable[Rect]) -> None:
        self._rects: list[Rect] = []
        self._cells: dict[tuple[int, int], list[int]] = defaultdict(list)
        for rect in rects:
            self.add(rect)

    def add(self, rect: Rect) -> None:
        for cell in _cells(rect):
            self._cells[cell].append(len(self._rects))
        self._rects.append(rect)

    def overlapping(self, rect: Rect) -> list[Rect]:
        """Those that overlap `rect`."""
        near = {number for cell in _cells(rect) for number in self._cells.get(cell, ())}
        return [other for number in near if rect.overlaps(other := self._rects[number])]


class Points:
    """Points, to be asked how many of them lie in a rectangle."""

    def __init__(self, points: Iterable[Point]) -> None:
        bands: dict[int, list[Point]] = defaultdict(list)
        for x, y in points:
            bands[math.floor(y / BAND)].append((x, y))
        self._bands = {number: sorted(band) for number, band in bands.items()}
        self._across = {number: [x for x, _ in band] for number, band in self._bands.items()}

    def within(self, rect: Rect) -> int:
        """How many lie inside, not on the border."""
        first, last = math.floor(rect.top / BAND), math.floor(rect.bottom / BAND)
        count = 0
        for number in range(first, last + 1):
            if number not in self._across:
                continue
            across = self._across[number]
            start, end = bisect_right(across, rect.left), bisect_left(across, rect.right)
            if first < number < last:
                count += max(0, end - start)
            else:
                count += sum(rect.top < y < rect.bottom for _, y in self._bands[number][start:end])
        return count


def _cells(rect: Rect) -> Iterator[tuple[int, int]]:
    for row in range(math.floor(rect.top / CELL), math.floor(rect.bottom / CELL) + 1):
        for column in range(math.floor(rect.left / CELL), math.floor(rect.right / CELL) + 1):
            yield row, column
