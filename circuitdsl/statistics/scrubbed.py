"""Warnings beside a scrub score: other ways to draw the same hypothesis that give another number, beyond chance."""

import math

from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import apparent

LEAST = 0.01
"""A difference of scores below this is of no account, however sure it is."""
LARGE = 0.2
"""Share of the score from which on its bias is far from its leading term: a square root's is then off by a quarter and more."""


def biased_banks(slots: int, bias: Estimate, score: Estimate) -> CodedWarning | None:
    if not _surely_apart(bias) or bias.value is None:
        return None
    said = f"banks of {slots} put the score off by about {shown(bias)}: take larger ones"
    if score.value is not None and abs(bias.value) > LARGE * abs(score.value):
        said += ", for so large a part of it need not halve as banks double, and its bound may be too small"
    return CodedWarning("W066", said)


def joined_differs(features: str, how: str, spread: Estimate) -> CodedWarning | None:
    """`spread` is the claim's score less the one in which what carries the features is drawn `how`."""
    if not _surely_apart(spread) or spread.value is None:
        return None
    side = "lower" if spread.value > 0 else "higher"
    return CodedWarning("W067", f"with {features} {how} the score is {side}, by {shown(spread)}")


def regrouped_lower(grouping: str, spread: Estimate) -> CodedWarning | None:
    """`spread` is the claim's score less the one under the adversary's grouping."""
    if not _surely_apart(spread) or spread.value is None or spread.value < 0:
        return None
    return CodedWarning("W068", f"the score is {shown(spread)} lower if what is left out is drawn in groups: {grouping}")


def _surely_apart(of: Estimate) -> bool:
    """Whether the whole interval is on one side of 0, and the number large enough to speak of."""
    low, high = apparent(of)
    return of.value is not None and abs(of.value) >= LEAST and ((low is not None and low > 0) or (high is not None and high < 0))


def shown(of: Estimate) -> str:
    """The size of a number that is surely on one side of 0, with its interval."""
    ends = sorted(math.inf if end is None else abs(end) for end in apparent(of))
    return f"{abs(of.value or 0):.3g} [{ends[0]:.3g}, {ends[1]:.3g}]"
