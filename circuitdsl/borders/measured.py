"""Claims with what they were lowered to and the rows that they are measured on: what lowering hands to planning, judging and recording."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from circuitdsl.borders.hypothesis import Claim, PromptPart
from circuitdsl.borders.measure import Lowered, Search

LoweredTo = TypeVar("LoweredTo", Lowered, Search)


@dataclass(frozen=True)
class ClaimOnRows(Generic[LoweredTo]):
    """A claim, what it was lowered to, and the rows of its distribution that it is measured on."""

    claim: Claim
    lowered: LoweredTo
    part: PromptPart
    rows: tuple[int, ...]
    summary: str = ""
    """What the claim's measure tells, in words."""

    whole: bool = True
    """Whether these are all rows of the part."""

    @property
    def measured(self) -> str:
        return self.claim.measured

    def column(self, digest: str) -> str:
        """The name of a column in the evidence: the same readout on other rows is another column."""
        some = "" if self.whole else "." + hashlib.sha256(repr(self.rows).encode()).hexdigest()[:8]
        return f"{digest}.{self.part}{some}"

    def columns(self, numbers: Mapping[str, Mapping[int, float]]) -> dict[str, np.ndarray]:
        """The claim's columns [N], [R, N] of replicates or [N, d] of vectors, under its own names, from numbers by digest and row."""
        found = {name: np.array([numbers[readout.digest][row] for row in self.rows]) for name, readout in self.lowered.readouts.items()}
        if not isinstance(self.lowered, Lowered):
            return found
        if self.lowered.scored is not None:
            found |= self.lowered.scored.columns(self.rows, found)
        return found | {name: np.stack([found[one] for one in redrawn]) for name, redrawn in self.lowered.replicates.items()}


class MeasuredClaim(ClaimOnRows[Lowered]):
    """A claim that is ready to be measured."""

    def kept(self, numbers: Mapping[str, Mapping[int, float]]) -> dict[str, tuple[str, tuple[float, ...]]]:
        """The columns that the evidence keeps, by the claim's names: each with its name there. Of vectors, what is made of them."""
        columns, scored = self.columns(numbers), self.lowered.scored
        names = {name: self.column(readout.digest) for name, readout in self.lowered.readouts.items() if not readout.vector}
        if scored is not None:
            made = [name for name in columns if name not in self.lowered.readouts and name not in self.lowered.replicates]
            names |= {name: self.column(hashlib.sha256(f"{scored.digest}/{name}".encode()).hexdigest()[:32]) for name in made}
        return {name: (column, tuple(map(float, columns[name]))) for name, column in names.items()}


class SearchingClaim(ClaimOnRows[Search]):
    """A claim that has to look first."""
