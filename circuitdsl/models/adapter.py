"""The `Adapter` that serves every family: hooks for the plain run, slices of weights for the algebra's pieces."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from circuitdsl.borders.adapter import Captured, LayerParts, Projection
from circuitdsl.borders.steps import MLP_ROWS_AT_ONCE
from circuitdsl.borders.units import ModelShape, WriteGroup
from circuitdsl.models.errors import too_long, unknown_token
from circuitdsl.models.family import Family, discover
from circuitdsl.models.fused import fused, unfused
from circuitdsl.models.last_layer import with_last_layer

BLOCK = 1 << 24
"""Bytes of a plain run that are asked for at once. glibc gives up to 32 MB from what was freed before."""


class TransformerAdapter:
    """A loaded model seen through its family. Implements `borders.adapter.Adapter`; shapes are stated there."""

    def __init__(self, model: nn.Module, shape: ModelShape, family: Family):
        self.model, self.shape, self.family = model, shape, family
        self.config: Any = model.config
        self._body = family.body(model)
        self._blocks = list(family.blocks(self._body))
        self._parts = tuple(family.parts(block, shape) for block in self._blocks)
        self._unfused = unfused(model)
        # Views wherever the wanted rows lie together; the gathered rest is at most about two copies of the attention's weights.
        self._port = lru_cache(maxsize=6 * shape.layers)(self._gather_port)
        self._output = lru_cache(maxsize=2 * shape.layers)(self._gather_output)

    @property
    def device(self) -> torch.device:
        return self.final()[1].weight.device  # type: ignore[return-value]

    @property
    def dtype(self) -> torch.dtype:
        return self.final()[1].weight.dtype  # type: ignore[return-value]

    # --- the plain run

    def capture(self, tokens: Tensor, layers: int | None = None, at: tuple[int, ...] | None = None) -> Captured:
        """See `Adapter.capture`. Raises CircError C415 for prompts longer than the model's context, C418 for ids that it does not have."""
        if tokens.shape[1] > self.shape.context:
            raise too_long(tokens.shape[1], self.shape)
        if bool((tokens >= self.shape.vocabulary).any()):
            raise unknown_token(int(tokens.max()), self.shape)
        if at is not None:
            return with_last_layer(self, self.capture(tokens, (layers or self.shape.layers) - 1), at)
        depth = self.shape.layers if layers is None else layers
        reads, heads, mlps, keys, values = map(_Kept, (depth * (2 if self.shape.mlps else 1) + 1, depth, depth, depth, depth))
        cache = self.family.cache()
        logits, (norm, _) = WriteGroup(0, "logits"), self.final()
        with ExitStack() as hooks, fused(self._unfused):

            def whole(found: Any) -> Any:
                """[B, T, …] of what a model may have laid out as one row of tokens."""
                return found.view(*tokens.shape, -1) if isinstance(found, Tensor) and found.ndim == 2 else found

            def before(module: nn.Module, keep: Callable[[Tensor], None]) -> None:
                def hook(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
                    keep(whole(args[0] if args else kwargs["hidden_states"]))

                hooks.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

            def after(module: nn.Module, keep: Callable[[Tensor], None]) -> None:
                def hook(_: nn.Module, args: Any, output: Any) -> None:
                    keep(whole(output))

                hooks.callback(module.register_forward_hook(hook).remove)

            def stow(layer: int, _: Any) -> None:
                for name, kept in (("keys", keys), ("values", values)):
                    kept[layer] = getattr(cache.layers[layer], name)
                    setattr(cache.layers[layer], name, kept[layer])

            for layer, (block, parts) in enumerate(zip(self._blocks, self._parts, strict=True)):
                attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
                before(block, partial(reads.__setitem__, attention))
                before(parts.output, partial(heads.__setitem__, layer))
                after(parts.attention, partial(stow, layer))
                if parts.mlp_ends is not None:
                    first, last = parts.mlp_ends
                    before(parts.mlp_norm or first, partial(reads.__setitem__, mlp))
                    after(last, partial(mlps.__setitem__, layer))
            if norm is not None:
                before(norm, partial(reads.__setitem__, logits))
            if depth < self.shape.layers:
                hooks.callback(self._blocks[depth].register_forward_pre_hook(_enough).remove)
            try:
                end = self._body(tokens, past_key_values=cache, use_cache=True).last_hidden_state
                if logits not in reads:
                    reads[logits] = end
            except _Enough:
                pass
        run, width = range(depth), self.shape.head_width
        return Captured(
            embed=reads[WriteGroup(0, "attention")],
            heads=tuple(torch.unflatten(heads[layer], -1, (-1, width)) for layer in run),
            mlps=tuple(self._scaled(mlps[layer]) for layer in run if layer in mlps),
            reads=reads,
            keys=tuple(keys[layer].transpose(1, 2) for layer in run),
            values=tuple(values[layer].transpose(1, 2) for layer in run),
        )

    # --- attention

    def project(self, layer: int, port: str, normalised: Tensor, heads: Sequence[int]) -> Tensor:
        attention, width = self._parts[layer].attention, self.shape.head_width
        every = self.shape.heads if port == "q" else self.shape.kv_heads
        wanted = tuple(heads) if port == "q" else tuple(head // (self.shape.heads // every) for head in heads)
        if self.family.norm_spans_heads and port != "v":
            weight, bias = self._port(layer, port, tuple(range(every)))
            normed = self.family.head_norm(attention, port, F.linear(normalised, weight, bias))
            projected = torch.unflatten(normed, -1, (every, width))
            return _take(projected, wanted, tuple(range(every)))
        distinct = tuple(dict.fromkeys(wanted))
        weight, bias = self._port(layer, port, distinct)
        projected = torch.unflatten(F.linear(normalised, weight, bias), -1, (len(distinct), width))
        return _take(self.family.head_norm(attention, port, projected), wanted, distinct)

    def rotate(self, layer: int, projected: Tensor, positions: Tensor) -> Tensor:
        return self.family.rotate(self._body, layer, projected, positions)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        pattern = self.pattern(layer, self.scores(layer, q, k), positions)
        return (pattern @ v.transpose(1, 2)).transpose(1, 2), pattern

    def scores(self, layer: int, q: Tensor, k: Tensor) -> Tensor:
        return q.transpose(1, 2) @ k.permute(0, 2, 3, 1) * self.family.scaling(self._parts[layer].attention)

    def pattern(self, layer: int, scores: Tensor, positions: Tensor) -> Tensor:
        if cap := self.family.attention_cap(self.config):
            scores = torch.tanh(scores / cap) * cap
        if self.shape.causal:
            window = self.family.window(self.config, layer)
            # as transformers' masks, whose import takes a second
            back = positions[:, None] - torch.arange(scores.shape[-1], device=scores.device)
            visible = (back >= 0) & (back < window) if window else back >= 0
            scores = scores.masked_fill(~visible, -torch.inf)
        pattern = self.family.pattern(self.config, scores)
        if pattern is None:
            precise = scores.dtype if scores.dtype is torch.float64 else torch.float32
            pattern = scores.softmax(-1, dtype=precise).to(scores.dtype)
        return pattern

    def write(self, layer: int, weighted: Tensor, heads: Sequence[int]) -> Tensor:
        return self._scaled(F.linear(weighted.flatten(-2), self._output(layer, tuple(heads))))

    # --- MLPs

    def mlp(self, layer: int, normalised: Tensor) -> Tensor:
        mlp = self._parts[layer].mlp
        assert mlp is not None, "the family has no MLPs"
        rows = normalised.flatten(0, -2)
        with fused(self._unfused):
            if rows.device.type != "cpu" or len(rows) <= MLP_ROWS_AT_ONCE:
                return self._scaled(mlp(normalised))
            return self._scaled(torch.cat([mlp(some) for some in torch.split(rows, MLP_ROWS_AT_ONCE)])).view_as(normalised)

    def neurons(self, layer: int, normalised: Tensor, indices: Sequence[int]) -> Tensor:
        def project(projection: nn.Module | Projection) -> Tensor:
            module, rows = (projection, indices) if isinstance(projection, nn.Module) else (projection.module, _of(projection, indices))
            bias: Any = getattr(module, "bias", None)
            return F.linear(normalised, _rows(self.family.weight(module), rows), None if bias is None else _rows(bias, rows))

        with fused(self._unfused):
            return self.family.activations(self._parts[layer].mlp, project)

    def write_neurons(self, layer: int, activations: Tensor, indices: Sequence[int]) -> Tensor:
        return self._scaled(F.linear(activations, _rows(self.family.weight(self._parts[layer].down).T, indices).T))

    # --- norms, biases, logits

    def norm(self, reader: WriteGroup, stream: Tensor, scale_from: Tensor | None = None) -> Tensor:
        norm = self._pre_norm(reader)
        if norm is None:
            return stream
        return norm(stream) if scale_from is None else self._frozen(norm, stream, scale_from)

    def bias(self, group: WriteGroup) -> Tensor | None:
        bias = getattr(self._parts[group.layer].output, "bias", None) if group.kind == "attention" else None
        return None if bias is None else self._scaled(bias)

    def post(self, group: WriteGroup, total: Tensor) -> Tensor:
        if group.kind not in ("attention", "mlp"):
            return total
        parts = self._parts[group.layer]
        norm = parts.attention_post if group.kind == "attention" else parts.mlp_post
        return total if norm is None else norm(total)

    def logits(self, normalised: Tensor, columns: Tensor | None = None) -> Tensor:
        unembedding: Any = self.final()[1]
        weight, bias = unembedding.weight, unembedding.bias
        if columns is not None:
            weight, bias = weight[columns], None if bias is None else bias[columns]
        logits = F.linear(normalised, weight, bias)
        cap = self.family.logit_cap(self.config)
        return torch.tanh(logits / cap) * cap if cap else logits

    # --- the model's own modules

    def parts(self, layer: int) -> LayerParts:
        return self._parts[layer]

    def final(self) -> tuple[nn.Module | None, nn.Module]:
        return self.family.final(self.model)

    def multiplier(self, group: WriteGroup) -> float:
        return self.family.multiplier(self.config) if group.kind in ("attention", "mlp") else 1.0

    # --- within

    def _scaled(self, written: Tensor) -> Tensor:
        factor = self.family.multiplier(self.config)
        return written if factor == 1 else written * factor

    def _pre_norm(self, reader: WriteGroup) -> nn.Module | None:
        if reader.kind == "logits":
            return self.final()[0]
        parts = self._parts[reader.layer]
        return parts.attention_norm if reader.kind == "attention" else parts.mlp_norm

    def _frozen(self, norm: Any, stream: Tensor, scale_from: Tensor) -> Tensor:
        """Layer norm or RMS norm of `stream` with the scale of `scale_from` (docs/semantics.md, section 5)."""
        if isinstance(norm, nn.LayerNorm):
            scale = (scale_from.var(-1, unbiased=False, keepdim=True) + norm.eps).rsqrt()
            centred = stream - stream.mean(-1, keepdim=True)
            bias: Tensor | float = 0.0 if norm.bias is None else norm.bias
            return centred * scale * self.family.gain(norm) + bias
        epsilon = norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps
        scale = (scale_from.pow(2).mean(-1, keepdim=True) + epsilon).rsqrt()
        scaled: Tensor = stream * scale * self.family.gain(norm)
        return scaled

    def _gather_port(self, layer: int, port: str, heads: tuple[int, ...]) -> tuple[Tensor, Tensor | None]:
        """Weight [n·h, d] and bias [n·h] of a port; for k and v `heads` are key-value heads."""
        projection = getattr(self._parts[layer], port)
        weight, bias = self.family.weight(projection.module), getattr(projection.module, "bias", None)
        features = projection.features if projection.features is not None else torch.arange(weight.shape[0])
        rows = features.view(-1, self.shape.head_width)[list(heads)].flatten().tolist()
        return _rows(weight, rows), None if bias is None else _rows(bias, rows)

    def _gather_output(self, layer: int, heads: tuple[int, ...]) -> Tensor:
        """Weight [d, n·h] of the output projection."""
        weight = self.family.weight(self._parts[layer].output)
        width = self.shape.head_width
        return _rows(weight.T, [head * width + feature for head in heads for feature in range(width)]).T


class _Kept(dict[Any, Tensor]):
    """Tensors of one shape, copied into blocks of their own with room for so many.

    Where they are made they would lie among what each layer throws away, and hold on to the pages between. Blocks are small enough
    that the allocator has them again for the next run: new pages cost more than the copy.
    """

    def __init__(self, room: int):
        super().__init__()
        self._room = room

    def __setitem__(self, key: Any, found: Tensor) -> None:
        if not self:
            some = max(1, BLOCK // max(1, found.nbytes))
            blocks = [found.new_empty(min(some, self._room - start), *found.shape) for start in range(0, self._room, some)]
            self._places = [place for block in blocks for place in block]
        super().__setitem__(key, self._places[len(self)].copy_(found))


class _Enough(Exception):
    """The layers that were asked for have run."""


def _enough(*call: Any) -> None:
    raise _Enough


def adapt(model: nn.Module, name: str = "") -> TransformerAdapter:
    """The adapter of a model that is in memory already. Sets it to evaluation, without gradients.

    Raises KeyError if no family serves its `model_type`; `loading.load` says so in the user's words.
    """
    family = discover()[model.config.model_type]  # type: ignore[union-attr,index]
    shape = family.shape(model.config.to_dict(), name)  # type: ignore[union-attr,operator]
    return TransformerAdapter(model.eval().requires_grad_(False), shape, family)


def _rows(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Those rows: a view if they lie together in order, else a copy. Decided without asking the device, which would have to finish."""
    start, count = rows[0] if len(rows) else 0, len(rows)
    if list(rows) == list(range(start, start + count)):
        return tensor[start : start + count]
    with torch.inference_mode(False):  # what is kept may be used outside inference mode later
        return tensor[torch.tensor(rows, device=tensor.device)]


def _of(projection: Projection, indices: Sequence[int]) -> Sequence[int]:
    """The outputs of a projection's module that are the neurons `indices`."""
    return indices if projection.features is None else projection.features[list(indices)].tolist()


def _take(projected: Tensor, wanted: tuple[int, ...], there: tuple[int, ...]) -> Tensor:
    """Heads `wanted` of [..., n, h] that holds heads `there`; without a copy where nothing or one head is asked for."""
    if wanted == there:
        return projected
    if len(there) == 1:
        return projected.expand(*projected.shape[:-2], len(wanted), -1)
    return projected[..., [there.index(head) for head in wanted], :]
