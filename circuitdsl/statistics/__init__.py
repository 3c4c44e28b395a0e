"""From columns of per-prompt numbers to verdicts. `judge` is the stage; the rest is what it is made of."""

from circuitdsl.statistics.verdicts import judge

__all__ = ["judge"]
