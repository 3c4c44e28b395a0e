"""Peers from PyPI, each in an environment of its own, on the same weights, prompts and circuit: `python -m benchmarks.peers`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.work import value_alone
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis, Link
from circuitdsl.borders.plan import Request
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".bench"


AGREES = 1e-4
"""Largest difference of any prompt's number, as a share of the numbers' standard deviation."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`needs` pins what a fresh install would otherwise get too new."""

    name: str
    script: str
    needs: tuple[str, ...]


PEERS = (
    Peer("auto-circuit 1.0.1", "run_auto_circuit.py", ("auto-circuit==1.0.1", "transformer-lens==2.18.0", "numpy<2", "pyarrow<20")),
    Peer("circuitkit 0.2.0", "run_circuitkit.py", ("circuitkit==0.2.0", "transformer-lens==3.8.0")),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """`difference` is the largest of any prompt, of logit differences whose standard deviation is `spread`.

    `agrees` is None, and `problem` says why, where the peer could not be installed or failed.
    """

    peer: str
    circuit: str
    ratio: float | None = None
    difference: float | None = None
    spread: float | None = None
    agrees: bool | None = None
    problem: str = ""


def compare(circuit: str, adapter: Adapter, found: Hypothesis, links: Sequence[Link], minutes: float = 10) -> list[Compared]:
    """The circuit's value on every prompt, by us and by each peer that can be installed. What cannot is told and does not fail."""
    from safetensors.torch import save_file

    request = Request(value_alone(found), found.verifying)
    numbers = execute(plan([request], found), adapter, found)[request.readout.digest]
    with TemporaryDirectory() as name:
        folder = Path(name)
        weights = {key: value.contiguous() for key, value in adapter.model.state_dict().items() if key != "lm_head.weight"}
        save_file(weights, folder / "model.safetensors")
        (folder / "task.json").write_text(json.dumps(_task(adapter, found, links)))
        return [_compare(peer, circuit, folder, numbers, minutes) for peer in PEERS]


def _task(adapter: Adapter, found: Hypothesis, links: Sequence[Link]) -> dict:
    clean = found.distributions["clean"].prompts
    return {
        "config": {"n_layer": adapter.shape.layers, "n_embd": adapter.shape.width, "n_head": adapter.shape.heads},
        "clean": [prompt.tokens for prompt in clean],
        "abc": [prompt.tokens for prompt in found.distributions["abc"].prompts],
        "answers": [prompt.answer for prompt in clean],
        "wrong": [prompt.wrong[0] for prompt in clean],
        "edges": [(str(link.sender.unit), str(link.receiver.unit) + (f".{link.port}" if link.port != "in" else "")) for link in links],
    }


def _compare(peer: Peer, circuit: str, folder: Path, numbers: np.ndarray, minutes: float) -> Compared:
    try:
        python = _environment(peer, minutes)
        said = subprocess.run([python, HERE / peer.script, folder], capture_output=True, text=True, timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        return Compared(peer.name, circuit, problem=f"not done in {minutes:g} minutes")
    except subprocess.CalledProcessError as error:
        return Compared(peer.name, circuit, problem=f"not installed: {_last(error.stderr)}")
    if said.returncode:
        return Compared(peer.name, circuit, problem=_last(said.stderr))
    told = json.loads(said.stdout.splitlines()[-1])
    difference, spread = float(np.abs(np.array(told["numbers"]) - numbers).max()), float(numbers.std())
    return Compared(peer.name, circuit, told["seconds"] / told["forward"], difference, spread, difference <= AGREES * spread)


def _environment(peer: Peer, minutes: float) -> Path:
    """The peer's Python, with everything it needs; made once. Raises what `subprocess` does."""
    folder = ENVIRONMENTS / peer.name.split()[0]
    python, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, text=True)
        torch = f"torch=={version('torch').split('+')[0]}"  # the one that we are measured with
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", torch, *peer.needs]
        subprocess.run(pip, check=True, capture_output=True, text=True, timeout=60 * minutes)
        made.touch()
    return python


def _last(text: str | None) -> str:
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it ended without a word"
