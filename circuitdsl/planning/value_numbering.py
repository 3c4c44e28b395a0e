"""Value numbering, position by position: a number says how a stream is made at a position, and equal numbers mean equal values.

Numbers are only ever compared at one position. 0 is the background's own stream.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Numbering = Mapping[int, int]
"""Number → bits of the positions that have it. Positions in none of them have number 0."""


def positions_in(mask: int) -> tuple[int, ...]:
    """The positions whose bits are set, in order."""
    return tuple(position for position in range(mask.bit_length()) if mask >> position & 1)


@dataclass(slots=True)
class ValueNumbering:
    """Gives equal things equal numbers."""

    length: int
    causal: bool
    _given: dict[tuple[object, ...], int] = field(default_factory=dict)
    _usual: dict[tuple[int, int], int] = field(default_factory=dict)
    """(position, what is seen before it) → what the first stream with this past has there."""

    def number(self, *key: object) -> int:
        return self._given.setdefault(key, len(self._given) + 1)

    def together(self, several: Iterable[Numbering]) -> list[tuple[tuple[int, ...], int]]:
        """The numbers of several things at once, and where they are those."""
        everywhere = (1 << self.length) - 1
        found: dict[int, list[int]] = {everywhere: []}
        for pieces in several:
            rest = everywhere & ~sum(pieces.values())
            parts = [*pieces.items(), (0, rest)] if rest else pieces.items()
            for at, numbers in [*found.items()]:
                inside = [(number, at & mine) for number, mine in parts if at & mine]
                if len(inside) == 1:
                    numbers.append(inside[0][0])
                else:
                    del found[at]
                    found.update((some, [*numbers, number]) for number, some in inside)
        return [(tuple(numbers), at) for at, numbers in found.items()]

    def seen(self, pieces: Numbering) -> Numbering:
        """Numbers of all that a query at each position can see of a stream.

        A query sees what the one before it sees and the stream at its own position. Where that is what came there when this past
        was first met, the number stays: a stream made in one way at many positions has one number rather than one for each.
        """
        if not self.causal:
            return {self.number("all", *sorted(pieces.items())): (1 << self.length) - 1} if pieces else {}
        found: dict[int, int] = {}
        own = [0] * self.length
        for number, at in pieces.items():
            for position in positions_in(at):
                own[position] = number
        past = 0
        for position, number in enumerate(own):
            usual = self._usual.setdefault((position, past), number) if past else 0
            if number != usual:
                past = self.number("after", position, past, number)
            if past:
                found[past] = found.get(past, 0) | 1 << position
        return found
