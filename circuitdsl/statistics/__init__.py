"""From columns of per-prompt numbers to verdicts. `judge` is the stage; the rest is what it is made of."""

from circuitdsl.borders.measure import draws_needed
from circuitdsl.statistics.blocks import Blocks, balanced_blocks
from circuitdsl.statistics.replicates import Components, components
from circuitdsl.statistics.samples import grouped, sample
from circuitdsl.statistics.sequential import all_decided, judge_sequentially
from circuitdsl.statistics.verdicts import judge

__all__ = [
    "Blocks",
    "Components",
    "all_decided",
    "balanced_blocks",
    "components",
    "draws_needed",
    "grouped",
    "judge",
    "judge_sequentially",
    "sample",
]
