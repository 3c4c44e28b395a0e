"""The last layer of a plain run at some positions alone: what no position reads after it need not be computed."""

from dataclasses import replace

import torch
from torch import Tensor

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.units import WriteGroup


def with_last_layer(adapter: Adapter, run: Captured, at: tuple[int, ...]) -> Captured:
    """One layer more than `run` has, from the adapter's pieces: keys and values at all positions, the rest at those of `at`, else NaN."""
    shape, layer = adapter.shape, len(run.heads)
    attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
    after = WriteGroup(0, "logits") if layer + 1 == shape.layers else WriteGroup(layer + 1, "attention")
    length, heads = run.embed.shape[1], range(shape.heads)
    every = torch.arange(length, device=adapter.device)
    some = torch.tensor(at, dtype=torch.long, device=adapter.device)

    normalised, stream = adapter.norm(attention, run.reads[attention]), run.reads[attention][:, some]
    one_each = range(0, shape.heads, shape.heads // shape.kv_heads)
    keys = adapter.rotate(layer, adapter.project(layer, "k", normalised, one_each), every)
    values = adapter.project(layer, "v", normalised, one_each)
    grouped = [head * shape.kv_heads // shape.heads for head in heads]
    queries = adapter.rotate(layer, adapter.project(layer, "q", normalised[:, some], heads), some)
    weighted, _ = adapter.attend(layer, queries, keys[:, :, grouped], values[:, :, grouped], some)
    written, bias = adapter.write(layer, weighted, heads), adapter.bias(attention)
    stream_after = stream + adapter.post(attention, written if bias is None else written + bias)

    def spread(found: Tensor) -> Tensor:
        return found.new_full((len(found), length, *found.shape[2:]), torch.nan).index_copy_(1, some, found)

    reads, mlps = dict(run.reads), run.mlps
    if shape.mlps:
        read = stream if shape.parallel else stream_after
        made = adapter.mlp(layer, adapter.norm(mlp, read))
        stream_after = stream_after + adapter.post(mlp, made)
        reads[mlp], mlps = spread(read), (*mlps, spread(made))
    reads[after] = spread(stream_after)
    return replace(
        run, heads=(*run.heads, spread(weighted)), mlps=mlps, reads=reads, keys=(*run.keys, keys), values=(*run.values, values), at=at
    )
