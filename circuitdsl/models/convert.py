"""Run as a child process: `python -m circuitdsl.models.convert SOURCE FOLDER`. Transformers' own reading of a model's tokenizer and
configuration, written as tokenizer.json and config.json, so that nobody else needs torch to read them.

SOURCE is a GGUF file, or a folder whose tokenizer is in an older format. On failure the last line of standard error says why: in words,
or a code with its message and hint as JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from circuitdsl.borders.source import CircError
from circuitdsl.models.errors import model_error
from circuitdsl.models.gguf_header import read_header
from circuitdsl.models.gguf_metadata import restored, rope_tensors, unread_tokenizer, unused


def convert(source: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    where, extra = (source.parent, {"gguf_file": source.name}) if source.is_file() else (source, {})
    if source.is_file():
        check_tokenizer(source)
    config = AutoConfig.from_pretrained(where, trust_remote_code=False, **extra)
    if source.is_file():
        config = accounted(source, config)
    config.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **extra)
    (folder / "tokenizer.json").write_text(quickly_read(tokenizer.backend_tokenizer.to_str()), encoding="utf-8")


def check_tokenizer(source: Path) -> None:
    """Raises CircError C432 for a GGUF file of whose tokenizer transformers would make another one."""
    try:
        from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS as splits
    except ImportError:  # a version that splits every text as GPT-2 does
        splits = {}
    for key in unread_tokenizer(read_header(source), splits):
        message = f"the tokenizer of {source.name} cannot be converted: transformers does not heed {key}"
        raise model_error("C432", message, "use the model's folder, with tokenizer.json and safetensors")


def accounted(source: Path, config: Any) -> Any:
    """The configuration of a GGUF file with what transformers left out. Raises CircError C406 for tensors that the file lacks, C430 for
    tensors and metadata that are used nowhere."""
    header = read_header(source)
    before = config.to_dict()
    config = type(config).from_dict({**before, **restored(header, before, source)})
    stored, wanted = set(header.tensors) - rope_tensors(header), _tensor_names(header.architecture, config)
    nowhere = sorted(stored - wanted.keys()) + unused(header, config.to_dict(), source)
    if nowhere:
        message = f"{source.name} holds what transformers does not use for `{config.model_type}`: {_some(nowhere)}"
        raise model_error("C430", message, "use the model's own folder with safetensors")
    if lacking := sorted(name for name, needed in wanted.items() if needed and name not in stored):
        hint = "is the file one of several, or was it cut off?"
        raise model_error("C406", f"{source.name} lacks tensors that its metadata asks for: {_some(lacking)}", hint)
    return config


def _tensor_names(architecture: str, config: Any) -> dict[str, bool]:
    """What GGUF files call a model's tensors, and whether one is needed: an unembedding may be tied to the embedding."""
    import torch
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
    from transformers import AutoModelForCausalLM

    kind = next((kind for kind, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if kind is None:
        raise ValueError(f"the gguf package knows no architecture {architecture}")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = get_tensor_name_map(kind, config.num_hidden_layers)
    found = {}
    for own in model.state_dict():
        stem, _, part = own.rpartition(".")
        tied = config.tie_word_embeddings and own.startswith("lm_head.")
        found[f"{names.get_name(stem)}.{part}"] = not tied
    return found


def _some(names: list[str]) -> str:
    more = f", and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def quickly_read(tokenizer: str) -> str:
    """The same tokenizer.json without indentation, and with each merge as one text (`a b`, the format's older notation) where no token
    has a space in it: the `tokenizers` library reads it in half the time."""
    content = json.loads(tokenizer)
    merges = content["model"].get("merges", [])
    if not any(" " in part for pair in merges if isinstance(pair, list) for part in pair):
        content["model"]["merges"] = [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except CircError as error:
        (one,) = error.diagnostics
        print(json.dumps({"code": one.code, "message": one.message, "hint": one.hint}), file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
