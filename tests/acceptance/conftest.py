"""One run on the real model, that many tests read."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """`circuitdsl verify` of the shipped hypothesis on SmolLM2, on a few prompts: status, out, err, evidence, folder, path."""
    from circuitdsl.models.locate import BUNDLED

    if not find_spec(BUNDLED["smollm2-135m"].package):
        pytest.skip(BUNDLED["smollm2-135m"].install)
    folder = tmp_path_factory.mktemp("real")
    path = ROOT / "hypotheses" / "ioi_smollm2.circ"
    program = Path(sys.executable).with_name("circuitdsl")
    done = subprocess.run(
        [program, "verify", "--prompts", "32", "--no-edges", "-o", folder, path], capture_output=True, text=True, encoding="utf-8"
    )
    evidence = json.loads((folder / "ioi_smollm2.evidence.json").read_text()) if done.returncode in (0, 1, 3) else None
    return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr, evidence=evidence, folder=folder, path=path)
