"""The guards at load: the adapter's pieces give the model's own numbers, and the writes of all units sum to the residual stream."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import functional_call

from circuitdsl.borders.source import GuardError
from circuitdsl.borders.units import WriteGroup
from circuitdsl.models.errors import too_long
from circuitdsl.models.exact import exact
from circuitdsl.models.pieces import of_batches, of_variants

if TYPE_CHECKING:
    from circuitdsl.borders.adapter import Adapter, Captured

_WIDER = "use --dtype bfloat16 or float32"
_LOGITS = WriteGroup(0, "logits")
_BOUNDS = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-3}


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute differences, each as a share of the largest size of what it is compared with.

    `parity_error`: logits from the pieces against transformers' own. `sum_error`: the sum of all writes against the stream, at every
    read. `piece_error`: every layer's keys, values, weighted values and MLP from the pieces against those of the plain run.
    `device_error`: transformers' logits on the model's device against those of the CPU; None on the CPU itself.
    """

    parity_error: float
    sum_error: float
    piece_error: float
    bound: float
    device_error: float | None = None

    def line(self) -> str:
        """What is printed at load."""
        device = "" if self.device_error is None else f"this device's logits within {self.device_error:.1e} of the CPU's, "
        return (
            f"parity: {device}logits within {self.parity_error:.1e} of transformers' own, "
            f"writes sum to the residual stream within {self.sum_error:.1e}, pieces within {self.piece_error:.1e} (bound {self.bound:g})"
        )


@torch.no_grad()
def check_parity(adapter: "Adapter", *batches: Tensor | Sequence[Sequence[int]]) -> Parity:
    """Compares on batches of tokens [B, T], each of one length, and gives the largest errors. A float64 model is compared in float64
    throughout.

    Raises GuardError beyond 1e-4 of the scale in float32, 1e-9 in float64, 5e-2 in bfloat16, 5e-3 in float16:
    C420 logits, C421 the sum of writes, C422 a piece, C425 the device against the CPU; C424 if transformers itself cannot run the
    model, C435 if its own run is not finite. Raises CircError C415 for prompts longer than its context.
    """
    found = [_compared(adapter, batch) for batch in batches]
    devices = [one.device_error for one in found if one.device_error is not None]
    return Parity(
        parity_error=max(one.parity_error for one in found),
        sum_error=max(one.sum_error for one in found),
        piece_error=max(one.piece_error for one in found),
        bound=found[0].bound,
        device_error=max(devices, default=None),
    )


def _compared(adapter: "Adapter", tokens: Tensor | Sequence[Sequence[int]]) -> Parity:
    bound = _BOUNDS[adapter.dtype]
    tokens = torch.as_tensor(tokens, device=adapter.device)
    if tokens.shape[1] > adapter.shape.context:
        raise too_long(tokens.shape[1], adapter.shape)
    with exact() if adapter.dtype is torch.float64 else nullcontext():
        own = _own_logits(adapter, tokens)
        captured = adapter.capture(tokens)
        _assert_finite(adapter, captured, own)
        sums = dict(_sums(adapter, captured))
        logits = adapter.logits(adapter.norm(_LOGITS, sums[_LOGITS]))  # as the engine makes them: from a sum of writes
        parity = Parity(
            parity_error=_error(logits, own),
            sum_error=max(_error(total, captured.reads[group]) for group, total in sums.items()),
            piece_error=max(_error(piece, there) for piece, there in _pieces(adapter, captured)),
            bound=bound,
            device_error=None if adapter.device.type == "cpu" else device_error(adapter, tokens, own),
        )
    checks = [
        ("C420", parity.parity_error, "the logits computed from the adapter's pieces differ from transformers' own"),
        ("C421", parity.sum_error, "the writes of all units do not sum to the residual stream"),
        ("C422", parity.piece_error, "a layer recomputed from the adapter's pieces differs from the plain run"),
    ]
    if parity.device_error is not None:
        checks.insert(0, ("C425", parity.device_error, f"logits computed on {adapter.device} differ from those of the CPU"))
    for code, error, message in checks:
        if error == torch.inf and adapter.dtype is torch.float16:  # the model's own run is finite, see above
            raise GuardError("C435", f"float16 overflows, whose largest number is 65,504: {message}", hint=_WIDER)
        if error > bound:
            raise GuardError(
                code, f"{message}: by {error:.1e} of their scale, allowed {bound:g}", hint=f"explain {code} tells what it means"
            )
    return parity


def _own_logits(adapter: "Adapter", tokens: Tensor) -> Tensor:
    try:
        logits: Tensor = adapter.model(tokens).logits
        return logits
    except (RuntimeError, ValueError, IndexError) as error:
        why = " ".join(str(error).split())
        raise GuardError(
            "C424", f"the model itself cannot run the file's prompts: {why}", hint="is its config.json as published?"
        ) from error


def _assert_finite(adapter: "Adapter", captured: "Captured", own: Tensor) -> None:
    """Raises GuardError C435 if the model's own run gives infinity or NaN, with the first place where it does."""
    if bool(own.isfinite().all()):
        return
    places = [("the embedding", captured.embed)]
    for layer in range(adapter.shape.layers):
        attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
        places += [(f"the residual stream before layer {layer}", captured.reads[attention])]
        places += [(f"the keys of layer {layer}", captured.keys[layer]), (f"the values of layer {layer}", captured.values[layer])]
        for head in range(adapter.shape.heads):
            places.append((f"head {layer}.{head}", captured.heads[layer][..., head, :]))
        if adapter.shape.mlps:
            places += [(f"the residual stream before mlp {layer}", captured.reads[mlp]), (f"mlp {layer}", captured.mlps[layer])]
    places += [("the residual stream after the last layer", captured.reads[_LOGITS]), ("the logits", own)]
    first = next(name for name, tensor in places if not bool(tensor.isfinite().all()))
    dtype = str(adapter.dtype).removeprefix("torch.")
    if adapter.dtype is torch.float16:
        message = f"the model overflows in float16, whose largest number is 65,504: first in {first}"
        hint = _WIDER
    else:
        message = f"the model's own run in {dtype} gives infinity or NaN: first in {first}"
        hint = "are its weights and its config.json as published?"
    raise GuardError("C435", message, hint)


def device_error(adapter: "Adapter", tokens: Tensor, own: Tensor) -> float:
    """How far logits `own` [B, T, V] are from those of the same modules and weights on the CPU."""
    model = adapter.model
    weights = {name: tensor.cpu() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    return _error(own.cpu(), functional_call(model, weights, (tokens.cpu(),)).logits)


def _error(found: Tensor, expected: Tensor) -> float:
    """Infinite where either holds a NaN, which no comparison would find."""
    difference = (found.double() - expected.double()).abs().max()
    error = float(difference / expected.double().abs().max().clamp_min(1e-30))
    return error if error == error else float("inf")


def _pieces(adapter: "Adapter", captured: "Captured") -> Iterator[tuple[Tensor, Tensor]]:
    """Raises GuardError C422 for a piece that cannot be computed in one of the engine's shapes."""
    yield from of_batches(adapter, captured)
    try:
        yield from of_variants(adapter, captured)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        why = " ".join(str(error).split())
        message = f"a piece cannot be computed in a shape in which the engine asks for it: {why}"
        raise GuardError("C422", message, hint="explain C422 tells what it means") from error


def _sums(adapter: "Adapter", captured: "Captured") -> Iterator[tuple[WriteGroup, Tensor]]:
    """Each read's write group with embed + Σ post(c + Σ write) over what writes before it."""
    shape, total = adapter.shape, captured.embed
    for layer in range(shape.layers):
        attention, mlp = WriteGroup(layer, "attention"), WriteGroup(layer, "mlp")
        yield attention, total
        before, bias = total, adapter.bias(attention)
        written = sum((adapter.write(layer, captured.heads[layer][..., [i], :], [i]) for i in range(shape.heads)), torch.zeros_like(total))
        total = total + adapter.post(attention, written if bias is None else written + bias)
        if shape.mlps:
            yield mlp, before if shape.parallel else total
            total = total + adapter.post(mlp, captured.mlps[layer])
    yield _LOGITS, total
