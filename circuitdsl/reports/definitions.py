"""What the words of a claim stand for: two claims of one text are only about the same thing where these are the same."""

import hashlib
import re
from collections.abc import Iterator, Mapping

from circuitdsl.borders.hypothesis import Hypothesis, Node
from circuitdsl.borders.measured import MeasuredClaim

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def definitions(hypothesis: Hypothesis, asked: MeasuredClaim) -> dict[str, str]:
    """Of the metrics, features and nodes that a claim names, in its own words or in theirs; and of the circuit, where it is about it."""
    found: dict[str, str] = {}
    pending = _WORD.findall(asked.claim.text)
    while pending:
        name = pending.pop(0)
        for kind, text, words in _declared(hypothesis, name, asked.measured):
            if f"{kind} {name}" not in found:
                found[f"{kind} {name}"] = text
                pending += words
    if "ablate" in asked.lowered.conditions and asked.claim.metric is not None:
        edges = [f"{edge.label} {sorted(map(repr, edge.links))}" for edge in hypothesis.edges]
        nodes = [_of_node(node) for node in hypothesis.nodes.values()]
        found["circuit"] = _digest(sorted(edges), sorted(nodes), hypothesis.all_edges)
    return found


def _declared(hypothesis: Hypothesis, name: str, measured: str) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, definition, and the words in it."""
    if name in hypothesis.metrics:
        metric = hypothesis.metrics[name]
        yield "metric", f"{metric.text} @ {metric.position}" if metric.position != "END" else metric.text, _WORD.findall(metric.text)
    if name in hypothesis.features:
        classes: Mapping[str, tuple[int, ...]] = hypothesis.features[name]
        yield "feature", _digest(classes.get(measured)), []
    if name in hypothesis.nodes:
        node = hypothesis.nodes[name]
        yield "node", _digest(_of_node(node)), [*node.members, *([node.carries] if node.carries else [])]


def _of_node(node: Node) -> str:
    places = sorted(f"{place.unit} {place.roles}" for place in node.places)
    return f"{node.name} {places} {node.members} {node.carries} {node.together}"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
