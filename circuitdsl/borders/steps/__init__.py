"""The steps of a plan: what each computes, and what it says of itself (`base.PlanStep`)."""

from circuitdsl.borders.steps.base import (
    Addend,
    Backgrounds,
    Depth,
    Index,
    Memory,
    PlanStep,
    Products,
    Register,
    RegisterStep,
    Setting,
    pool,
)
from circuitdsl.borders.steps.combine import Combine, WeightedPlacement
from circuitdsl.borders.steps.heads import Attend, PatternReadout, Project, Projected
from circuitdsl.borders.steps.mlps import MLP_ROWS_AT_ONCE, Transform
from circuitdsl.borders.steps.readouts import LOGITS_AT_ONCE, ReadLogits, ReadVector
from circuitdsl.borders.steps.streams import Normalise, Sum
from circuitdsl.borders.steps.writes import Placement, Write, WriteChange

__all__ = [
    "LOGITS_AT_ONCE",
    "MLP_ROWS_AT_ONCE",
    "Addend",
    "Attend",
    "Backgrounds",
    "Combine",
    "Depth",
    "Index",
    "Memory",
    "Normalise",
    "PatternReadout",
    "Placement",
    "PlanStep",
    "Products",
    "Project",
    "Projected",
    "ReadLogits",
    "ReadVector",
    "Register",
    "RegisterStep",
    "Setting",
    "Sum",
    "Transform",
    "WeightedPlacement",
    "Write",
    "WriteChange",
    "pool",
]
