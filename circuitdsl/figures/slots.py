"""The order of the layout `grid`: which rows and columns there are, and the boxes in each, measured but not yet placed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuitdsl.borders.kinds import GROUPS, KINDS
from circuitdsl.figures.blocks import row_width, rows_of, stacked_width
from circuitdsl.figures.content import GAP, NAME, PAD, BoxItem, Cell, FigureContent
from circuitdsl.figures.fonts import SMALLEST, measure

GridRow = tuple[int, int]
"""A layer, and the place of a write group in it: first its attention, then its MLP."""
GridColumn = tuple[str, ...] | None
EVERYWHERE = ("all", "positions")


@dataclass(frozen=True, slots=True)
class Spacing:
    """Cells a line, and room between columns, between boxes of a column, and between rows, in points."""

    per: int
    columns: float
    lanes: float
    rows: float


@dataclass(slots=True)
class GridCell:
    """A box on its way to a place: rows it spans, its lane in its column, and its width; a group's box has slots inside."""

    item: BoxItem
    low: int
    high: int
    width: float
    inner: list["GridCell"] = field(default_factory=list)
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


def scattered_groups(found: FigureContent) -> set[str]:
    """Groups whose members stand in several columns: they cannot be one box."""
    groups: set[str] = set()
    for item in found.items.values():
        if item.kind == "group":
            places = {found.items[leaf].positions for leaf in found.leaves(item.name)}
            ends = any(found.items[leaf].kind in ("embed", "logits") for leaf in found.leaves(item.name))
            if len(places) > 1 or ends or any(member in groups for member in item.members):
                groups.add(item.name)
    return groups


def rows_in(found: FigureContent) -> list[GridRow]:
    rows = {row_of(cell) for item in found.items.values() for cell in item.cells if not tall(item)}
    for item in found.items.values():
        if tall(item):
            rows |= {(layer, row_of(item.cells[0])[1]) for layer in item.cells[0].layers if all(row[0] != layer for row in rows)}
    return sorted(rows) or ([(0, 0)] if any(item.kind == "node" for item in found.items.values()) else [])


def row_of(cell: Cell) -> GridRow:
    return cell.layers[0], list(GROUPS).index(KINDS[cell.kind].group)


def tall(item: BoxItem) -> bool:
    """A node that is one run of layers stands along all the rows it spans."""
    return len(item.cells) == 1 and item.cells[0].layers[1] > item.cells[0].layers[0]


def columns_of(found: FigureContent) -> list[GridColumn]:
    """Columns in the order of the prompt; nodes at all positions stand first."""
    seen = dict.fromkeys(item.positions for item in found.items.values() if item.kind == "node")
    order = {role: index for index, role in enumerate(dict.fromkeys(role for column in seen for role in column or ()))}

    def key(column: GridColumn) -> tuple[int, ...]:
        if column is None:
            return (-1,)
        places = [min(found.graph.roles.get(role) or (10**6 + order[role],)) for role in column]
        return (min(places), len(column), max(places))

    return sorted(seen, key=key)


def slots_of(found: FigureContent, column: GridColumn, rows: Sequence[GridRow], spacing: Spacing) -> list[GridCell]:
    inside = found.inside()

    def make(item: BoxItem) -> GridCell:
        if item.kind == "group":
            inner = [make(found.items[member]) for member in item.members]
            widths = lanes_of(inner)
            width = max(across(widths, spacing.lanes), item.title_width) + 2 * (PAD + 2)
            return GridCell(item, min(s.low for s in inner), max(s.high for s in inner), width, inner, lanes=widths)
        if tall(item):
            first, last = item.cells[0].layers
            spans = [i for i, row in enumerate(rows) if first <= row[0] <= last]
            return GridCell(item, spans[0], spans[-1], max(item.title_width, stacked_width(item.cells[0])) + 2 * PAD)
        spans = [rows.index(row_of(cell)) for cell in item.cells] or [0]
        lines = [row_width(part) for row in set(spans) for part in rows_of(in_row(item, rows[row]), spacing.per)] if item.cells else []
        return GridCell(item, min(spans), max(spans), max([item.title_width, *lines]) + 2 * PAD)

    def belongs(item: BoxItem) -> bool:
        if item.kind == "group":
            return found.items[found.leaves(item.name)[0]].positions == column
        return item.kind == "node" and item.positions == column

    return [make(item) for item in found.items.values() if belongs(item) and item.name not in inside]


def in_row(item: BoxItem, row: GridRow) -> list[Cell]:
    return [cell for cell in item.cells if row_of(cell) == row]


def lanes_of(slots: Sequence[GridCell]) -> list[float]:
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


def across(lanes: Sequence[float], apart: float) -> float:
    return sum(lanes) + apart * (len(lanes) - 1)


def flat(slots: Sequence[GridCell]) -> list[GridCell]:
    return [each for slot in slots for each in (slot, *flat(slot.inner))]


def header_width(found: FigureContent, column: GridColumn) -> float:
    if column is None:
        return measure(EVERYWHERE[1], SMALLEST) + 4
    token = max((measure(token_at(found, role), SMALLEST) + 8 for role in column), default=0.0)
    return min(90.0, max(measure(", ".join(column), NAME, bold=True), token)) + 4


def token_at(found: FigureContent, role: str) -> str:
    """The tokens at a role: one, or the first and the last of several."""
    places = [place for place in found.graph.roles.get(role, ()) if 0 <= place < len(found.graph.tokens)]
    texts = [shown(found.graph.tokens[place]) for place in places]
    return texts[0] if len(texts) == 1 else f"{texts[0]} … {texts[-1]}" if texts else ""


def shown(token: str) -> str:
    """A token without the spaces round it, line ends made visible."""
    return token.replace("\n", "⏎").strip() or "␣"


def usage(found: FigureContent) -> set[int]:
    """Indices of the tokens at which drawn nodes stand."""
    roles = {role for item in found.items.values() for role in item.positions or ()}
    return {place for role in roles for place in found.graph.roles.get(role, ())}
