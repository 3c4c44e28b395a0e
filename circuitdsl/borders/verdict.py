"""What was asked of the columns, and the answer: a verdict with its estimate, interval and method."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from circuitdsl.borders.source import CodedWarning

if TYPE_CHECKING:
    from circuitdsl.borders.hypothesis import Comparison
    from circuitdsl.borders.measure import Member
    from circuitdsl.borders.watches import Watch

Outcome = Literal["supported", "refuted", "inconclusive", "not testable", "measured"]


WarningAsText = Annotated[
    CodedWarning, PlainValidator(CodedWarning.read), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
"""A warning, which evidence writes as text."""


class Question(NamedTuple):
    """A claim as statistics sees it. `columns[name]` is [N] float64, the same N rows in each; `clusters` [N] are template labels.

    Where donors were redrawn in R replicates a column is [R, N]; columns of both shapes go together.
    """

    label: str
    comparison: "Comparison | None"
    members: "tuple[Member, ...]"
    columns: Mapping[str, np.ndarray]
    clusters: np.ndarray
    classes: Mapping[str, np.ndarray] = {}
    """Feature, then the class of each row [N] in words: members are estimated by class as well."""
    watches: "tuple[Watch, ...]" = ()
    named: bool = False
    """Whether `clusters` are clusters that the data name, and not templates."""
    units: np.ndarray | None = None
    """[N]: the same number in prompts that the model cannot tell apart, which are one unit. None: each prompt is its own."""
    ranges: Mapping[str, tuple[float, float]] = {}
    """The least and the greatest number that a column can have, whatever the model; columns without bounds are left out."""
    everything: bool = False
    """Whether these rows are all prompts that there are."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Estimate(Frozen):
    """A number with its interval. None for a bound means unbounded on that side; `note` then says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    n: int = 0
    method: str = ""
    note: str = ""


class MemberVerdict(Frozen):
    """The answer for one member. `p_support` and `p_refute` are one-sided p-values against the claim's bound, unadjusted."""

    label: str
    about: str = ""
    outcome: Outcome
    estimate: Estimate
    beside: dict[str, Estimate] = {}
    p_support: float | None = None
    p_refute: float | None = None
    p_adjusted: float | None = None
    """P-value of the outcome, corrected within the claim's members and over the file: to be read against 1 − confidence."""
    reason: str = ""
    prompts_to_decide: int | None = None
    """How many prompts would probably decide an inconclusive answer."""


class ClaimVerdict(Frozen):
    """The answer for a claim; with one member the same as that member's."""

    label: str
    outcome: Outcome
    members: tuple[MemberVerdict, ...]
    p_adjusted: float | None = None
    """Corrected over the claims of the file and their two directions: to be read against 1 − confidence. Of one claim, its p-value."""
    reason: str = ""
    warnings: tuple[WarningAsText, ...] = ()
