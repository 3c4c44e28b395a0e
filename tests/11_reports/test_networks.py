"""The circuit as a network: what is in the record is in the graph, and GraphML brings it back."""

import io

import networkx as nx

from circuitdsl.borders.evidence import EdgeRecord, EffectRecord, GraphRecord, NodeRecord
from circuitdsl.reports.networks import graphml, network

GRAPH = GraphRecord(
    title="two heads",
    layers=2,
    nodes=(
        NodeRecord(name="embed", units=("embed",), positions=None),
        NodeRecord(name="mover", units=("head 1.0", "head 1.1"), positions=("END",), outcome="supported"),
        NodeRecord(name="logits", units=("logits",), positions=None),
    ),
    edges=(
        EdgeRecord(sender="embed", receiver="mover", port="k", positions=None, links=2, label="embed -> mover.k"),
        EdgeRecord(sender="embed", receiver="mover", port="v", positions=None, links=2, label="embed -> mover.v"),
        EdgeRecord(
            sender="mover", receiver="logits", port=None, positions=None, links=2, label="mover -> logits",
            outcome="refuted", effect=EffectRecord(value=-1.5, low=-2.0, high=None),
        ),
    ),
)  # fmt: skip


def test_parallel_edges_stay_apart_and_effects_are_numbers():
    found = network(GRAPH)
    assert set(found.edges(keys=True)) == {(e.sender, e.receiver, e.label) for e in GRAPH.edges}
    assert found.nodes["mover"]["units"] == "head 1.0, head 1.1"
    edge = found.edges["mover", "logits", "mover -> logits"]
    assert (edge["effect"], edge["effect_low"], "effect_high" in edge) == (-1.5, -2.0, False)


def test_graphml_is_read_back_as_it_was():
    again = nx.read_graphml(io.BytesIO(graphml(GRAPH)), force_multigraph=True)
    assert nx.utils.graphs_equal(again, network(GRAPH)) or set(again.edges(keys=True)) == set(network(GRAPH).edges(keys=True))
    assert again.nodes["mover"]["outcome"] == "supported"
    assert graphml(GRAPH) == graphml(GRAPH)
