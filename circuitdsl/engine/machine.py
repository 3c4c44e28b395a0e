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
    """Products of matrices of the sizes that layers have, copies that no cache holds, and operations on next to nothing.

    On a CPU the product is one thread's, and counts once for each of them: so what else runs spoils it less.
    """
    import torch

    kind = getattr(torch, dtype)
    with torch.inference_mode():
        rows, width, inner = 128, 512, 512
        left = torch.ones(rows, width, device=device, dtype=kind)
        right = torch.ones(width, inner, device=device, dtype=kind)
        large, other = (torch.ones(1 << 24, device=device, dtype=kind) for _ in range(2))
        small = torch.ones(8, 8, device=device, dtype=kind)
        wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            product = _seconds(lambda: left @ right, wait) / (threads if device == "cpu" else 1)
        finally:
            torch.set_num_threads(threads)
        copied = _seconds(lambda: other.copy_(large), wait)
        place = torch.zeros(8, device=device, dtype=torch.long)
        operation = _seconds(lambda: [(small.index_select(0, place) + small).clone() for _ in range(100)], wait) / 300
        size = large.element_size()
    return Machine(2 * rows * width * inner / product, 2 * len(large) * size / copied, operation)


def _seconds(run: Callable[[], object], wait: Callable[[], None], budget: float = 0.3) -> float:
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
