"""Sums of shares of values: whole contributions in the stream, weighted and projected. They stand where a unit's value stands."""

from collections.abc import Iterable

from circuitdsl.borders.steps import Combine, Placement, WeightedPlacement, pool
from circuitdsl.borders.units import WriteGroup
from circuitdsl.planning.builder import RegisterVariant, StepBuilder, along_one_axis, index, meet, together
from circuitdsl.planning.graph import NodeShare, ValueNode
from circuitdsl.planning.value_numbering import positions_in


def lay_combinations(builder: StepBuilder, group: WriteGroup, nodes: Iterable[ValueNode]) -> None:
    """A step for all sums that add up values from the same registers at the same positions; sums of sums after those."""
    rank: dict[ValueNode, int] = {}
    for node in nodes:
        rank[node] = 1 + max((rank.get(share.node, 0) for share in node.shares), default=0)
    for _, alike in along_one_axis(rank, lambda node: rank[node]):
        for (positions, _), batch in along_one_axis(alike, lambda node: (node.demand, tuple(_form(builder, one) for one in node.shares))):
            _lay(builder, group, positions, batch)


def _lay(builder: StepBuilder, group: WriteGroup, positions: int, batch: list[ValueNode]) -> None:
    at = positions_in(positions)
    out = builder.register(len(batch), at, builder.shape.width)
    same = zip(*(node.shares for node in batch), strict=True)
    shares = tuple(_share(builder, some, positions_in(wanted), at) for some in same if (wanted := some[0].positions & positions))
    builder.steps.append(Combine(out.number, group, at, len(batch), shares))
    builder.values.update((node, RegisterVariant(out, number)) for number, node in enumerate(batch))


def _form(builder: StepBuilder, share: NodeShare) -> tuple[object, ...]:
    """What sums have in common that are made by one step: all but the variant, or the world, that a value is taken from."""
    node = share.node
    found = builder.values.get(node)
    whence: object = pool(node.world) if found is None else found.register.number
    return share.weight, share.subspace, share.positions, node.unit, whence


def _share(builder: StepBuilder, same: tuple[NodeShare, ...], wanted: tuple[int, ...], at: tuple[int, ...]) -> WeightedPlacement:
    first = same[0].node
    to_positions = meet(wanted, at)[1]
    found = [builder.values.get(one.node) for one in same]
    register = found[0].register if found[0] is not None else None
    if register is None:
        worlds = together(one.node.world for one in same)
        taken = Placement(None, worlds, None, wanted, (first.unit.index,), None, to_positions, None)
    else:
        variants = index((one.variant for one in found if one is not None), register.variants)
        member = None if register.members is None else (register.members.index(first.unit.index),)
        taken = Placement(register.number, (), variants, meet(register.at, wanted)[0], member, None, to_positions, None)
    kind = None if register is not None and register.members is None else first.unit.kind
    return WeightedPlacement(same[0].weight, same[0].subspace, kind, first.unit.index, taken)
