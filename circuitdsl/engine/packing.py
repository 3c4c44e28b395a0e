"""A captured run as named tensors for a file, and back: the same bits in the same order of memory, so that products are the same."""

import hashlib
import json
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from circuitdsl.borders.adapter import Captured
from circuitdsl.borders.units import WriteGroup


def pack(captured: Captured) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Contiguous tensors by name, and a header: how each lies in memory, which name another's tensor, checksums."""
    tensors: dict[str, Tensor] = {}
    orders: dict[str, list[int]] = {}
    same: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, tensor in _named(captured):
        key = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if key in seen:
            same[name] = seen[key]
            continue
        seen[key] = name
        strides = tensor.stride()
        orders[name] = [axis for _, axis in sorted((-stride, axis) for axis, stride in enumerate(strides))]
        tensors[name] = tensor.permute(orders[name]).contiguous().cpu()
    sums = {name: checksum(tensor) for name, tensor in tensors.items()}
    return tensors, {"orders": json.dumps(orders), "same": json.dumps(same), "checksums": json.dumps(sums)}


def unpack(tensors: Mapping[str, Tensor], header: Mapping[str, str], layers: int) -> Captured:
    """The run's first `layers` layers from the tensors that `names` asks for."""
    orders, same = json.loads(header["orders"]), json.loads(header["same"])

    def found(name: str) -> Tensor:
        name = same.get(name, name)
        back = [orders[name].index(axis) for axis in range(len(orders[name]))]
        return tensors[name].permute(back)

    def kept(name: str) -> bool:
        return same.get(name, name) in tensors

    def each(what: str) -> tuple[Tensor, ...]:
        return tuple(found(f"{what}.{layer}") for layer in range(layers) if kept(f"{what}.{layer}"))

    every = {*orders, *same}
    groups = (WriteGroup(int(layer), kind) for _, layer, kind in (n.split(".") for n in every if n.startswith("reads.")))
    reads = {group: found(_read(group)) for group in sorted(groups, key=lambda group: group.key) if kept(_read(group))}
    return Captured(found("embed"), each("heads"), each("mlps"), reads, each("keys"), each("values"))


def names(header: Mapping[str, str], layers: int, all_layers: int) -> set[str]:
    """Names in the file of the tensors that the first `layers` layers take, with the stream that the next layer reads."""
    same = json.loads(header["same"])
    wanted = set()
    for name in (*json.loads(header["orders"]), *same):
        what, *where = name.split(".")
        number = int(where[0]) if where else 0
        if what == "reads":
            needed = layers == all_layers or (where[1] != "logits" and number < layers + (where[1] == "attention"))
        else:
            needed = what == "embed" or number < layers
        if needed:
            wanted.add(same.get(name, name))
    return wanted


def checksum(tensor: Tensor) -> str:
    """SHA-256 of a contiguous tensor's type, shape and bytes."""
    found = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    found.update(tensor.view(torch.uint8).numpy().data)
    return found.hexdigest()


def _named(captured: Captured) -> Iterator[tuple[str, Tensor]]:
    yield "embed", captured.embed
    for group, tensor in captured.reads.items():
        yield _read(group), tensor
    for what in ("heads", "mlps", "keys", "values"):
        for layer, tensor in enumerate(getattr(captured, what)):
            yield f"{what}.{layer}", tensor


def _read(group: WriteGroup) -> str:
    return f"reads.{group.layer}.{group.kind}"
