"""Columns of a claim that draws: readouts by name, one or, with donors redrawn, several of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuitdsl.borders.readouts import KLDivergence, LogitsReadout, MetricValue, Readout
from circuitdsl.borders.values import Recomputed


@dataclass
class DrawnColumns:
    """Readouts of logits with the labels of `measured`."""

    measured: str
    metric: str
    readouts: dict[str, Readout] = field(default_factory=dict)
    replicates: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, name: str, logits: Sequence[Recomputed]) -> None:
        """The metric: a column [N], or [R, N] of as many logits."""
        self._put(name, [MetricValue(value, self.measured, self.metric) for value in logits])

    def add_divergence(self, name: str, logits: Sequence[Recomputed], reference: Recomputed) -> None:
        """KL(`reference` ‖ each of the logits): a column [N] or [R, N]."""
        self._put(name, [KLDivergence(value, self.measured, self.metric, reference) for value in logits])

    def _put(self, name: str, readouts: Sequence[LogitsReadout]) -> None:
        names = [name] if len(readouts) == 1 else [f"{name} {number}" for number in range(1, len(readouts) + 1)]
        self.readouts.update(zip(names, readouts, strict=True))
        if len(names) > 1:
            self.replicates[name] = tuple(names)
