"""What a figure shows, before anything has a place: boxes with their cells and texts, arrows with their ends, measured."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from circuitdsl.borders.evidence import EdgeRecord, EffectRecord, GraphRecord, NodeRecord
from circuitdsl.borders.kinds import IN_LAYERS, KINDS, Kind, UnitStyle
from circuitdsl.borders.units import Unit, read_unit
from circuitdsl.figures import style
from circuitdsl.figures.fonts import SMALLEST, measure, shorten, wrap

UnitLabels = Literal["9.6", "L9H6", "a9.h6"]
FOLD = 4
"""Consecutive units of this number and more are one cell."""
CELLS = 16
"""A box with more cells than this says how many units it has instead."""
NODES = 60
"""Above this number of drawn nodes those with the smallest effects are left out."""
NAME = 7.5
CELL = 12.0
"""Height of a unit's cell in points."""
GAP, PAD = 3.0, 4.5
UNIT_MARK = 6.5
OTHERS = "numbers are of cutting a node or edge from the circuit's run; marks are of the claims, which may ablate otherwise"
EXACT = 1e-6
"""Half-width of an interval below which a number is the same on every prompt: what float32 leaves of sums that cancel."""
"""Size of the verdict's glyph on a unit."""
TITLE_LINES = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """One unit, or a run of them. `layers` is the inclusive range; `kind` gives the shape."""

    id: str
    text: str
    kind: Kind
    layers: tuple[int, int]
    outcome: str | None = None

    @property
    def width(self) -> float:
        mark = UNIT_MARK + 2.0 if self.outcome is not None else 0.0
        return max(20.0, measure(self.text, SMALLEST) + drawing(self.kind).margin + mark)


@dataclass(frozen=True, slots=True)
class BoxItem:
    """A node: a box with a title and cells, or, for a group, with members inside."""

    id: str
    name: str
    kind: Literal["node", "group", "embed", "logits"]
    title: tuple[str, ...]
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]
    members: tuple[str, ...]
    positions: tuple[str, ...] | None
    outcome: str | None
    marked: bool
    text: str

    @property
    def title_width(self) -> float:
        names = [measure(line, NAME, bold=True) for line in self.title]
        return max([*names, *(measure(line, SMALLEST) for line in self.notes)], default=0.0)

    @property
    def title_height(self) -> float:
        return 10.0 * len(self.title) + 9.0 * len(self.notes)


@dataclass(frozen=True, slots=True)
class FigureArrow:
    """An edge as drawn. `label` is written on it; `marked` tells whether its verdict is shown there."""

    id: str
    sender: str
    receiver: str
    port: str | None
    sign: int
    width: float
    outcome: str | None
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class FigureContent:
    """Everything drawn. `items` by node name, members before their group; `strongest` is the |effect| of the widest line."""

    graph: GraphRecord
    items: dict[str, BoxItem]
    arrows: tuple[FigureArrow, ...]
    notes: tuple[str, ...]
    strongest: float | None
    judged: bool

    def inside(self) -> dict[str, str]:
        """Member → the group whose box it stands in."""
        return {member: item.name for item in self.items.values() if item.kind == "group" for member in item.members}

    def leaves(self, name: str) -> list[str]:
        """The boxes without boxes in them that a name stands for."""
        item = self.items[name]
        return [leaf for member in item.members for leaf in self.leaves(member)] if item.kind == "group" else [name]


def content(
    graph: GraphRecord, *, labels: UnitLabels = "9.6", names: float = 88.0, numbers: bool = False, places: bool = False
) -> FigureContent:
    """`names` is the widest a title may be, in points; with `numbers` effects and intervals are written on arrows and boxes.

    With `places` boxes say at which positions they are, for layouts that do not show it.
    """
    nodes, edges, notes = _pruned(graph)
    # without verdicts and tested units there is nothing to mark
    judged = any(n.outcome is not None or n.unit_outcomes for n in nodes) or any(e.outcome is not None for e in edges)
    ids = _Ids()
    framed = _framed(nodes)
    shown = [node for node in nodes if not node.members or node.name in framed]
    notes_of = {node.name: _notes(node, numbers, places) for node in shown}
    items = {node.name: _item(node, ids, labels, names, notes_of[node.name], judged) for node in shown}
    sizes = [abs(edge.effect.value) for edge in edges if edge.effect is not None]
    strongest = largest if (largest := max(sizes, default=0.0)) > EXACT else None  # widths that tell rounding apart tell nothing
    by_name = {node.name: node for node in nodes}
    arrows = [arrow for edge in edges for arrow in _arrows(edge, items, by_name, ids, strongest, numbers)]
    if numbers and judged and sizes:
        notes = [*notes, OTHERS]
    return FigureContent(graph, items, tuple(arrows), tuple(notes), strongest, judged)


def _framed(nodes: Sequence[NodeRecord]) -> dict[str, tuple[str, ...]]:
    """Groups that are drawn as a box round their members: a node stands in one box at most."""
    names, taken, framed = {node.name for node in nodes}, set[str](), dict[str, tuple[str, ...]]()
    for node in nodes:
        plain = node.members and all(m in names and m not in taken for m in node.members)
        if plain and all(m in framed or not _find(nodes, m).members for m in node.members):
            framed[node.name] = node.members
            taken.update(node.members)
    return framed


def _find(nodes: Iterable[NodeRecord], name: str) -> NodeRecord:
    return next(node for node in nodes if node.name == name)


def _notes(node: NodeRecord, numbers: bool, places: bool) -> list[str]:
    notes = [f"@ {', '.join(node.positions)}"] if places and node.positions and not node.members else []
    notes += [f"carries {node.carries}"] if node.carries else []
    return notes + ([effect_text(node.effect)] if numbers and node.effect is not None else [])


def _item(node: NodeRecord, ids: "_Ids", labels: UnitLabels, names: float, notes: list[str], judged: bool) -> BoxItem:
    kind: Literal["node", "group", "embed", "logits"] = "group" if node.members else "node"
    if node.units in (("embed",), ("logits",)):
        kind = "embed" if node.units == ("embed",) else "logits"
    cells = () if kind != "node" else tuple(_cells(node, ids, labels))
    wrapped = [line for note in notes for line in wrap(note, names, SMALLEST)]
    mark = judged and kind in ("node", "group")
    title = wrap(node.name, names, NAME, bold=True)
    if len(title) > TITLE_LINES:
        title = [*title[: TITLE_LINES - 1], shorten("".join(title[TITLE_LINES - 1 :]), names, NAME, bold=True)]
    return BoxItem(
        id=ids.make(node.name if kind in ("embed", "logits") else f"n_{node.name}"),
        name=node.name,
        kind=kind,
        title=tuple(title),
        notes=tuple(wrapped),
        cells=cells,
        members=node.members if kind == "group" else (),
        positions=node.positions,
        outcome=node.outcome,
        marked=mark,
        text=_node_text(node),
    )


def _node_text(node: NodeRecord) -> str:
    where = f" @ {', '.join(node.positions)}" if node.positions else ""
    parts = [f"{node.name}: {', '.join(node.units)}{where}", style.mark_style(node.outcome).text]
    if node.carries:
        parts.append(f"carries {node.carries}")
    if node.effect is not None:
        parts.append(f"effect {effect_text(node.effect)}")
    return "; ".join(parts)


def effect_text(effect: EffectRecord) -> str:
    """`−0.42 ± 0.08`, or with both bounds where the interval is lopsided or open."""
    if effect.low is None or effect.high is None:
        return _number(effect.value, max(abs(effect.value) / 10, 1e-9))
    down, up = effect.value - effect.low, effect.high - effect.value
    if max(down, up) <= EXACT * max(1.0, abs(effect.value)):
        return _exact(effect.value)
    half = max((down + up) / 2, 1e-9)
    if max(down, up) <= 1.25 * min(down, up) + 1e-12:
        return f"{_number(effect.value, half)} ± {_number(half, half)}"
    return f"{_number(effect.value, half)} [{_number(effect.low, half)}, {_number(effect.high, half)}]"


def _number(value: float, half: float) -> str:
    """With the decimals that an interval of half the width `half` deserves, four at most."""
    decimals = min(4, max(0, -math.floor(math.log10(half))))
    return _signed(f"{value:.{decimals}f}")


def _exact(value: float) -> str:
    """A number that every prompt agrees on to within rounding: no interval, and no digits that say nothing."""
    return "0" if abs(value) <= EXACT else _signed(f"{value:.4f}".rstrip("0").rstrip("."))


def _signed(text: str) -> str:
    """With a typographic minus; nothing is not negative."""
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


# ---------------------------------------------------------------- units


def _cells(node: NodeRecord, ids: "_Ids", labels: UnitLabels) -> list[Cell]:
    units = sorted(unit for name in node.units if (unit := read_unit(name)) and unit.spec.in_layers)
    cells: list[Cell] = []
    for run in _runs(units):
        first, last = run[0], run[-1]
        outcome = _worst(node.unit_outcomes.get(str(unit)) for unit in run)
        if len(run) == 1:
            text = drawing(first.kind).labels[labels].format(layer=first.layer, index=first.index)
            cells.append(Cell(ids.make(_id(first)), text, first.kind, (first.layer, first.layer), outcome))
            continue
        end = last.index if first.spec.numbered else last.layer
        text = drawing(first.kind).run.format(layer=first.layer, index=first.index, last=end)
        cells.append(Cell(ids.make(f"{_id(first)}_to_{_id(last)}"), text, first.kind, (first.layer, last.layer), outcome))
    if len(cells) <= CELLS:
        return cells
    low, high = cells[0].layers[0], max(cell.layers[1] for cell in cells)
    kinds = {cell.kind for cell in cells}
    word = KINDS[cells[0].kind].plural if len(kinds) == 1 else "units"
    where = f"layers {low}..{high}" if high > low else f"layer {low}"
    outcome = _worst(node.unit_outcomes.get(str(unit)) for unit in units)
    return [Cell(ids.make(f"u_{node.name}"), f"{len(units)} {word}, {where}", cells[0].kind, (low, high), outcome)]


def _worst(outcomes: Iterable[str | None]) -> str | None:
    """The worst of several; untested is worse than supported."""
    found = set(outcomes)
    return next((o for o in ("refuted", "not testable", "inconclusive", None, "supported") if o in found), None)


def drawing(kind: Kind) -> UnitStyle:
    """How units of a kind are drawn. Raises ValueError for one that figures have no cell for."""
    found = KINDS[kind].drawing
    if found is None:
        raise ValueError(f"figures have no cell for {kind}")
    return found


def _id(unit: Unit) -> str:
    return drawing(unit.kind).id.format(layer=unit.layer, index=unit.index)


def _runs(units: Sequence[Unit]) -> list[list[Unit]]:
    """Consecutive layers of a kind, and consecutive parts of one layer, together if there are enough; the others one by one."""
    runs: list[list[Unit]] = []
    for kind in IN_LAYERS:
        start: list[Unit] = []
        for unit in units:
            if unit.spec is not kind:
                continue
            if not start or unit != _next(start[-1]):
                runs.append(start := [])
            start.append(unit)
    return sorted(part for run in runs for part in ([run] if len(run) >= FOLD else [[unit] for unit in run]))


def _next(unit: Unit) -> Unit:
    return replace(unit, index=unit.index + 1) if unit.spec.numbered else replace(unit, layer=unit.layer + 1)


# ---------------------------------------------------------------- arrows


def _arrows(
    edge: EdgeRecord,
    items: dict[str, BoxItem],
    nodes: dict[str, NodeRecord],
    ids: "_Ids",
    strongest: float | None,
    numbers: bool,
) -> list[FigureArrow]:
    """The edge, or, where an end is a group that has no box, one arrow for each member; only the first of them has the label."""
    senders, receivers = _drawn(edge.sender, items, nodes), _drawn(edge.receiver, items, nodes)
    sign, width = 0, 1.0
    if edge.effect is not None and abs(edge.effect.value) > EXACT:
        low, high = edge.effect.low, edge.effect.high
        sign = (
            -1 if (low if low is not None else edge.effect.value) > 0 else 1 if (high if high is not None else edge.effect.value) < 0 else 0
        )
        share = min(1.0, abs(edge.effect.value) / strongest) if strongest else 0.0
        width = style.LINE_WIDTHS[0] + share * (style.LINE_WIDTHS[1] - style.LINE_WIDTHS[0])
    words = [f"×{edge.links}"] if edge.links > 1 else []
    if numbers and edge.effect is not None:
        words.append(effect_text(edge.effect))
    said = [edge.label, f"{edge.links} link" + ("s" if edge.links != 1 else ""), style.mark_style(edge.outcome).text]
    if edge.effect is not None:
        said.append(f"effect {effect_text(edge.effect)}")
    pairs = [(s, r) for s in senders for r in receivers if s != r or _spans(items[s])]
    arrows = []
    for number, (sender, receiver) in enumerate(pairs):
        name = ids.make(f"e_{sender}_{receiver}" + (f"_{edge.port}" if edge.port else ""))
        label = ", ".join(words) if number == 0 else ""
        outcome = edge.outcome if number == 0 or edge.outcome == "refuted" else None
        arrows.append(FigureArrow(name, sender, receiver, edge.port, sign, width, outcome, label, "; ".join(said)))
    return arrows


def _spans(item: BoxItem) -> bool:
    """Whether a box holds more than one unit, so that an arrow from it to itself says something."""
    return len(item.cells) > 1 or item.kind == "group" or any(cell.layers[0] < cell.layers[1] for cell in item.cells)


def _drawn(name: str, items: dict[str, BoxItem], nodes: dict[str, NodeRecord]) -> list[str]:
    if name in items:
        return [name]
    return [drawn for member in (nodes[name].members if name in nodes else ()) for drawn in _drawn(member, items, nodes)]


# ---------------------------------------------------------------- pruning


def _pruned(graph: GraphRecord) -> tuple[list[NodeRecord], list[EdgeRecord], list[str]]:
    """Nodes and edges that are drawn. Above `NODES` nodes only the edges with the largest effects, and the nodes that they touch."""
    nodes = list(graph.nodes)
    drawn = {node.name for node in nodes}
    edges = [edge for edge in graph.edges if {edge.sender, edge.receiver} <= drawn]
    if sum(not node.members for node in nodes) <= NODES:
        return nodes, edges, []
    groups = {node.name: node.members for node in nodes if node.members}
    ranked = sorted(range(len(edges)), key=lambda i: (-_size(edges[i]), i))
    kept: set[int] = set()
    touched = {node.name for node in nodes if node.units in (("embed",), ("logits",))}
    for index in ranked:
        more = touched.union(*(_members(name, groups) for name in (edges[index].sender, edges[index].receiver)))
        if len(more) <= NODES:
            touched = more
            kept.add(index)
    left = [edge for index, edge in enumerate(edges) if index in kept]
    total = sum(map(_size, edges))
    share = f", {sum(map(_size, left)) / total:.0%} of the effect" if total else ""
    shown = [node for node in nodes if node.name in touched or (node.members and set(_members(node.name, groups)) <= touched)]
    shown = [replace_members(node, {n.name for n in shown}) for node in shown]
    return shown, left, [f"{len(left)} of {len(edges)} edges{share}; {len(touched)} of {sum(not n.members for n in nodes)} nodes"]


def replace_members(node: NodeRecord, shown: set[str]) -> NodeRecord:
    return node.model_copy(update={"members": tuple(m for m in node.members if m in shown)}) if node.members else node


def _members(name: str, groups: dict[str, tuple[str, ...]]) -> set[str]:
    return set().union(*(_members(m, groups) for m in groups[name])) if name in groups else {name}


def _size(edge: EdgeRecord) -> float:
    return abs(edge.effect.value) if edge.effect is not None else 0.0


class _Ids:
    """Names for SVG and CSS: letters, digits and `_`, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, wanted: str) -> str:
        safe = re.sub(r"[^0-9A-Za-z_]+", "_", wanted).strip("_") or "x"
        name, number = safe, 2
        while name in self._taken:
            name, number = f"{safe}__{number}", number + 1
        self._taken.add(name)
        return name


def dissolved(found: FigureContent, groups: set[str]) -> FigureContent:
    """The same without those groups' boxes: their arrows go to the members instead."""
    if not groups:
        return found
    records = {node.name: node for node in found.graph.nodes}
    items = {name: item for name, item in found.items.items() if name not in groups}
    arrows: list[FigureArrow] = []
    for arrow in found.arrows:
        senders, receivers = _drawn(arrow.sender, items, records), _drawn(arrow.receiver, items, records)
        pairs = [(s, r) for s in senders for r in receivers if s != r or _spans(items[s])]
        arrows += [
            replace(arrow, id=arrow.id if i == 0 else f"{arrow.id}__m{i + 1}", sender=s, receiver=r, label=arrow.label if i == 0 else "")
            for i, (s, r) in enumerate(pairs)
        ]
    return replace(found, items=items, arrows=tuple(arrows))
