"""Columns of a claim that draws: readouts by name, one or, with donors redrawn, several of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from circuitdsl.borders.values import Readout, Recomputed


@dataclass
class Columns:
    """Readouts of logits with the labels of `measured`."""

    measured: str
    metric: str | None
    readouts: dict[str, Readout] = field(default_factory=dict)
    replicates: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(
        self, name: str, logits: Sequence[Recomputed], kind: Literal["metric", "kl"] = "metric", reference: Recomputed | None = None
    ) -> None:
        """A column [N], or [R, N] of as many logits."""
        names = [name] if len(logits) == 1 else [f"{name} {number}" for number in range(1, len(logits) + 1)]
        for one, value in zip(names, logits, strict=True):
            self.readouts[one] = Readout(kind, value, self.measured, self.metric, reference)
        if len(names) > 1:
            self.replicates[name] = tuple(names)
