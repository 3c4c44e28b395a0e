"""What each pass of the planner saved, counted from what it left: graph, registers and steps of every panel.

A pass has a line of its own, in a unit of its own. Counts are over all rows, unless the unit speaks of steps.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from circuitdsl.borders.kinds import Kind
from circuitdsl.borders.plan import Saving
from circuitdsl.borders.steps import Addend, Attend, Normalise, PlanStep, ReadLogits, Register, Setting, Sum, Write
from circuitdsl.borders.steps.work import product
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import Gather, Mean, Run, World
from circuitdsl.planning import cost
from circuitdsl.planning.builder import StepBuilder
from circuitdsl.planning.dependencies import Dependencies
from circuitdsl.planning.graph import ValueNode
from circuitdsl.planning.row_groups import RowGroup

VALUES, KEYS, READS, WRITES = "values at a position", "keys and values at a position", "normalised reads", "writes to a stream"
ADDITIONS, PRODUCTS, PROJECTIONS = "additions to a stream", "products", "projections of some heads"
COLUMNS, LAYERS, LISTS, TOKENS = "columns of the unembedding", "layers of plain runs", "lists of steps", "tokens"
POSITIONS = "positions of a run's last layer"
EQUAL, SAME_POSITIONS, DEAD, READ = "equal values once", "equal positions once", "dead values dropped", "only where they are read"
CACHED, NORMS, SENDERS, SUMS = "cached keys and values", "one norm for all readers", "common senders once", "shared sums kept"
HEADS, WHOLE, BATCHED, BACKGROUNDS = "heads together", "whole layers", "variants on one axis", "backgrounds on one axis"
NAMED = "named tokens only"
POOLED, STOPPED, LAST = "donors from one run", "runs stopped early", "last layers where read"
TOGETHER, SORTED = "rows together", "sorted by length"

Depths = Sequence[tuple[int, int]]
Count = tuple[str, str, int, int, float]
"""Pass, unit, before, after, operations saved."""


class Savings:
    """Adds up the panels of a plan."""

    def __init__(self, shape: ModelShape):
        self._shape = shape
        self._units: dict[str, str] = {}
        self._before: Counter[str] = Counter()
        self._after: Counter[str] = Counter()
        self._flops: defaultdict[str, float] = defaultdict(float)
        self._lengths: Counter[int] = Counter()
        self._panels = 0

    def panel(
        self, reached: Dependencies, rows: RowGroup, builder: StepBuilder, setting: Setting, worlds: Iterable[World], depths: Depths
    ) -> None:
        n = len(rows.rows)
        self._lengths[rows.length] += n
        self._panels += 1
        for name, unit, before, after, flops in (
            *values(reached, builder, self._shape),
            cached(builder.steps, self._shape),
            norms(builder),
            *sums(builder.steps, builder.registers),
            columns(builder.steps, self._shape),
            *runs(worlds, depths, rows.length, self._shape),
        ):
            self._add(name, unit, n * before, n * after, n * flops)
        for count in products(builder.steps, setting):
            self._add(*count)

    def _add(self, name: str, unit: str, before: int, after: int, flops: float) -> None:
        self._units[name] = unit
        self._before[name] += before
        self._after[name] += after
        self._flops[name] += flops

    def found(self, plain: float) -> tuple[Saving, ...]:
        """`plain`: operations of one pass over all rows."""
        if not self._lengths:  # nothing is asked
            return ()
        every, longest = sum(self._lengths.values()), max(self._lengths)
        self._add(TOGETHER, LISTS, every, self._panels, 0)
        actual = sum(cost.forward(self._shape, length).times(n).flops for length, n in self._lengths.items())
        padded = cost.forward(self._shape, longest).times(every).flops
        self._add(SORTED, TOKENS, every * longest, sum(length * n for length, n in self._lengths.items()), padded - actual)
        return tuple(
            Saving(name, unit, self._before[name], self._after[name], self._flops[name] / (plain or 1))
            for name, unit in self._units.items()
        )


def values(reached: Dependencies, builder: StepBuilder, shape: ModelShape) -> list[Count]:
    """From every value that the readouts reach, at every position, to those that are computed.

    A base world's head whose attention is read is made again for its weights, and so is a neuron's part of an MLP that is replaced:
    both count as asked for.
    """
    graph = builder.graph
    nodes = [node for same in graph.nodes.values() for node in same]
    alive = [node for node in nodes if node.demand or node.pattern]
    made, asked = set(graph.of.values()), Counter[Kind]()
    asked.update(value.unit.kind for same in reached.values.values() for value in same)
    asked.update(node.unit.kind for node in nodes if node not in made)
    each = {kind: graph.length * count for kind, count in asked.items()}
    stages: list[Mapping[Kind, int]] = [each, _by_kind(nodes, lambda _: graph.everywhere), _by_kind(nodes, _own), _by_kind(alive, _own)]
    stages.append(_by_kind(alive, lambda node: node.demand | node.pattern))
    one = {kind: cost.value(kind, shape, graph.length).flops for kind in asked}
    flops = [sum(one[kind] * count for kind, count in stage.items()) for stage in stages]
    counts = [sum(stage.values()) for stage in stages]
    names = (EQUAL, SAME_POSITIONS, DEAD, READ)
    return [(name, VALUES, counts[i], counts[i + 1], flops[i] - flops[i + 1]) for i, name in enumerate(names)]


def _own(node: ValueNode) -> int:
    """Positions at which no other node has its value, or at which it is wanted all the same."""
    return node.demand | node.pattern | sum(at for owner, at in node.owners if owner is node)


def _by_kind(nodes: Iterable[ValueNode], at: Callable[[ValueNode], int]) -> dict[Kind, int]:
    found: Counter[Kind] = Counter()
    for node in nodes:
        found[node.unit.kind] += at(node).bit_count()
    return found


def cached(steps: Iterable[PlanStep], shape: ModelShape) -> Count:
    """Keys and values that attention sees, and those of them that are made anew: the rest are the background's own."""
    before = after = 0
    for step in steps:
        if isinstance(step, Attend):
            heads = step.variants * len(step.heads)
            before += 2 * heads * step.length
            after += heads * sum(len(port.at) for port in (step.k, step.v) if port is not None)
    return CACHED, KEYS, before, after, (before - after) * product(1, shape.width, shape.head_width).flops


def norms(builder: StepBuilder) -> Count:
    """A read for every port of every value, and the distinct mixes that are normalised."""
    before = after = 0
    for step in builder.steps:
        if isinstance(step, Attend):
            before += step.variants * len(step.heads) * sum(len(port.at) for port in step.ports)
        elif isinstance(step, Normalise):
            after += step.variants * len(step.positions)
    streams = [node for group, same in builder.graph.nodes.items() if group.kind != "attention" for node in same]
    return NORMS, READS, before + sum(node.demand.bit_count() for node in streams), after, 0


def sums(steps: Iterable[PlanStep], registers: Sequence[Register]) -> list[Count]:
    """What the distinct mixes change, group by group: written for each mix alone or once, added up for each alone or kept as sums."""
    alone: dict[int, np.ndarray] = {}
    before = written = added = 0
    for step in steps:
        match step:
            case Write(variants=m, positions=at):
                written += m * len(at)
            case Sum(parts=parts, variants=m, positions=at):
                added += sum(_taken(part, registers).size for part in parts)
                terms = alone[step.out] = np.zeros((m, len(at)), dtype=np.int64)
                for part in parts:
                    to = np.ix_(_places(part.to_variants, m), _places(part.to_positions, len(at)))
                    terms[to] += _taken(part, registers, alone)
            case Normalise(parts=parts):
                added += sum(_taken(part, registers).size for part in parts)
                before += sum(int(_taken(part, registers, alone).sum()) for part in parts)
    return [(SENDERS, WRITES, before, written, 0), (SUMS, ADDITIONS, before, added, 0)]


def _places(index: tuple[int, ...] | None, size: int) -> np.ndarray:
    return np.arange(size) if index is None else np.array(index, dtype=np.int64)


def _taken(part: Addend, registers: Sequence[Register], alone: dict[int, np.ndarray] | None = None) -> np.ndarray:
    """For each variant and position of a part the writes that it stands for: one, or, for a sum in `alone`, those that were added up."""
    register = registers[part.register]
    variants, positions = _places(part.variants, register.variants), _places(part.positions, len(register.at))
    kept = None if alone is None else alone.get(part.register)
    return np.ones((len(variants), len(positions)), dtype=np.int64) if kept is None else kept[np.ix_(variants, positions)]


def products(steps: Iterable[PlanStep], setting: Setting) -> list[Count]:
    """Products of one head and one variant, of a layer's heads together, of all variants over one background, and of all that there are.

    A step each.
    """
    alone = together = batched = apart = projections = whole = 0
    over: dict[int, int] = {}
    """Backgrounds of a normalised read."""
    for step in steps:
        if isinstance(step, Normalise):
            over[step.out] = len(set(step.backgrounds))
        made = step.products(setting, over.get(step.inputs[0], 0) if step.inputs else 0)
        if made is not None:
            projections += made.projected > 0
            whole += made.projected == setting.shape.heads
            alone += made.variants * made.members
            together += made.variants
            apart += made.backgrounds
            batched += 1
    return [
        (HEADS, PRODUCTS, alone, together, 0),
        (WHOLE, PROJECTIONS, projections, projections - whole, 0),
        (BATCHED, PRODUCTS, together, apart, 0),
        (BACKGROUNDS, PRODUCTS, apart, batched, 0),
    ]


def columns(steps: Iterable[PlanStep], shape: ModelShape) -> Count:
    """Columns of the unembedding for every read of logits."""
    before = after = 0
    for step in steps:
        if isinstance(step, ReadLogits):
            reads = len(step.variants) + (step.reference is not None)
            before += reads * shape.vocabulary
            after += reads * step.tokens
    return NAMED, COLUMNS, before, after, (before - after) * product(1, shape.width, 1).flops


def runs(worlds: Iterable[World], depths: Depths, length: int, shape: ModelShape) -> list[Count]:
    """A run to the last layer for every world, one for all worlds of one pool, each as far as it is read, and where it is read last."""
    every, pooled = (shape.layers * count for count in (sum(isinstance(one, Run | Gather | Mean) for one in worlds), len(depths)))
    layer, deep = cost.layer(shape, length).flops, sum(depth for depth, _ in depths)
    last = [some for depth, some in depths if depth]
    less = sum(layer - cost.layer(shape, length, some).flops for some in last)
    return [
        (POOLED, LAYERS, every, pooled, (every - pooled) * layer),
        (STOPPED, LAYERS, pooled, deep, (pooled - deep) * layer),
        (LAST, POSITIONS, length * len(last), sum(last), less),
    ]
