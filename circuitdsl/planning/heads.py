"""Heads of one layer over the rows of one run: each distinct read normalised once, multiplied by all its readers' weights together.

Heads that read the same run together; several variants of the same heads are batched along one axis. Keys and values that
nothing changes are the background's own, and of the others only the changed positions are made again.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from circuitdsl.borders.kinds import Port
from circuitdsl.borders.readouts import AttentionReadout
from circuitdsl.borders.steps import Attend, PatternReadout, Project, Projected, Register
from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import World
from circuitdsl.planning.builder import RegisterVariant, StepBuilder, Stream, along_one_axis, index, meet, together
from circuitdsl.planning.graph import ValueNode
from circuitdsl.planning.needed_positions import needed
from circuitdsl.planning.value_numbering import positions_in

Head = TypeVar("Head")


class PortRead(NamedTuple):
    """What a port reads anew: a stream at positions; at none, the background's captured keys or values serve."""

    port: Port
    stream: Stream
    at: int


class Variant(NamedTuple):
    q: PortRead
    k: PortRead
    v: PortRead
    queries: int

    @property
    def ports(self) -> tuple[PortRead, ...]:
        return self.q, self.k, self.v


class PatternRequest(NamedTuple):
    """That a readout takes a head's attention, as which of its values, at which query and key positions."""

    readout: AttentionReadout
    place: int
    queries: tuple[int, ...]
    keys: tuple[int, ...]


Patterns = dict[ValueNode, list[PatternRequest]]


def lay_heads(builder: StepBuilder, group: WriteGroup, frozen: World | None, nodes: Iterable[ValueNode], patterns: Patterns) -> None:
    variants: dict[Variant, list[ValueNode]] = {}
    for node in nodes:
        variants.setdefault(_variant(builder, node), []).append(node)
    sets = {tuple(sorted(node.unit.index for node in same)) for same in variants.values()}
    apart = len(sets) > len({head for heads in sets for head in heads})  # too many different sets of heads to run as sets
    projected = _project(builder, group, frozen, variants, apart)
    every = [(variant, nodes) for variant, same in variants.items() for nodes in in_sets(same, apart, lambda node: node.unit.index)]

    def kind(one: tuple[Variant, list[ValueNode]]) -> tuple[Any, ...]:
        variant, members = one
        first = members[0].unit.index
        registers = (projected[port.port, port.stream, first][0].number if port.at else None for port in variant.ports)
        return tuple(node.unit.index for node in members), variant.queries, variant.k.at, variant.v.at, *registers

    for (heads, queries, *_), batch in along_one_axis(every, kind):
        at = positions_in(queries)
        out = builder.register(len(batch), at, builder.shape.head_width, heads)
        weights = []
        for number, (_, members) in enumerate(batch):
            for place, node in enumerate(members):
                builder.values[node] = RegisterVariant(out, number)
                for one in patterns.get(node, ()):
                    asked = tuple(at.index(position) for position in one.queries)
                    weights.append(PatternReadout(one.readout, one.place, number, place, asked, one.keys))
        q, k, v = (_projected(projected, [variant.ports[port] for variant, _ in batch], heads) for port in range(3))
        assert q is not None
        length = builder.graph.seen_by(queries).bit_length()
        worlds = together(variant.q.stream.world for variant, _ in batch)
        builder.steps.append(Attend(out.number, group.layer, worlds, heads, at, length, len(batch), q, k, v, tuple(weights)))


def _variant(builder: StepBuilder, node: ValueNode) -> Variant:
    def port(name: Port) -> PortRead:
        assert node.reads is not None
        need, state = needed(builder.graph, node, name), node.reads[name]
        if state is not None and not state.support & need:
            state = None
        stream = Stream(node.world, state)
        if name == "q" or not node.plain:
            return PortRead(name, stream, need)
        return PortRead(name, stream, state.support & need if state else 0)

    return Variant(port("q"), port("k"), port("v"), node.demand | node.pattern)


def in_sets(heads: Iterable[Head], apart: bool, number: Callable[[Head], int]) -> list[list[Head]]:
    """Heads that read the same, as one set in order: one product with all their weights; those of a whole layer are taken as they lie.

    With `apart` each by itself.
    """
    return [[head] for head in heads] if apart else [sorted(heads, key=number)]


Projections = dict[tuple[Port, Stream, int], tuple[Register, int]]
"""Port, stream and head → register and variant."""


def _project(
    builder: StepBuilder, group: WriteGroup, frozen: World | None, variants: dict[Variant, list[ValueNode]], apart: bool
) -> Projections:
    """Projects each port of each distinct read once, for all heads that read it."""
    heads: dict[tuple[Port, Stream], dict[int, None]] = {}
    at: dict[tuple[Port, Stream], int] = {}
    for variant, nodes in variants.items():
        for read in variant.ports:
            if read.at:
                key = (read.port, read.stream)
                heads.setdefault(key, {}).update((node.unit.index, None) for node in nodes)
                at[key] = at.get(key, 0) | read.at
    reads = [(key, tuple(some)) for key, readers in heads.items() for some in in_sets(readers, apart, int)]
    found: Projections = {}
    for (port, positions, some), batch in along_one_axis(reads, lambda read: (read[0][0], at[read[0]], read[1])):
        streams = [stream for (_, stream), _ in batch]
        normalised = builder.read(group, frozen, positions, streams)
        out = builder.register(len(streams), normalised.at, builder.shape.head_width, some)
        builder.steps.append(Project(out.number, normalised.number, group.layer, port, some, normalised.at))
        for number, stream in enumerate(streams):
            found.update({(port, stream, head): (out, number) for head in some})
    return found


def _projected(projected: Projections, ports: list[PortRead], heads: tuple[int, ...]) -> Projected | None:
    first = ports[0]
    if not first.at:
        return None
    register, _ = projected[first.port, first.stream, heads[0]]
    assert register.members is not None
    taken = [projected[port.port, port.stream, heads[0]][1] for port in ports]
    if len(set(taken)) == 1:
        taken = taken[:1]
    members = index((register.members.index(head) for head in heads), len(register.members))
    at = positions_in(first.at)
    return Projected(register.number, index(taken, register.variants), members, meet(register.at, at)[0], at)
