"""Whether every node and edge takes part: whether a path leads from `embed` through it to the logits, and whether positions meet."""

from collections.abc import Sequence

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.hypothesis import Edge, Node, Place
from circuitdsl.borders.kinds import OWN_POSITION, Port
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Unit


def check_paths(nodes: Sequence[Node], edges: Sequence[Edge], problems: Diagnostics) -> None:
    """Reports nodes that no path leads through, and warns of single units of others."""
    links = sorted({(_key(link.sender), _key(link.receiver)) for edge in edges for link in edge.links}, key=lambda one: one[0][0].key)
    reached, reaching = {(EMBED, "embed")}, {(LOGITS, "logits")}
    for sender, receiver in links:  # in the order of the architecture, so one pass each way is enough
        if sender in reached:
            reached.add(receiver)
    for sender, receiver in reversed(links):
        if receiver in reaching:
            reaching.add(sender)
    for node in nodes:
        live = [place for place in node.places if _key(place) in reached & reaching]
        if node.unconnected:
            if live:
                problems.warning("W033", f"`{node.name}` is said to be unconnected, but a path leads through it", node.span)
        elif not live:
            fed = any(_key(place) in reached for place in node.places)
            feeding = any(_key(place) in reaching for place in node.places)
            ends = {(False, True): "nothing leads from `embed` to it", (True, False): "nothing leads from it to `logits`"}
            why = ends.get((fed, feeding), "it is in no edge that could lead there")
            hint = "add the edges that are missing, or write `unconnected` after the node"
            problems.error("C156", f"no path leads from `embed` through `{node.name}` to `logits`: {why}", node.span, hint)
        elif len(live) < len(node.places):
            idle = [place.unit for place in node.places if place not in live]
            problems.warning("W032", f"no path leads through {_listed(idle)} of `{node.name}`", node.span)


def check_positions(edges: Sequence[Edge], layouts: Sequence[Layout], problems: Diagnostics) -> None:
    """Warns of edges that can carry nothing: a value that is delivered where its receiver does not look, in every layout."""
    for edge in edges:
        ways = {(link.roles if link.roles is not None else link.sender.roles, link.receiver.roles, link.port) for link in edge.links}
        seen = (_sees(layout.positions(sent), layout.positions(reading), port) for layout in layouts for sent, reading, port in ways)
        if layouts and not any(seen):
            message = f"`{edge.label}` carries nothing: `{edge.receiver}` never reads where `{edge.sender}` delivers"
            hint = "queries and MLPs read at their own position, keys and values at it and before"
            problems.warning("W035", message, edge.span, hint)


def _sees(sent: Sequence[int], reading: Sequence[int], port: Port) -> bool:
    return bool(set(sent) & set(reading)) if port in OWN_POSITION else min(sent) <= max(reading)


def _key(place: Place) -> tuple[Unit, str]:
    return place.unit, place.node


def _listed(units: Sequence[Unit]) -> str:
    shown = ", ".join(map(str, units[:4]))
    return shown + (f" and {len(units) - 4} more" if len(units) > 4 else "")
