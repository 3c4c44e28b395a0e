"""A model's shape from configuration files alone. No torch, no transformers."""

import json
from pathlib import Path
from typing import Any

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.errors import model_error, unsupported
from circuitdsl.models.family import Family, discover
from circuitdsl.models.locate import BUNDLED, Location, known_configs, locate, suggestion
from circuitdsl.models.tokenizers import converted


def find_shape(model: ModelName, folder: Path) -> ModelShape:
    """The shape of the model that a file names: from its own configuration, else from the table of well-known models.

    Raises CircError C401 (no such model), C402 (not on this machine and not well known), C408 (unsupported family), C411 (damaged
    configuration), and for a GGUF file that is read for the first time C410.
    """
    location = locate(model, folder)
    return shape_of(find_config(location), model.name)


def find_config(location: Location) -> dict[str, Any]:
    """A location's configuration, as in `config.json`."""
    if location.path is None:
        bundled = BUNDLED.get(location.name)
        known = known_configs().get(bundled.hub if bundled else location.name)
        if known is None:
            raise model_error(
                "C402",
                f"the model `{location.name}` is not on this machine, and its shape is not in the table of well-known models",
                suggestion(location.name) or "`circuitdsl models` lists what is known; verify downloads a model where there is a network",
            )
        config: dict[str, Any] = known["config"]
        return config
    return read_config(converted(location.path) if location.kind == "gguf" else location.path)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a folder. Raises CircError C411 if it is not there or cannot be read, C409 for a LoRA adapter."""
    path = folder / "config.json"
    if (folder / "adapter_config.json").is_file():
        raise model_error(
            "C409", f"`{folder.name}` holds a LoRA adapter, not a model", "merge it into its base model first (PEFT: merge_and_unload)"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise model_error("C411", f"cannot read {path}: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise model_error("C411", f"{path} does not say which `model_type` it describes")
    return config


def family_of(config: dict[str, Any]) -> Family:
    """The family that serves a configuration. Raises CircError C408, which lists the supported ones, and C409 for quantised weights."""
    families = discover()
    found = families.get(config["model_type"])
    if found is None:
        raise unsupported(f"of type `{config['model_type']}`", families)
    if why := found.refusal(found.settings(config)):
        raise model_error("C426", f"this model of the family {found.name} is not supported: {why}")
    if said := config.get("quantization_config"):
        method = said.get("quant_method", "an unknown method") if isinstance(said, dict) else said
        raise model_error(
            "C409", f"the weights are quantised with {method}", "use the full-precision model, or a GGUF file, which is dequantised"
        )
    return found


def shape_of(config: dict[str, Any], name: str = "") -> ModelShape:
    """The shape that a configuration describes. Raises CircError C408, C409, or C411 if it makes no sense."""
    family = family_of(config)
    try:
        shape = family.shape(config, name)
        named = ("layers", "heads", "kv_heads", "width", "head_width", "vocabulary", "context", *(("mlp_width",) if shape.mlps else ()))
        counts = {name: getattr(shape, name) for name in named}
        sound = all(type(count) is int and count > 0 for count in counts.values()) and shape.heads % shape.kv_heads == 0
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise model_error("C411", f"the configuration of `{name}` cannot be understood: {type(error).__name__} {error}") from None
    if not sound:
        said = ", ".join(f"{name} = {count!r}" for name, count in counts.items())
        raise model_error("C411", f"the configuration of `{name}` makes no sense: {said}", "fetch its config.json again")
    return shape
