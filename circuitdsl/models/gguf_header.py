"""The beginning of a GGUF file: its metadata, and the names, shapes and places of its tensors. No torch, no gguf.

The gguf package reads all tokens and merges as well, which takes seconds for a large vocabulary; a refusal should come at once.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from circuitdsl.models.errors import model_error

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 20
"""Bytes of one string, and numbers of one array, that are believed."""


class StoredTensor(NamedTuple):
    """`shape` as the file has it, the fastest dimension first; `place` in bytes from the start of the file."""

    shape: tuple[int, ...]
    type: int
    place: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """An array of texts (tokens, merges) is known by its length alone."""

    metadata: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))


def read_header(path: Path) -> GgufHeader:
    """Raises CircError C410 if the file is no GGUF of version 2 or 3, or ends too early."""
    with _reading(path) as file:
        return _header(file)


def read_architecture(path: Path) -> str:
    """`general.architecture`, which files have first, so that even of a large file little is read. Raises CircError C410."""
    with _reading(path) as file:
        _, keys = _counts(file)
        return next((str(value) for key, value in _pairs(file, keys) if key == "general.architecture"), "")


def floats(path: Path, tensor: StoredTensor) -> list[float]:
    """The values of a tensor that is stored as float32 (rope frequencies always are). Raises ValueError for another type."""
    if tensor.type != 0 or len(tensor.shape) != 1 or tensor.shape[0] > _LONGEST:
        raise ValueError("not a vector of float32")
    with path.open("rb") as file:
        file.seek(tensor.place)
        return list(struct.unpack(f"<{tensor.shape[0]}f", file.read(4 * tensor.shape[0])))


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except (struct.error, ValueError, MemoryError, OSError) as error:
        why = "the file ends in its header" if isinstance(error, struct.error) else error
        raise model_error("C410", f"cannot read {path.name}: {why}", "perhaps a copy or download was cut off: fetch it again") from None


def _counts(file: BinaryIO) -> tuple[int, int]:
    """How many tensors and how many keys there are."""
    if file.read(4) != b"GGUF":
        raise ValueError("it is no GGUF file, its first four bytes are others")
    (version,) = _unpack(file, "I")
    if version not in (2, 3):
        raise ValueError(f"version {version} of the format is not known")
    tensors, keys = _unpack(file, "QQ")
    return tensors, keys


def _pairs(file: BinaryIO, count: int) -> Iterator[tuple[str, Any]]:
    for _ in range(count):
        yield _text(file), _value(file, _unpack(file, "I")[0])


def _header(file: BinaryIO) -> GgufHeader:
    tensor_count, key_count = _counts(file)
    metadata = dict(_pairs(file, key_count))
    stored = {}
    for _ in range(tensor_count):
        name = _text(file)
        (dimensions,) = _unpack(file, "I")
        if dimensions > 8:
            raise ValueError(f"{name} has {dimensions} dimensions")
        shape = _unpack(file, f"{dimensions}Q")
        stored[name] = (shape, *_unpack(file, "IQ"))
    alignment = int(metadata.get("general.alignment", 32)) or 32
    start = -(-file.tell() // alignment) * alignment
    return GgufHeader(metadata, {name: StoredTensor(shape, kind, start + offset) for name, (shape, kind, offset) in stored.items()})


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST:
        raise ValueError(f"a text of {length} bytes")
    data = file.read(length)
    if len(data) < length:
        raise ValueError("the file ends in its header")
    return data.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind in _FORMATS:
        return _unpack(file, _FORMATS[kind])[0]
    if kind != _ARRAY:
        raise ValueError(f"metadata of the unknown type {kind}")
    element, count = _unpack(file, "IQ")
    if element == _STRING:
        for _ in range(count):
            _text(file)
        return count
    if element not in _FORMATS:
        raise ValueError(f"an array of the unknown type {element}")
    if count > _LONGEST:
        raise ValueError(f"an array of {count} numbers")
    return list(_unpack(file, f"{count}{_FORMATS[element]}"))
