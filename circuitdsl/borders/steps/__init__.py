"""The steps of a plan: what each computes, and what it says of itself (`base.Step`)."""

from circuitdsl.borders.steps.base import Backgrounds, Depth, Index, Memory, Part, Products, Register, RegisterStep, Setting, Step, pool
from circuitdsl.borders.steps.heads import Attend, PatternReadout, Project, Projected
from circuitdsl.borders.steps.mlps import MLP_ROWS_AT_ONCE, Transform
from circuitdsl.borders.steps.readouts import LOGITS_AT_ONCE, ReadLogits, ReadVector
from circuitdsl.borders.steps.streams import Normalise, Sum
from circuitdsl.borders.steps.writes import Change, Placement, Write

__all__ = [
    "LOGITS_AT_ONCE",
    "MLP_ROWS_AT_ONCE",
    "Attend",
    "Backgrounds",
    "Change",
    "Depth",
    "Index",
    "Memory",
    "Normalise",
    "Part",
    "PatternReadout",
    "Placement",
    "Products",
    "Project",
    "Projected",
    "ReadLogits",
    "ReadVector",
    "Register",
    "RegisterStep",
    "Setting",
    "Step",
    "Sum",
    "Transform",
    "Write",
    "pool",
]
