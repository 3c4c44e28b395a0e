"""What flags mean."""

import os
import re
from typing import Any

import typer

from circuitdsl.borders.flags import Flags

LONGEST = 20
"""Digits of a size; what is longer is a mistake, and more than a number of the machine holds."""
_UNITS = {"b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


CACHE = "CIRCUITDSL_CACHE_SIZE"
"""The environment's variable for what `--cache` says."""


def flags_of(
    *,
    model: str | None = None,
    prompts: int | None = None,
    seed: int | None = None,
    memory: str | None = None,
    cache: str | None = None,
    **others: Any,
) -> Flags:
    """Flags as the pipeline takes them; those that were not given leave the file's settings alone."""
    if model == "":
        raise typer.BadParameter("the name of a model is empty", param_hint="--model")
    settings = {name: value for name, value in {"prompts": prompts, "seed": seed}.items() if value is not None}
    return Flags(model=model, settings=settings, memory=None if memory is None else size(memory), cache=_cache(cache), **others)


def _cache(given: str | None) -> int | None:
    """Bytes that `--cache`, else the environment, allows on disk; None where neither says."""
    named, text = ("--cache", given) if given is not None else (CACHE, os.environ.get(CACHE))
    if not text:
        return None
    return 0 if text.strip().lower() in ("off", "0") else size(text, named)


def size(text: str, named: str = "--memory") -> int:
    """Bytes of `2GB`, `512MiB`, `1.5g`, `1000B`. Raises a usage error for anything else, a number without a unit too."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]i?)b?|(b))\s*", text.lower())
    if not found or len(found[1]) > LONGEST or not float(found[1]):
        off = "" if named == "--memory" else ", or off"
        raise typer.BadParameter(f"`{text}` is not a size; write for example 2GB or 512MiB{off}", param_hint=named)
    return int(float(found[1]) * _UNITS[found[2] or found[3]])
