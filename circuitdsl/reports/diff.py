"""Two evidences side by side: which verdicts changed, and what else did that could be why. Unlike numbers are never compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from circuitdsl.borders.evidence import ClaimRecord, EdgeRecord, Evidence, GraphRecord, NodeRecord
from circuitdsl.reports.numbers import estimate, interval

_UNSAID = {"align": "layout", "confidence": "0.95", "sequential": "no"}
"""Settings that are in every claim, with what holds where the evidence does not name them."""
ConditionChange = Literal["same", "numbers", "verdict", "incomparable", "added", "removed"]


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """A claim in both evidences or in one. `because` names every condition that differs; if there is one, numbers are not compared."""

    label: str
    change: ConditionChange
    before: ClaimRecord | None
    after: ClaimRecord | None
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two evidences. `circuit` are changes of nodes and edges, `setting` those of model, prompts and settings."""

    setting: tuple[str, ...] = ()
    circuit: tuple[str, ...] = ()
    claims: tuple[ClaimChange, ...] = field(default=())

    @property
    def same(self) -> bool:
        return not (self.setting or self.circuit or any(claim.change != "same" for claim in self.claims))


def diff(a: Evidence, b: Evidence) -> Differences:
    """What changed from `a` to `b`. Numbers are compared only for claims with the same question, conditions, model and prompts."""
    common, prompts, circuit = (*_model(a, b), *_judged(a, b)), tuple(_prompts(a, b)), tuple(_circuit(a.graph, b.graph))
    before, after = ({claim.label: claim for claim in evidence.claims} for evidence in (a, b))
    claims = []
    for label in [*before, *(label for label in after if label not in before)]:
        old, new = before.get(label), after.get(label)
        if old is None or new is None:
            claims.append(ClaimChange(label, "removed" if new is None else "added", old, new))
            continue
        rows = (_rows(a, old), _rows(b, new))
        sample = ("the prompts differ",) if rows[0] != rows[1] and not prompts else ()
        because = (*common, *prompts, *sample, *_conditions(old, new), *_definitions(old, new, bool(circuit)))
        claims.append(ClaimChange(label, _change(old, new, because), old, new, because))
    return Differences((*_model(a, b), *prompts, *_settings(a, b)), circuit, tuple(claims))


def render(found: Differences, names: tuple[str, str] = ("before", "after")) -> str:
    """The differences as text, a line each."""
    if found.same:
        return f"{names[0]} and {names[1]} say the same.\n"
    lines = [*_section("Settings", found.setting), *_section("Circuit", found.circuit)]
    told = [line for claim in found.claims for line in _told(claim, found.setting)]
    kept = sum(claim.change == "same" for claim in found.claims)
    lines += _section("Claims", [*told, *([f"  {kept} unchanged"] if kept else [])], mark="")
    return "\n".join(lines).strip("\n") + "\n"


def _section(title: str, lines: Sequence[str], mark: str = "  ") -> list[str]:
    return ["", title, *(f"{mark}{line}" for line in lines)] if lines else []


def _told(claim: ClaimChange, shared: tuple[str, ...]) -> Iterator[str]:
    if claim.change == "same":
        return
    if claim.before is None or claim.after is None:
        record = claim.after or claim.before
        assert record is not None
        yield f"  {claim.label}: {claim.change} ({record.verdict.outcome}): {record.text}"
        return
    old, new = claim.before.verdict.outcome, claim.after.verdict.outcome
    verdicts = f"{old} → {new}" if old != new else f"still {new}"
    if claim.change == "incomparable":
        own = [reason for reason in claim.because if reason not in shared]
        why = " (said above)" if not own else ", those above and:" if len(own) < len(claim.because) else ":"
        yield f"  {claim.label}: {verdicts}; numbers not compared, because they hold under different conditions{why}"
        yield from (f"      {reason}" for reason in own)
        return
    yield f"  {claim.label}: {verdicts}; under the same conditions"
    members = {member.label: member for member in claim.before.verdict.members}
    for member in claim.after.verdict.members:
        earlier = members.pop(member.label, None)
        name = "" if len(claim.after.verdict.members) == 1 else f"{member.label}: "
        now = f"{estimate(member.estimate)} {interval(member.estimate)} {member.outcome}"
        if earlier is None:
            yield f"      {name}new: {now}"
        elif earlier != member:
            yield f"      {name}{estimate(earlier.estimate)} {interval(earlier.estimate)} {earlier.outcome} → {now}"
    yield from (f"      {label}: gone" for label in members)


def _change(old: ClaimRecord, new: ClaimRecord, because: tuple[str, ...]) -> ConditionChange:
    if because:
        return "incomparable"
    if old.verdict.outcome != new.verdict.outcome:
        return "verdict"
    return "numbers" if old.verdict.members != new.verdict.members else "same"


def _conditions(old: ClaimRecord, new: ClaimRecord) -> Iterator[str]:
    if old.text != new.text:
        yield f"the question: {old.text} → {new.text}"
    for name in dict.fromkeys([*old.conditions, *new.conditions]):
        before, after = old.conditions.get(name), new.conditions.get(name)
        if before != after:
            yield f"{name}: {before or 'not stated'} → {after or 'not stated'}"


def _definitions(old: ClaimRecord, new: ClaimRecord, circuit: bool) -> Iterator[str]:
    """What the claim's words stand for; where earlier evidence does not say, a circuit that changed may be meant."""
    if not (old.definitions and new.definitions):
        if circuit:
            yield "the circuit, whose parts may be meant"
        return
    for name in dict.fromkeys([*old.definitions, *new.definitions]):
        before, after = old.definitions.get(name), new.definitions.get(name)
        if before != after:
            yield f"{name}: {before} → {after}" if name.startswith("metric ") and before and after else f"another {name}"


def _rows(evidence: Evidence, claim: ClaimRecord) -> str | None:
    return evidence.exploring_sha256 if claim.rows == "exploring" else evidence.verifying_sha256


def _model(a: Evidence, b: Evidence) -> Iterator[str]:
    if a.model.weights_sha256 != b.model.weights_sha256:
        yield f"the weights: {a.model.weights} → {b.model.weights}" + (" (other contents)" if a.model.weights == b.model.weights else "")
    for name in ("dtype", "tokenizer_sha256"):
        before, after = getattr(a.model, name), getattr(b.model, name)
        if before != after:
            yield f"{name.removesuffix('_sha256')}: {before[:12]} → {after[:12]}"


def _judged(a: Evidence, b: Evidence) -> Iterator[str]:
    """Which prompts may exchange values, how sure verdicts are, and whether they may be early."""
    old, new = ({condition.name: condition.value for condition in evidence.conditions} for evidence in (a, b))
    for name, default in _UNSAID.items():
        before, after = old.get(name, default), new.get(name, default)
        if before != after:
            yield f"{name}: {before} → {after}"


def _prompts(a: Evidence, b: Evidence) -> Iterator[str]:
    old, new = ({record.name: record for record in evidence.distributions} for evidence in (a, b))
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield f"prompts {name}: removed"
        elif name not in old:
            yield f"prompts {name}: added"
        elif old[name].sha256 != new[name].sha256:
            yield f"prompts {name}: other prompts ({old[name].n:,} → {new[name].n:,})"


def _settings(a: Evidence, b: Evidence) -> Iterator[str]:
    old, new = ({condition.name: condition.value for condition in evidence.conditions} for evidence in (a, b))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            unsaid = _UNSAID.get(name, "not stated")
            yield f"{name}: {old.get(name, unsaid)} → {new.get(name, unsaid)}"
    if a.circuitdsl != b.circuitdsl:
        yield f"circuitdsl: {a.circuitdsl} → {b.circuitdsl}"


def _circuit(a: GraphRecord, b: GraphRecord) -> Iterator[str]:
    old, new = ({node.name: node for node in graph.nodes} for graph in (a, b))
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield f"node {name} removed ({', '.join(old[name].units)})"
        elif name not in old:
            yield f"node {name} added ({', '.join(new[name].units)})"
        else:
            yield from _node(old[name], new[name])
    links, others = ({_key(edge): edge for edge in graph.edges} for graph in (a, b))
    for key in dict.fromkeys([*links, *others]):
        if key not in others:
            yield f"edge {links[key].label} removed"
        elif key not in links:
            yield f"edge {others[key].label} added"
        elif links[key].links != others[key].links:
            yield f"edge {others[key].label}: {links[key].links} → {others[key].links} links"


def _node(old: NodeRecord, new: NodeRecord) -> Iterator[str]:
    gained, lost = [u for u in new.units if u not in old.units], [u for u in old.units if u not in new.units]
    if gained or lost:
        yield f"node {new.name}: " + ", ".join([*(f"+ {unit}" for unit in gained), *(f"− {unit}" for unit in lost)])
    for what in ("positions", "carries", "members"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            yield f"node {new.name}: {what} {_words(before)} → {_words(after)}"


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else "all" if value is None else str(value)


def _key(edge: EdgeRecord) -> tuple[str, str, str | None, tuple[str, ...] | None]:
    return edge.sender, edge.receiver, edge.port, edge.positions
