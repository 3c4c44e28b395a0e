"""The steps for one panel, layer by layer: in the order of the architecture everything a value needs has been laid out before it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.plan import Attend, Depth, Normalise, Project, ReadLogits, ReadVector, Request, Step, Sum, Transform, Worlds, Write
from circuitdsl.borders.prompts import Metric
from circuitdsl.borders.readouts import AttentionReadout, LogitsReadout, VectorReadout
from circuitdsl.borders.units import LOGITS, ModelShape, WriteGroup
from circuitdsl.borders.values import Base, Recomputed, Run, Value, World
from circuitdsl.planning.bench import Bench, Found, Register, Stream, along_one_axis, source
from circuitdsl.planning.demand import attention_node, demand, needed
from circuitdsl.planning.graph import Graph, Node, State, bits, build
from circuitdsl.planning.heads import Looked, Patterns, lay_heads
from circuitdsl.planning.numbers import places
from circuitdsl.planning.panels import Rows
from circuitdsl.planning.reach import Reached
from circuitdsl.planning.writes import lay_changes, lay_sums


class Asked(NamedTuple):
    """A request with what its readout is compared with."""

    request: Request
    reference: Value | None


def schedule(asked: Sequence[Asked], reached: Reached, rows: Rows, shape: ModelShape, metrics: Mapping[str, Metric]) -> Bench:
    """Steps for the requests on these rows."""
    graph = build(reached, rows.length, rows.positions, shape.causal)
    wanted: dict[Node, int] = {}
    patterns: Patterns = {}
    chosen = np.array(rows.rows)
    for request, reference in asked:
        readout = request.readout
        if isinstance(readout, AttentionReadout):
            queries, keys = (bits(r, rows.positions) if r is not None else graph.everywhere for r in (readout.query, readout.keys))
            for place, head in enumerate(readout.values):
                node = attention_node(graph, readout, head, rows.positions)
                patterns.setdefault(node, []).append(Looked(readout, place, places(queries), places(keys)))
        elif isinstance(readout, LogitsReadout):
            at = sum(1 << position for position in readout.positions(metrics, chosen, rows.length - 1))
            for value in (readout.value, reference):
                if value is not None:
                    node = _logits(graph, value)
                    wanted[node] = wanted.get(node, 0) | at
    demand(graph, wanted)
    bench = Bench(shape, graph)
    uses = _uses(graph)
    for group in sorted({*graph.nodes, *graph.states}, key=lambda group: group.key):
        _lay_nodes(bench, group, patterns)
        states = graph.states.get(group, ())
        lay_changes(bench, group, states)
        lay_sums(bench, states, uses)
    _lay_logits(bench, asked, metrics)
    vectors = (request.readout for request, _ in asked)
    bench.steps += [_read_vector(readout, graph, rows) for readout in vectors if isinstance(readout, VectorReadout)]
    return bench


def _read_vector(readout: VectorReadout, graph: Graph, rows: Rows) -> ReadVector:
    value = readout.value
    if not isinstance(value, Base) or not isinstance(value.world, Run):
        raise ValueError("vectors are taken from plain runs of the model")
    at = graph.everywhere if readout.at is None else bits(readout.at, rows.positions)
    return ReadVector(readout, value.world, places(at))


def _logits(graph: Graph, value: Value) -> Node:
    if not isinstance(value, Recomputed) or value.unit != LOGITS:
        raise ValueError(f"this readout needs logits, not a value of {value.unit}")
    return graph.of[id(value)]


def _uses(graph: Graph) -> dict[State, int]:
    """How many different reads and later states a state has."""
    readers: dict[State, set[tuple]] = {}
    for group, nodes in graph.nodes.items():
        for node in nodes:
            for port, state in (node.reads or {}).items():
                if state is not None and (node.demand or node.pattern) and (at := needed(graph, node, port) & state.support):
                    readers.setdefault(state, set()).add((group, node.world, node.frozen, at))
    for states in graph.states.values():
        for state in states:
            if state.demand and state.parent is not None:
                readers.setdefault(state.parent, set()).add((id(state),))
    return {state: len(found) for state, found in readers.items()}


def _lay_nodes(bench: Bench, group: WriteGroup, patterns: Patterns) -> None:
    alive = [node for node in bench.graph.nodes.get(group, ()) if node.demand or node.pattern]
    for (kind, _, frozen), nodes in along_one_axis(alive, lambda node: (node.unit.kind, source(node.world), node.frozen)):
        if kind == "head":
            lay_heads(bench, group, frozen, nodes, patterns)
        elif kind == "neuron":
            _lay_neurons(bench, group, frozen, nodes)
        else:
            _lay_streams(bench, group, frozen, nodes)


def _stream(node: Node, at: int) -> Stream:
    state = (node.reads or {})["in"]
    return Stream(node.world, state if state is not None and state.support & at else None)


def _lay_streams(bench: Bench, group: WriteGroup, frozen: World | None, nodes: list[Node]) -> None:
    """MLPs and logits: the variants of one positions set are one batch. Logits stay normalised reads until they are measured."""
    reads: dict[tuple[int, Stream], list[Node]] = {}
    for node in nodes:
        reads.setdefault((node.demand, _stream(node, node.demand)), []).append(node)
    for at, batch in along_one_axis(reads, lambda read: read[0]):
        streams = [stream for _, stream in batch]
        read = bench.read(group, frozen, at, streams)
        out: Register = read
        if group.kind == "mlp":
            out = bench.register(len(streams), read.at, bench.shape.width)
            bench.steps.append(Transform(out.number, read.number, group.layer, None, read.at))
        for number, one in enumerate(batch):
            bench.values.update((node, Found(out, number)) for node in reads[one])


def _lay_neurons(bench: Bench, group: WriteGroup, frozen: World | None, nodes: list[Node]) -> None:
    readers: dict[tuple[int, Stream], list[Node]] = {}
    for node in nodes:
        readers.setdefault((node.demand, _stream(node, node.demand)), []).append(node)
    for (at, indices), batch in along_one_axis(readers, lambda read: (read[0], tuple(sorted({n.unit.index for n in readers[read]})))):
        read = bench.read(group, frozen, at, [stream for _, stream in batch])
        out = bench.register(len(batch), read.at, 1, indices)
        bench.steps.append(Transform(out.number, read.number, group.layer, indices, read.at))
        for number, one in enumerate(batch):
            bench.values.update((node, Found(out, number)) for node in readers[one])


def _lay_logits(bench: Bench, asked: Sequence[Asked], metrics: Mapping[str, Metric]) -> None:
    looks: list[tuple[LogitsReadout, Found, Found | None]] = []
    for request, reference in asked:
        readout = request.readout
        if isinstance(readout, LogitsReadout):
            against = bench.values[_logits(bench.graph, reference)] if reference is not None else None
            looks.append((readout, bench.values[_logits(bench.graph, readout.value)], against))

    def kind_of(look: tuple[LogitsReadout, Found, Found | None]) -> tuple[object, Register, Found | None]:
        readout, found, against = look
        return readout.question, found.register, against

    for (_, register, against), batch in along_one_axis(looks, kind_of):
        readouts, variants = tuple(readout for readout, _, _ in batch), tuple(found.variant for _, found, _ in batch)
        other = (against.register.number, against.variant) if against else None
        at = against.register.at if against else ()
        whole = readouts[0].whole(metrics)
        bench.steps.append(ReadLogits(readouts, register.number, variants, register.at, whole, other, at))


def inputs(step: Step) -> tuple[int, ...]:
    """Registers that a step reads."""
    match step:
        case Normalise() | Sum():
            return tuple(part.register for part in step.parts)
        case Project() | Transform():
            return (step.read,)
        case Attend():
            return tuple(source.register for source in (step.q, step.k, step.v) if source is not None)
        case Write():
            return tuple(p.register for c in step.changes for p in (*c.placements, *c.instead) if p.register is not None)
        case ReadLogits():
            return (step.read,) if step.reference is None else (step.read, step.reference[0])
        case ReadVector():
            return ()


def depths(steps: Sequence[Step], layers: int) -> dict[World, Depth]:
    """How much of each base world the steps read: what comes later need not be run."""
    found: dict[World, Depth] = {}

    def need(worlds: Worlds, depth: int, positions: tuple[int, ...] = ()) -> None:
        for world in worlds:
            found[world] = found.get(world, Depth()) | Depth(depth, frozenset(positions))

    for step in steps:
        match step:
            case Normalise(reader=reader):
                depth = {"attention": reader.layer, "mlp": reader.layer + 1}.get(reader.kind, layers)
                need(step.backgrounds, depth, step.positions)
                need((step.frozen,) if step.frozen is not None else (), depth, step.positions)
            case Attend():
                need(step.backgrounds, step.layer + 1)  # its keys and values
            case ReadVector(readout=readout):
                group = readout.value.unit.group
                own = group.layer + (readout.output or group.kind == "mlp")
                need((step.world,), layers if group.kind == "logits" else 0 if group.kind == "embed" else own, step.positions)
            case Write(group=group):
                depth = 0 if group.kind == "embed" else group.layer + 1
                need(step.backgrounds, depth, step.positions)
                for change in step.changes:
                    for placement in (*change.placements, *change.instead):
                        need(placement.worlds, depth, step.positions)
    return found


def frees(steps: Sequence[Step]) -> tuple[tuple[int, ...], ...]:
    """For each step, the registers that it reads or writes and no later step reads."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        for register in (*inputs(step), *([] if isinstance(step, ReadLogits | ReadVector) else [step.out])):
            last[register] = number
    found: list[list[int]] = [[] for _ in steps]
    for register, number in last.items():
        found[number].append(register)
    return tuple(map(tuple, found))
