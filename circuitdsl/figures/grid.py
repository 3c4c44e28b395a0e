"""The layout `grid`: a column for each place in the prompt, a row for each layer, layers upward. Needs no other program."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from circuitdsl.borders.flags import Progress, quiet
from circuitdsl.figures import style
from circuitdsl.figures.blocks import Parts, ancestors, block, line, row_width, rows_of
from circuitdsl.figures.content import CELL, GAP, NAME, PAD, BoxItem, Cell, FigureContent, dissolved
from circuitdsl.figures.fonts import SMALLEST, measure, shorten
from circuitdsl.figures.positions import Box, Label, Rect
from circuitdsl.figures.routing import Board, Ends
from circuitdsl.figures.slots import (
    EVERYWHERE,
    GridCell,
    GridColumn,
    Spacing,
    across,
    columns_of,
    flat,
    header_width,
    in_row,
    lanes_of,
    row_of,
    rows_in,
    scattered_groups,
    slots_of,
    tall,
    token_at,
)

EDGE = (5.0, 12.0)
"""Room for arrows left of the first column and right of the last."""
WITHIN = 7.0
"""Room between rows where no box begins or ends."""
AXIS = 25.0
"""Room for the numbers of layers, left."""
BAR = 15.0
"""Height of the boxes of the embedding and the logits."""


class Grid:
    """A graph arranged in rows and columns, at least `room` points wide. `draw` gives the parts; `width` is known before."""

    def __init__(self, found: FigureContent, room: float, spacing: Spacing) -> None:
        self.found = dissolved(found, scattered_groups(found))
        self.spacing = spacing
        self.rows = rows_in(self.found)
        self.columns = columns_of(self.found)
        self.slots = {column: slots_of(self.found, column, self.rows, spacing) for column in self.columns}
        self.lanes = {column: lanes_of(self.slots[column]) for column in self.columns}
        widths = {column: max(across(self.lanes[column], spacing.lanes), header_width(self.found, column)) for column in self.columns}
        count = len(self.columns)
        needed = AXIS + sum(widths.values()) + spacing.columns * max(count - 1, 0) + sum(EDGE)
        self.width = max(room, needed)
        # room that is left goes between the boxes of a column first, up to twice what is needed there, then between columns
        left = self.width - needed
        self.apart = spacing.lanes + min(left / max(1, sum(map(len, self.lanes.values()))), 2 * spacing.lanes)
        self.widths = {column: max(widths[column], across(self.lanes[column], self.apart)) for column in self.columns}
        slack = (left - sum(self.widths.values()) + sum(widths.values())) / max(count, 1)
        self.lefts, x = dict[GridColumn, float](), AXIS + EDGE[0] + slack / 2
        for column in self.columns:
            self.lefts[column] = x
            x += self.widths[column] + spacing.columns + slack
        self.bases, self.tops = self._levels([slot for column in self.columns for slot in flat(self.slots[column])])
        self.rects: dict[str, Rect] = {}

    @cached_property
    def ends(self) -> dict[str, BoxItem]:
        return {item.kind: item for item in self.found.items.values() if item.kind in ("embed", "logits")}

    def draw(self, progress: Progress = quiet) -> tuple[Parts, Rect, list[str]]:
        """The drawing, the rectangle it takes, and the ids of arrows that share a track."""
        parts = self._bands()
        for column in self.columns:
            offset = (self.widths[column] - across(self.lanes[column], self.apart)) / 2
            self._put(parts, self.slots[column], self.lanes[column], self.lefts[column] + offset, self.apart, None)
        floor = max((rect.bottom for rect in self.rects.values()), default=0.0) + self.spacing.rows + 4
        roof = min((rect.top for rect in self.rects.values()), default=0.0) - self.spacing.rows - 4
        self._put_ends(parts, floor, roof)
        crowded = self._route(parts, Rect(AXIS, roof - 4, self.width - 2, floor + 4), progress)
        bottom = self._put_roles(parts, floor + (BAR if "embed" in self.ends else 0.0) + 4)
        return parts, Rect(0.0, min(box.rect.top for box in parts.boxes) if parts.boxes else 0.0, self.width, bottom), crowded

    def _levels(self, slots: Sequence[GridCell]) -> tuple[list[float], list[float]]:
        """For each row the bottom and top of its cells; y runs downward, the lowest row is just above 0."""
        lines = [1] * len(self.rows)
        for slot in slots:
            if not slot.inner and not tall(slot.item):
                for index in {self.rows.index(row_of(cell)) for cell in slot.item.cells}:
                    lines[index] = max(lines[index], len(rows_of(in_row(slot.item, self.rows[index]), self.spacing.per)))
        bases, tops, y = [], [], 0.0
        for index, count in enumerate(lines):
            y -= max((slot.below for slot in slots if slot.low == index), default=0.0)
            bases.append(y)
            y -= count * CELL + (count - 1) * GAP
            tops.append(y)
            y -= max((slot.above for slot in slots if slot.high == index), default=0.0)
            y -= self.spacing.rows if any(slot.high == index or slot.low == index + 1 for slot in slots) else WITHIN
        return bases, tops

    def _bands(self) -> Parts:
        parts = Parts()
        for index, (layer, part) in enumerate(self.rows):
            band = Rect(AXIS - 4, self.tops[index] - 3, self.width, self.bases[index] + 3)
            parts.boxes.append(Box(f"row_{layer}_{part}", "band", band))
            name = str(layer) if index == 0 or self.rows[index - 1][0] != layer else "MLP"
            parts.labels.append(Label(name, AXIS - 6, band.middle[1] + 2.5, "axis", SMALLEST, "end", color=style.GREY))
        if self.rows:
            parts.labels.append(Label("layer", AXIS - 6, self.tops[-1] - 8, "axis", SMALLEST, "end", color=style.GREY))
        return parts

    def _put(self, parts: Parts, slots: Sequence[GridCell], lanes: Sequence[float], left: float, apart: float, within: str | None) -> None:
        for slot in slots:
            x = left + sum(lanes[: slot.lane]) + apart * slot.lane + (lanes[slot.lane] - slot.width) / 2
            rect = Rect(x, self.tops[slot.high] - slot.above, x + slot.width, self.bases[slot.low] + slot.below)
            self.rects[slot.item.name] = rect
            parts.extend(block(slot.item, rect, self._cells(slot, rect), within))
            if slot.inner:
                start = rect.middle[0] - across(slot.lanes, self.spacing.lanes) / 2
                self._put(parts, slot.inner, slot.lanes, start, self.spacing.lanes, slot.item.id)

    def _cells(self, slot: GridCell, rect: Rect) -> list[tuple[Cell, Rect]]:
        item = slot.item
        if tall(item):
            top = rect.top + PAD + item.title_height + GAP
            return [(item.cells[0], Rect(rect.left + PAD, top, rect.right - PAD, rect.bottom - PAD))]
        placed = []
        for index in sorted({self.rows.index(row_of(cell)) for cell in item.cells}):
            bottom = self.bases[index]
            for row in rows_of(in_row(item, self.rows[index]), self.spacing.per):
                x = rect.middle[0] - row_width(row) / 2
                for cell in row:
                    placed.append((cell, Rect(x, bottom - CELL, x + cell.width, bottom)))
                    x += cell.width + GAP
                bottom -= CELL + GAP
        return placed

    def _put_ends(self, parts: Parts, floor: float, roof: float) -> None:
        """The embedding along the whole bottom, the logits over the last column."""
        if "embed" in self.ends:
            self._put_end(parts, self.ends["embed"], Rect(AXIS - 4, floor, self.width, floor + BAR))
        if "logits" in self.ends:
            last = self.columns[-1] if self.columns else None
            middle = self.lefts[last] + self.widths[last] / 2 if self.columns else (AXIS + self.width) / 2
            doors = 5.0 * sum(arrow.receiver == self.ends["logits"].name for arrow in self.found.arrows)
            half = min(max(34.0, doors, self.widths[last] / 2 if self.columns else 0.0), self.width - middle - 4)
            self._put_end(parts, self.ends["logits"], Rect(middle - half, roof - BAR, middle + half, roof))

    def _put_end(self, parts: Parts, item: BoxItem, rect: Rect) -> None:
        self.rects[item.name] = rect
        parts.extend(block(replace(item, title=(), notes=(), marked=False), rect, (), None))
        parts.labels.append(Label(item.name, rect.middle[0], rect.middle[1] + 2.7, "name", NAME, bold=True, within=item.id))

    def _route(self, parts: Parts, area: Rect, progress: Progress) -> list[str]:
        items = self.found.items
        frames = {name: rect for name, rect in self.rects.items() if items[name].kind == "group"}
        solid = [rect for name, rect in self.rects.items() if name not in frames]
        solid += [label.rect.grown(-4) for label in parts.labels if label.within in {items[name].id for name in frames}]
        wanted = []
        for arrow in self.found.arrows:
            around = frozenset([*ancestors(self.found, arrow.sender), *ancestors(self.found, arrow.receiver)])
            wanted.append(Ends(arrow.id, self.rects[arrow.sender], self.rects[arrow.receiver], around))
        ways, crowded = Board(area, solid, frames).route(wanted, progress)
        parts.lines += [line(arrow, ways[arrow.id], curved=False) for arrow in self.found.arrows]
        return crowded

    def _put_roles(self, parts: Parts, y: float) -> float:
        """Roles and their tokens under the columns; returns the y below them."""
        below = y + 2 if self.columns else y
        for column in self.columns:
            x, room = self.lefts[column] + self.widths[column] / 2, self.widths[column] + 8
            name = shorten(", ".join(column or EVERYWHERE[:1]), room, NAME, bold=True)
            parts.labels.append(Label(name, x, y + 8, "role", NAME, bold=True, color=style.INK if column else style.GREY))
            if column is None:
                parts.labels.append(Label(EVERYWHERE[1], x, y + 17, "role", SMALLEST, color=style.GREY))
                below = max(below, y + 20)
                continue
            text = shorten(", ".join(dict.fromkeys(filter(None, (token_at(self.found, role) for role in column)))), room - 6, SMALLEST)
            below = max(below, y + (24 if text else 11))
            if text:
                half = measure(text, SMALLEST) / 2 + 3
                parts.boxes.append(Box(f"token_{len(parts.boxes)}", "token", Rect(x - half, y + 11, x + half, y + 21.5)))
                parts.labels.append(Label(text, x, y + 18.7, "token", SMALLEST))
        return below
