"""What `circuitdsl models` lists: models that are here, models whose shape is known, and the families that are supported. No torch."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import discover
from circuitdsl.models.locate import BUNDLED, known_configs
from circuitdsl.models.shapes import read_config, shape_of


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """`note` says what to do where the model is not here, or what it is."""

    name: str
    also: tuple[str, ...] = ()
    shape: ModelShape | None = None
    here: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`families` maps a family's name to the `model_type`s that it serves."""

    bundled: tuple[CatalogueEntry, ...]
    cached: tuple[CatalogueEntry, ...]
    known: tuple[CatalogueEntry, ...]
    families: dict[str, tuple[str, ...]]


def catalogue() -> Catalogue:
    """Looks at what is installed, at the Hub's local cache, and at the table of well-known models."""
    families: dict[str, tuple[str, ...]] = {}
    for model_type, family in discover().items():
        families[family.name] = (*families.get(family.name, ()), model_type)
    known = tuple(
        CatalogueEntry(hub, tuple(entry.get("also", ())), shape_of(entry["config"], hub)) for hub, entry in known_configs().items()
    )
    return Catalogue(tuple(_bundled()), tuple(_cached()), known, families)


def listing() -> str:
    """The catalogue as `circuitdsl models` prints it."""
    found = catalogue()
    lines = ["Bundled (installed with pip):"]
    lines += [f"  {entry.name:<46}{entry.note if entry.here else f'not installed; {entry.note}'}" for entry in found.bundled]
    lines += ["", "In the Hub's local cache:"]
    lines += [
        f"  {entry.name:<46}{_size(entry) if entry.shape else entry.note}{'' if entry.here else '  (no safetensors)'}"
        for entry in found.cached
    ] or ["  none"]
    lines += ["", "Known by shape: checked here without weights, downloaded by verify:"]
    for entry in found.known:
        also = f"  also `{'`, `'.join(entry.also)}`" if entry.also else ""
        lines.append(f"  {entry.name:<46}{_size(entry)}{also}")
    lines += ["", "Families, with the `model_type`s of config.json that they serve:"]
    lines += [f"  {family:<46}{', '.join(types)}" for family, types in found.families.items()]
    lines += ["", 'Any model of these families can be named: model "ORG/NAME", model "./folder", model "./file.gguf".']
    return "\n".join(lines)


def _size(entry: CatalogueEntry) -> str:
    shape = entry.shape
    return f"{shape.layers} layers of {shape.heads} heads" if shape else ""


def _bundled() -> Iterator[CatalogueEntry]:
    for name, bundled in BUNDLED.items():
        here = importlib.util.find_spec(bundled.package) is not None
        yield CatalogueEntry(name, here=here, note=bundled.weights if here else bundled.install)


def _cached() -> Iterator[CatalogueEntry]:
    from huggingface_hub.constants import HF_HUB_CACHE

    for repository in sorted(Path(HF_HUB_CACHE).glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        for snapshot in sorted(repository.glob("snapshots/*")):
            if not (snapshot / "config.json").is_file():
                continue
            here = any(snapshot.glob("*.safetensors"))
            try:
                yield CatalogueEntry(name, shape=shape_of(read_config(snapshot), name), here=here, note=snapshot.name[:12])
            except CircError as error:
                yield CatalogueEntry(name, here=here, note=error.diagnostics[0].message)
