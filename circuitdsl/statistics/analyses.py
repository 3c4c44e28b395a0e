"""What an estimator hands to the judge: an estimate with its interval, and the tails by which claims about it are tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.measure import Combination
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.tails import Tails

NOISE = 1e-6
"""Share of a column's largest size below which differences are the rounding of float32 forward passes, not effects."""


@dataclass(frozen=True)
class Analysis:
    """`tails` is None if nothing can be tested, for the `reason`; `exact` if every prompt, or every one of a template, gives one number."""

    estimate: Estimate
    tails: Tails | None = None
    exact: bool = False
    tolerance: float = 0.0
    units: int = 0
    reason: str = ""
    prompts: int | None = None
    """How many prompts would probably make it testable."""
    obstacle: str = ""
    """In words, what stands in the way of a verdict whatever the bound is; empty where nothing does."""


class Known(NamedTuple):
    """What is known of the columns before they are measured."""

    ranges: Mapping[str, tuple[float, float]] = {}
    """The least and the greatest number that a column can have; columns without bounds are left out."""
    everything: bool = False
    """Whether these are all prompts that there are."""

    def range_of(self, combination: Combination) -> tuple[float, float] | None:
        """Of a combination of columns; None if one of them has none."""
        weights: dict[str, float] = {}
        for name, weight in combination.terms:
            weights[name] = weights.get(name, 0.0) + weight
        weights = {name: weight for name, weight in weights.items() if weight}
        if not all(name in self.ranges for name in weights):
            return None
        ends = [sorted(weight * end for end in self.ranges[name]) for name, weight in weights.items()]
        return sum(end[0] for end in ends), sum(end[1] for end in ends)


NOTHING = Known()


def untestable(estimate: Estimate, reason: str, prompts: int | None = None) -> Analysis:
    return Analysis(estimate.model_copy(update={"note": reason}), reason=reason, prompts=prompts)


def apparent(of: Estimate) -> tuple[float | None, float | None]:
    """An interval as warnings take it: a number that is the same on every prompt is its own."""
    return (of.value, of.value) if of.standard_error == 0 and of.low is None and of.high is None else (of.low, of.high)


def combine(combination: Combination, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The combination of columns [N], or [R, N] where donors were redrawn."""
    return np.asarray(sum(weight * np.asarray(columns[name], dtype=float) for name, weight in combination.terms))


def noise(columns: Mapping[str, np.ndarray], *combinations: Combination) -> float:
    """The size below which a combination of these columns cannot be told from 0, in their unit."""
    sizes = [abs(weight) * np.abs(columns[name]).max(initial=0.0) for of in combinations for name, weight in of.terms]
    return NOISE * float(max(sizes))


def joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
