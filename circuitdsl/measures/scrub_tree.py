"""The tree of a scrub claim as it is measured, call by call, for a reader to look at."""

from collections import deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, cast

from circuitdsl.borders.hypothesis import Claim, Hypothesis, Place
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.tree import Call, CallTree
from circuitdsl.borders.units import EMBED
from circuitdsl.borders.values import Algebra, Base, Draw, Gather, Mix, Override, Recomputed, Value, World
from circuitdsl.measures.circuit_runs import EMBEDDING
from circuitdsl.measures.scrub_claim import Scrubs
from circuitdsl.measures.scrub_options import ScrubOptions
from circuitdsl.measures.scrub_runs import DrawGroup, Scrubbing

MOST_CALLS = 16
"""Boxes of recomputations that are drawn: more are no picture."""


@dataclass
class TracedCall:
    """A call that was made, and the calls that it made."""

    place: Place
    given: Draw | None
    path: str
    value: Value | None = None
    inputs: "list[TracedCall]" = field(default_factory=list)


@dataclass
class TracedScrubbing(Scrubbing):
    """A scrubbing that remembers who called whom."""

    first: dict[int, TracedCall] = field(default_factory=dict)
    """The call that a value was first made by: one that shares the value has the same inputs."""
    _calling: list[TracedCall] = field(default_factory=list)
    _groups: dict[Place, dict[Place, list[DrawGroup]]] = field(default_factory=dict)

    def _call(self, place: Place, given: Draw | None, path: str, *more: Any) -> Value:
        made = TracedCall(place, given, path)
        if self._calling:
            self._calling[-1].inputs.append(made)
        self._calling.append(made)
        made.value = super()._call(place, given, path, *more)
        self._calling.pop()
        self.first.setdefault(id(made.value), made)
        return made.value

    def group(self, reader: Place, made: TracedCall) -> DrawGroup:
        """What the reader drew the call for."""
        if reader not in self._groups:
            by_sender = self._groups[reader] = {}
            for group in self.incoming[reader]:
                for sender in group.senders:
                    by_sender.setdefault(sender, []).append(group)
        step = made.path.rsplit("/", 1)[-1]
        return next(group for group in self._groups[reader][made.place] if step.startswith(f"{group.name}>"))


def tree(claim: Claim, hypothesis: Hypothesis, most: int = MOST_CALLS) -> CallTree:
    """The calls of the claim's first draw that are nearest to the logits, `most` of them with units that go together counted once.

    What several calls share (one value, read by each of them) stands at the first.

    Raises CircError as lowering the claim does.
    """
    plain = Scrubs(cast("Claim[ScrubOptions]", claim), hypothesis, Algebra()).scrubbing()
    watched = TracedScrubbing(plain.algebra, hypothesis, plain.links, plain.sampling)
    root = watched.first[id(watched.logits())]
    calls = [Call("call", None, (root.place,), (), None)]
    waiting = deque([(0, [root])])
    boxes, seen, again = 1, {id(root.value)}, False
    while waiting:
        reader, mades = waiting.popleft()
        mades = [watched.first[id(made.value)] for made in mades]
        found, left_out = list(_inputs(watched, reader, mades)), list(_left_out(watched, reader, mades))
        if not left_out and all(call.part == "embed" for call, _ in found):
            continue  # given all it reads: its donor's own value
        for call, inputs in found:
            values = {id(made.value) for made in inputs}
            if call.part == "call":
                again = again or values <= seen
                if boxes == most or values <= seen:
                    continue
                boxes += 1
                seen |= values
                waiting.append((len(calls), inputs))
            calls.append(call)
        calls += left_out
    every = {number for number, made in watched.first.items() if made.place.unit != EMBED}
    return CallTree(tuple(calls), len(every & seen), len(every), again)


def _inputs(watched: TracedScrubbing, reader: int, mades: Sequence[TracedCall]) -> Iterator[tuple[Call, list[TracedCall]]]:
    """What is delivered to some calls: units of one node with one donor, into the same ports, together; embeddings at the end."""
    found: dict[tuple[Any, ...], dict[int, TracedCall]] = {}
    ports: dict[Draw | None, dict[Port, None]] = {}
    for made in mades:
        for one in made.inputs:
            group = watched.group(made.place, one)
            into = tuple(dict.fromkeys(link.port for link in group.links if link.sender == one.place))
            into = () if set(into) == set(made.place.unit.ports) else into
            if one.place.unit == EMBED:
                ports.setdefault(one.given, {}).update(dict.fromkeys(into))
            else:
                carries = None if watched.sampling.free else group.carries
                found.setdefault((one.place.node, into, one.given, carries), {})[id(one.value)] = one
    for (_, into, draw, carries), inputs in found.items():
        places = tuple(dict.fromkeys(one.place for one in inputs.values()))
        yield Call("call", reader, places, into, draw, carries), list(inputs.values())
    for draw, all_into in ports.items():
        yield Call("embed", reader, (EMBEDDING,), tuple(all_into), draw), []


def _left_out(watched: TracedScrubbing, reader: int, mades: Sequence[TracedCall]) -> Iterator[Call]:
    """What calls take from donors that agree on nothing: their background, unless nothing of it is read, and `others`."""
    found: dict[str, list[tuple[TracedCall, World]]] = {}
    for made in mades:
        value = made.value
        if not isinstance(value, Recomputed):
            continue  # given all that it reads
        delivered = {id(one.value) for one in made.inputs}
        for number, world in enumerate(dict.fromkeys(_others(value, delivered))):
            found.setdefault(f"others {number}", []).append((made, world))
        units = [unit for unit in watched.hypothesis.shape.units() if watched.hypothesis.shape.reads(made.place.unit, unit)]
        whole = [{override.unit for override in _overrides(mix) if override.roles is None} for _, mix in value.mixes]
        if not all(one.issuperset(units) for one in whole):
            found.setdefault("rest", []).append((made, value.background))
    for several in found.values():
        draws = dict.fromkeys(_draw(world) for _, world in several)
        places = tuple(dict.fromkeys(made.place for made, _ in several)) if len(draws) > 1 else (several[0][0].place,)
        yield Call("rest", reader, places, (), next(iter(draws)))


def _others(value: Recomputed, delivered: Set[int]) -> Iterator[World]:
    """Worlds of what is put into the mixes and was not delivered by a call."""
    for _, mix in value.mixes:
        for override in _overrides(mix):
            if isinstance(override.value, Base) and id(override.value) not in delivered:
                yield override.value.world


def _overrides(mix: Mix | None) -> Iterator[Override]:
    while mix is not None:
        yield from mix.overrides
        mix = mix.before


def _draw(world: World) -> Draw | None:
    return world.draw if isinstance(world, Gather) and isinstance(world.draw, Draw) else None
