"""What an estimator hands to the judge: an estimate with its interval, and the tails by which claims about it are tested."""

from collections.abc import Mapping
from dataclasses import dataclass

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


def untestable(estimate: Estimate, reason: str, prompts: int | None = None) -> Analysis:
    return Analysis(estimate.model_copy(update={"note": reason}), reason=reason, prompts=prompts)


def combine(combination: Combination, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The combination of columns [N], or [R, N] where donors were redrawn."""
    return np.asarray(sum(weight * np.asarray(columns[name], dtype=float) for name, weight in combination.terms))


def noise(columns: Mapping[str, np.ndarray], *combinations: Combination) -> float:
    """The size below which a combination of these columns cannot be told from 0, in their unit."""
    sizes = [abs(weight) * np.abs(columns[name]).max(initial=0.0) for of in combinations for name, weight in of.terms]
    return NOISE * float(max(sizes))


def joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
