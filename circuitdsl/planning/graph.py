"""A panel's values as a graph with concrete positions: equal ones merged, what cannot differ from the background left out.

Positions are bits of an int. Streams are kept as their difference from the background's, so a state is the sum of what its
overrides change, and serves every reader. Where a value equals one that is there already, that one is taken: variants of a
circuit, with a node or an edge cut, recompute only the positions that the cut can reach.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.kinds import OWN_POSITION, Port
from circuitdsl.borders.units import LOGITS, Roles, Unit, WriteGroup
from circuitdsl.borders.values import Base, Draw, Gather, Linear, Mix, Override, Run, Subspace, Value, World, Zero
from circuitdsl.planning.dependencies import Dependencies, PlacedRole
from circuitdsl.planning.value_numbering import Numbering, ValueNumbering


@dataclass(eq=False, slots=True)
class ValueNode:
    """A value. `reads` is None for a base world's contribution. `owners`: the nodes that have its value, each at some positions."""

    unit: Unit
    world: World
    reads: "Mapping[Port, State | None] | None" = None
    frozen: World | None = None
    owners: "tuple[tuple[ValueNode, int], ...]" = ()
    demand: int = 0
    """Positions at which something needs it."""
    pattern: int = 0
    """Query positions at which a readout needs its attention weights."""
    of: "tuple[tuple[float, ValueNode, Subspace | None], ...]" = ()
    """Of a sum, which reads nothing: weights, nodes, and the subspaces that these are projected onto."""
    shares: "list[NodeShare]" = field(default_factory=list)
    """Of a sum: what it adds up, at the positions that no other node has."""

    @property
    def plain(self) -> bool:
        """Its background is a run of the model under its own scales: what has no override there is what was captured."""
        return isinstance(self.world, Run | Gather) and self.frozen in (None, self.world)


class NodeShare(NamedTuple):
    """`weight` times a node's value at some positions, or times its projection onto a subspace."""

    weight: float
    node: ValueNode
    subspace: Subspace | None
    positions: int


@dataclass(eq=False, slots=True)
class Term:
    """At these positions a unit contributes `node` in place of `instead` (None: of the background's own)."""

    unit: Unit
    positions: int
    node: ValueNode
    instead: ValueNode | None = None


@dataclass(eq=False, slots=True)
class State:
    """What a mix changes in the stream over one background: `parent`, then the terms of one write group."""

    background: World
    parent: "State | None"
    group: WriteGroup
    terms: tuple[Term, ...]
    support: int
    """Where it can differ from nothing."""
    numbers: Numbering
    demand: int = 0


@dataclass(slots=True)
class Graph:
    """Nodes and states by write group; `of` finds the node of a value, `patterns` those whose attention is read."""

    length: int
    causal: bool
    nodes: dict[WriteGroup, list[ValueNode]] = field(default_factory=dict)
    sums: dict[WriteGroup, list[ValueNode]] = field(default_factory=dict)
    """Nodes that add up others, each after those."""
    states: dict[WriteGroup, list[State]] = field(default_factory=dict)
    of: dict[int, ValueNode] = field(default_factory=dict)
    mixed: dict[tuple[World, int], State | None] = field(default_factory=dict)
    _kept: dict[tuple[object, ...], ValueNode | State] = field(default_factory=dict)
    _owners: dict[tuple[object, ...], dict[ValueNode, int]] = field(default_factory=dict)
    _summed: dict[tuple[Unit, frozenset[tuple[tuple[ValueNode, Subspace | None], float]]], dict[ValueNode, int]] = field(
        default_factory=dict
    )
    _past: dict[State, Numbering] = field(default_factory=dict)
    _numbers: ValueNumbering = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = ValueNumbering(self.length, self.causal)

    @property
    def everywhere(self) -> int:
        return (1 << self.length) - 1

    @property
    def new(self) -> int:
        """Values at single positions that no other node has: what is left to compute before it is known where values are read."""
        nodes = (node for nodes in self.nodes.values() for node in nodes)
        return sum(at.bit_count() for node in nodes for owner, at in node.owners if owner is node)

    def base(self, world: World, unit: Unit) -> ValueNode:
        key = (world, unit)
        if key not in self._kept:
            node = self._kept[key] = ValueNode(unit, world)
            node.owners = ((node, self.everywhere),)
        return self._kept[key]  # type: ignore[return-value]

    def recomputed(
        self, unit: Unit, world: World, reads: Mapping[Port, State | None], frozen: World | None, weights: bool = False
    ) -> ValueNode:
        """The node of a recomputation, or one that has its value everywhere: the base world's own where nothing it reads is changed.

        With `weights` (its attention is read) it stays a recomputation.
        """
        key = (unit, world, frozen, *map(id, reads.values()))
        found = self._kept.get(key)
        if found is None or (weights and found.reads is None):  # type: ignore[union-attr]
            node = ValueNode(unit, world, dict(reads), frozen)
            node.owners = self._owned(node)
            found = self._kept[key] = node if weights else equal(node)
            if found is node:
                self.nodes.setdefault(unit.group, []).append(node)
        return found  # type: ignore[return-value]

    def _owned(self, node: ValueNode) -> tuple[tuple[ValueNode, int], ...]:
        """Its owners: the base world's contribution, the first nodes with the same numbers, and itself for what is new."""
        reads = (node.reads or {}).items()
        several = ({} if state is None else state.numbers if port in OWN_POSITION else self._seen(state) for port, state in reads)
        found: dict[ValueNode, int] = {}
        for numbers, at in self._numbers.together(several):
            if unchanged(node, numbers):
                base = self.base(node.world, node.unit)
                found[base] = found.get(base, 0) | at
                continue
            owners = self._owners.setdefault((node.unit, node.world, node.frozen, numbers), {})
            for owner, mine in _claim(owners, node, at, self.everywhere):
                found[owner] = found.get(owner, 0) | mine
        return tuple(found.items())

    def summed(self, unit: Unit, shares: Sequence[tuple[float, ValueNode, Subspace | None]]) -> ValueNode:
        """The node of a sum of weighted nodes and projections. Where it is one node's value, or an earlier sum's, that one has it."""
        pieces: list[tuple[dict[tuple[ValueNode, Subspace | None], float], int]] = [({}, self.everywhere)]
        for weight, node, subspace in shares:
            pieces = [
                (weights | {(owner, subspace): weights.get((owner, subspace), 0.0) + weight}, at & mine)
                for weights, at in pieces
                for owner, mine in node.owners
                if at & mine
            ]
        made = ValueNode(unit, Zero(), of=tuple(shares))
        found: dict[ValueNode, int] = {}
        for weights, at in pieces:
            left = {key: weight for key, weight in weights.items() if weight}
            alone, subspace = next(iter(left), (self.base(Zero(), unit), None))
            if not left or (len(left) == 1 and subspace is None and left[alone, None] == 1):
                found[alone] = found.get(alone, 0) | at
                continue
            for owner, mine in _claim(self._summed.setdefault((unit, frozenset(left.items())), {}), made, at, self.everywhere):
                found[owner] = found.get(owner, 0) | mine
                if owner is made:
                    made.shares += [NodeShare(weight, node, inside, mine) for (node, inside), weight in left.items()]
        made.owners = tuple(found.items())
        if made.shares:
            self.sums.setdefault(unit.group, []).append(made)
        return equal(made)

    def state(self, background: World, parent: State | None, group: WriteGroup, terms: tuple[Term, ...]) -> State | None:
        if not terms:
            return parent
        key = (background, id(parent), *((t.unit, t.positions, id(t.node), id(t.instead)) for t in terms))
        found = self._kept.get(key)
        if found is None:
            support = parent.support if parent else 0
            for term in terms:
                support |= term.positions
            found = self._kept[key] = State(background, parent, group, terms, support, self._made(background, parent, terms))
            self.states.setdefault(group, []).append(found)
        return found  # type: ignore[return-value]

    def _made(self, background: World, parent: State | None, terms: tuple[Term, ...]) -> Numbering:
        several = [parent.numbers if parent else {}, *({self._numbers.number(id(t.node), id(t.instead)): t.positions} for t in terms)]
        found: dict[int, int] = {}
        for (before, *own), at in self._numbers.together(several):
            changes = sorted(filter(None, own))
            number = self._numbers.number(before or background, *changes) if changes else before
            if number:
                found[number] = found.get(number, 0) | at
        return found

    def _seen(self, state: State) -> Numbering:
        """ValueNumbering of what queries see of it."""
        if state not in self._past:
            self._past[state] = self._numbers.seen(state.numbers)
        return self._past[state]

    def node(self, value: Value) -> ValueNode:
        if isinstance(value, Base):
            return self.base(value.world, value.unit)
        if isinstance(value, Linear) and id(value) not in self.of:
            self.of[id(value)] = self.summed(value.unit, [(one.weight, self.node(one.value), one.subspace) for one in value.shares])
        return self.of[id(value)]

    def seen_by(self, queries: int) -> int:
        """Key positions that queries at these positions see, at the most."""
        return (1 << queries.bit_length()) - 1 if self.causal else (self.everywhere if queries else 0)


def _claim(owners: dict[ValueNode, int], new: ValueNode, at: int, everywhere: int) -> Iterator[tuple[ValueNode, int]]:
    """Who has a value at these positions: the nodes that have it there already, and the new one for the rest, which is noted."""
    for owner, theirs in [*owners.items(), (new, everywhere)]:
        if mine := at & theirs:
            owners[owner] = owners.get(owner, 0) | mine
            at &= ~theirs
            yield owner, mine


def equal(node: ValueNode) -> ValueNode:
    """The node that has its value at every position, and so stands for it; itself where there is none."""
    return node.owners[0][0] if len(node.owners) == 1 else node


def unchanged(node: ValueNode, numbers: Iterable[int]) -> bool:
    """Whether its value is the background's own where its reads have these numbers. Logits are no contribution that could be taken."""
    return node.plain and not any(numbers) and node.unit != LOGITS


def build(reached: Dependencies, length: int, positions: Mapping[PlacedRole, int], causal: bool) -> Graph:
    """Goes through the architecture once: each group's values, then the mixes that end in it."""
    graph = Graph(length, causal)
    for group in reached.groups:
        for value in reached.values.get(group, ()):
            if not value.unit.ports:
                graph.of[id(value)] = graph.base(value.background, value.unit)
                continue
            reads = {port: graph.mixed[value.background, id(mix)] if mix else None for port, mix in value.mixes}
            graph.of[id(value)] = graph.recomputed(value.unit, value.background, reads, value.frozen)
        for background, mix in reached.mixes.get(group, ()):
            parent = graph.mixed[background, id(mix.before)] if mix.before else None
            graph.mixed[background, id(mix)] = graph.state(background, parent, group, _terms(graph, background, mix, positions))
    return graph


def _terms(graph: Graph, background: World, mix: Mix, positions: Mapping[PlacedRole, int]) -> tuple[Term, ...]:
    placed = _placed(mix.overrides, positions, graph.everywhere)
    split = {o.unit.whole for o, _ in placed}
    wholes = [(o.unit, at, graph.node(o.value)) for o, at in placed if o.unit in split]
    terms = []
    for override, at in placed:
        if override.value.unit != override.unit:
            raise ValueError(f"{override.unit} cannot be given the value of {override.value.unit}")
        node = graph.node(override.value)
        if override.unit.whole is not None:
            for unit, covered, whole in wholes:  # a part beside its whole replaces itself in that whole's value
                if unit != override.unit.whole:
                    continue
                for old, inside in _part(graph, whole, override.unit).owners:
                    for new, mine in node.owners:
                        if new is not old and mine & inside & covered & at:
                            terms.append(Term(override.unit, mine & inside & covered & at, new, old))
                at &= ~covered
        own = graph.base(background, override.unit)
        terms += [Term(override.unit, mine & at, owner) for owner, mine in node.owners if mine & at and owner is not own]
    return tuple(terms)


def _placed(overrides: tuple[Override, ...], positions: Mapping[PlacedRole, int], everywhere: int) -> list[tuple[Override, int]]:
    """Overrides with their positions; one at named roles wins over one of the same unit at every position. Raises CircError C506."""
    named: dict[Unit, int] = {}
    placed = []
    for override in overrides:
        if override.roles is not None:
            at = bits(override.roles, positions, override.on)
            if twice := at & named.get(override.unit, 0):
                token, length = twice.bit_length() - 1, everywhere.bit_length()
                message = f"{override.unit} is given two values at token {token} of a prompt of {length} tokens"
                hint = "where an edge or a path takes a part of a node's positions, name them in the node's own words, or make them a node"
                raise refusal("C506", message, hint=hint)
            named[override.unit] = named.get(override.unit, 0) | at
            placed.append((override, at))
    general = [override for override in overrides if override.roles is None]
    if len({override.unit for override in general}) < len(general):
        raise ValueError("two overrides of one unit at every position")
    return placed + [(override, everywhere & ~named.get(override.unit, 0)) for override in general]


def _part(graph: Graph, whole: ValueNode, part: Unit) -> ValueNode:
    if whole.of:
        return graph.summed(part, [(weight, _part(graph, node, part), subspace) for weight, node, subspace in whole.of])
    if whole.reads is None:
        return graph.base(whole.world, part)
    return graph.recomputed(part, whole.world, whole.reads, whole.frozen)


def bits(roles: Roles, positions: Mapping[PlacedRole, int], on: Draw | None = None) -> int:
    found = 0
    for role in roles or ():
        found |= positions[role, on]
    return found
