"""What a caller may set beside the file, and how a caller is told of progress."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str, float], None]
"""Told what is being done, and which share of it is done (0 to 1)."""


def quiet(what: str, share: float) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class Flags:
    """What the command line may set. `settings` win over the file's own; `memory` is in bytes, and `cache` on disk (0: none)."""

    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    device: str = "cpu"
    memory: int | None = None
    cache: int | None = None
    unsafe: bool = False
    edges: bool = True
    figure: bool = True
    sequential: bool = False
    command: str = "circuitdsl verify"
