"""Random circuits to compare a circuit with: the same graph with its heads put elsewhere.

A random circuit is a map from the circuit's heads to heads of the model, one to one; MLPs, `embed`, `logits`, positions and ports
stay. Every sampler draws uniformly from the maps that its null allows, by draws keyed by (seed, null, number).
"""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
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


class NoSuchCircuit(Exception):
    """The model has no circuit that a null allows."""


def heads_of(links: Sequence[Link], fixed: Fixed = NONE) -> tuple[Unit, ...]:
    """The circuit's heads but for those that are `fixed`, in the order of the architecture."""
    found = {place.unit for link in links for place in (link.sender, link.receiver) if place.unit.spec.exchangeable}
    return tuple(sorted(found - fixed, key=lambda unit: unit.key))


def random_circuits(
    null: str, links: Sequence[Link], shape: ModelShape, count: int, seed: int, fixed: Fixed = NONE
) -> list[tuple[Link, ...]]:
    """`count` independent draws. `fixed` heads stay where they are and are nobody's new place: those kept live, those knocked out.

    `smaller` is `layer` with half of the heads left out. Raises NoSuchCircuit if the null allows none.
    """
    import numpy as np

    draw = {"size": same_size, "swap": one_swapped, "disjoint": disjoint, "inflated": disjoint}.get(null, by_layer)
    circuits = []
    for number in range(count):
        key = int.from_bytes(hashlib.sha256(f"null/{null}/{seed}/{number}".encode()).digest()[:16], "little")
        rng = np.random.Generator(np.random.Philox(key=key))
        moved = put(links, draw(links, shape, rng, fixed))
        if null == "smaller":
            moved = halved(moved, fixed, rng)
        circuits.append(tuple(dict.fromkeys([*links, *moved])) if null == "inflated" else moved)
    return circuits


def put(links: Sequence[Link], heads: Heads) -> tuple[Link, ...]:
    """The circuit with its heads moved."""

    def place(old: Place) -> Place:
        new = heads.get(old.unit, old.unit)
        return old if new == old.unit else replace(old, unit=new, node=f"{old.node} as {new}")

    return tuple(replace(link, sender=place(link.sender), receiver=place(link.receiver)) for link in links)


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
    own = heads_of(links, fixed)
    swaps = [(head, other) for head in own for other in shape.units(head.kind, head.layer) if other not in own and other not in fixed]
    if not swaps:
        raise NoSuchCircuit("every head of the circuit's layers is in the circuit")
    head, other = swaps[int(rng.integers(len(swaps)))]
    return {head: other}


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
    alike: dict[tuple[int, Kind], list[Unit]] = {}
    for head in moved:
        alike.setdefault((head.layer, head.kind), []).append(head)
    for (layer, kind), heads in alike.items():
        free = [unit for unit in shape.units(kind, layer) if unit not in taken]
        if len(free) < len(heads):
            message = f"layer {layer} has {len(free)} {KINDS[kind].nouns} outside the circuit, {len(heads)} are needed"
            raise NoSuchCircuit(message)
        picked = rng.permutation(len(free))[: len(heads)]
        chosen.update({head: free[index] for head, index in zip(heads, picked, strict=True)})
    return chosen
