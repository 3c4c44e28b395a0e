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

from circuitdsl.borders.plan import Machine

TOGETHER = 0.75
"""Of the sum of what threads do alone, measured with two where nothing else ran."""


KEPT = 7 * 86_400.0
"""Seconds that a calibration is believed."""
FASTER = 1.5
"""A machine that is so many times as fast as it was found was busy then."""


def known(folder: Path, device: str = "cpu", dtype: str = "float32") -> Machine | None:
    """The calibration kept in `folder` for this machine, its threads and this version of torch, which is not imported.

    None where there is none, or it is damaged or more than a week old.
    """
    try:
        found = Machine(**json.loads(_file(folder, device, dtype).read_text()))
        return found if found.made <= time.time() < found.made + KEPT else None
    except (OSError, ValueError, TypeError):
        return None


def machine(folder: Path, device: str = "cpu", dtype: str = "float32", *, again: bool = False) -> Machine:
    """What is known of this machine, else a new calibration, which takes about a second and is kept.

    With `again` what is known is looked at in passing. What else runs can only make a machine slower: where it is much faster now it was
    busy when it was measured, and is measured anew.
    """
    found = known(folder, device, dtype)
    if found is None or (again and doubted(found, device, dtype)):
        found = calibrate(device, dtype)
        file = _file(folder, device, dtype)
        with suppress(OSError):  # where the cache cannot be written it is measured each time
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, suffix=".tmp") as written:
                json.dump(asdict(found), written)
            Path(written.name).replace(file)
    return found


def doubted(found: Machine, device: str, dtype: str) -> bool:
    """Whether products, sums into new memory, or small operations take far less than they did. Some hundredths of a second."""
    now = _rates(device, dtype, budget=0.02)
    return now["flops"] > FASTER * found.flops or now["bytes"] > FASTER * found.bytes or now["operation"] * FASTER < found.operation


def _file(folder: Path, device: str, dtype: str) -> Path:
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    key = "\n".join((platform.node(), platform.machine(), device, dtype, threads, version("torch")))
    return folder / "machines" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def calibrate(device: str = "cpu", dtype: str = "float32", rounds: int = 3) -> Machine:
    """Products of matrices and sums into new memory, both of the sizes that layers have, copies that no cache holds, and operations on
    next to nothing: each at its best of some rounds, so that no single busy moment spoils it.
    """
    found = [_rates(device, dtype, 0.05) | {"memory": _copied(device, dtype)} for _ in range(rounds)]
    best = {name: (min if name == "operation" else max)(one[name] for one in found) for name in found[0]}
    return Machine(**best, made=time.time())


def _rates(device: str, dtype: str, budget: float) -> dict[str, float]:
    """Operations of a product a second, bytes a second of sums into new memory, seconds of a small operation.

    On a CPU products and sums are taken by all threads and by one: what else runs spoils the one's less, and together they reach
    `TOGETHER` of what they would alone.
    """
    import torch

    rows, width = 256, 768  # as few rows as are fast already: a short run is the likelier to be disturbed by nothing
    with torch.inference_mode():
        left, right = (torch.ones(some, width, device=device, dtype=getattr(torch, dtype)) for some in (rows, width))
        layer = torch.ones(1 << 20, device=device, dtype=left.dtype)
        multiplied = _by_threads(lambda: left @ right, device, budget)
        added = _by_threads(lambda: layer + layer, device, budget)
    moved = 2 * layer.element_size() * len(layer)
    return {"flops": 2 * rows * width * width / multiplied, "bytes": moved / added, "operation": _operation(device, dtype, budget)}


def _copied(device: str, dtype: str) -> float:
    import torch

    with torch.inference_mode():
        large, other = (torch.ones(1 << 24, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
        return 2 * large.element_size() * len(large) / _seconds(lambda: other.copy_(large), device, 0.05)


def _operation(device: str, dtype: str, budget: float) -> float:
    """The mean over those that steps are made of, in their shares: what a machine takes for one says little of the others."""
    import torch

    with torch.inference_mode():
        stream = torch.ones(2, 4, 3, 32, device=device, dtype=getattr(torch, dtype))
        weight, scale = stream.new_ones(32, 32), stream.new_ones(32)
        both = torch.tensor([0, 1], device=device)

        def step() -> torch.Tensor:
            taken = stream.index_select(0, both)
            read = (taken + stream).index_add_(0, both, taken)
            normal = torch.nn.functional.layer_norm(read, (32,), scale, scale)
            heads = (normal @ weight).unflatten(-1, (2, 16)).transpose(2, 3)
            pattern = (heads @ heads.transpose(-1, -2)).softmax(-1)
            return (pattern @ heads).transpose(2, 3).flatten(-2).clone()

        return _seconds(lambda: [step() for _ in range(3)], device, budget) / (3 * 14)


def _by_threads(run: Callable[[], object], device: str, budget: float) -> float:
    import torch

    together, threads = _seconds(run, device, budget), torch.get_num_threads() if device == "cpu" else 1
    if threads == 1:
        return together
    torch.set_num_threads(1)
    try:
        return min(together, _seconds(run, device, budget) / threads / TOGETHER)
    finally:
        torch.set_num_threads(threads)


def _seconds(run: Callable[[], object], device: str, budget: float = 0.2) -> float:
    """The least time of a run after the first, over at least five and as many as the budget allows: what else runs can only add to it."""
    import torch

    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    run()
    wait()
    found: list[float] = []
    end = time.perf_counter() + budget
    while len(found) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        wait()
        found.append(time.perf_counter() - start)
    return min(found)
