"""Every piece of an adapter beside what the plain run says of it: on whole batches, and in the shapes in which the engine calls it.

A piece that is right on a batch [B, T, d] may be wrong on variants of it [M, B, P, d], on some heads, on some positions or on more rows
than an MLP takes at once: a file of a family that counts on one shape is found here, and not by a wrong number.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from circuitdsl.borders.steps import MLP_ROWS_AT_ONCE
from circuitdsl.borders.units import WriteGroup

if TYPE_CHECKING:
    from torch import nn

    from circuitdsl.borders.adapter import Adapter, Captured

Pair = tuple[Tensor, Tensor]
"""From the pieces, and from the plain run."""


def of_batches(adapter: "Adapter", captured: "Captured") -> Iterator[Pair]:
    """Of each layer: keys and values of every head, weighted values, MLP, and the MLP as the sum of its neurons."""
    shape = adapter.shape
    heads = list(range(shape.heads))
    positions = torch.arange(captured.embed.shape[1], device=captured.embed.device)
    for layer in range(shape.layers):
        attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
        normalised = adapter.norm(attention, captured.reads[attention])
        q, k, v = (adapter.project(layer, port, normalised, heads) for port in "qkv")
        k = adapter.rotate(layer, k, positions)
        yield k, _grouped(adapter, captured.keys[layer], heads)
        yield v, _grouped(adapter, captured.values[layer], heads)
        yield adapter.attend(layer, adapter.rotate(layer, q, positions), k, v, positions)[0], captured.heads[layer]
        for alone in (positions[:2][-1:], positions[-1:]):
            yield adapter.attend(layer, adapter.rotate(layer, q[:, alone], alone), k, v, alone)[0], captured.heads[layer][:, alone]
        if shape.mlps:
            normalised = adapter.norm(mlp, captured.reads[mlp])
            yield adapter.mlp(layer, normalised), captured.mlps[layer]
            down = adapter.parts(layer).down
            if down is not None:
                yield _of_neurons(adapter, layer, normalised, (list(range(shape.mlp_width)),), down), captured.mlps[layer]


def of_variants(adapter: "Adapter", captured: "Captured") -> Iterator[Pair]:
    """The same of two variants of two prompts, at some positions, of some heads in another order, and half of the neurons at a time."""
    shape = adapter.shape
    length = captured.embed.shape[1]
    heads = list(range(shape.heads))[::-2]
    neurons = list(range(shape.mlp_width))[::-2], list(range(shape.mlp_width))[-2::-2]
    some = torch.arange(length - 1, -1, -2, device=captured.embed.device).flip(0)

    def variants(found: Tensor) -> Tensor:
        """[B, T, …] → [2, B' ≤ 2, T, …]: the same prompts in two orders."""
        return torch.stack([found[:2], found[:2].flip(0)])

    def rotated(layer: int, projected: Tensor, positions: Tensor) -> Tensor:
        turned = adapter.rotate(layer, projected.flatten(0, 1), positions)
        return turned.view(*projected.shape)

    for layer in range(shape.layers):
        attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
        stream = variants(captured.reads[attention])
        normalised = adapter.norm(attention, stream)
        yield adapter.norm(attention, stream[:, :, some], stream[:, :, some]), normalised[:, :, some]
        keys, values = (variants(_grouped(adapter, kept[layer], heads)) for kept in (captured.keys, captured.values))
        yield rotated(layer, adapter.project(layer, "k", normalised[:, :, some], heads), some), keys[:, :, some]
        yield adapter.project(layer, "v", normalised[:, :, some], heads), values[:, :, some]
        q = rotated(layer, adapter.project(layer, "q", normalised[:, :, some], heads), some)
        scores = adapter.scores(layer, q.flatten(0, 1), keys.flatten(0, 1))
        of_each = scores.view(*q.shape[:2], *scores.shape[1:]).permute(1, 2, 0, 3, 4)
        pattern = adapter.pattern(layer, of_each, some)  # [B, n, M, P, T], as the engine has it
        weighted = (pattern.permute(2, 0, 1, 3, 4) @ values.transpose(2, 3)).transpose(2, 3)
        yield weighted, variants(captured.heads[layer])[:, :, some][:, :, :, heads]
        if shape.mlps:
            stream = variants(captured.reads[mlp])[:, :, some]
            normalised, made = adapter.norm(mlp, stream), variants(captured.mlps[layer])[:, :, some]
            yield adapter.norm(mlp, stream, stream), normalised
            yield adapter.mlp(layer, normalised), made
            if (down := adapter.parts(layer).down) is not None:
                yield _of_neurons(adapter, layer, normalised, neurons, down), made
            if layer == 0:
                times = MLP_ROWS_AT_ONCE // normalised[..., 0].numel() + 1
                yield adapter.mlp(layer, normalised.repeat(times, 1, 1, 1)), made.repeat(times, 1, 1, 1)


def _of_neurons(adapter: "Adapter", layer: int, normalised: Tensor, parts: Sequence[list[int]], down: "nn.Module") -> Tensor:
    """An MLP's contribution as the sum of its neurons', so many of them at a time."""
    written = torch.zeros_like(normalised)
    for some in parts:
        written = written + adapter.write_neurons(layer, adapter.neurons(layer, normalised, some), some)
    bias: Any = getattr(down, "bias", None)
    return written if bias is None else written + bias * adapter.multiplier(WriteGroup(layer, "mlp"))


def _grouped(adapter: "Adapter", kept: Tensor, heads: list[int]) -> Tensor:
    """Keys or values [B, T, KV, h] as query heads see them: [B, T, n, h]."""
    each = adapter.shape.heads // adapter.shape.kv_heads
    return kept[:, :, [head // each for head in heads]]
