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


def known(folder: Path, device: str = "cpu", dtype: str = "float32") -> Machine | None:
    """The calibration kept in `folder` for this machine, its threads and this version of torch, which is not imported."""
    try:
        return Machine(**json.loads(_file(folder, device, dtype).read_text()))
    except (OSError, ValueError, TypeError):
        return None  # not there, or damaged


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


def calibrate(device: str = "cpu", dtype: str = "float32") -> Machine:
    """Products of matrices and sums into new memory, both of the sizes that layers have, copies that no cache holds, and operations on
    next to nothing.

    On a CPU the product is taken by all threads and by one: what else runs spoils the one's less, and together they reach `TOGETHER`
    of what they would alone.
    """
    import torch

    kind = getattr(torch, dtype)
    with torch.inference_mode():
        rows, width, inner = 512, 768, 768
        left = torch.ones(rows, width, device=device, dtype=kind)
        right = torch.ones(width, inner, device=device, dtype=kind)
        large, other = (torch.ones(1 << 24, device=device, dtype=kind) for _ in range(2))
        layer, small = torch.ones(1 << 20, device=device, dtype=kind), torch.ones(8, 8, device=device, dtype=kind)
        wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
        threads = torch.get_num_threads() if device == "cpu" else 1
        product, added = (_seconds(run, wait) for run in (lambda: left @ right, lambda: layer + layer))
        if threads > 1:
            torch.set_num_threads(1)
            try:
                alone, adding = (_seconds(run, wait) for run in (lambda: left @ right, lambda: layer + layer))
            finally:
                torch.set_num_threads(threads)
            product, added = min(product, alone / threads / TOGETHER), min(added, adding / threads / TOGETHER)
        copied = _seconds(lambda: other.copy_(large), wait)
        place = torch.zeros(8, device=device, dtype=torch.long)
        operation = _seconds(lambda: [(small.index_select(0, place) + small).clone() for _ in range(100)], wait) / 300
        size = 2 * large.element_size()
    return Machine(2 * rows * width * inner / product, size * len(layer) / added, operation, size * len(large) / copied)


def _seconds(run: Callable[[], object], wait: Callable[[], None], budget: float = 0.2) -> float:
    """The least time of a run after the first, over at least five and as many as the budget allows: what else runs can only add to it."""
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
