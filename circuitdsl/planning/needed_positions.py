"""Which positions anything needs, found backwards from the readouts. What nothing needs is never computed."""

from collections.abc import Mapping

from circuitdsl.borders.readouts import AttentionReadout
from circuitdsl.borders.values import Base, Linear, Value
from circuitdsl.planning.dependencies import PlacedRole
from circuitdsl.planning.graph import Graph, State, ValueNode, bits


def demand(graph: Graph, asked: Mapping[ValueNode, int]) -> None:
    """`asked`: logits nodes with the positions that readouts need. Attention that is read stands in the nodes' `pattern`."""
    for node, positions in asked.items():
        node.demand |= positions
    for group in sorted({*graph.nodes, *graph.states}, key=lambda group: group.key, reverse=True):
        for state in reversed(graph.states.get(group, ())):
            if state.demand:
                _of_state(state)
        # A neuron's part of an MLP is asked for by a state of their own group, which has been seen by now.
        for node in reversed(graph.sums.get(group, ())):
            for share in node.shares:
                share.node.demand |= node.demand & share.positions
        for node in graph.nodes.get(group, ()):
            if node.demand or node.pattern:
                for port, read in (node.reads or {}).items():
                    if read is not None:
                        read.demand |= needed(graph, node, port) & read.support


def _of_state(state: State) -> None:
    if state.parent is not None:
        state.parent.demand |= state.demand & state.parent.support
    for term in state.terms:
        term.node.demand |= term.positions & state.demand
        if term.instead is not None:
            term.instead.demand |= term.positions & state.demand


def needed(graph: Graph, node: ValueNode, port: str) -> int:
    """Positions at which a node needs one of its ports."""
    queries = node.demand | node.pattern
    if port == "k":
        return graph.seen_by(queries)
    if port == "v":
        return graph.seen_by(node.demand)
    return queries


def attention_node(graph: Graph, readout: AttentionReadout, value: Value, positions: Mapping[PlacedRole, int]) -> ValueNode:
    """A head whose attention a readout reads, marked with the query positions. A base world's is that of its own reads."""
    if not value.unit.spec.attends:
        raise ValueError(f"attention is read of what attends, not of {value.unit}")
    node = graph.node(value)
    if isinstance(value, Linear):
        raise ValueError("a sum of values has no attention pattern")
    if node.reads is None:
        world = value.world if isinstance(value, Base) else value.background
        node = graph.recomputed(value.unit, world, dict.fromkeys(value.unit.ports), None, weights=True)
    node.pattern |= bits(readout.query, positions) if readout.query is not None else graph.everywhere
    return node
