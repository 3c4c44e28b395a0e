"""Steps that add to streams: a normalised read, and a sum that is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from circuitdsl.borders.steps.base import Addend, Backgrounds, Depth, Memory, RegisterStep, Setting, added, gathered
from circuitdsl.borders.steps.work import Work
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.borders.values import World


@dataclass(frozen=True, slots=True)
class Normalise(RegisterStep):
    """Reads normalised for their readers: norm(background's read + sum of the parts) [M, B, P, d]."""

    reader: WriteGroup
    backgrounds: Backgrounds
    frozen: World | None
    positions: tuple[int, ...]
    variants: int
    parts: tuple[Addend, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(part.register for part in self.parts)

    @property
    def calls(self) -> float:
        return 11 + 2.2 * len(self.parts)

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        depth = Depth(layers_read(self.reader, shape), frozenset(self.positions))
        yield from ((world, depth) for world in self.backgrounds)
        if self.frozen is not None:
            yield self.frozen, depth

    def work(self, setting: Setting) -> Work:
        m, at, d = self.variants, len(self.positions), setting.shape.width
        return Work(8 * m * at * d, 6 * m * at * d + gathered(self.backgrounds, at * d) + added(self.parts, m, at, d))

    def memory(self, setting: Setting) -> Memory:
        one = len(self.positions) * setting.shape.width
        out, read = self.variants * one, setting.picked(self.backgrounds, one)
        scale = 0 if self.frozen is None else out + setting.picked((self.frozen,), one)
        return Memory(read + out + max(out + scale, setting.largest(self.parts)))


@dataclass(frozen=True, slots=True)
class Sum(RegisterStep):
    """Sums of parts, kept because several reads share them: [M, B, P, d]."""

    positions: tuple[int, ...]
    variants: int
    parts: tuple[Addend, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(part.register for part in self.parts)

    @property
    def calls(self) -> float:
        return 4 + 1.5 * len(self.parts)

    def work(self, setting: Setting) -> Work:
        m, at, d = self.variants, len(self.positions), setting.shape.width
        return Work(m * at * d * len(self.parts), added(self.parts, m, at, d))

    def memory(self, setting: Setting) -> Memory:
        return Memory(self.variants * len(self.positions) * setting.shape.width + setting.largest(self.parts))


def layers_read(reader: WriteGroup, shape: ModelShape) -> int:
    """Layers of a plain run that the stream of a reader takes: what comes later need not be run."""
    return {"embed": 0, "attention": reader.layer, "mlp": reader.layer + 1}.get(reader.kind, shape.layers)


def layers_written(group: WriteGroup) -> int:
    """Layers of a plain run that the contributions of a write group take."""
    return 0 if group.kind == "embed" else group.layer + 1
