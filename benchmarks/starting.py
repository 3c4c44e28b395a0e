"""What `verify` on a toy takes as a process, against one that only imports torch: `python -m benchmarks.starting`."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TOY = Path(__file__).parents[1] / "hypotheses" / "induction_toy.circ"
TARGET = 1.7


def processor_seconds(*command: str | Path) -> float:
    """Of a process and its children: what else the machine does disturbs it less than the clock."""
    before = os.times()
    subprocess.run([sys.executable, *command], check=False, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def starting(repetitions: int = 3) -> tuple[float, float]:
    """Ratio of the least processor times, and that of `verify` in seconds."""
    with TemporaryDirectory() as folder:
        commands = (("-c", "import torch"), ("-m", "circuitdsl.cli", "verify", TOY, "--output", folder))
        bare, verify = (min(processor_seconds(*command) for _ in range(repetitions)) for command in commands)
    return verify / bare, verify


if __name__ == "__main__":
    print("ratio {:.2f}, {:.2f} s".format(*starting()))
