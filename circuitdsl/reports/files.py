"""Evidence files: JSON, with long columns in a safetensors file beside it. A write either happens whole or not at all."""

import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.evidence import SCHEMA_VERSION, Evidence
from circuitdsl.borders.source import CircError
from circuitdsl.borders.writing import write_bytes

LONGEST = 10_000
"""Columns of more rows than this leave the JSON."""


def stem_of(stem: str, own: Mapping[str, str], run: Mapping[str, str]) -> str:
    """`ioi`, or `ioi.seed-1` for a run whose conditions, by name, are not the file's own."""
    words = [re.sub(r"[^A-Za-z0-9._-]+", "-", run[name].rstrip("/").rsplit("/", 1)[-1]) for name in run]
    others = [f"{name}-{word}" for name, word in zip(run, words, strict=True) if run[name] != own[name]]
    return ".".join([stem, *others])


def write_evidence(evidence: Evidence, folder: Path, stem: str, force: bool = False) -> Path:
    """Writes `STEM.evidence.json` and, for columns above 10,000 rows, arrays whose name holds their hash. Returns the JSON's path.

    The JSON is put in place last and in one step: a reader sees the old evidence with its arrays or the new with its own.
    Raises CircError C650 if the disk is full or the folder cannot be written, and without `force` C610 if the file there is of other
    conditions; an earlier file is then as it was.
    """
    path = folder / f"{stem}.evidence.json"
    if not force:
        _refuse_to_replace(path, _conditions(evidence))
    long = {name: column for name, column in evidence.columns.items() if len(column) > LONGEST}
    short = {name: column for name, column in evidence.columns.items() if name not in long}
    body = _pack(long) if long else b""
    arrays = folder / f"{stem}.evidence.{_digest(body)}.safetensors" if long else None
    record = evidence.model_copy(update={"columns": short, "arrays": arrays.name if arrays else None})
    fresh = arrays is not None and not arrays.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if arrays:
            write_bytes(arrays, body)
        write_bytes(path, (record.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        if arrays and fresh:
            arrays.unlink(missing_ok=True)
        raise refusal(
            "C650", f"the evidence cannot be written to {folder}: {_reason(error)}", hint="name another folder with --output"
        ) from error
    for other in folder.glob(f"{glob.escape(stem)}.evidence.*.safetensors"):
        if other != arrays:
            other.unlink(missing_ok=True)
    return path


def read_evidence(path: Path) -> Evidence:
    """Reads what `write_evidence` wrote, arrays included. Raises CircError C651 to C655 that says what is wrong with the file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise refusal("C651", f"{path} cannot be read: {_reason(error)}", hint="evidence files are called NAME.evidence.json") from error
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        cut = "it is empty" if not raw.strip() else "it is cut short or is not JSON"
        raise refusal("C652", f"{path} is not an evidence file: {cut}", hint="verify writes NAME.evidence.json") from error
    if not isinstance(body, dict) or "schema_version" not in body:
        raise refusal("C652", f"{path} is JSON, but not evidence of circuitdsl", hint="it has no `schema_version`")
    if body["schema_version"] != SCHEMA_VERSION:
        raise _version(path, body["schema_version"])
    try:
        evidence = Evidence.model_validate_json(raw)
    except ValidationError as error:
        places = [".".join(map(str, e["loc"])) or "the file" for e in error.errors()]
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        message = f"{path} is damaged: {', '.join(places[:3])}{more} missing or of the wrong form"
        raise refusal("C654", message, hint="verify again") from error
    if evidence.arrays is None:
        return evidence
    return evidence.model_copy(update={"columns": {**evidence.columns, **_unpack(path, evidence.arrays)}, "arrays": None})


def check_output(folder: Path, stem: str, run: Mapping[str, str] | None = None) -> None:
    """Says before measuring whether `STEM.evidence.json` can be written, be the folder there or to be made.

    Raises CircError C650 if not, and C610 if a file is there whose conditions are not those of `run`.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    path = folder / f"{stem}.evidence.json"
    reasons = (
        (not there.is_dir(), f"{there} is a file"),
        (folder.is_symlink() and not folder.exists(), f"{folder} is a link that leads nowhere"),
        (not os.access(there, os.W_OK), "permission denied"),
        (path.is_dir(), f"{path} is a folder"),
    )
    reason = next((words for holds, words in reasons if holds), None)
    if reason:
        raise refusal("C650", f"the evidence cannot be written to {folder}: {reason}", hint="name another folder with --output")
    if run is not None:
        _refuse_to_replace(path, run)


def _refuse_to_replace(path: Path, run: Mapping[str, str]) -> None:
    """Raises CircError C610 where the evidence at `path` is of other conditions; what is no evidence may be replaced."""
    try:
        before = _conditions(read_evidence(path)) if path.exists() else {}
    except CircError:
        return
    other = [name for name in run if name in before and not _same(name, before[name], run[name])]
    if other:
        said = [f"{name} = {before[name][:40]}, not {run[name][:40]}" for name in other]
        hint = "move it, name another folder with --output, or say --force"
        raise refusal("C610", f"{path} is there already and holds evidence of {'; '.join(said)}", hint=hint)


def _conditions(evidence: Evidence) -> dict[str, str]:
    """What evidence may not differ in from the file that it takes the place of."""
    stated = {one.name: one.value for one in evidence.conditions if one.name in ("prompts", "seed")}
    return {"model": evidence.model.name, **stated, "dtype": evidence.model.dtype, "weights": evidence.model.weights_sha256}


def _same(name: str, one: str, other: str) -> bool:
    """Models are compared without their owner: a file may leave it out where the evidence names it."""
    return one == other or (name == "model" and one.rsplit("/", 1)[-1].lower() == other.rsplit("/", 1)[-1].lower())


def _pack(columns: Mapping[str, tuple[float, ...]]) -> bytes:
    from safetensors.numpy import save

    return save({name: np.asarray(columns[name], dtype=np.float64) for name in sorted(columns)})


def _unpack(path: Path, name: str) -> dict[str, tuple[float, ...]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    beside = path.parent / name
    if Path(name).name != name:
        raise refusal("C655", f"{path} names arrays outside its own folder: {name}", hint="")
    try:
        body = beside.read_bytes()
        if _digest(body) not in name:
            raise ValueError("its contents have changed")
        return {key: tuple(column.tolist()) for key, column in load(body).items()}
    except (OSError, ValueError, SafetensorError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise refusal(
            "C655", f"the columns of {path.name} are in {beside}, which cannot be read: {reason}", hint="keep both together"
        ) from error


def _version(path: Path, found: Any) -> CircError:
    known = isinstance(found, int) and found > SCHEMA_VERSION
    hint = "a newer circuitdsl reads it" if known else "verify again to have it in the present form"
    return refusal("C653", f"{path} has evidence format {found!r}; this circuitdsl reads format {SCHEMA_VERSION}", hint=hint)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
