"""What a configuration alone tells about a model."""

import json

import pytest
from transformers import AutoConfig

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError
from circuitdsl.models.family import discover
from circuitdsl.models.locate import known_configs, suggestion
from circuitdsl.models.shapes import find_shape, shape_of

SERVED = sorted(set(discover()) - {"circuitdsl_toy"})


@pytest.mark.parametrize("model_type", SERVED)
def test_what_a_configuration_leaves_out_is_filled_in_as_transformers_does(model_type):
    assert shape_of({"model_type": model_type}) == shape_of(AutoConfig.for_model(model_type).to_dict())


def test_a_shape_describes_the_modules(tiny, family):
    adapter = tiny(family)
    shape, parts = adapter.shape, adapter.parts(0)
    weight = adapter.family.weight
    assert shape.layers == 3
    assert weight(parts.output).shape == (shape.width, shape.heads * shape.head_width)
    assert weight(parts.down).shape == (shape.width, shape.mlp_width)
    assert adapter.final()[1].weight.shape == (shape.vocabulary, shape.width)
    for port, heads in (("q", shape.heads), ("k", shape.kv_heads), ("v", shape.kv_heads)):
        projection = getattr(parts, port)
        features = projection.features if projection.features is not None else range(weight(projection.module).shape[0])
        assert len(features) == heads * shape.head_width
    assert shape.post_norm == (parts.attention_post is not None)


@pytest.mark.parametrize("name", sorted(known_configs()))
def test_every_well_known_model_has_a_shape(name):
    config = known_configs()[name]["config"]
    shape = shape_of(config, name)
    assert shape.heads * shape.head_width >= shape.width // 2 and shape.vocabulary > 10_000


@pytest.mark.parametrize(
    ("name", "layers", "heads"),
    [("gpt2", 12, 12), ("openai-community/gpt2", 12, 12), ("gpt2-medium", 24, 16), ("pythia-70m", 6, 8), ("Qwen/Qwen2-0.5B", 24, 14)],
)
def test_a_model_that_is_not_here_is_known_by_name(name, layers, heads, tmp_path):
    shape = find_shape(ModelName(name), tmp_path)
    assert (shape.name, shape.layers, shape.heads) == (name, layers, heads)


def test_a_folder_beside_the_file_comes_before_a_well_known_name(saved, tmp_path):
    _, folder = saved("gpt2")
    assert find_shape(ModelName("gpt2"), tmp_path).layers == 3
    assert find_shape(ModelName(str(folder)), tmp_path / "elsewhere").layers == 3


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ("{", "C411"),
        ("[]", "C411"),
        ({}, "C411"),
        ({"model_type": "llama", "num_attention_heads": 0}, "C411"),
        ({"model_type": "llama", "num_attention_heads": "six"}, "C411"),
        ({"model_type": "llama", "num_attention_heads": 6, "num_key_value_heads": 4}, "C411"),
        ({"model_type": "mamba"}, "C408"),
        ({"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}, "C409"),
        ({"model_type": "llama", "quantization_config": "gptq"}, "C409"),
        ('{"model_type": "llama", "a": ' + "[" * 10**5 + "]" * 10**5 + "}", "C411"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_an_error(config, code, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(CircError, match=code):
        find_shape(ModelName("model"), tmp_path)


def test_an_unsupported_family_is_told_which_are_supported(tmp_path):
    with pytest.raises(CircError) as caught:
        shape_of({"model_type": "mamba"})
    assert all(model_type in caught.value.diagnostics[0].hint for model_type in SERVED)


def test_a_lora_adapter_is_not_a_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(CircError, match="C409"):
        find_shape(ModelName(str(tmp_path)), tmp_path)


@pytest.mark.parametrize("name", ["./nowhere", "../x", "~nobody-here/x", "", "two words", "a\0b", "x" * 5000, "none.gguf"])
def test_a_name_that_nothing_has_is_an_error(name, tmp_path):
    with pytest.raises(CircError, match="C401"):
        find_shape(ModelName(name), tmp_path)


def test_a_file_is_not_taken_for_a_missing_folder(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(CircError) as caught:
        find_shape(ModelName("./weights.bin"), tmp_path)
    assert caught.value.diagnostics[0].message == "`./weights.bin` is a file, and no GGUF file"


@pytest.mark.parametrize(
    ("name", "meant"), [("gtp2-medium", "`gpt2-medium`"), ("smollm3-135m", "`smollm2-135m`"), ("gpt2", ""), ("openai-community/gpt2", "")]
)
def test_what_is_suggested_is_another_name(name, meant):
    assert suggestion(name) == (f"did you mean {meant}?" if meant else "")


def test_a_new_family_is_a_new_file_and_no_edit(tmp_path, monkeypatch):
    import circuitdsl.models.families as families

    text = "from circuitdsl.models.families.llama import Llama\n\n\nclass New(Llama):\n    name = 'new'\n"
    (tmp_path / "brand_new.py").write_text(text + "    defaults = {'brand_new': Llama.defaults['llama']}\n\n\nFAMILY = New()\n")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    assert shape_of({"model_type": "brand_new"}).layers == 32
