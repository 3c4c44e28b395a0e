"""Whether a GGUF file is worth reading: seen by its header, before anything that takes long. No torch."""

import importlib.util
import re
from pathlib import Path

from circuitdsl.models.errors import model_error, unsupported
from circuitdsl.models.family import discover
from circuitdsl.models.gguf_header import read_architecture, read_header


def check_served(path: Path) -> None:
    """Raises CircError C408 if no family serves a GGUF file's architecture: before anything that takes long."""
    architecture = read_architecture(path)
    families = discover()
    if not any(_plain(architecture) == _plain(model_type) for model_type in families):
        raise unsupported(f"of the GGUF architecture `{architecture}`", families)


def _plain(name: str) -> str:
    """`gemma3` for `gemma3_text`, `gptneox` for `gpt_neox`: GGUF files write the same names otherwise."""
    return re.sub("[-_]", "", name.removesuffix("_text"))


def check_gguf(path: Path) -> None:
    """Raises CircError C410 if the packages that read GGUF files are missing, C431 for one file of several, C430 for what is no model."""
    missing = [package for package in ("gguf", "accelerate") if importlib.util.find_spec(package) is None]
    if missing:
        raise model_error("C410", f"GGUF files are read with {' and '.join(missing)}, not installed here", "pip install 'circuitdsl[gguf]'")
    said = read_header(path).metadata
    if (files := said.get("split.count", 1)) > 1:
        message = f"{path.name} is one of {files} files, which are not read together"
        raise model_error("C431", message, "join them with llama.cpp's `llama-gguf-split --merge`")
    if (kind := said.get("general.type", "model")) != "model":
        raise model_error("C430", f"{path.name} holds no whole model: general.type = {kind}", "name the model's own file")
