"""Random circuits to compare a circuit with: the same graph with its heads put elsewhere.

A random circuit is a map from the circuit's heads to heads of the model, one to one; MLPs, `embed`, `logits`, positions and ports
stay. Every sampler draws uniformly from the maps that its null allows, by draws keyed by (seed, null, number). Draws that are the circuit
itself, or were drawn before, are passed over; each circuit comes from as many maps as any other, so that what is left is uniform too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from circuitdsl.borders.hypothesis import Link, Place
from circuitdsl.borders.kinds import KINDS, Kind
from circuitdsl.borders.units import ModelShape, Unit

if TYPE_CHECKING:
    import numpy as np

Heads = Mapping[Unit, Unit]
Fixed = frozenset[Unit]
NONE: Fixed = frozenset()
Null = Literal["layer", "size", "swap", "disjoint", "inflated"]
STEPS = 40
"""Steps of the chain behind `size`, for each head of the circuit."""
FEWEST_MISSES, MISSES_EACH = 50, 20
"""Draws in a row that bring nothing new after which no more are made: so many, and so many more for each circuit that was found."""
MOST_TRIED = 200_000
"""Maps that are looked at, to see whether a null is small enough to take all of it."""


class NoSuchCircuit(Exception):
    """The model has no circuit that a null allows."""


def heads_of(links: Sequence[Link], fixed: Fixed = NONE) -> tuple[Unit, ...]:
    """The circuit's heads but for those that are `fixed`, in the order of the architecture."""
    found = {link.sender.unit for link in links} | {link.receiver.unit for link in links}
    return tuple(sorted((unit for unit in found - fixed if unit.spec.exchangeable), key=lambda unit: unit.key))


def random_circuits(
    null: str, links: Sequence[Link], shape: ModelShape, count: int, seed: int, fixed: Fixed = NONE
) -> list[tuple[Link, ...]]:
    """`count` draws that differ from the circuit and from each other, or fewer where so many cannot be found.

    `fixed` heads stay where they are and are nobody's new place: those kept live, those knocked out. `smaller` is `layer` with half of
    the heads left out. Raises NoSuchCircuit if the null allows none.
    """
    import numpy as np

    draw = {"size": same_size, "swap": one_swapped, "disjoint": disjoint, "inflated": disjoint}.get(null, by_layer)
    rewired = _Rewired(links, fixed)
    seen: set[object] = {rewired.wiring({})}
    circuits: list[tuple[Link, ...]] = []
    number = misses = 0
    while len(circuits) < count and misses < FEWEST_MISSES + MISSES_EACH * len(circuits):
        key = int.from_bytes(hashlib.sha256(f"null/{null}/{seed}/{number}".encode()).digest()[:16], "little")
        rng = np.random.Generator(np.random.Philox(key=key))
        heads = draw(links, shape, rng, fixed)
        half = halved(put(links, heads), fixed, rng) if null == "smaller" else None
        number, misses = number + 1, misses + 1
        if (wiring := rewired.wiring(heads) if half is None else _wiring(half)) not in seen:
            seen.add(wiring)
            circuits.append(_beside(null, links, put(links, heads)) if half is None else half)
            misses = 0
    return circuits


def all_circuits(null: Null, links: Sequence[Link], shape: ModelShape, most: int, fixed: Fixed = NONE) -> list[tuple[Link, ...]] | None:
    """Every circuit that the null allows but for the circuit itself, each once; None if they are more than `most`.

    Raises NoSuchCircuit if there is none.
    """
    rewired = _Rewired(links, fixed)
    seen = {rewired.wiring({})}
    found: list[Heads] = []
    for tried, heads in enumerate(_swaps(links, shape, fixed) if null == "swap" else _maps(null, links, shape, fixed)):
        if heads is not None and (wiring := rewired.wiring(heads)) not in seen:
            seen.add(wiring)
            found.append(heads)
        if len(found) > most or tried >= MOST_TRIED:
            return None
    if not found:
        raise NoSuchCircuit(f"the circuit itself is all that `match = {null}` allows")
    return [_beside(null, links, put(links, heads)) for heads in found]


class _Rewired:
    """What tells a circuit whose heads are put elsewhere from other such ones, without making it.

    Wires between units that stay are the same in all of them, and never those of a moved head, so that only the others count. With
    `inflated` the circuit's own wires are in all of them as well, and none is a disjoint head's.
    """

    def __init__(self, links: Sequence[Link], fixed: Fixed):
        own = set(heads_of(links, fixed))
        numbers: dict[object, int] = {}
        self._wires: list[tuple[int, Unit, Unit]] = []
        for link in links:
            sender, receiver = link.sender, link.receiver
            if sender.unit in own or receiver.unit in own:
                same = numbers.setdefault((sender.roles, receiver.roles, link.port, link.roles), len(numbers))
                self._wires.append((same, sender.unit, receiver.unit))

    def wiring(self, heads: Heads) -> frozenset[tuple[int, Unit, Unit]]:
        """The wires of moved heads: what the positions and the port are, and between which units they are."""
        return frozenset((same, heads.get(sender, sender), heads.get(reader, reader)) for same, sender, reader in self._wires)


def _beside(null: str, links: Sequence[Link], moved: tuple[Link, ...]) -> tuple[Link, ...]:
    return tuple(dict.fromkeys([*links, *moved])) if null == "inflated" else moved


def _wiring(links: Sequence[Link]) -> frozenset[tuple[object, ...]]:
    """What tells circuits apart: units, positions and ports, whatever the nodes are called."""
    return frozenset(
        (link.sender.unit, link.sender.roles, link.receiver.unit, link.receiver.roles, link.port, link.roles) for link in links
    )


def _maps(null: Null, links: Sequence[Link], shape: ModelShape, fixed: Fixed) -> Iterator[Heads | None]:
    """Every map of a null but `swap`, with heads that stand in for each other in one order only; None where places do not fit.

    A depth-first search over groups of such heads: one combination of places for each.
    """
    own = heads_of(links, fixed)
    taken = fixed | set(own) if null in ("disjoint", "inflated") else fixed
    layered = null != "size"
    free = {head: places for heads, places in _free_places(own, shape, taken) for head in heads} if layered else {}
    groups: dict[object, list[Unit]] = {}
    for head in own:
        groups.setdefault((head.kind, head.layer if layered else None, _links_of(head, links)), []).append(head)
    alike = list(groups.values())

    def places(group: Sequence[Unit], used: Set[Unit]) -> Iterator[tuple[Unit, ...]]:
        first = group[0]
        every = (
            free[first]
            if layered
            else [unit for layer in range(shape.layers) for unit in shape.units(first.kind, layer) if unit not in taken]
        )
        return combinations([unit for unit in every if unit not in used], len(group))

    at: list[dict[Unit, Unit]] = [{}]
    open_ = [places(alike[0], set())] if alike else []
    while open_:
        chosen = next(open_[-1], None)
        if chosen is None:
            open_.pop()
            at.pop()
            continue
        heads = at[-1] | dict(zip(alike[len(open_) - 1], chosen, strict=True))
        if not layered and not _in_order(links, heads, shape, set(own) - heads.keys()):
            yield None
        elif len(open_) == len(alike):
            yield heads
        else:
            at.append(heads)
            open_.append(places(alike[len(open_)], set(heads.values())))


def _links_of(head: Unit, links: Sequence[Link]) -> frozenset[tuple[object, ...]]:
    """The wiring of one head, without its name: heads for which it is the same stand in for each other."""
    own = [link for link in links if head in (link.sender.unit, link.receiver.unit)]
    return frozenset(tuple(None if part == head else part for part in wire) for wire in _wiring(own))


def _in_order(links: Sequence[Link], heads: Heads, shape: ModelShape, open_: Set[Unit]) -> bool:
    """Whether every edge stays possible, but for those of heads that have no place yet."""
    pairs = {(link.sender.unit, link.receiver.unit) for link in links}
    return all(
        shape.reads(heads.get(reader, reader), heads.get(sender, sender)) for sender, reader in pairs if not {sender, reader} & open_
    )


def put(links: Sequence[Link], heads: Heads) -> tuple[Link, ...]:
    """The circuit with its heads moved."""

    moved: dict[Place, Place] = {}
    for old in {link.sender for link in links} | {link.receiver for link in links}:
        new = heads.get(old.unit, old.unit)
        if new != old.unit:
            moved[old] = Place(new, f"{old.node} as {new}", old.roles)
    return tuple(
        Link(moved.get(link.sender, link.sender), moved.get(link.receiver, link.receiver), link.port, link.roles)
        if link.sender in moved or link.receiver in moved
        else link
        for link in links
    )


def halved(links: Sequence[Link], fixed: Fixed, rng: "np.random.Generator") -> tuple[Link, ...]:
    """Half of the heads left out, at least one, with all their edges."""
    heads = heads_of(links, fixed)
    gone = {heads[index] for index in rng.permutation(len(heads))[: (len(heads) + 1) // 2]}
    return tuple(link for link in links if link.sender.unit not in gone and link.receiver.unit not in gone)


def by_layer(links: Sequence[Link], shape: ModelShape, rng: "np.random.Generator", fixed: Fixed = NONE) -> Heads:
    """Matched by layer and kind: in each layer, as many heads as the circuit has there, in any order."""
    return _within_layers(heads_of(links, fixed), shape, rng, fixed)


def disjoint(links: Sequence[Link], shape: ModelShape, rng: "np.random.Generator", fixed: Fixed = NONE) -> Heads:
    """Matched by layer, from heads that are not in the circuit."""
    own = heads_of(links, fixed)
    return _within_layers(own, shape, rng, fixed | set(own))


def one_swapped(links: Sequence[Link], shape: ModelShape, rng: "np.random.Generator", fixed: Fixed = NONE) -> Heads:
    """One head of the circuit exchanged for one outside it, of the same layer."""
    swaps = _swaps(links, shape, fixed)
    return swaps[int(rng.integers(len(swaps)))]


def _swaps(links: Sequence[Link], shape: ModelShape, fixed: Fixed) -> list[Heads]:
    own = heads_of(links, fixed)
    swaps: list[Heads] = [
        {head: other} for head in own for other in shape.units(head.kind, head.layer) if other not in own and other not in fixed
    ]
    if not swaps:
        raise NoSuchCircuit("every head of the circuit's layers is in the circuit")
    return swaps


def same_size(links: Sequence[Link], shape: ModelShape, rng: "np.random.Generator", fixed: Fixed = NONE) -> Heads:
    """Of the same size and connected: heads anywhere in the model, as long as every edge of the circuit stays possible.

    A Markov chain that proposes one head's new place, or two heads' places exchanged, and takes it if the map stays one to one and
    in order: proposals are symmetric, so its limit is uniform over the maps that can be reached.
    """
    heads = heads_of(links, fixed)
    needs: dict[Unit, list[tuple[Unit, Unit]]] = {head: [] for head in heads}
    for link in links:
        pair = (link.sender.unit, link.receiver.unit)
        for unit in set(pair) & needs.keys():
            needs[unit].append(pair)
    at = {head: head for head in heads}
    for _ in range(STEPS * len(heads)):
        head = heads[int(rng.integers(len(heads)))]
        target = Unit(head.kind, int(rng.integers(shape.layers)), int(rng.integers(shape.count(head.kind))))
        if target in fixed:
            continue
        holder = next((other for other, place in at.items() if place == target), None)
        proposed = {**at, head: target} if holder is None else {**at, head: target, holder: at[head]}
        moved = [head] if holder is None else [head, holder]
        pairs = [pair for unit in moved for pair in needs[unit]]
        if all(shape.reads(proposed.get(reader, reader), proposed.get(sender, sender)) for sender, reader in pairs):
            at = proposed
    return at


def _within_layers(moved: Sequence[Unit], shape: ModelShape, rng: "np.random.Generator", taken: Set[Unit]) -> Heads:
    chosen: dict[Unit, Unit] = {}
    for heads, free in _free_places(moved, shape, taken):
        picked = rng.permutation(len(free))[: len(heads)]
        chosen.update({head: free[index] for head, index in zip(heads, picked, strict=True)})
    return chosen


def _free_places(moved: Sequence[Unit], shape: ModelShape, taken: Set[Unit]) -> list[tuple[tuple[Unit, ...], list[Unit]]]:
    """The heads of each layer and kind, and the places in that layer that are not taken. Raises NoSuchCircuit if these are too few."""
    alike: dict[tuple[int, Kind], list[Unit]] = {}
    for head in moved:
        alike.setdefault((head.layer, head.kind), []).append(head)
    found = []
    for (layer, kind), heads in alike.items():
        free = [unit for unit in shape.units(kind, layer) if unit not in taken]
        if len(free) < len(heads):
            message = f"layer {layer} has {len(free)} {KINDS[kind].nouns} outside the circuit, {len(heads)} are needed"
            raise NoSuchCircuit(message)
        found.append((tuple(heads), free))
    return found
