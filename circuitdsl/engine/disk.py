"""Plain runs on disk, for the next invocation: a safetensors file for each run, named by what was run and by how.

Content-addressed by the rows' tokens and by everything that can change a bit of the result: weights, configuration, code of the
adapters, type, device, threads, versions. A file is written beside its place, moved there whole, and read with its checksums.
Whatever goes wrong with the disk costs time and never a result.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from circuitdsl.borders.adapter import Adapter, Captured
from circuitdsl.borders.evidence import BaseRunsRecord
from circuitdsl.engine.packing import checksum, names, pack, unpack

FORMAT = "2"
At = tuple[int, ...] | None
"""Positions of a run's last layer; None: all."""
DAY = 86_400.0


class _Damaged(Exception):
    """The file is not what was written."""


@dataclass
class RunsOnDisk:
    """The runs of one model. `identity` names its weights, configuration and code; at most `limit` bytes are kept in `folder`.

    A run that took less than `least` seconds is not worth a file. One whose file took longer to read than the run had taken is not
    read again for a day: this is measured at each use.
    """

    folder: Path
    limit: int
    identity: str
    least: float = 0.1
    used: int = 0
    stored: int = 0
    began: float = field(default_factory=time.time)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why a run was made though it might have been there: how often."""
    unstored: Counter[str] = field(default_factory=Counter)
    """Why a run that was made was not stored: how often."""
    _mine: set[Path] = field(default_factory=set)
    """What this invocation read or stored: a file system's clock may be behind `began`."""

    def run(self, adapter: Adapter, tokens: Tensor, layers: int, at: At = None) -> Captured:
        """The first `layers` layers of a plain run on tokens [B, T], the last at positions `at`, or more: read, else made and stored."""
        if not self.limit:
            return capture(adapter, tokens, layers, at)
        how = self._conditions(adapter) | ({} if at is None else {"last layer": f"{layers} at {at}"})
        path = self.folder / f"{_digest(tokens.tolist())}-{_digest(how)}.safetensors"
        found, why = self._read(path, how, adapter, layers)
        if found is not None:
            self.used += 1
            self._mine.add(path)
            return found
        started = time.perf_counter()
        captured = capture(adapter, tokens, layers, at)
        _wait(adapter.device)
        took = time.perf_counter() - started
        if took < self.least:
            why = f"running takes less than {self.least:g} s"
        elif not _slow(path).exists():
            if refused := self._write(path, how, captured, took):
                self.unstored[refused] += 1
            else:
                self.stored += 1
        self.reasons[why] += 1
        return captured

    def record(self) -> BaseRunsRecord:
        """What the evidence keeps of it."""
        return BaseRunsRecord(read=self.used, stored=self.stored, made_because=dict(self.reasons), not_stored_because=dict(self.unstored))

    def _conditions(self, adapter: Adapter) -> dict[str, str]:
        """Everything beside the tokens that a bit of the result may depend on."""
        device = adapter.device
        return {
            "weights, configuration or adapters": self.identity,
            "type": str(adapter.dtype),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "processor": torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else "",
            "threads": str(torch.get_num_threads()) if device.type == "cpu" else "",
            "torch": torch.__version__,
            "transformers": _transformers(),
            "format": FORMAT,
        }

    # --- reading

    def _read(self, path: Path, how: Mapping[str, str], adapter: Adapter, layers: int) -> tuple[Captured | None, str]:
        """The run in a file, or why there is none. What is damaged is deleted."""
        slow = _slow(path)
        try:
            if slow.exists():
                if time.time() - slow.stat().st_mtime < DAY:
                    return None, "reading it took longer than running"
                slow.unlink()
            if not path.exists():
                return None, self._unlike(path, how)
            started = time.perf_counter()
            captured, header = _load(path, adapter, layers)
            if captured is None:
                return None, f"stored with {header['layers']} layers, and {layers} are needed"
            took, run = time.perf_counter() - started, float(header["seconds"])
            if took > run:
                slow.touch()
                path.unlink(missing_ok=True)
            else:
                os.utime(path)
            return captured, ""
        except (_Damaged, SafetensorError) as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None, f"damaged, and made again: {error}"
        except OSError as error:
            return None, f"not readable: {error.strerror or error}"

    def _unlike(self, path: Path, how: Mapping[str, str]) -> str:
        """Why there is no such file: never stored, or under which other conditions."""
        apart: list[list[str]] = []
        for other in self.folder.glob(f"{path.name.split('-')[0]}-*.safetensors"):
            with suppress(OSError, SafetensorError, _Damaged):
                with safe_open(other, framework="pt") as file:
                    there = json.loads(_header(file)["conditions"])
                apart.append([name for name in how if there.get(name) != how[name]])
        nearest = min(apart, key=len, default=[])
        return f"stored with other {', '.join(nearest)}" if nearest else "not in the cache yet"

    # --- writing

    def _write(self, path: Path, how: Mapping[str, str], captured: Captured, seconds: float) -> str:
        """Stores a run; where that does not work, why."""
        tensors, header = pack(captured)
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size > self.limit:
            return f"larger than the cache ({size / 1e6:,.1f} of {self.limit / 1e6:,.1f} MB)"
        depth = {"layers": str(len(captured.heads)), "at": json.dumps(captured.at)}
        header |= {"conditions": json.dumps(how), "seconds": repr(seconds), **depth}
        header["seal"] = _digest(header)
        making = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=10):
                if not self._make_room(size):
                    return "the cache is full of this run's own"
                save_file(tensors, making, metadata=header)
                making.replace(path)
                self._mine.add(path)
        except Timeout:
            return "another process is writing"
        except (OSError, SafetensorError) as error:
            return str(getattr(error, "strerror", None) or error)
        finally:
            with suppress(OSError):
                making.unlink(missing_ok=True)
        return ""

    def _make_room(self, size: int) -> bool:
        """Under the lock: deletes what killed writers have left, and what was used longest ago until `size` more bytes fit.

        Not what was used since this invocation began: else one with more runs than fit would leave none of those that it needs first.
        """
        for left in self.folder.glob("*.tmp"):
            left.unlink(missing_ok=True)
        states = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.safetensors"))
        total = sum(held for _, held, _ in states)
        free = [(held, path) for used, held, path in states if used < self.began and path not in self._mine]
        if total + size - sum(held for held, _ in free) > self.limit:
            return False
        for held, path in free:
            if total + size <= self.limit:
                break
            path.unlink(missing_ok=True)
            total -= held
        return True


def capture(adapter: Adapter, tokens: Tensor, layers: int, at: At = None) -> Captured:
    """The first `layers` layers of a plain run, the last of them at the positions `at` alone."""
    return adapter.capture(tokens, layers if layers < adapter.shape.layers else None, at)


def holds(there: At, layers: int, wanted: int, at: At) -> bool:
    """Whether a run with so many layers, the last `there`, has the wanted ones, the last of them `at`."""
    return layers > wanted or (layers == wanted and (there is None or (at is not None and set(at) <= set(there))))


@cache
def _transformers() -> str:
    """Its version, without importing it."""
    return version("transformers")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _slow(path: Path) -> Path:
    return path.with_suffix(".slow")


def _header(file: Any) -> dict[str, str]:
    header = file.metadata() or {}
    if header.pop("seal", "") != _digest(header):
        raise _Damaged("the header is another")
    return header


def _load(path: Path, adapter: Adapter, layers: int) -> tuple[Captured | None, dict[str, str]]:
    """Reads no more than is needed, by memory map, into memory of its own; None where the file holds fewer layers."""
    with safe_open(path, framework="pt") as file:
        header = _header(file)
        at = json.loads(header["at"])
        if int(header["layers"]) < layers:
            return None, header
        sums = json.loads(header["checksums"])
        tensors = dict(_checked(file, names(header, layers, adapter.shape.layers), sums, adapter))
    return replace(unpack(tensors, header, layers), at=None if at is None else tuple(at)), header


def _checked(file: Any, wanted: set[str], sums: Mapping[str, str], adapter: Adapter) -> Iterator[tuple[str, Tensor]]:
    for name in wanted:
        tensor = file.get_tensor(name)
        if checksum(tensor) != sums[name]:
            raise _Damaged(f"the checksum of {name} is another")
        yield name, tensor.clone() if adapter.device.type == "cpu" else tensor.to(adapter.device)
