"""Draws that depend on their key alone: never on the order of statements, on other draws, or on how many rows were asked for."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import perm, prod
from typing import TypeVar

Key = str | int
Drawn = TypeVar("Drawn")


def uniform(below: int, *key: Key) -> int:
    """A uniform integer in `[0, below)`, of any size, from the SHAKE-256 stream of its key; rejection keeps it exact."""
    bits = (below - 1).bit_length()
    name = "\0".join(map(repr, key)).encode()
    for attempt in count():
        drawn = int.from_bytes(hashlib.shake_256(name + b"\0%d" % attempt).digest((bits + 7) // 8)) >> (-bits % 8)
        if drawn < below:
            return drawn
    raise AssertionError("unreachable")


def permutation(size: int, *key: Key) -> Iterator[int]:
    """All of `range(size)`, each once, in uniformly random order, lazily.

    Fisher and Yates's shuffle with only the exchanged places kept, so that the first n items of an astronomically large
    range cost n steps, and asking for more items keeps the first ones.
    """
    exchanged: dict[int, int] = {}
    for place in range(size):
        other = place + uniform(size - place, *key, place)
        yield exchanged.get(other, other)
        exchanged[other] = exchanged.pop(place, place)


def shuffled(items: Sequence[Drawn], *key: Key) -> list[Drawn]:
    return [items[index] for index in permutation(len(items), *key)]


@dataclass(frozen=True, slots=True)
class Choice:
    """`picks` members of `size` in order, all different or not. Its outcomes are numbered `0 … outcomes − 1`."""

    picks: int
    size: int
    distinct: bool = False

    @property
    def outcomes(self) -> int:
        return perm(self.size, self.picks) if self.distinct else self.size**self.picks

    def outcome(self, number: int) -> tuple[int, ...]:
        chosen: list[int] = []
        for place in range(self.picks):
            number, pick = divmod(number, self.size - place if self.distinct else self.size)
            if self.distinct:
                for taken in sorted(chosen):
                    pick += pick >= taken
            chosen.append(pick)
        return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Product:
    """All combinations of several choices, numbered."""

    choices: tuple[Choice, ...]

    @property
    def outcomes(self) -> int:
        return prod(choice.outcomes for choice in self.choices)

    def outcome(self, number: int) -> tuple[tuple[int, ...], ...]:
        found = []
        for choice in self.choices:
            number, part = divmod(number, choice.outcomes)
            found.append(choice.outcome(part))
        return tuple(found)


def stratified(strata: int, size: int, *key: Key) -> Iterator[tuple[int, int]]:
    """All (stratum, item) pairs, each once. Every run of `strata` pairs has each stratum once; within one, items are uniform."""
    items = [permutation(size, *key, "stratum", stratum) for stratum in range(strata)]
    for block in range(size):
        for stratum in permutation(strata, *key, "block", block):
            yield stratum, next(items[stratum])
