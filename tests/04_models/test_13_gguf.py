"""GGUF files: everything in one is used, harmless, or named; what transformers leaves out of the configuration is put there."""

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError
from circuitdsl.models import tokenizers
from circuitdsl.models.convert import convert
from circuitdsl.models.gguf_header import read_architecture, read_header
from circuitdsl.models.loading import load
from circuitdsl.models.parity import check_parity
from circuitdsl.models.shapes import find_shape

TOKENS = torch.randint(3, 260, (2, 12), generator=torch.Generator().manual_seed(1))
WORDS = ["<unk>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120a"]
NAMES = {
    "context_length": ("max_position_embeddings", "n_positions"),
    "embedding_length": ("hidden_size", "n_embd"),
    "block_count": ("num_hidden_layers", "n_layer"),
    "feed_forward_length": ("intermediate_size", "n_inner"),
    "attention.head_count": ("num_attention_heads", "n_head"),
    "attention.head_count_kv": ("num_key_value_heads",),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps",),
    "attention.layer_norm_epsilon": ("layer_norm_epsilon",),
    "attention.key_length": ("head_dim",),
    "attention.value_length": ("head_dim",),
    "attention.sliding_window": ("sliding_window",),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
}


def written(path: Path, model: Any, keys: dict[str, Any] | None = None, tensors: dict[str, Any] | None = None) -> Path:
    """A model as llama.cpp's converter writes it; `keys` and `tensors` are added, or left out where they are None."""
    config = model.config
    architecture = config.model_type
    said: dict[str, Any] = {}
    for key, names in NAMES.items():
        value = next((getattr(config, name) for name in names if getattr(config, name, None) is not None), None)
        if value is not None:
            said[f"{architecture}.{key}"] = value
    if rope := getattr(config, "rope_parameters", None):
        said[f"{architecture}.rope.freq_base"] = float(rope["rope_theta"])
        said[f"{architecture}.rope.dimension_count"] = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    said |= {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "default", "general.name": "tiny", **(keys or {})}
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    stored = {}
    for own, tensor in model.state_dict().items():
        stem, _, part = own.rpartition(".")
        if not (own.startswith("lm_head.") and config.tie_word_embeddings):
            stored[f"{names.get_name(stem)}.{part}"] = _as_llama_cpp(own, tensor.float().numpy(), config)
    stored |= tensors or {}
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in said.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, type(None): None}[
            type(value)
        ]
        if add:
            add(key, value)
    writer.add_token_list(WORDS)
    writer.add_token_types([3] * 3 + [1] * (len(WORDS) - 3))
    writer.add_token_merges(["\u0120 a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, array in stored.items():
        if array is not None:
            writer.add_tensor(name, np.ascontiguousarray(array, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp(name: str, array: np.ndarray, config: Any) -> np.ndarray:
    """Queries and keys of Llama in another order, norms of Gemma plus one, input-first weights of GPT-2 the other way round."""
    if config.model_type == "llama" and re.search(r"\.(q|k)_proj\.", name):
        heads = config.num_attention_heads if ".q_proj" in name else config.num_key_value_heads
        return array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
    if config.model_type == "gemma2" and name.endswith("norm.weight"):
        return array + 1
    return array.T if config.model_type == "gpt2" and ".c_" in name and array.ndim == 2 else array


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Conversions without a child process, whose imports take long."""
    monkeypatch.setattr(tokenizers, "_convert", convert)


@pytest.fixture
def file(tiny, tmp_path):
    """`file(family, keys, tensors, **changes)`: the tiny model, and the GGUF file that it was written to."""

    def make(family: str, keys: dict[str, Any] | None = None, tensors: dict[str, Any] | None = None, **changes: Any):
        model = tiny(family, dtype="float32", vocab_size=len(WORDS), **changes).model
        return model, written(tmp_path / "tiny.gguf", model, keys, tensors)

    return make


def refusal(path: Path) -> str:
    with pytest.raises(CircError) as caught:
        find_shape(ModelName(path.name), path.parent)
    (one,) = caught.value.diagnostics
    assert "\n" not in one.message
    return f"{one.code}: {one.message}"


ROPE = {"rope_theta": 5e5, "factor": 8.0, "original_max_position_embeddings": 16}
LLAMA3 = {**ROPE, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("llama-bias", {}),
        ("qwen2", {"use_sliding_window": False, "sliding_window": None}),
        ("qwen3", {}),
        ("gpt2", {"n_inner": 36}),
        ("gemma2", {"query_pre_attn_scalar": 4}),
    ],
)
def test_a_model_is_the_same_as_gguf_file(file, family, changes):
    """Widths of heads, biases, softcaps, windows, lengths: transformers by itself leaves some of each family out."""
    model, path = file(family, **changes)
    adapter = load(ModelName(path.name), folder=path.parent).adapter
    check_parity(adapter, TOKENS)
    found, expected = adapter.model(TOKENS).logits, model(TOKENS).logits
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert adapter.shape.context == 64


@pytest.mark.parametrize(
    ("rope", "keys"),
    [
        (LLAMA3, {}),
        ({**ROPE, "rope_type": "linear"}, {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 8.0}),
        ({**ROPE, "rope_type": "linear"}, {"llama.rope.scale_linear": 8.0}),
        (
            {**ROPE, "rope_type": "yarn"},
            {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 8.0, "llama.rope.scaling.original_context_length": 16},
        ),
    ],
)
def test_scaled_rotary_frequencies_are_restored(file, tiny, rope, keys):
    model = tiny("llama", vocab_size=len(WORDS), rope_parameters=rope).model
    plain = 5e5 ** -(torch.arange(0, 4, 2) / 4)
    tensors = {"rope_freqs.weight": plain / model.model.rotary_emb.inv_freq} if rope is LLAMA3 else {}
    model, path = file("llama", keys, tensors, rope_parameters=rope)
    found = load(ModelName(path.name), folder=path.parent).adapter.model(TOKENS).logits
    expected = model(TOKENS).logits
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("family", "keys", "tensors", "words"),
    [
        ("llama", {"llama.attention.sliding_window": 8}, {}, "llama.attention.sliding_window = 8"),
        ("llama", {"llama.rope.scaling.type": "longrope"}, {}, "llama.rope.scaling.type = longrope"),
        ("llama", {"llama.rope.scaling.factor": 2.0}, {}, "llama.rope.scaling.factor = 2.0"),
        ("llama", {"llama.rope.dimension_count": 2}, {}, "llama.rope.dimension_count = 2"),
        ("llama", {"llama.attention.value_length": 8}, {}, "llama.attention.value_length = 8"),
        ("llama", {"llama.attention.scale": 0.5}, {}, "llama.attention.scale = 0.5"),
        ("llama", {"llama.logit_scale": 2.0}, {}, "llama.logit_scale = 2.0"),
        ("llama", {"llama.attn_logit_softcapping": 30.0}, {}, "llama.attn_logit_softcapping = 30.0"),
        ("llama", {"llama.attention.causal": False}, {}, "llama.attention.causal = False"),
        ("llama", {"llama.expert_count": 4}, {}, "llama.expert_count = 4"),
        ("llama", {"clip.has_vision_encoder": True}, {}, "clip.has_vision_encoder = True"),
        ("llama", {}, {"rope_factors_long.weight": np.ones(2)}, "rope_factors_long.weight"),
        ("llama", {}, {"blk.0.attn_q.bias": np.ones(24)}, "blk.0.attn_q.bias"),
        ("llama", {}, {"blk.1.attn_q_norm.weight": np.ones(4)}, "blk.1.attn_q_norm.weight"),
        ("llama", {}, {"blk.3.attn_q.weight": np.ones((24, 24))}, "blk.3.attn_q.weight"),
    ],
)
def test_what_is_used_nowhere_is_named(file, family, keys, tensors, words):
    _, path = file(family, keys, tensors)
    said = refusal(path)
    assert said.startswith("C430: tiny.gguf holds what transformers does not use") and words in said


@pytest.mark.parametrize(
    "keys",
    [
        {"llama.attention.sliding_window": 64, "llama.rope.scaling.type": "none", "llama.rope.scaling.finetuned": False},
        {"llama.expert_count": 0, "llama.attention.causal": True, "llama.rope.scaling.factor": 1.0, "split.count": 1},
        {"quantize.imatrix.file": "a.dat", "general.type": "model", "tokenizer.chat_template": "{{ x }}"},
    ],
)
def test_what_changes_nothing_is_no_reason_to_refuse(file, keys):
    _, path = file("llama", keys)
    assert find_shape(ModelName(path.name), path.parent).layers == 3


def test_frequencies_that_are_divided_by_one_are_none(file):
    _, path = file("llama", {}, {"rope_freqs.weight": np.ones(2)})
    loaded = load(ModelName(path.name), folder=path.parent)
    assert loaded.config["rope_parameters"]["rope_type"] == "default"


@pytest.mark.parametrize("name", ["blk.2.ffn_norm.weight", "output_norm.weight", "token_embd.weight"])
def test_a_tensor_that_is_not_there_is_not_made_up(file, name):
    _, path = file("llama", {}, {name: None})
    assert refusal(path) == f"C406: tiny.gguf lacks tensors that its metadata asks for: {name}"


def test_a_tensor_of_another_shape_is_named(file):
    _, path = file("llama", {}, {"blk.1.ffn_up.weight": np.ones((41, 24))})
    with pytest.raises(CircError, match=r"C406.*up_proj\.weight has shape \(41, 24\) instead of \(40, 24\)"):
        load(ModelName(path.name), folder=path.parent)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"split.count": 3}, "C431: tiny.gguf is one of 3 files"),
        ({"general.type": "adapter"}, "C430: tiny.gguf holds no whole model: general.type = adapter"),
    ],
)
def test_a_part_of_a_model_is_refused_by_its_header(file, keys, words):
    from circuitdsl.models.gguf_checks import check_gguf

    _, path = file("llama", keys)
    with pytest.raises(CircError, match=words):
        check_gguf(path)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"tokenizer.ggml.pre": "poro-chat"}, "tokenizer.ggml.pre = poro-chat"),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_space_prefix": False}, "tokenizer.ggml.add_space_prefix = False"),
    ],
)
def test_a_tokenizer_that_would_become_another_is_refused(file, keys, words):
    _, path = file("llama", keys)
    said = refusal(path)
    assert said.startswith("C432") and words in said


def test_an_architecture_that_no_family_serves_is_refused_at_once(file, monkeypatch):
    _, path = file("llama")
    path.write_bytes(path.read_bytes().replace(b"llama", b"mamba"))
    monkeypatch.setattr(tokenizers, "entry", None)
    assert refusal(path).startswith("C408: models of the GGUF architecture `mamba` are not supported yet")


def test_a_header_is_read_as_the_gguf_package_reads_it(file):
    _, path = file("gemma2", {"query_pre_attn_scalar": None})
    header, reader = read_header(path), gguf.GGUFReader(path)
    assert read_architecture(path) == header.architecture == "gemma2"
    for name, field in reader.fields.items():
        if not name.startswith("GGUF."):
            content = field.contents()
            assert header.metadata[name] == (
                len(content) if content and isinstance(content, list) and isinstance(content[0], str) else content
            )
    assert {name: (list(stored.shape), stored.place) for name, stored in header.tensors.items()} == {
        tensor.name: (list(tensor.shape), tensor.data_offset) for tensor in reader.tensors
    }


@pytest.mark.parametrize("keep", [0, 3, 10, 30, 200, 2000])
def test_a_header_that_is_cut_off_is_an_error(file, keep):
    _, path = file("llama")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CircError, match=r"C410: cannot read tiny\.gguf: "):
        read_header(path)
