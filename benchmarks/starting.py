"""What `verify` on a toy takes as a process, against one that only imports torch: `python -m benchmarks.starting`."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

TOY = Path(__file__).parents[1] / "hypotheses" / "induction_toy.circ"
TARGET = 1.5


def seconds(*command: str | Path) -> tuple[float, float]:
    """Of processor time, which other programs disturb less, and by the clock: a process and its children."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *command], check=False, capture_output=True)
    after, passed = os.times(), time.perf_counter() - started
    return after.children_user - before.children_user + after.children_system - before.children_system, passed


def starting(repetitions: int = 5) -> tuple[float, float]:
    """Ratio of the least processor times, and the median of `verify` in seconds by the clock."""
    with TemporaryDirectory() as folder:
        commands = (("-c", "import torch"), ("-m", "circuitdsl", "verify", TOY, "--output", folder))
        bare, verify = ([seconds(*command) for _ in range(repetitions)] for command in commands)
    return min(verify)[0] / min(bare)[0], median(passed for _, passed in verify)


if __name__ == "__main__":
    print("ratio {:.2f}, {:.2f} s".format(*starting()))
