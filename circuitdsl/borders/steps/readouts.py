"""Steps that leave numbers or vectors for readouts."""

from collections.abc import Iterator
from dataclasses import dataclass

from circuitdsl.borders.readouts import LogitsReadout, VectorReadout
from circuitdsl.borders.steps.base import Depth, Memory, PlanStep, Setting
from circuitdsl.borders.steps.streams import layers_read, layers_written
from circuitdsl.borders.steps.work import Work, product
from circuitdsl.borders.units import ModelShape
from circuitdsl.borders.values import World

LOGITS_AT_ONCE = 1 << 25
"""Logits of the whole vocabulary that are held at once."""


@dataclass(frozen=True, slots=True)
class ReadLogits(PlanStep):
    """Readouts of logits that ask the same question: one for each of `variants` of a `Normalise` for the logits.

    `reference` is (register, variant) of what they compare with, where they compare.
    """

    readouts: tuple[LogitsReadout, ...]
    read: int
    variants: tuple[int, ...]
    positions: tuple[int, ...]
    whole: bool
    """Whether it needs the logits of the whole vocabulary, and not only of the tokens that it names."""
    tokens: int
    """How many tokens' logits it takes on the panel's rows."""
    at_once: int = 1
    """At how many positions of a prompt it holds them at once."""
    normalised: bool = False
    """Whether it needs their probabilities."""
    reference: tuple[int, int] | None = None
    reference_positions: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[int, ...]:
        return (self.read,) if self.reference is None else (self.read, self.reference[0])

    @property
    def columns(self) -> int:
        return len(self.readouts)

    @property
    def calls(self) -> float:
        return 65 + len(self.readouts)

    def work(self, setting: Setting) -> Work:
        rows = len(self.variants)
        unembedded = product(rows * (2 if self.reference else 1), setting.shape.width, self.tokens)
        return unembedded + Work(0, 4 * rows * self.tokens)

    def memory(self, setting: Setting) -> Memory:
        """Reads as they are taken, and logits of so many variants at once as the limit allows."""
        m, reference, width = len(self.variants), self.reference is not None, setting.shape.width
        reads = 3 * m * max(1, len(self.positions)) * width
        copies = self.at_once * (2 + 2 * self.normalised) + 2 * reference
        if self.tokens < setting.shape.vocabulary:
            return Memory(reads + (copies + 6) * m * self.tokens, self.tokens * width)
        reads += 2 * reference * self.at_once * self.tokens
        alone = setting.prompts * self.tokens
        if alone > LOGITS_AT_ONCE:  # one variant after another
            return Memory(reads + copies * self.tokens)
        return Memory(reads, copies * alone * min(m, LOGITS_AT_ONCE // alone))


@dataclass(frozen=True, slots=True)
class ReadVector(PlanStep):
    """A vector for each prompt [B, d], averaged over `positions`: what a unit writes, or the stream that it reads."""

    readout: VectorReadout
    world: World
    positions: tuple[int, ...]
    width: int

    @property
    def columns(self) -> int:
        return self.width

    @property
    def calls(self) -> float:
        return 11

    def depths(self, shape: ModelShape) -> Iterator[tuple[World, Depth]]:
        group = self.readout.value.unit.group
        layers = layers_written(group) if self.readout.output else layers_read(group, shape)
        yield self.world, Depth(layers, frozenset(self.positions))

    def work(self, setting: Setting) -> Work:
        if self.readout.value.unit.spec.attends:
            return product(len(self.positions), setting.shape.head_width, self.width)
        return Work(0, 2 * len(self.positions) * self.width)

    def memory(self, setting: Setting) -> Memory:
        return Memory(4 * len(self.positions) * self.width)
