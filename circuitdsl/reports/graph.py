"""From a hypothesis and what was found about it to the graph that a figure draws."""

from collections.abc import Mapping, Sequence

from circuitdsl.borders.evidence import ClaimRecord, EdgeRecord, EffectRecord, GraphRecord, NodeRecord
from circuitdsl.borders.hypothesis import Claim, Edge, Hypothesis, Node
from circuitdsl.borders.units import EMBED, LOGITS, Roles
from circuitdsl.borders.verdict import Estimate

_WORST_FIRST = ("refuted", "not testable", "inconclusive", "supported")


def graph_record(
    hypothesis: Hypothesis,
    claims: Sequence[ClaimRecord] = (),
    effects: Mapping[str, Estimate] | None = None,
    effect_of: str = "",
    tokens: Sequence[str] = (),
    caption: str = "",
) -> GraphRecord:
    """Nodes and edges as written with the worst verdict about each, and their effects by name or edge label.

    `tokens` are those of the first verified prompt; without them no token row is drawn.
    """
    outcomes = _outcomes(hypothesis, claims)
    effects = effects or {}
    return GraphRecord(
        title=hypothesis.title,
        caption=caption,
        layers=hypothesis.shape.layers,
        nodes=tuple(_node(node, outcomes, effects) for node in hypothesis.nodes.values()),
        edges=tuple(_edge(edge, outcomes, effects) for edge in hypothesis.edges),
        tokens=tuple(tokens),
        roles=_roles(hypothesis) if tokens else {},
        effect_of=effect_of,
    )


def _node(node: Node, outcomes: Mapping[str, str], effects: Mapping[str, Estimate]) -> NodeRecord:
    roles = {place.roles for place in node.places}
    units = tuple(map(str, node.units))
    of_units = {name: outcomes[name] for name in units if name in outcomes} if not node.members else {}
    return NodeRecord(
        name=node.name,
        units=units,
        positions=_texts(roles.pop()) if len(roles) == 1 else None,
        members=node.members,
        carries=node.carries,
        outcome=worst([*of_units.values(), *([outcomes[node.name]] if node.name in outcomes else [])]),
        unit_outcomes=of_units,
        effect=_effect(effects.get(node.name)),
    )


def _edge(edge: Edge, outcomes: Mapping[str, str], effects: Mapping[str, Estimate]) -> EdgeRecord:
    return EdgeRecord(
        sender=edge.sender,
        receiver=edge.receiver,
        port=edge.port,
        positions=_texts(edge.roles),
        links=len(edge.links),
        label=edge.label,
        outcome=outcomes.get(edge.label),
        effect=_effect(effects.get(edge.label)),
    )


def _effect(estimate: Estimate | None) -> EffectRecord | None:
    if estimate is None or estimate.value is None:
        return None
    return EffectRecord(value=estimate.value, low=estimate.low, high=estimate.high)


def _texts(roles: Roles) -> tuple[str, ...] | None:
    return None if roles is None else tuple(map(str, roles))


def worst(outcomes: Sequence[str]) -> str | None:
    """The outcome that a part of the graph is marked with; None if nothing was tested."""
    return min(outcomes, key=_WORST_FIRST.index, default=None)


def _outcomes(hypothesis: Hypothesis, claims: Sequence[ClaimRecord]) -> dict[str, str]:
    """What each unit, node and edge label is marked with: members speak of units, nodes and edges, paths of the edges on them."""
    found: dict[str, list[str]] = {}
    parsed = {claim.label: claim for claim in hypothesis.claims}
    for record in claims:
        for member in record.verdict.members:
            if member.outcome == "measured":
                continue
            for name in _edges_on(hypothesis, parsed, record.label, member.about) or [member.about]:
                found.setdefault(name, []).append(member.outcome)
    return {name: mark for name, marks in found.items() if (mark := worst(marks))}


def _edges_on(hypothesis: Hypothesis, claims: Mapping[str, Claim], label: str, about: str) -> list[str]:
    """Labels of the edges as written that a claim's path runs along, if the member speaks of a path."""
    claim = claims.get(label)
    if claim is None or not claim.paths or about != claim.paths[0].text or not claim.paths[0].steps:
        return []
    marked, senders = [], {place.node for place in claim.paths[0].start}
    for step in claim.paths[0].steps:
        receivers = {place.node for place in step.places}
        if step.kind == "direct":
            marked += [
                edge.label
                for edge in hypothesis.edges
                if _leaves(hypothesis, edge.sender) & senders
                and _leaves(hypothesis, edge.receiver) & receivers
                and (step.port is None or edge.port in (None, step.port))
            ]
        senders = receivers
    return marked


def _leaves(hypothesis: Hypothesis, name: str) -> set[str]:
    return {place.node for place in hypothesis.nodes[name].places} if name in hypothesis.nodes else {name}


def _roles(hypothesis: Hypothesis) -> dict[str, tuple[int, ...]]:
    """Token positions of every role that a node or edge names, on the first verified prompt."""
    layout = hypothesis.distributions[hypothesis.default].prompts[(hypothesis.verifying or hypothesis.exploring)[0]].layout
    named = {place.roles for node in hypothesis.nodes.values() for place in node.places if place.unit not in (EMBED, LOGITS)}
    named |= {edge.roles for edge in hypothesis.edges}
    return {str(role): layout.positions((role,)) for roles in named for role in roles or ()}
