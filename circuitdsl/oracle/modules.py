"""The model's own modules, run one unit at a time on one prompt. Nothing of the model is written again here but the scale of a frozen norm.

Shapes: a prompt is a batch of one, T positions, d stream, H heads of width h, m neurons, V vocabulary.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from circuitdsl.borders.adapter import Adapter, LayerParts, Projection
from circuitdsl.borders.units import Unit, WriteGroup

Handle = Any
T = TypeVar("T")


@contextmanager
def hooks(*register: Callable[[], Handle]) -> Iterator[None]:
    """Hooks that are gone afterwards, also after an exception, and also when registering one of them raises."""
    with ExitStack() as stack:
        for make in register:
            stack.callback(make().remove)
        yield


@dataclass(frozen=True)
class PlainRun:
    """What a plain run showed: the stream after the embedding [1, T, d]; a layer: the input of the attention's output projection
    [1, T, H·h], what else its attention was called with, the input of the MLP's `down` [1, T, m], and the MLP's output [1, T, d]."""

    embed: Tensor
    weighted: tuple[Tensor, ...]
    arguments: tuple[Mapping[str, Any], ...]
    neurons: tuple[Tensor | None, ...]
    mlps: tuple[Tensor | None, ...]


class Modules:
    """One unit at a time, by the model's own modules. Contributions are after a group's multiplier and before its post-norm."""

    def __init__(self, adapter: Adapter):
        self.adapter, self.shape = adapter, adapter.shape
        self.parts: list[LayerParts] = [adapter.parts(layer) for layer in range(adapter.shape.layers)]
        self._constants: dict[WriteGroup, Tensor] = {}

    # --- plain runs

    def run(self, tokens: tuple[int, ...]) -> PlainRun:
        seen: dict[tuple[str, int], Any] = {}

        def keep(name: str, layer: int) -> Callable[..., None]:
            def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any = None) -> None:
                rest = dict(kwargs)
                first = args[0] if args else rest.pop("hidden_states")
                found = first if output is None else output
                seen[name, layer] = found[None] if isinstance(found, Tensor) and found.ndim == 2 else found  # a batch of one, laid out flat
                if name == "attention":
                    seen["arguments", layer] = rest

            return hook

        before: list[tuple[str, int, nn.Module]] = []
        after: list[tuple[str, int, nn.Module]] = []
        for layer, parts in enumerate(self.parts):
            before += [("attention", layer, parts.attention), ("weighted", layer, parts.output)]
            if parts.attention_norm is not None:
                before.append(("stream", layer, parts.attention_norm))
            if parts.mlp_ends is not None and parts.down is not None:
                before.append(("neurons", layer, parts.down))
                after.append(("mlp", layer, parts.mlp_ends[1]))
        register = [partial(module.register_forward_pre_hook, keep(name, layer), with_kwargs=True) for name, layer, module in before]
        register += [partial(module.register_forward_hook, keep(name, layer), with_kwargs=True) for name, layer, module in after]
        with hooks(*register):
            self._model(tokens)

        layers = range(self.shape.layers)
        mlps = [seen.get(("mlp", layer)) for layer in layers]
        return PlainRun(
            embed=seen["stream", 0] if ("stream", 0) in seen else seen["attention", 0],
            weighted=tuple(seen["weighted", layer] for layer in layers),
            arguments=tuple(seen["arguments", layer] for layer in layers),
            neurons=tuple(seen.get(("neurons", layer)) for layer in layers),
            mlps=tuple(None if out is None else out * self._multiplier(layer, "mlp") for layer, out in enumerate(mlps)),
        )

    def contribution(self, run: PlainRun, unit: Unit) -> Tensor:
        """[1, T, d]: what the unit added to the stream in that run."""
        if unit.kind == "embed":
            return run.embed
        if unit.kind == "head":
            return self._slice_of_output(unit, run.weighted[unit.layer])
        if unit.kind == "mlp":
            return _present(run.mlps[unit.layer], unit)
        if unit.kind == "neuron":
            return self._neuron_of(unit, _present(run.neurons[unit.layer], unit))
        raise ValueError("the logits write nothing to the stream")

    def tokens(self, ids: tuple[int, ...]) -> Tensor:
        return torch.tensor([ids], device=self.adapter.device)

    def _model(self, ids: tuple[int, ...]) -> Any:
        return self.adapter.model(self.tokens(ids), use_cache=False)

    # --- units

    def head(self, unit: Unit, q: Tensor, k: Tensor, v: Tensor, arguments: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """The layer's own attention on normalised reads [1, T, d] → this head's contribution [1, T, d] and pattern [T, T].

        Every head is given these reads, and of what they write only this head's slice is kept.
        """
        parts = self.parts[unit.layer]

        def substitute(projection: Projection, read: Tensor) -> Callable[[], Handle]:
            def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
                own = module.forward(read)
                if projection.features is None:
                    made: Tensor = own
                    return made
                spliced = output.clone()
                spliced[..., projection.features] = own[..., projection.features]
                return spliced

            return lambda: projection.module.register_forward_hook(hook)

        def only_this_head(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (self._masked(args[0], unit.index), *args[1:])

        with hooks(
            substitute(parts.q, q),
            substitute(parts.k, k),
            substitute(parts.v, v),
            lambda: parts.output.register_forward_pre_hook(only_this_head),
        ):
            output, weights = parts.attention(q, **arguments)[:2]
        if weights is None:
            raise ValueError("the attention module gives no weights: load the model with the eager implementation of attention")
        bias = parts.output(torch.zeros_like(self._silent(q)))
        return (output - bias) * self._multiplier(unit.layer, "attention"), weights[0, unit.index]

    def mlp(self, unit: Unit, normalised: Tensor) -> Tensor:
        """[1, T, d] → [1, T, d] of an MLP, or of one of its neurons."""
        parts = self.parts[unit.layer]
        mlp, down = _present(parts.mlp, unit), _present(parts.down, unit)
        if unit.kind == "mlp":
            made: Tensor = mlp(normalised) * self._multiplier(unit.layer, "mlp")
            return made
        activations: list[Tensor] = []
        with hooks(lambda: down.register_forward_pre_hook(lambda module, args: activations.append(args[0]))):
            mlp(normalised)
        return self._neuron_of(unit, activations[0])

    def logits(self, ids: tuple[int, ...], normalised: Tensor) -> Tensor:
        """[T, V]: the model's own way from what its final norm gives [1, T, d] to its logits: run whole, with that put in."""
        norm, unembedding = self.adapter.final()
        if norm is None:
            put = partial(unembedding.register_forward_pre_hook, lambda module, args: (normalised, *args[1:]))
        else:
            put = partial(norm.register_forward_hook, lambda module, args, output: normalised)
        with hooks(put):
            made: Tensor = self._model(ids).logits[0]
            return made

    # --- norms, biases, sums

    def norm(self, reader: WriteGroup, stream: Tensor, scale_from: Tensor | None = None) -> Tensor:
        """The reader's pre-norm of a stream; with `scale_from` at that stream's scale, centring live."""
        module = self._pre_norm(reader)
        if module is None:
            return stream
        made: Tensor = module(stream)
        if scale_from is None:
            return made
        shift = module(torch.zeros_like(stream))
        made = (made - shift) * _spread(module, stream) / _spread(module, scale_from) + shift
        return made

    def constant(self, group: WriteGroup) -> Tensor:
        """c_g [d]: what the group adds when all its heads are silent; zero for an MLP, whose bias is its own."""
        if group not in self._constants:
            silent = torch.zeros(1, 1, self.shape.width, dtype=self.adapter.dtype, device=self.adapter.device)
            made = silent
            if group.kind == "attention":
                made = self.parts[group.layer].output(self._silent(silent)) * self._multiplier(group.layer, "attention")
            self._constants[group] = made[0, 0]
        return self._constants[group]

    def post(self, group: WriteGroup, total: Tensor) -> Tensor:
        """The norm after a group's sum, where the family has one."""
        if group.kind == "embed":
            return total
        parts = self.parts[group.layer]
        module = parts.attention_post if group.kind == "attention" else parts.mlp_post
        return total if module is None else module(total)

    def _pre_norm(self, reader: WriteGroup) -> nn.Module | None:
        if reader.kind == "logits":
            return self.adapter.final()[0]
        parts = self.parts[reader.layer]
        return parts.attention_norm if reader.kind == "attention" else parts.mlp_norm

    def _multiplier(self, layer: int, kind: str) -> float:
        return self.adapter.multiplier(WriteGroup(layer, kind))  # type: ignore[arg-type]

    def _silent(self, like: Tensor) -> Tensor:
        return like.new_zeros(*like.shape[:-1], self.shape.heads * self.shape.head_width)

    def _masked(self, weighted: Tensor, head: int) -> Tensor:
        start, end = head * self.shape.head_width, (head + 1) * self.shape.head_width
        kept = torch.zeros_like(weighted)
        kept[..., start:end] = weighted[..., start:end]
        return kept

    def _slice_of_output(self, unit: Unit, weighted: Tensor) -> Tensor:
        output = self.parts[unit.layer].output
        own = output(self._masked(weighted, unit.index)) - output(torch.zeros_like(weighted))
        made: Tensor = own * self._multiplier(unit.layer, "attention")
        return made

    def _neuron_of(self, unit: Unit, activations: Tensor) -> Tensor:
        down = _present(self.parts[unit.layer].down, unit)
        kept = torch.zeros_like(activations)
        kept[..., unit.index] = activations[..., unit.index]
        made: Tensor = (down(kept) - down(torch.zeros_like(kept))) * self._multiplier(unit.layer, "mlp")
        return made


def _spread(norm: Any, stream: Tensor) -> Tensor:
    """[…, 1]: what the norm divides by: the deviation if it centres (LayerNorm), else the root mean square."""
    eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    centred = stream - stream.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else stream
    made: Tensor = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return made


def _present(module: T | None, unit: Unit) -> T:
    if module is None:
        raise ValueError(f"the model has no {unit}")
    return module
