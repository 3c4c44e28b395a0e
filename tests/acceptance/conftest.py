"""One run on the real model, that many tests read; and a file about a tiny random model of each family."""

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
    evidence = json.loads((folder / "ioi_smollm2.prompts-32.evidence.json").read_text()) if done.returncode in (0, 1, 3) else None
    return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr, evidence=evidence, folder=folder, path=path)


WORDS = ["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(58))]
FILE = """
model "./model"
vocab words = {words}
prompts clean {{
  "{{a}} {{b}} and {{c}} {{a2}}"
  "so {{b}} {{a}} and {{c}} then {{a2}}"
  a, b, c in words distinct
  a2 = a
  answer b wrong c
}}
prompts other from clean {{ redraw a, b, c distinct; a2 = a }}
metric diff = logit(answer) - logit(wrong) @ END
nodes {{
  early = heads 0.*, mlps 0
  late  = heads 1.*, 2.*
  rest  = mlps 1..2
}}
edges all
settings {{ prompts = 10; ablate = resample(other) }}
claims {{
  whole:  faithfulness(diff) = 1 +- 0.001
  part:   faithfulness(diff, circuit = (early), ablate = mean(other))
  direct: effect(early -> late.q ~> logits, from = other)
  looks:  attention(late, query = END, key = a)
}}
"""


@pytest.fixture
def model_file(family, tiny, tmp_path, monkeypatch):
    """A tiny random model of the family as a folder, with a tokenizer that splits at spaces, and a file about it."""
    from circuitdsl.models.toy import _tokenizer

    # transformers makes a byte-level tokenizer of whatever lies in a Qwen 2 folder, unless told that the folder is right
    monkeypatch.setattr("transformers.models.auto.tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS", set())
    (tmp_path / "model").mkdir()
    words = WORDS[:2] + WORDS[3:6] + ["so", "and", "then"] + WORDS[6:]
    tiny(family, dtype="float32").model.save_pretrained(tmp_path / "model")
    _tokenizer([*words[:2], "</s>", *words[2:]][:61], "<s>").save(str(tmp_path / "model" / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(settings))
    path = tmp_path / "tiny.circ"
    path.write_text(FILE.format(words=", ".join(f'"w{number}"' for number in range(20))))
    return path
