"""Two sources of variance: the prompts, and the draws of donors, which are redrawn in replicates."""

import math
from typing import NamedTuple

import numpy as np

from circuitdsl.statistics.samples import Sample


class Components(NamedTuple):
    """The mean over prompts and replicates, its standard error, and the two parts that its square is the sum of.

    `prompts` is what would remain with endlessly many draws, `draws` what would remain with the very same prompts; both are
    standard errors of the mean, in the column's unit.
    """

    estimate: float
    standard_error: float
    prompts: float
    draws: float
    replicates: int

    @property
    def note(self) -> str:
        return f"{self.replicates} draws of donors; standard error from prompts {self.prompts:.3g}, from draws {self.draws:.3g}"


def components(columns: np.ndarray, sample: Sample) -> Components:
    """Columns [R, N]: one row a replicate, donors redrawn independently for every prompt in each.

    One-way analysis of variance by prompt: the draws' part is s²_within/(R N), s²_within pooled over prompts; the whole is the
    variance of the mean of the prompts' means (strata or clusters respected), and the prompts' part is what is left, at least 0.
    Raises ValueError for a single replicate, from which the parts cannot be told.
    """
    replicates, n = columns.shape
    if replicates < 2:
        raise ValueError("variance components need at least two replicates")
    whole = float(sample.variance(columns.mean(axis=0)))
    draws = float(columns.var(axis=0, ddof=1).mean()) / (replicates * n)
    rest = math.sqrt(max(0.0, whole - draws))
    return Components(float(columns.mean()), math.sqrt(whole), rest, math.sqrt(draws), replicates)
