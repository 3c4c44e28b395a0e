"""Base worlds: every unit's contribution, and the stream before every reader, without any override.

A world's rows are rows of a *pool*: captured prompts, averages (one a layout), or a single row of zeros; `View` picks the
pool's row for each prompt of a chunk. U rows of the pool, B of the chunk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.steps import Backgrounds, Index
from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import World
from circuitdsl.engine.indexing import Indexing


class Pool(Protocol):
    """Contributions and reads of U rows in one length. Heads before their output projection [U, T, n, h]; the rest [U, T, …]."""

    @property
    def embed(self) -> Tensor: ...
    def heads(self, layer: int) -> Tensor: ...
    def mlp(self, layer: int) -> Tensor: ...
    def neurons(self, layer: int, indices: tuple[int, ...]) -> Tensor: ...
    def read(self, reader: WriteGroup) -> Tensor: ...
    def keys(self, layer: int, heads: tuple[int, ...], port: str) -> Tensor: ...


@dataclass
class CapturedPool:
    """Plain runs of the model."""

    adapter: Adapter
    captured: Captured

    @property
    def embed(self) -> Tensor:
        return self.captured.embed

    def heads(self, layer: int) -> Tensor:
        return self.captured.heads[layer]

    def mlp(self, layer: int) -> Tensor:
        return self.captured.mlps[layer]

    def neurons(self, layer: int, indices: tuple[int, ...]) -> Tensor:
        group = WriteGroup(layer, "mlp")
        return self.adapter.neurons(layer, self.adapter.norm(group, self.read(group)), indices)

    def read(self, reader: WriteGroup) -> Tensor:
        return self.captured.reads[reader]

    def keys(self, layer: int, heads: tuple[int, ...], port: str) -> Tensor:
        kept = self.captured.keys[layer] if port == "k" else self.captured.values[layer]
        shape = self.adapter.shape
        wanted = [head * shape.kv_heads // shape.heads for head in heads]
        return kept if wanted == list(range(kept.shape[2])) else kept[:, :, wanted]


@dataclass
class MadePool:
    """Contributions that no plain run gave: averages, or zeros. The streams are built from them, groups and their post-norms in order."""

    adapter: Adapter
    embed: Tensor
    _heads: Sequence[Tensor]
    _mlps: Sequence[Tensor]
    _neurons: Mapping[tuple[int, int], Tensor]
    """[U, T] by (layer, index)."""

    def heads(self, layer: int) -> Tensor:
        return self._heads[layer]

    def mlp(self, layer: int) -> Tensor:
        return self._mlps[layer]

    def neurons(self, layer: int, indices: tuple[int, ...]) -> Tensor:
        return torch.stack([self._neurons[layer, index] for index in indices], -1)

    def read(self, reader: WriteGroup) -> Tensor:
        return self._reads[reader]

    @cached_property
    def _reads(self) -> dict[WriteGroup, Tensor]:
        shape, stream = self.adapter.shape, self.embed
        reads: dict[WriteGroup, Tensor] = {}
        for layer in range(len(self._heads)):
            attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
            reads[attention] = stream
            after = stream + self.adapter.post(attention, total(self.adapter, attention, self.heads(layer)))
            if shape.mlps:
                reads[mlp] = stream if shape.parallel else after
                after = after + self.adapter.post(mlp, self.mlp(layer))
            stream = after
        reads[WriteGroup(len(self._heads), "attention")] = reads[WriteGroup(0, "logits")] = stream
        return reads

    def keys(self, layer: int, heads: tuple[int, ...], port: str) -> Tensor:
        group = WriteGroup(layer, "attention")
        projected = self.adapter.project(layer, port, self.adapter.norm(group, self.read(group)), heads)
        if port == "v":
            return projected
        return self.adapter.rotate(layer, projected, torch.arange(projected.shape[1], device=projected.device))


def total(adapter: Adapter, group: WriteGroup, contributions: Tensor) -> Tensor:
    """c_g + Σ x_u of a write group, before its post-norm: heads' weighted values [..., H, h], or an MLP's contribution [..., d]."""
    if group.kind != "attention":
        return contributions
    written = adapter.write(group.layer, contributions, range(contributions.shape[-2]))
    bias = adapter.bias(group)
    return written if bias is None else written + bias


def zeros(adapter: Adapter, length: int) -> MadePool:
    """The world in which every contribution is zero, one row."""
    shape = adapter.shape

    def empty(*sizes: int) -> Tensor:
        return torch.zeros(1, length, *sizes, dtype=adapter.dtype, device=adapter.device)

    return MadePool(
        adapter,
        empty(shape.width),
        [empty(shape.heads, shape.head_width)] * shape.layers,
        [empty(shape.width)] * (shape.layers if shape.mlps else 0),
        _Silent(empty()),
    )


class _Silent(dict[tuple[int, int], Tensor]):
    """Zero for every neuron."""

    def __init__(self, zero: Tensor):
        super().__init__()
        self.zero = zero

    def __missing__(self, key: tuple[int, int]) -> Tensor:
        return self.zero


def average(
    adapter: Adapter,
    pools: Callable[[tuple[int, ...]], Pool],
    strata: Sequence[Sequence[int]],
    chunk: int,
    layers: int,
    neurons: Sequence[tuple[int, int]],
) -> MadePool:
    """Contributions averaged within each of the strata, which name rows of a distribution: U is the number of strata.

    `pools` gives the plain runs of some rows in their first `layers` layers; `neurons` are the (layer, index) that are asked for.
    Sums are at least in float32: in bfloat16 a sum stands still once it is some hundred times what is added.
    """
    shape, precise = adapter.shape, torch.promote_types(adapter.dtype, torch.float32)
    rows = [(row, stratum) for stratum, members in enumerate(strata) for row in members]
    sums: list[Tensor] | None = None
    for start in range(0, len(rows), chunk):
        some = rows[start : start + chunk]
        pool = pools(tuple(row for row, _ in some))
        found = [pool.embed, *map(pool.heads, range(layers)), *(map(pool.mlp, range(layers)) if shape.mlps else ())]
        found += [pool.neurons(layer, (index,))[..., 0] for layer, index in neurons]
        to = torch.tensor([stratum for _, stratum in some], device=adapter.device)
        if sums is None:
            sums = [one.new_zeros(len(strata), *one.shape[1:], dtype=precise) for one in found]
        for kept, one in zip(sums, found, strict=True):
            kept.index_add_(0, to, one.to(precise))
    assert sums is not None, "no row to average over"
    counts = torch.tensor([len(members) for members in strata], device=adapter.device)
    means = [(one / counts.view(-1, *[1] * (one.dim() - 1))).to(adapter.dtype) for one in sums]
    heads, mlps = means[1 : 1 + layers], means[1 + layers : len(means) - len(neurons)]
    return MadePool(adapter, means[0], heads, mlps, dict(zip(neurons, means[len(means) - len(neurons) :], strict=True)))


@dataclass
class View:
    """Rows of a pool put beside the prompts of a chunk, for M worlds at once, or for one: all that it gives has them as first axis."""

    adapter: Adapter
    pool: Pool
    indexing: Indexing
    rows: Tensor | None = None
    """[M, B]: row b of world m is this row of the pool. None: one world with the pool's own rows."""

    def read(self, reader: WriteGroup, positions: tuple[int, ...]) -> Tensor:
        """[M, B, P, d]: the stream that the readers of this group read."""
        return self._pick(self.pool.read(reader), positions)

    def keys(self, layer: int, heads: tuple[int, ...], length: int, port: str) -> Tensor:
        """[M, B, length, n, h]: keys or values."""
        return self._pick(self.pool.keys(layer, heads, port), tuple(range(length)))

    def contribution(self, group: WriteGroup, kind: str, members: tuple[int, ...], positions: tuple[int, ...]) -> Tensor:
        """Heads' weighted values [M, B, P, n, h], neurons [M, B, P, n], else [M, B, P, d]."""
        if kind == "head":
            return self._pick(self.pool.heads(group.layer), positions, members)
        if kind == "neuron":
            return self._pick(self.pool.neurons(group.layer, members), positions)
        return self._pick(self.pool.mlp(group.layer) if kind == "mlp" else self.pool.embed, positions)

    def total(self, group: WriteGroup, positions: tuple[int, ...]) -> Tensor:
        """[M, B, P, d]: c_g + Σ x_u of a write group."""
        pool = self.pool
        raw = pool.heads(group.layer) if group.kind == "attention" else pool.mlp(group.layer) if group.kind == "mlp" else pool.embed
        return total(self.adapter, group, self._pick(raw, positions))

    def _pick(self, tensor: Tensor, positions: tuple[int, ...], members: Index = None) -> Tensor:
        picked = self.indexing.take(tensor, None, positions, members)
        if self.rows is None:
            return picked[None]
        return torch.unflatten(picked.index_select(0, self.rows.flatten()), 0, self.rows.shape)


@dataclass
class Views:
    """The views of a chunk, of single worlds and of several that share a pool.

    `rows` [worlds, prompts] are the pools' rows beside the prompts. `places` of worlds among them are kept in `known`, which serves
    other chunks of the panel, by the identity of a step's tuple of worlds: there may be thousands.
    """

    adapter: Adapter
    indexing: Indexing
    pools: Mapping[World, Pool]
    places: Mapping[World, int]
    rows: np.ndarray
    known: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = torch.tensor(self.rows, device=self.adapter.device)

    def of(self, worlds: Backgrounds) -> View:
        pool = self.pools[worlds[0]]
        if len(worlds) == 1:
            place = self.places[worlds[0]]
            same = np.array_equal(self.rows[place], np.arange(len(pool.embed)))
            return View(self.adapter, pool, self.indexing, None if same else self._rows[place : place + 1])
        taken = self.known.get(id(worlds))
        if taken is None:
            taken = self.known[id(worlds)] = torch.tensor([self.places[world] for world in worlds], device=self.adapter.device)
        return View(self.adapter, pool, self.indexing, self._rows.index_select(0, taken))
