"""The layout `grid`: a column for each place in the prompt, a row for each layer, layers upward. Needs no other program."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from circuitdsl.figures import style
from circuitdsl.figures.blocks import Parts, ancestors, block, line, row_width, rows_of
from circuitdsl.figures.content import CELL, GAP, NAME, PAD, Cell, Content, Item, dissolved
from circuitdsl.figures.fonts import SMALLEST, measure, shorten
from circuitdsl.figures.positions import Box, Label, Point, Rect
from circuitdsl.figures.routing import Board, Ends

Row = tuple[int, int]
"""A layer, and 0 for its attention or 1 for its MLP."""
Column = tuple[str, ...] | None
EDGE = 12.0
"""Room for arrows left of the first column and right of the last."""
EVERYWHERE = ("all", "positions")
WITHIN = 7.0
"""Room between rows where no box begins or ends."""
AXIS = 28.0
"""Room for the names of layers, left."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Cells a line, and room between columns, between boxes of a column, and between rows, in points."""

    per: int
    columns: float
    lanes: float
    rows: float


@dataclass(slots=True)
class Slot:
    """A box on its way to a place: rows it spans, its lane in its column, and its width; a group's box has slots inside."""

    item: Item
    low: int
    high: int
    width: float
    inner: list["Slot"] = field(default_factory=list)
    lane: int = 0
    lanes: list[float] = field(default_factory=list)

    @property
    def above(self) -> float:
        """Room over the cells of its highest row: titles, its own and those of boxes in it."""
        tops = [slot.above for slot in self.inner if slot.high == self.high]
        head = self.item.title_height + (PAD + (GAP if self.item.title else 0.0))
        return head + max(tops, default=0.0) + (PAD if self.inner else 0.0)

    @property
    def below(self) -> float:
        bottoms = [slot.below for slot in self.inner if slot.low == self.low]
        return PAD + max(bottoms, default=0.0) + (GAP if self.inner else 0.0)


def layout(found: Content, width: float, spacing: Spacing) -> tuple[Parts, Rect, list[str]]:
    """The drawing, the rectangle it needs (wider than `width` if it must be), and the ids of arrows that share a track."""
    found = dissolved(found, _scattered(found))
    rows = _rows(found)
    columns = _columns(found)
    slots = {column: _slots(found, column, rows, spacing) for column in columns}
    lanes = {column: _lanes(slots[column], spacing) for column in columns}
    widths = {column: max(_across(lanes[column], spacing.lanes), _header_width(found, column)) for column in columns}
    needed = AXIS + sum(widths.values()) + spacing.columns * (len(columns) - 1) + 2 * EDGE
    whole = max(width, needed)
    # room that is left goes between the boxes of a column first, up to twice what is needed there, then between columns
    gaps = len(columns) + sum(len(lanes[column]) - 1 for column in columns)
    apart = spacing.lanes + min((whole - needed) / max(gaps, 1), 2 * spacing.lanes)
    natural = {column: max(widths[column], _across(lanes[column], apart)) for column in columns}
    slack = (whole - needed - sum(natural.values()) + sum(widths.values())) / max(len(columns), 1)
    lefts, x = {}, AXIS + EDGE + slack / 2
    for column in columns:
        lefts[column] = x
        x += natural[column] + spacing.columns + slack
    flat = [slot for column in columns for slot in _flat(slots[column])]
    bases, tops = _levels(found, rows, flat, spacing)
    parts, rects = Parts(), dict[str, Rect]()
    for index, row in enumerate(rows):
        band = Rect(AXIS - 4, tops[index] - 3, whole, bases[index] + 3)
        parts.boxes.append(Box(f"row_{row[0]}_{row[1]}", "band", band))
        name = str(row[0]) if index == 0 or rows[index - 1][0] != row[0] else "MLP"
        parts.labels.append(Label(name, AXIS - 8, bases[index] - CELL / 2 + 2.5, "axis", SMALLEST, "end", color=style.GREY))
    if rows:
        parts.labels.append(Label("layer", AXIS - 8, tops[-1] - 8, "axis", SMALLEST, "end", color=style.GREY))
    for column in columns:
        offset = (natural[column] - _across(lanes[column], apart)) / 2
        _put(slots[column], lanes[column], lefts[column] + offset, apart, spacing, rows, bases, tops, parts, rects, None)
    floor, roof = _ends(found, parts, rects, columns, lefts, natural, whole, bases, tops, spacing)
    area = Rect(AXIS, roof, whole - 2, floor)
    crowded = _route(found, parts, rects, area)
    bottom = _footer(found, parts, columns, lefts, natural, whole, floor + (16 if "embed" in _kinds(found) else 0))
    return parts, Rect(0.0, min([box.rect.top for box in parts.boxes], default=0.0), whole, bottom), crowded


def _kinds(found: Content) -> dict[str, Item]:
    return {item.kind: item for item in found.items.values() if item.kind in ("embed", "logits")}


def _scattered(found: Content) -> set[str]:
    """Groups whose members stand in several columns: they cannot be one box."""
    scattered: set[str] = set()
    for item in found.items.values():
        if item.kind == "group":
            places = {found.items[leaf].positions for leaf in found.leaves(item.name)}
            ends = any(found.items[leaf].kind in ("embed", "logits") for leaf in found.leaves(item.name))
            if len(places) > 1 or ends or any(member in scattered for member in item.members):
                scattered.add(item.name)
    return scattered


def _rows(found: Content) -> list[Row]:
    cells = [cell for item in found.items.values() for cell in item.cells]
    rows = {_row(cell) for item in found.items.values() for cell in item.cells if not _tall(item)}
    for item in found.items.values():
        if _tall(item):
            rows |= {(layer, 1) for layer in item.cells[0].layers if all(row[0] != layer for row in rows)}
    return sorted(rows) or [(0, 0)] if cells else []


def _row(cell: Cell) -> Row:
    return cell.layers[0], 0 if cell.kind == "head" else 1


def _tall(item: Item) -> bool:
    """A node that is one run of layers stands along all the rows it spans."""
    return len(item.cells) == 1 and item.cells[0].layers[1] > item.cells[0].layers[0]


def _columns(found: Content) -> list[Column]:
    """Columns in the order of the prompt; nodes at all positions stand first."""
    seen = dict.fromkeys(item.positions for item in found.items.values() if item.kind == "node")
    order = {role: index for index, role in enumerate(dict.fromkeys(role for column in seen for role in column or ()))}

    def key(column: Column) -> tuple:
        if column is None:
            return (-1,)
        places = [min(found.graph.roles.get(role) or (10**6 + order[role],)) for role in column]
        return (min(places), len(column), max(places))

    return sorted(seen, key=key)


def _slots(found: Content, column: Column, rows: Sequence[Row], spacing: Spacing) -> list[Slot]:
    inside = found.inside()

    def make(item: Item) -> Slot:
        if item.kind == "group":
            inner = [make(found.items[member]) for member in item.members]
            widths = _lanes(inner, spacing)
            width = max(_across(widths, spacing.lanes), item.title_width) + 2 * (PAD + 3)
            return Slot(item, min(s.low for s in inner), max(s.high for s in inner), width, inner, lanes=widths)
        if _tall(item):
            first, last = item.cells[0].layers
            spans = [i for i, row in enumerate(rows) if first <= row[0] <= last]
            return Slot(item, spans[0], spans[-1], max(item.title_width, item.cells[0].width) + 2 * PAD)
        spans = [rows.index(_row(cell)) for cell in item.cells] or [0]
        lines = [row_width(part) for row in set(spans) for part in rows_of(_in_row(item, rows[row]), spacing.per)] if item.cells else []
        return Slot(item, min(spans), max(spans), max([item.title_width, *lines]) + 2 * PAD)

    def belongs(item: Item) -> bool:
        if item.kind == "group":
            return found.items[found.leaves(item.name)[0]].positions == column
        return item.kind == "node" and item.positions == column

    return [make(item) for item in found.items.values() if belongs(item) and item.name not in inside]


def _in_row(item: Item, row: Row) -> list[Cell]:
    return [cell for cell in item.cells if _row(cell) == row]


def _lanes(slots: Sequence[Slot], spacing: Spacing) -> list[float]:
    """Puts boxes that share no row into one lane, those that begin lowest first; returns the lanes' widths."""
    ends: list[list[tuple[int, int]]] = []
    widths: list[float] = []
    for slot in sorted(slots, key=lambda s: (s.low, -s.high, s.item.name)):
        free = (i for i, spans in enumerate(ends) if all(slot.high < low or high < slot.low for low, high in spans))
        lane = next(free, len(ends))
        if lane == len(ends):
            ends.append([])
            widths.append(0.0)
        slot.lane = lane
        ends[lane].append((slot.low, slot.high))
        widths[lane] = max(widths[lane], slot.width)
    return widths or [0.0]


def _across(lanes: Sequence[float], apart: float) -> float:
    return sum(lanes) + apart * (len(lanes) - 1)


def _flat(slots: Sequence[Slot]) -> list[Slot]:
    return [each for slot in slots for each in (slot, *_flat(slot.inner))]


def _header_width(found: Content, column: Column) -> float:
    if column is None:
        return measure(EVERYWHERE[1], SMALLEST) + 4
    token = max((measure(_token(found, role), SMALLEST) + 8 for role in column), default=0.0)
    return min(90.0, max(measure(", ".join(column), NAME, bold=True), token)) + 4


def _levels(found: Content, rows: Sequence[Row], slots: Sequence[Slot], spacing: Spacing) -> tuple[list[float], list[float]]:
    """For each row the bottom and top of its cells, y downward, the lowest row's at 0 and above."""
    lines = [1] * len(rows)
    for slot in slots:
        if not slot.inner and not _tall(slot.item):
            for index in {rows.index(_row(cell)) for cell in slot.item.cells}:
                lines[index] = max(lines[index], len(rows_of(_in_row(slot.item, rows[index]), spacing.per)))
    bases, tops, y = [], [], 0.0
    for index, count in enumerate(lines):
        below = max((slot.below for slot in slots if slot.low == index), default=0.0)
        above = max((slot.above for slot in slots if slot.high == index), default=0.0)
        y -= below
        bases.append(y)
        y -= count * CELL + (count - 1) * GAP
        tops.append(y)
        between = any(slot.high == index or slot.low == index + 1 for slot in slots)
        y -= above + (spacing.rows if between else WITHIN)
    return bases, tops


def _put(
    slots, lanes, left, apart: float, spacing: Spacing, rows, bases, tops, parts: Parts, rects: dict[str, Rect], within: str | None
) -> None:
    starts = [left + sum(lanes[:i]) + apart * i for i in range(len(lanes))]
    for slot in slots:
        x = starts[slot.lane] + (lanes[slot.lane] - slot.width) / 2
        rect = Rect(x, tops[slot.high] - slot.above, x + slot.width, bases[slot.low] + slot.below)
        rects[slot.item.name] = rect
        parts.extend(block(slot.item, rect, _cells(slot, rect, spacing, rows, bases), within))
        if slot.inner:
            across = _across(slot.lanes, spacing.lanes)
            _put(slot.inner, slot.lanes, rect.middle[0] - across / 2, spacing.lanes, spacing, rows, bases, tops, parts, rects, slot.item.id)


def _cells(slot: Slot, rect: Rect, spacing: Spacing, rows: Sequence[Row], bases: Sequence[float]) -> list[tuple[Cell, Rect]]:
    item = slot.item
    if _tall(item):
        top = rect.top + PAD + item.title_height + GAP
        return [(item.cells[0], Rect(rect.left + PAD, top, rect.right - PAD, rect.bottom - PAD))]
    placed = []
    for index in sorted({rows.index(_row(cell)) for cell in item.cells}):
        bottom = bases[index]
        for row in rows_of(_in_row(item, rows[index]), spacing.per):
            x = rect.middle[0] - row_width(row) / 2
            for cell in row:
                placed.append((cell, Rect(x, bottom - CELL, x + cell.width, bottom)))
                x += cell.width + GAP
            bottom -= CELL + GAP
    return placed


def _ends(found, parts: Parts, rects, columns, lefts, natural, whole: float, bases, tops, spacing: Spacing) -> tuple[float, float]:
    """Puts the embedding along the whole bottom and the logits over the last column; returns the y of floor and roof."""
    kinds = _kinds(found)
    boxes = list(rects.values())
    floor = max([rect.bottom for rect in boxes], default=0.0) + spacing.rows + 4
    roof = min([rect.top for rect in boxes], default=0.0) - spacing.rows - 4
    if "embed" in kinds:
        item = kinds["embed"]
        rects[item.name] = Rect(AXIS - 4, floor, whole, floor + 15)
        parts.extend(_end(item, rects[item.name]))
    if "logits" in kinds:
        item, last = kinds["logits"], columns[-1] if columns else None
        middle = lefts[last] + natural[last] / 2 if columns else (AXIS + whole) / 2
        half = min(
            max(34.0, natural[last] / 2 if columns else 0.0, 5.0 * sum(a.receiver == item.name for a in found.arrows)), whole - middle - 4
        )
        rects[item.name] = Rect(middle - half, roof - 15, middle + half, roof)
        parts.extend(_end(item, rects[item.name]))
    return floor, roof


def _end(item: Item, rect: Rect) -> Parts:
    found = block(replace(item, title=(), notes=(), marked=False), rect, (), None)
    found.labels.append(Label(item.name, rect.middle[0], rect.middle[1] + 2.7, "name", NAME, bold=True, within=item.id))
    return found


def _route(found: Content, parts: Parts, rects: dict[str, Rect], area: Rect) -> list[str]:
    leaves = [rect for name, rect in rects.items() if found.items[name].kind != "group"]
    frames = {name: rect for name, rect in rects.items() if found.items[name].kind == "group"}
    titles = [_title(parts, found.items[name], rect) for name, rect in frames.items()]
    board = Board(Rect(area.left, area.top - 4, area.right, area.bottom + 4), [*leaves, *titles], frames)
    wanted = []
    for arrow in found.arrows:
        around = frozenset([*ancestors(found, arrow.sender), *ancestors(found, arrow.receiver)])
        wanted.append(Ends(arrow.id, rects[arrow.sender], rects[arrow.receiver], around))
    ways, crowded = board.route(wanted)
    parts.lines += [line(arrow, ways[arrow.id], curved=False) for arrow in found.arrows]
    return crowded


def _title(parts: Parts, item: Item, rect: Rect) -> Rect:
    texts = [label.rect for label in parts.labels if label.within == item.id]
    whole = texts[0] if texts else Rect(*rect.middle, *rect.middle)
    for text in texts[1:]:
        whole = whole.union(text)
    return whole.grown(-4)


def _footer(found: Content, parts: Parts, columns, lefts, natural, whole: float, y: float) -> float:
    """Roles and tokens under the columns, then the whole prompt; returns the y below them."""
    y += 4
    if not columns:
        return y
    for column in columns:
        middle: Point = (lefts[column] + natural[column] / 2, y)
        name = shorten(", ".join(column or EVERYWHERE[:1]), natural[column] + 10, NAME, bold=True)
        parts.labels.append(Label(name, middle[0], y + 8, "role", NAME, bold=True, color=style.INK if column else style.GREY))
    if None in columns:
        x = lefts[None] + natural[None] / 2
        parts.labels.append(Label(EVERYWHERE[1], x, y + 17, "role", SMALLEST, color=style.GREY))
    if not found.graph.tokens:
        return y + (20 if None in columns else 11)
    for column in columns:
        tokens = list(dict.fromkeys(_token(found, role) for role in column or () if found.graph.roles.get(role)))
        text = shorten(", ".join(tokens), natural[column] + 6, SMALLEST)
        if text:
            x = lefts[column] + natural[column] / 2
            parts.labels.append(Label(text, x, y + 18.5, "token", SMALLEST, color=style.INK))
            width = measure(text, SMALLEST) + 6
            parts.boxes.append(Box(f"token_{len(parts.boxes)}", "token", Rect(x - width / 2, y + 11, x + width / 2, y + 21.5)))
    return y + 24


def _token(found: Content, role: str) -> str:
    """The tokens at a role: one, or the first and the last of several."""
    places = [place for place in found.graph.roles.get(role, ()) if 0 <= place < len(found.graph.tokens)]
    texts = [shown(found.graph.tokens[place]) for place in places]
    return texts[0] if len(texts) == 1 else f"{texts[0]} … {texts[-1]}" if texts else ""


def shown(token: str) -> str:
    """A token without the spaces round it, line ends made visible."""
    return token.replace("\n", "⏎").strip() or "␣"


def usage(found: Content) -> dict[int, list[str]]:
    """Token index → roles of drawn nodes that stand there."""
    used = defaultdict(list)
    for role in dict.fromkeys(r for item in found.items.values() for r in item.positions or ()):
        for place in found.graph.roles.get(role, ()):
            used[place].append(role)
    return used
