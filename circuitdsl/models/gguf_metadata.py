"""What a GGUF file says of its model, against the configuration that transformers makes of it.

Transformers leaves out what it has no place for: rope frequencies, biases, head widths, softcaps. Here every key of the metadata is
used, or known to change nothing, or named; what the configuration can hold is put there. No torch.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from circuitdsl.models.gguf_header import GgufHeader, floats

_SETTINGS: dict[str, tuple[str, ...]] = {
    "context_length": ("max_position_embeddings", "n_positions"),
    "embedding_length": ("hidden_size", "n_embd"),
    "block_count": ("num_hidden_layers", "n_layer"),
    "feed_forward_length": ("intermediate_size", "n_inner"),
    "attention.head_count": ("num_attention_heads", "n_head"),
    "attention.head_count_kv": ("num_key_value_heads", "n_head"),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps",),
    "attention.layer_norm_epsilon": ("layer_norm_epsilon", "layer_norm_eps"),
    "attention.key_length": ("head_dim",),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "vocab_size": ("vocab_size",),
}
"""Keys of an architecture, and the settings of a configuration, one of which holds the same value."""

_HARMLESS = {"tensor_data_layout", "rope.scaling.finetuned"}
"""Keys of an architecture that say nothing of what is computed."""

_ELSEWHERE = ("general.", "tokenizer.", "split.", "quantize.")
"""Keys of no architecture: names and licences, the tokenizer, what `check_served` looks at, how it was quantised."""


def restored(header: GgufHeader, config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Settings that the file has and the configuration lacks or has otherwise."""
    said = _said(header)
    found: dict[str, Any] = {}
    for key, names in _SETTINGS.items():
        name = next((name for name in names if name in config), None)
        if key in said and name is not None and config[name] != said[key]:
            found[name] = said[key]
    parts = {name: [f"blk.0.{tensor}.bias" for tensor in tensors] for name, tensors in _BIASES.items()}
    found |= {name: True for name, tensors in parts.items() if config.get(name) is False and header.tensors.keys() >= set(tensors)}
    if rope := _rope(header, path):
        found["rope_parameters"] = {"rope_theta": said.get("rope.freq_base", 10000.0), **rope}
    if "query_pre_attn_scalar" in config:  # stands in no file: as llama.cpp has it, which knows the largest Gemma 2 by its 46 layers
        width = said.get("attention.key_length", config["head_dim"])
        largest = said.get("block_count") == 46
        found["query_pre_attn_scalar"] = config["hidden_size"] // config["num_attention_heads"] if largest else width
    return found


_BIASES = {
    "attention_bias": ("attn_q", "attn_k", "attn_v", "attn_output"),
    "mlp_bias": ("ffn_gate", "ffn_up", "ffn_down"),
}


def unused(header: GgufHeader, config: Mapping[str, Any], path: Path) -> list[str]:
    """Keys of the metadata, with their values, that the configuration does not stand for."""
    own = f"{header.architecture}."
    wrong = []
    for key, value in header.metadata.items():
        if key.startswith(own):
            if not _stands(key.removeprefix(own), value, header, config, path):
                wrong.append(f"{key} = {value}")
        elif not key.startswith(_ELSEWHERE):
            wrong.append(f"{key} = {value}")
    return wrong


def rope_tensors(header: GgufHeader) -> set[str]:
    """Tensors that are part of the configuration, not of the weights."""
    return {"rope_freqs.weight"} & header.tensors.keys()


def _said(header: GgufHeader) -> dict[str, Any]:
    own = f"{header.architecture}."
    return {key.removeprefix(own): value for key, value in header.metadata.items() if key.startswith(own)}


def _stands(key: str, value: Any, header: GgufHeader, config: Mapping[str, Any], path: Path) -> bool:
    rope = config.get("rope_parameters") or {}
    heads = config.get("num_attention_heads") or config.get("n_head") or 1
    width = config.get("head_dim") or (config.get("hidden_size") or config.get("n_embd") or 0) // heads
    match key:
        case "attention.key_length" | "attention.value_length":
            return bool(value == width)
        case "rope.dimension_count":
            return value in (width * rope.get("partial_rotary_factor", 1.0), 0)
        case "rope.freq_base":
            return bool(value == rope.get("rope_theta"))
        case "attention.sliding_window":
            kinds = config.get("layer_types")
            windowed = value == config.get("sliding_window") and (kinds is None or "sliding_attention" in kinds)
            return windowed or value == 0 or value >= _said(header).get("context_length", 0)
        case "attention.causal":
            return bool(value)
        case _ if key in _SETTINGS:
            return any(config.get(name) == value for name in _SETTINGS[key])
        case _ if key in _HARMLESS:
            return True
        case _ if key.startswith(("rope.scaling.", "rope.scale_linear")):
            return _scaling_stands(key, value, _said(header), rope)
    return value in (0, False, "", "none", None)


def _rope(header: GgufHeader, path: Path) -> dict[str, Any]:
    """Rope parameters beside the base frequency; empty: none. What cannot be said in them is left to `unused`."""
    said = _said(header)
    if "rope_freqs.weight" in header.tensors:  # what each pair's frequency is divided by: so does `longrope`, at every length here
        factors = floats(path, header.tensors["rope_freqs.weight"])
        if all(factor == 1 for factor in factors):
            return {}
        longest = said.get("context_length", 0)
        same = {"short_factor": factors, "long_factor": factors, "attention_factor": 1.0}
        return {"rope_type": "longrope", "original_max_position_embeddings": longest, "factor": 1.0, **same}
    factor = said.get("rope.scaling.factor") or said.get("rope.scale_linear") or 1.0
    kind = said.get("rope.scaling.type", "linear" if said.get("rope.scale_linear") else "none")
    if kind == "linear" and factor != 1:
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn":
        original = said.get("rope.scaling.original_context_length") or int(said.get("context_length", 0) / factor)
        return {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    return {}


def _scaling_stands(key: str, value: Any, said: Mapping[str, Any], rope: Mapping[str, Any]) -> bool:
    kind = rope.get("rope_type", "default")
    match key:
        case "rope.scaling.type":
            return value == kind or (value == "none" and kind in ("default", "longrope")) or (value == "linear" and _factor(said) == 1)
        case "rope.scaling.factor" | "rope.scale_linear":
            return value == rope.get("factor") or (value in (0, 1) and kind == "default")
        case "rope.scaling.original_context_length":
            return kind in ("default", "linear") or value == rope.get("original_max_position_embeddings")
        case "rope.scaling.attn_factor":
            return bool(value == 1)
    return False


def _factor(said: Mapping[str, Any]) -> float:
    return float(said.get("rope.scaling.factor") or said.get("rope.scale_linear") or 1.0)


def unread_tokenizer(header: GgufHeader, splits: Mapping[str, Any]) -> Iterator[str]:
    """Keys about the tokenizer that transformers' conversion does not heed. `splits` are the ways to split a text that it knows."""
    said = header.metadata
    model, split = said.get("tokenizer.ggml.model"), said.get("tokenizer.ggml.pre", "default")
    if model == "gpt2" and split not in splits and split not in _SPLIT_AS_GPT2:
        yield f"tokenizer.ggml.pre = {split}"
    spaced = said.get("tokenizer.ggml.add_space_prefix")
    gemma = header.architecture.startswith("gemma")
    if model == "llama" and spaced is not None and bool(spaced) == gemma:
        yield f"tokenizer.ggml.add_space_prefix = {spaced}"


_SPLIT_AS_GPT2 = {"default", "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "trillion", "smollm"}
"""Splits of `tokenizer.ggml.pre` that are GPT-2's, or give the same tokens: SmolLM's cuts numbers into digits, of which its merges have
none in common."""
