"""Checking a file needs shapes and tokenizers, and neither torch nor transformers."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
from circuitdsl.borders.hypothesis import ModelName
{body}
print(sorted({{"torch", "transformers", "gguf", "scipy", "networkx"}} & set(sys.modules)))
"""

BODIES = {
    "shape of a well-known model": "from circuitdsl.models.shapes import find_shape; find_shape(ModelName('gpt2'), Path('.'))",
    "every family": "from circuitdsl.models.family import discover; assert len(discover()) > 5",
    "tokenizer of a model elsewhere": "from circuitdsl.models.tokenizers import load_tokenizer as load; load(ModelName('gpt2'), Path('.'))",
    "catalogue": "from circuitdsl.models.catalogue import catalogue; catalogue()",
    "codes": "from circuitdsl.models.codes import CODES",
    "fetching": "import circuitdsl.models.hub",
}


def imported(body: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("what", BODIES)
def test_nothing_heavy_is_imported(what):
    assert imported(BODIES[what]) == "[]"


def test_nothing_heavy_is_imported_for_a_folder(tmp_path):
    from circuitdsl.models.toy import write_toy

    config = {"layers": 1, "heads": 1, "head_width": 1, "width": 1, "vocabulary": 2, "context": 4}
    write_toy(tmp_path / "toy", config, {}, tokens=["a", "b"])
    body = f"""
from circuitdsl.models.shapes import find_shape; from circuitdsl.models.tokenizers import load_tokenizer
m = ModelName({str(tmp_path / "toy")!r}); find_shape(m, Path('.')); assert load_tokenizer(m, Path('.')).encode('a b').ids == (0, 1)"""
    assert imported(body) == "[]"


@pytest.mark.real
def test_nothing_heavy_is_imported_for_the_real_model():
    body = """
from circuitdsl.models.shapes import find_shape; from circuitdsl.models.tokenizers import load_tokenizer
m = ModelName('smollm2-135m'); assert find_shape(m, Path('.')).layers == 30
assert len(load_tokenizer(m, Path('.')).encode('a b').ids) == 2"""
    assert imported(body) == "[]"
