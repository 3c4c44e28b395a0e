"""What this machine does in a second, measured once and kept: what a prediction of time needs to know."""

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from circuitdsl.borders.plan import Machine

if TYPE_CHECKING:
    from torch import Tensor

TOGETHER = 0.75
"""Of the sum of what threads do alone, measured with two where nothing else ran."""


KEPT = 86_400.0
"""Seconds that a calibration is believed: what was measured at a busy moment is soon measured again."""


def known(folder: Path, device: str = "cpu", dtype: str = "float32") -> Machine | None:
    """The calibration kept in `folder` for this machine, its threads and this version of torch, which is not imported.

    None where there is none, or it is damaged or more than a day old.
    """
    try:
        found = Machine(**json.loads(_file(folder, device, dtype).read_text()))
        return found if found.made <= time.time() < found.made + KEPT else None
    except (OSError, ValueError, TypeError):
        return None


def machine(folder: Path, device: str = "cpu", dtype: str = "float32") -> Machine:
    """What is known of this machine, else a new calibration, which takes about a second and is kept."""
    found = known(folder, device, dtype)
    if found is None:
        found = calibrate(device, dtype)
        file = _file(folder, device, dtype)
        with suppress(OSError):  # where the cache cannot be written it is measured each time
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, suffix=".tmp") as written:
                json.dump(asdict(found), written)
            Path(written.name).replace(file)
    return found


def _file(folder: Path, device: str, dtype: str) -> Path:
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    key = "\n".join((platform.node(), platform.machine(), device, dtype, threads, version("torch")))
    return folder / "machines" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def calibrate(device: str = "cpu", dtype: str = "float32", rounds: int = 3) -> Machine:
    """Products of matrices and sums into new memory, both of the sizes that layers have, copies that no cache holds, and operations on
    next to nothing: each at its best of some rounds, so that no single busy moment spoils it.

    On a CPU all but copies are taken by all threads and by one: what else runs spoils the one's less. Products and sums reach `TOGETHER`
    of what threads do alone; a small operation is one thread's.
    """
    import torch

    def one_round() -> dict[str, float]:
        rows, width = 256, 768  # as few rows as are fast already: a short run is the likelier to be disturbed by nothing
        left, right = (torch.ones(some, width, device=device, dtype=getattr(torch, dtype)) for some in (rows, width))
        layer = torch.ones(1 << 20, device=device, dtype=left.dtype)
        large, other = (torch.ones(1 << 24, device=device, dtype=left.dtype) for _ in range(2))
        moved, operations, small = 2 * layer.element_size(), 2 * rows * width * width, _small_operations(left)
        return {
            "flops": operations / _by_threads(lambda: left @ right, device, shared=True),
            "bytes": moved * len(layer) / _by_threads(lambda: layer + layer, device, shared=True),
            "operation": _by_threads(small, device, shared=False) / SMALL,
            "memory": moved * len(large) / _seconds(lambda: other.copy_(large), device),
        }

    with torch.inference_mode():
        found = [one_round() for _ in range(rounds)]
    best = {name: (min if name == "operation" else max)(one[name] for one in found) for name in found[0]}
    return Machine(**best, made=time.time())


SMALL = 3 * 14
"""Small operations in a run of those that are timed."""


def _small_operations(like: "Tensor") -> Callable[[], object]:
    """Those that steps are made of, in their shares: what a machine takes for one says little of the others."""
    import torch

    stream, weight, scale = (like.new_ones(*shape) for shape in ((2, 4, 3, 32), (32, 32), (32,)))
    both = torch.tensor([0, 1], device=like.device)

    def step() -> torch.Tensor:
        taken = stream.index_select(0, both)
        read = (taken + stream).index_add_(0, both, taken)
        normal = torch.nn.functional.layer_norm(read, (32,), scale, scale)
        heads = torch.unflatten(normal @ weight, -1, (2, 16)).transpose(2, 3)
        pattern = (heads @ heads.transpose(-1, -2)).softmax(-1)
        return (pattern @ heads).transpose(2, 3).flatten(-2).clone()

    return lambda: [step() for _ in range(3)]


def _by_threads(run: Callable[[], object], device: str, shared: bool) -> float:
    """`shared`: threads share the work."""
    import torch

    together, threads = _seconds(run, device), torch.get_num_threads() if device == "cpu" else 1
    if threads == 1:
        return together
    torch.set_num_threads(1)
    try:
        return min(together, _seconds(run, device) / (threads * TOGETHER if shared else 1))
    finally:
        torch.set_num_threads(threads)


def _seconds(run: Callable[[], object], device: str, budget: float = 0.05) -> float:
    """The least time of a run after the first, over at least two and as many as the budget allows: what else runs can only add to it."""
    import torch

    wait: Callable[[], object] = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    run()
    wait()
    found: list[float] = []
    end = time.perf_counter() + budget
    while len(found) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        wait()
        found.append(time.perf_counter() - start)
    return min(found)
