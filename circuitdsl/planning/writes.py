"""What values of one write group change in the stream: once for all mixes of the same overrides, summed once where shared."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from circuitdsl.borders.kinds import KINDS, Kind
from circuitdsl.borders.steps import Addend, Placement, Sum, Write, WriteChange, pool
from circuitdsl.borders.units import Unit, WriteGroup
from circuitdsl.borders.values import World, Zero
from circuitdsl.planning.builder import RegisterVariant, StepBuilder, along_one_axis, index, meet, together
from circuitdsl.planning.graph import State, Term, ValueNode
from circuitdsl.planning.value_numbering import positions_in

Entry = tuple[int, Term, ValueNode]
"""A variant, its term, and the node that the term places."""


class Written(NamedTuple):
    """What states over one background change in one write group, where anything needs it: one variant of a write."""

    units: tuple[Unit, ...]
    at: int
    terms: list[Term]
    states: list[State]


def lay_changes(builder: StepBuilder, group: WriteGroup, states: Iterable[State]) -> None:
    """Writes for the states' own terms, as far as they are needed."""
    shared: dict[tuple[object, ...], list[State]] = {}
    for state in states:
        if any(term.positions & state.demand for term in state.terms):
            key = (state.background, *((t.unit, t.positions, id(t.node), id(t.instead)) for t in state.terms))
            shared.setdefault(key, []).append(state)
    written: list[Written] = []
    for same in shared.values():
        demand = 0
        for state in same:
            demand |= state.demand
        terms = [Term(t.unit, t.positions & demand, t.node, t.instead) for t in same[0].terms if t.positions & demand]
        at = 0
        for term in terms:
            at |= term.positions
        units = tuple(sorted({term.unit for term in terms}, key=lambda unit: unit.key))
        written.append(Written(units, at, terms, same))
    for (_, at, units), batch in along_one_axis(written, lambda one: (pool(one.states[0].background), one.at, one.units)):
        positions = positions_in(at)
        out = builder.register(len(batch), positions, builder.shape.width)
        variants = [one.terms for one in batch]
        changes = tuple(
            change for kind in KINDS if (change := _change(builder, kind, [u for u in units if u.kind == kind], variants, positions))
        )
        worlds = together(one.states[0].background for one in batch)
        added, removed = (_whole(builder, side, variants, positions) for side in ("node", "instead"))
        builder.steps.append(Write(out.number, group, worlds, positions, len(batch), changes, added, removed))
        for number, one in enumerate(batch):
            builder.changes.update((state, RegisterVariant(out, number)) for state in one.states)


def _change(builder: StepBuilder, kind: Kind, units: list[Unit], variants: list[list[Term]], at: tuple[int, ...]) -> WriteChange | None:
    if not units:
        return None
    members = tuple(unit.index for unit in units)
    terms = [(m, t) for m, terms in enumerate(variants) for t in terms if t.unit.kind == kind]
    new = [(m, t, _by_member(builder, t.node)) for m, t in terms]
    old = [(m, t, _by_member(builder, t.instead)) for m, t in terms if t.instead is not None]
    sizes = (len(variants), at, members)
    return WriteChange(kind, members, _placements(builder, new, *sizes), _placements(builder, old, *sizes))


def _by_member(builder: StepBuilder, node: ValueNode) -> ValueNode:
    """The node, or zero for a sum in place of one part of a group: it is whole, and added apart from the members of its group."""
    return builder.graph.base(Zero(), node.unit) if node.shares and KINDS[node.unit.kind].numbered else node


def _whole(builder: StepBuilder, side: Literal["node", "instead"], variants: list[list[Term]], at: tuple[int, ...]) -> tuple[Addend, ...]:
    """Sums in place of heads and the like, as parts of a write at positions `at`."""
    found: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for variant, terms in enumerate(variants):
        for term in terms:
            node: ValueNode | None = getattr(term, side)
            if node is not None and _by_member(builder, node) is not node:
                place = builder.values[node]
                taken, to = found.setdefault((place.register.number, term.positions), ([], []))
                taken.append(place.variant)
                to.append(variant)
    parts = []
    for (number, positions), (taken, to) in found.items():
        register, wanted = builder.registers[number], positions_in(positions)
        from_positions, to_positions = meet(register.at, wanted)[0], meet(wanted, at)[1]
        parts.append(Addend(number, index(taken, register.variants), from_positions, tuple(to), to_positions))
    return tuple(parts)


def _placements(
    builder: StepBuilder, entries: Sequence[Entry], variants: int, at: tuple[int, ...], members: tuple[int, ...]
) -> tuple[Placement, ...]:
    """Entries (variant, term, node) as blocks: first the members that come from one place, then the variants that agree in that."""
    blocks: dict[tuple[int | str | World, int | World, int, int], list[tuple[int, int]]] = {}
    for variant, term, node in entries:
        unit, place = node.unit, node.unit.index
        whence: int | str | World = pool(node.world)
        from_: int | World = node.world
        if node.reads is not None or node.shares:
            found = builder.values[node]
            whence, from_ = found.register.number, found.variant
            place = found.register.members.index(unit.index) if found.register.members else 0
        blocks.setdefault((whence, from_, variant, term.positions), []).append((place, members.index(unit.index)))
    merged: dict[tuple[int | str | World, int, tuple[tuple[int, int], ...]], tuple[list[Any], list[int]]] = {}
    for (whence, from_, variant, positions), pairs in blocks.items():
        taken, to = merged.setdefault((whence, positions, tuple(pairs)), ([], []))
        taken.append(from_)
        to.append(variant)
    placements = []
    for (whence, positions, same), (taken, to) in merged.items():
        wanted = positions_in(positions)
        mine, theirs = (tuple(pair[side] for pair in same) for side in (0, 1))
        target = (index(to, variants), meet(wanted, at)[1], index(theirs, len(members)))
        if isinstance(whence, int):
            register = builder.registers[whence]
            from_members = index(mine, len(register.members)) if register.members else None
            taken_from = (index(taken, register.variants), meet(register.at, wanted)[0], from_members)
            placements.append(Placement(whence, (), *taken_from, *target))
        else:
            placements.append(Placement(None, together(taken), None, wanted, mine, *target))
    return tuple(placements)


def lay_sums(builder: StepBuilder, states: Iterable[State], uses: dict[State, int]) -> None:
    """Keeps as one sum what several reads or later states share."""
    shared = [state for state in states if uses.get(state, 0) > 1 and state.demand and len(builder.stream(state)) > 1]
    for demand, same in along_one_axis(shared, lambda state: state.demand):
        positions = positions_in(demand)
        parts = builder.parts(same, positions)
        out = builder.register(len(same), positions, builder.shape.width)
        builder.steps.append(Sum(out.number, positions, len(same), parts))
        builder.sums.update((state, RegisterVariant(out, number)) for number, state in enumerate(same))
