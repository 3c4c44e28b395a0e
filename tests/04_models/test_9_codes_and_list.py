"""Every code that models raise is explained, and the list of models says what is here."""

import re
from pathlib import Path

import circuitdsl.models
from circuitdsl.models.catalogue import catalogue, listing
from circuitdsl.models.codes import CODES


def test_every_code_is_explained_and_every_explanation_is_of_a_code_in_use():
    sources = [path for path in Path(circuitdsl.models.__file__).parent.rglob("*.py") if path.name != "codes.py"]
    raised = {code for path in sources for code in re.findall(r'"([CW]\d{3})"', path.read_text(encoding="utf-8"))}
    assert raised == set(CODES)


def test_the_list_names_bundled_known_and_supported_models():
    text = listing()
    for name in ("smollm2-135m", "openai-community/gpt2", "EleutherAI/pythia-70m", "12 layers of 12 heads", "mistral", "gpt_neox"):
        assert name in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_model_in_the_hub_cache_is_listed(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    good = tmp_path / "models--someone--small-gpt2" / "snapshots" / "0123456789abcdef"
    good.mkdir(parents=True)
    (good / "config.json").write_text('{"model_type": "gpt2", "n_layer": 3}')
    (good / "model.safetensors").write_bytes(b"")
    other = tmp_path / "models--someone--mamba" / "snapshots" / "0123456789abcdef"
    other.mkdir(parents=True)
    (other / "config.json").write_text('{"model_type": "mamba"}')
    found = {entry.name: entry for entry in catalogue().cached}
    assert found["someone/small-gpt2"].shape.layers == 3 and found["someone/small-gpt2"].here
    assert found["someone/mamba"].shape is None and not found["someone/mamba"].here
    assert "someone/small-gpt2" in listing() and "not supported" in listing()
