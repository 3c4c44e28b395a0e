"""Floating-point operations and numbers moved, for predictions of time.

A product of [a, b] and [b, c] counts 2abc operations and reads and writes each matrix once. Numbers are a prompt's unless said.
"""

from typing import NamedTuple

from circuitdsl.borders.units import ModelShape

TILE = 48
"""Numbers along each side of a product that take as long as none: its blocks do not fill at the edges. Half of it along the rows."""
ACTIVATION = 16
"""Numbers moved for each neuron by an MLP's activation, which is several operations."""


class Work(NamedTuple):
    """Operations, and numbers read or written: a prompt's. `weights` are read once for all prompts of a chunk.

    `padded` are the products' operations with those that they lose at their edges; other operations take less than what they move.
    """

    flops: float
    moved: float
    weights: float = 0.0
    padded: float = 0.0

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]
        flops, moved, weights, padded = other
        return Work(self.flops + flops, self.moved + moved, self.weights + weights, self.padded + padded)

    def times(self, factor: float) -> "Work":
        return Work(*(factor * one for one in self))


def product(rows: float, inner: float, outer: float) -> Work:
    flops = 2 * rows * inner * outer
    return Work(flops, rows * (inner + outer), inner * outer, flops * (1 + TILE / max(inner, 1) + TILE / max(outer, 1)))


def mlp(shape: ModelShape, tokens: float) -> Work:
    """Two projections, or three where the MLP is gated."""
    return product(tokens, shape.width, shape.mlp_width).times(3 if shape.gated else 2) + Work(0, ACTIVATION * tokens * shape.mlp_width)


def activations(shape: ModelShape) -> int:
    """Sets of an MLP's activations that are there at once: gate, its activation and the other projection; or before and after a GELU."""
    return 3 if shape.gated else 2


def attend(queries: float, keys: float, heads: float, width: float, laid: float | None = None) -> Work:
    """Scores, softmax and weighted values of one prompt. Keys and values are laid out anew for the products: so many numbers, which are
    fewer than all heads' where variants share them.
    """
    scores = heads * queries * keys
    flops = 4 * scores * width
    padded = flops * (1 + TILE / width + TILE / keys)
    return Work(flops, 12 * scores + 4 * (2 * heads * keys * width if laid is None else laid) + 4 * heads * queries * width, 0, padded)
