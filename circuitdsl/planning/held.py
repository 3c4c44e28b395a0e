"""What a panel holds at once beyond the model: live registers, and what the running step makes before its own is done.

Numbers, an upper bound by the operations of `engine/chunk.py` and the adapter, with what they give to the next still there. Of a
float32 model on a CPU; attention patterns are counted with a cap on the scores, ports as rotated.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from circuitdsl.borders.plan import (
    LOGITS_AT_ONCE,
    MLP_ROWS_AT_ONCE,
    Attend,
    Change,
    Index,
    Normalise,
    Part,
    Placement,
    Project,
    ReadLogits,
    ReadVector,
    Source,
    Step,
    Sum,
    Transform,
    Worlds,
    Write,
)
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import World
from circuitdsl.planning import cost
from circuitdsl.planning.bench import Register, source
from circuitdsl.planning.columns import Columns


class Held(NamedTuple):
    """Numbers for each prompt of a chunk, and those that do not grow with it."""

    each: int
    fixed: int = 0


class Keys(NamedTuple):
    """Keys or values: numbers that all variants share, those that each has of its own, and positions of these. All that they hold beside
    registers, and what is held while they are made."""

    shared: int
    own: int
    at: int
    rest: int
    made: int


@dataclass(frozen=True, slots=True)
class Room:
    """What the steps of one panel need. `pools`: how many of its worlds take rows of one plain run."""

    shape: ModelShape
    registers: Sequence[Register]
    pools: Counter[str | World]
    prompts: int

    def peaks(
        self, steps: Sequence[Step], frees: Sequence[Sequence[int]], looked: Iterable[Columns], captured: int, running: Held
    ) -> tuple[Held, ...]:
        """What no other step exceeds in both numbers. `captured` is there all the time; `running` while the plain runs are made.

        Vectors and numbers of readouts stay until the last step; then they are put together.
        """
        looks, told = iter(looked), 0
        live, found = captured, {Held(captured + running.each, running.fixed)}
        for step, freed in zip(steps, frees, strict=True):
            beside = self.measure(step, next(looks)) if isinstance(step, ReadLogits) else self.beside(step)
            if not isinstance(step, ReadLogits | ReadVector):
                live += self.registers[step.out].elements
            found.add(Held(live + beside.each, beside.fixed))
            said = 2 * _told(step, self.shape.width)
            told += said
            live += said - sum(self.registers[number].elements for number in freed)
        found.add(Held(live + told))
        most: list[Held] = []
        for one in sorted(found, reverse=True):
            if not most or one.fixed > most[-1].fixed:
                most.append(one)
        return tuple(most)

    def beside(self, step: Step) -> Held:
        """Beside the step's register, of every step but `ReadLogits`."""
        match step:
            case Normalise(frozen=frozen, backgrounds=backgrounds, positions=at, variants=m, parts=parts):
                out, read = m * len(at) * self.shape.width, self.picked(backgrounds, len(at) * self.shape.width)
                scale = 0 if frozen is None else out + self.picked((frozen,), len(at) * self.shape.width)
                return Held(read + out + max(out + scale, self.largest(parts)))
            case Sum(variants=m, positions=at, parts=parts):
                return Held(m * len(at) * self.shape.width + self.largest(parts))
            case Project(out=out, port=port, heads=heads):
                return Held((1 if port == "v" else 3) * self.registers[out].elements, self.weights(heads, self.shape.head_width))
            case Attend(positions=at, length=length):
                return Held(self.attend(step), 3 * len(at) * length)  # which keys a query sees, 12 bytes each
            case Transform(read=read, neurons=neurons, positions=at):
                rows, width = self.registers[read].variants * len(at), self.shape.mlp_width if neurons is None else len(neurons)
                if neurons is not None:
                    return Held(3 * rows * width, 2 * self.weights(neurons, 1))
                blocks = rows * self.shape.width * (self.prompts * rows > MLP_ROWS_AT_ONCE)
                return Held(blocks, activations(self.shape) * width * min(MLP_ROWS_AT_ONCE, self.prompts * rows))
            case Write(changes=changes):
                weights = sum(
                    self.weights(change.members, self.wide(change.kind)) for change in changes if change.kind in ("head", "neuron")
                )
                return Held(self.write(step), weights)
            case ReadVector(positions=at):
                return Held(4 * len(at) * self.shape.width)
        raise TypeError(f"not a step that has a register: {step!r}")

    def wide(self, kind: str) -> int:
        return {"head": self.shape.head_width, "neuron": 1}.get(kind, self.shape.width)

    def weights(self, members: Sequence[int], width: int) -> int:
        """Rows of weights for heads or neurons that do not lie together: a copy, which the adapter keeps for a while."""
        return len(members) * width * (self.shape.width + 2) if _apart(tuple(members)) else 0

    def picked(self, worlds: Worlds, width: int) -> int:
        """Rows of a pool beside the prompts, `width` numbers each: of all the pool's first, where places do not lie together."""
        return (self.pools[source(worlds[0])] + len(worlds)) * width

    def largest(self, parts: Sequence[Part]) -> int:
        """Of the parts that are copied before they are added, with zeros around one whose positions and variants are both chosen."""

        def copied(part: Part) -> int:
            register = self.registers[part.register]
            variants, positions = _count(part.variants, register.variants), _count(part.positions, len(register.at))
            widened = part.to_variants is not None and part.to_positions is not None
            between = variants * len(register.at) if _apart(part.variants) and _apart(part.positions) else 0
            return (max(variants * positions * (1 + widened), variants * positions + between)) * register.width

        return max(map(copied, parts), default=0)

    def attend(self, step: Attend) -> int:
        """Queries, keys and values as they are taken, laid out anew for each of the two products, and up to three sets of scores.

        What is shared and what each variant has of its own is multiplied one after the other.
        """
        m, n, length = step.variants, len(step.heads), step.length
        one = length * n * self.shape.head_width
        out, scores = m * len(step.positions) * n * self.shape.head_width, m * n * len(step.positions) * length
        k, v = (self.keys(step, port, one) for port in (step.k, step.v))
        queries = out * (_apart(step.q.variants) or _apart(step.q.heads) or _apart(step.q.positions) or (k.shared > 0 and m > 1))
        scored = out + max(k.shared, k.own) + scores + scores * k.at // length
        mixed = 2 * scores + max(v.shared, v.own)
        if v.shared and v.own:
            mixed = max(scores + scores * v.at // length + v.own + out, 2 * scores + v.shared + 2 * out)
        return queries + max(k.made, k.rest + v.made, k.rest + v.rest + max(scored, 3 * scores, mixed))

    def keys(self, step: Attend, given: Source | None, one: int) -> Keys:
        """Keys or values for attention, `one` set of them for each variant or for all."""
        worlds, length = len(step.backgrounds), step.length

        def whole(sets: int, rest: int, made: int) -> Keys:
            return Keys(one, 0, length, rest, made) if sets == 1 else Keys(0, sets * one, length, rest, made)

        sets = 0 if given is None else _count(given.variants, self.registers[given.register].variants)
        copied = given is not None and (_apart(given.variants) or _apart(given.heads) or _apart(given.positions))
        if given is not None and given.at == tuple(range(length)):
            return whole(sets, sets * one * copied, sets * one * copied)
        picked = self.picked(step.backgrounds, one)
        if given is None:
            return whole(worlds, worlds * one, picked)
        new = sets * one * len(given.at) // length
        if sets > worlds:
            return Keys(one, new, len(given.at), one + new * copied, picked + new * copied)
        return whole(worlds, worlds * one, picked + worlds * one + new)

    def write(self, step: Write) -> int:
        """Contributions in place of others, their difference, and what came of the changes before; then the post-norm's two sides."""
        stream = step.variants * len(step.positions) * self.shape.width
        most = max((self.change(step, change) for change in step.changes), default=0)
        if self.shape.post_norm:
            most = max(most, 4 * stream + self.picked(step.backgrounds, len(step.positions) * self.shape.width))
        return most + stream * (len(step.changes) > 1)

    def change(self, step: Write, change: Change) -> int:
        width = len(change.members) * self.wide(change.kind)
        one = len(step.positions) * width
        own, every = self.picked(step.backgrounds, one), step.variants * one

        def side(placements: Sequence[Placement]) -> tuple[int, int]:
            """At rest, and while it is made."""
            if not placements:
                return len(step.backgrounds) * one, own
            placed = max(_count(p.to_variants, step.variants) * _count(p.to_positions, len(step.positions)) for p in placements) * width
            placed += max((self.pools[source(p.worlds[0])] for p in placements if p.worlds), default=0) * one
            return every, own + every + placed

        (new, making_new), (old, making_old) = side(change.placements), side(change.instead)
        return max(making_new, new + making_old, new + old + every * (change.kind in ("head", "neuron")))

    def measure(self, step: ReadLogits, looked: Columns) -> Held:
        """Reads as they are taken, and logits of so many variants at once as the limit allows."""
        m, reference = len(step.variants), step.reference is not None
        reads = 3 * m * max(1, len(step.positions)) * self.shape.width
        copies = looked.places * (2 + 2 * looked.probabilities) + 2 * reference
        if looked.count == self.shape.vocabulary:
            reads += 2 * reference * looked.places * looked.count
            alone = self.prompts * looked.count
            if alone > LOGITS_AT_ONCE:  # one variant after another
                return Held(reads + copies * looked.count)
            return Held(reads, copies * alone * min(m, LOGITS_AT_ONCE // alone))
        return Held(reads + (copies + 6) * m * looked.count, looked.count * self.shape.width)


def plain_run(shape: ModelShape, length: int) -> Held:
    """What a layer of a plain run makes in passing, beside what is kept of it, which is a copy; and its mask and positions."""
    attention = 5 * shape.heads * shape.head_width + 3 * shape.heads * length
    each = length * (2 + 6 * shape.width + max(attention, activations(shape) * shape.mlp_width * shape.mlps))
    return Held(each, length * (length + 4))


def activations(shape: ModelShape) -> int:
    """Sets of an MLP's activations that are there at once: gate, its activation and the other projection; or before and after a GELU."""
    return 3 if cost.gated(shape) else 2


def _apart(index: Index) -> bool:
    """Whether the places do not lie together, so that taking them is a copy."""
    return index is not None and index != tuple(range(index[0], index[0] + len(index)))


def _count(index: Index, every: int) -> int:
    return every if index is None else len(index)


def _told(step: Step, width: int) -> int:
    """Numbers, and those of vectors, that a step leaves for readouts."""
    match step:
        case ReadVector():
            return width
        case ReadLogits(readouts=readouts):
            return len(readouts)
        case Attend(patterns=patterns):
            return len(patterns)
    return 0
