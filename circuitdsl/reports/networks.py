"""The circuit as a graph for other programs: networkx in memory, GraphML in a file."""

from typing import TYPE_CHECKING

from circuitdsl.borders.evidence import EdgeRecord, GraphRecord, NodeRecord

if TYPE_CHECKING:
    import networkx as nx


def network(graph: GraphRecord) -> "nx.MultiDiGraph[str]":
    """Nodes by name, edges as written; attributes are texts and numbers: units, positions, verdicts, effects with their intervals."""
    import networkx as nx

    found: nx.MultiDiGraph[str] = nx.MultiDiGraph(title=graph.title, caption=graph.caption, effect_of=graph.effect_of)
    for node in graph.nodes:
        found.add_node(node.name, **_node(node))
    for edge in graph.edges:
        found.add_edge(edge.sender, edge.receiver, key=edge.label, **_edge(edge))
    return found


def graphml(graph: GraphRecord) -> bytes:
    """The graph as GraphML (UTF-8), which Gephi, yEd, Cytoscape and networkx read. Equal graphs give equal bytes."""
    import networkx as nx

    return ("\n".join(nx.generate_graphml(network(graph))) + "\n").encode()


def _node(node: NodeRecord) -> dict[str, str | float]:
    said = {
        "units": ", ".join(node.units),
        "positions": ", ".join(node.positions or ()),
        "members": ", ".join(node.members),
        "carries": node.carries or "",
        "outcome": node.outcome or "",
    }
    return {**said, **_effect(node)}


def _edge(edge: EdgeRecord) -> dict[str, str | float]:
    said = {"port": edge.port or "", "positions": ", ".join(edge.positions or ()), "outcome": edge.outcome or ""}
    return {**said, "links": edge.links, **_effect(edge)}


def _effect(part: NodeRecord | EdgeRecord) -> dict[str, str | float]:
    """Missing numbers are left out."""
    if part.effect is None:
        return {}
    numbers = {"effect": part.effect.value, "effect_low": part.effect.low, "effect_high": part.effect.high}
    return {name: number for name, number in numbers.items() if number is not None}
