"""What is known of a model without its weights: where it is, its configuration, its shape and its tokenizer. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.errors import model_error
from circuitdsl.models.locate import Location, locate
from circuitdsl.models.shapes import family_of, find_config, shape_of
from circuitdsl.models.tokenizers import FileTokenizer, tokenizer_at

_UNREAD = ("tekken.json", "*.tiktoken")
"""Tokenizers in formats that are not read."""


@dataclass(frozen=True, slots=True)
class ModelOutline:
    """`config` is as in config.json. `tokenizer` is None where the model is not on this machine, or has none."""

    location: Location
    config: Mapping[str, Any]
    shape: ModelShape
    tokenizer: FileTokenizer | None


def outline(model: ModelName, folder: Path) -> ModelOutline:
    """Looks a model up; relative names are looked up in `folder`.

    Raises CircError C401 (no such model), C402 (not on this machine and not well known), C408 (unsupported family), C409, C411 (damaged
    configuration), C413 (damaged tokenizer), and for a GGUF file that is read for the first time C406, C410 and C430 to C432.
    """
    location = locate(model, folder)
    config = find_config(location)
    return ModelOutline(location, config, shape_of(config, model.name), tokenizer_at(location))


def require_tokenizer(model: ModelOutline) -> None:
    """Raises CircError C433 if a model has no tokenizer, so that nothing says which ids stand for a text. Toys may do without."""
    if model.tokenizer is not None or model.location.path is None or family_of(dict(model.config)).words_as_tokens:
        return
    folder = model.location.path
    other = next((path.name for pattern in _UNREAD for path in sorted(folder.glob(pattern))), None)
    message = f"the folder of `{model.location.name}` has no tokenizer: there is no tokenizer.json beside the weights"
    if other:
        message += f", and {other} is in a format that is not read"
    raise model_error("C433", message, "save it there (`tokenizer.save_pretrained`), or fetch tokenizer.json from where the model is from")
