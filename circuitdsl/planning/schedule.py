"""The steps for one panel, layer by layer: in the order of the architecture everything a value needs has been laid out before it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.kinds import KINDS
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AttentionReadout, LogitsReadout, VectorReadout
from circuitdsl.borders.steps import ReadLogits, ReadVector, Register, Transform, pool
from circuitdsl.borders.units import LOGITS, WriteGroup
from circuitdsl.borders.values import Base, Recomputed, Run, Value, World
from circuitdsl.planning.builder import RegisterVariant, StepBuilder, Stream, along_one_axis
from circuitdsl.planning.combinations import lay_combinations
from circuitdsl.planning.dependencies import Dependencies
from circuitdsl.planning.graph import Graph, State, ValueNode, bits, build
from circuitdsl.planning.heads import PatternRequest, Patterns, lay_heads
from circuitdsl.planning.needed_positions import attention_node, demand, needed
from circuitdsl.planning.row_groups import RowGroup
from circuitdsl.planning.value_numbering import positions_in
from circuitdsl.planning.writes import lay_changes, lay_sums


class ComparedRequest(NamedTuple):
    """A request with what its readout is compared with."""

    request: Request
    reference: Value | None


def schedule(asked: Sequence[ComparedRequest], reached: Dependencies, rows: RowGroup, hypothesis: Hypothesis) -> StepBuilder:
    """Steps for the requests on these rows."""
    shape = hypothesis.shape
    graph = build(reached, rows.length, rows.positions, shape.causal)
    wanted: dict[ValueNode, int] = {}
    patterns: Patterns = {}
    chosen = np.array(rows.rows)
    for request, reference in asked:
        readout = request.readout
        if isinstance(readout, AttentionReadout):
            queries, keys = (bits(r, rows.positions) if r is not None else graph.everywhere for r in (readout.query, readout.keys))
            for place, head in enumerate(readout.values):
                node = attention_node(graph, readout, head, rows.positions)
                patterns.setdefault(node, []).append(PatternRequest(readout, place, positions_in(queries), positions_in(keys)))
        elif isinstance(readout, LogitsReadout):
            at = sum(1 << position for position in readout.positions(hypothesis.metrics, chosen, rows.length - 1))
            for value in (readout.value, reference):
                if value is not None:
                    node = _logits(graph, value)
                    wanted[node] = wanted.get(node, 0) | at
    demand(graph, wanted)
    builder = StepBuilder(shape, graph)
    uses = _uses(graph)
    for group in sorted({*graph.nodes, *graph.states}, key=lambda group: group.key):
        _lay_nodes(builder, group, patterns)
        lay_combinations(builder, group, [node for node in graph.sums.get(group, ()) if node.demand])
        states = graph.states.get(group, ())
        lay_changes(builder, group, states)
        lay_sums(builder, states, uses)
    _lay_logits(builder, asked, rows, hypothesis)
    vectors = (request.readout for request, _ in asked)
    builder.steps += [_read_vector(readout, builder, rows) for readout in vectors if isinstance(readout, VectorReadout)]
    return builder


def _read_vector(readout: VectorReadout, builder: StepBuilder, rows: RowGroup) -> ReadVector:
    value = readout.value
    if not isinstance(value, Base) or not isinstance(value.world, Run):
        raise ValueError("vectors are taken from plain runs of the model")
    at = builder.graph.everywhere if readout.at is None else bits(readout.at, rows.positions)
    return ReadVector(readout, value.world, positions_in(at), builder.shape.width)


def _logits(graph: Graph, value: Value) -> ValueNode:
    if not isinstance(value, Recomputed) or value.unit != LOGITS:
        raise ValueError(f"this readout needs logits, not a value of {value.unit}")
    return graph.of[id(value)]


def _uses(graph: Graph) -> dict[State, int]:
    """How many different reads and later states a state has."""
    readers: dict[State, set[tuple[object, ...]]] = {}
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


def _lay_nodes(builder: StepBuilder, group: WriteGroup, patterns: Patterns) -> None:
    alive = [node for node in builder.graph.nodes.get(group, ()) if node.demand or node.pattern]
    for (kind, _, frozen), nodes in along_one_axis(alive, lambda node: (node.unit.kind, pool(node.world), node.frozen)):
        if KINDS[kind].attends:
            lay_heads(builder, group, frozen, nodes, patterns)
        elif KINDS[kind].whole:
            _lay_neurons(builder, group, frozen, nodes)
        else:
            _lay_streams(builder, group, frozen, nodes)


def _stream(node: ValueNode, at: int) -> Stream:
    state = (node.reads or {})["in"]
    return Stream(node.world, state if state is not None and state.support & at else None)


def _lay_streams(builder: StepBuilder, group: WriteGroup, frozen: World | None, nodes: list[ValueNode]) -> None:
    """MLPs and logits: the variants of one positions set are one batch. Logits stay normalised reads until they are measured."""
    reads: dict[tuple[int, Stream], list[ValueNode]] = {}
    for node in nodes:
        reads.setdefault((node.demand, _stream(node, node.demand)), []).append(node)
    for at, batch in along_one_axis(reads, lambda read: read[0]):
        streams = [stream for _, stream in batch]
        read = builder.read(group, frozen, at, streams)
        out: Register = read
        if group.kind == "mlp":
            out = builder.register(len(streams), read.at, builder.shape.width)
            builder.steps.append(Transform(out.number, read.number, group.layer, None, read.at))
        for number, one in enumerate(batch):
            builder.values.update((node, RegisterVariant(out, number)) for node in reads[one])


def _lay_neurons(builder: StepBuilder, group: WriteGroup, frozen: World | None, nodes: list[ValueNode]) -> None:
    readers: dict[tuple[int, Stream], list[ValueNode]] = {}
    for node in nodes:
        readers.setdefault((node.demand, _stream(node, node.demand)), []).append(node)
    for (at, indices), batch in along_one_axis(readers, lambda read: (read[0], tuple(sorted({n.unit.index for n in readers[read]})))):
        read = builder.read(group, frozen, at, [stream for _, stream in batch])
        out = builder.register(len(batch), read.at, 1, indices)
        builder.steps.append(Transform(out.number, read.number, group.layer, indices, read.at))
        for number, one in enumerate(batch):
            builder.values.update((node, RegisterVariant(out, number)) for node in readers[one])


def _lay_logits(builder: StepBuilder, asked: Sequence[ComparedRequest], rows: RowGroup, hypothesis: Hypothesis) -> None:
    looks: list[tuple[LogitsReadout, RegisterVariant, RegisterVariant | None]] = []
    for request, reference in asked:
        readout = request.readout
        if isinstance(readout, LogitsReadout):
            against = builder.values[_logits(builder.graph, reference)] if reference is not None else None
            looks.append((readout, builder.values[_logits(builder.graph, readout.value)], against))

    def kind_of(look: tuple[LogitsReadout, RegisterVariant, RegisterVariant | None]) -> tuple[object, Register, RegisterVariant | None]:
        readout, found, against = look
        return readout.question, found.register, against

    for (_, register, against), batch in along_one_axis(looks, kind_of):
        readouts, variants = tuple(readout for readout, _, _ in batch), tuple(found.variant for _, found, _ in batch)
        other = (against.register.number, against.variant) if against else None
        at = against.register.at if against else ()
        readout, metrics = readouts[0], hypothesis.metrics
        whole = readout.whole(metrics)
        labels = hypothesis.distributions[readout.labels]
        tokens = builder.shape.vocabulary if whole else len(readout.tokens(metrics, labels, np.array(rows.rows)))
        how = (whole, tokens, readout.at_once(metrics), readout.normalised(metrics))
        builder.steps.append(ReadLogits(readouts, register.number, variants, register.at, *how, other, at))
