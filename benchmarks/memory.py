"""Peak memory beyond the model of the table's first row, in a process of its own: `python -m benchmarks.memory` prints bytes.

Counts what the process holds more than with the model loaded and used once: base runs, keys, values, everything.
"""

import gc
from pathlib import Path

import torch

from benchmarks.setting import Batch, model
from benchmarks.work import ROWS
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def held(what: str) -> int:
    """`VmRSS` (now) or `VmHWM` (the most so far) in bytes; Linux only."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def main() -> None:
    torch.set_num_threads(2)
    adapter = model()
    work = ROWS[0].work(adapter.shape)
    planned = plan(work.requests, work.hypothesis)
    with torch.inference_mode():
        adapter.model(Batch.of(work.hypothesis).tokens[:1])
    gc.collect()
    before = held("VmRSS")
    RESET.write_text("5")  # the most so far starts again from now
    execute(planned, adapter, work.hypothesis)
    print(held("VmHWM") - before)


if __name__ == "__main__":
    main()
