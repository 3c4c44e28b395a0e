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


def machine(folder: Path, device: str = "cpu", dtype: str = "float32") -> Machine:
    """What is known of this machine, else a new calibration, which takes about a second and is kept.

    What is known is looked at again in passing. What else runs can only make a machine slower: where it is much faster now it was busy
    when it was measured, and is measured anew.
    """
    found = known(folder, device, dtype)
    if found is None or doubted(found, device, dtype):
        found = calibrate(device, dtype)
        file = _file(folder, device, dtype)
        with suppress(OSError):  # where the cache cannot be written it is measured each time
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, suffix=".tmp") as written:
                json.dump(asdict(found), written)
            Path(written.name).replace(file)
    return found


def doubted(found: Machine, device: str, dtype: str) -> bool:
    """Whether products, or operations on next to nothing, take far less than they did. Some hundredths of a second."""
    flops, operation = _product(device, dtype, budget=0.02), _operation(device, dtype, budget=0.01)
    return flops > FASTER * found.flops or operation * FASTER < found.operation


def _file(folder: Path, device: str, dtype: str) -> Path:
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    key = "\n".join((platform.node(), platform.machine(), device, dtype, threads, version("torch")))
    return folder / "machines" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def calibrate(device: str = "cpu", dtype: str = "float32") -> Machine:
    """Products of matrices and sums into new memory, both of the sizes that layers have, copies that no cache holds, and operations on
    next to nothing.

    On a CPU the product is taken by all threads and by one: what else runs spoils the one's less, and together they reach `TOGETHER`
    of what they would alone.
    """
    import torch

    kind = getattr(torch, dtype)
    with torch.inference_mode():
        large, other = (torch.ones(1 << 24, device=device, dtype=kind) for _ in range(2))
        layer = torch.ones(1 << 20, device=device, dtype=kind)
        added = _by_threads(lambda: layer + layer, device, 0.2)
        copied = _seconds(lambda: other.copy_(large), device)
        size = 2 * large.element_size()
    flops, operation = _product(device, dtype, 0.2), _operation(device, dtype, 0.2)
    return Machine(flops, size * len(layer) / added, operation, size * len(large) / copied, time.time())


def _product(device: str, dtype: str, budget: float) -> float:
    """Operations a second. As few rows as are fast already: a short run is the likelier to be disturbed by nothing."""
    import torch

    rows, width = 256, 768
    with torch.inference_mode():
        left, right = (torch.ones(some, width, device=device, dtype=getattr(torch, dtype)) for some in (rows, width))
        return 2 * rows * width * width / _by_threads(lambda: left @ right, device, budget)


def _operation(device: str, dtype: str, budget: float) -> float:
    import torch

    with torch.inference_mode():
        small, place = torch.ones(8, 8, device=device, dtype=getattr(torch, dtype)), torch.zeros(8, device=device, dtype=torch.long)
        return _seconds(lambda: [(small.index_select(0, place) + small).clone() for _ in range(30)], device, budget) / 90


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
