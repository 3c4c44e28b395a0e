"""Which columns of the unembedding readouts of logits need: those of the tokens that they name, or the whole vocabulary's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import ReadLogits


class Columns(NamedTuple):
    """Tokens whose logits a step takes, at how many positions of a prompt at once, and whether it needs their probabilities."""

    count: int
    places: int
    probabilities: bool


def columns(step: ReadLogits, rows: Sequence[int], hypothesis: Hypothesis) -> Columns:
    """What a step takes on the rows."""
    readout, metrics = step.readouts[0], hypothesis.metrics
    if step.whole:
        count = hypothesis.shape.vocabulary
    else:
        count = len(readout.tokens(metrics, hypothesis.distributions[readout.labels], np.array(rows)))
    return Columns(count, readout.at_once(metrics), readout.normalised(metrics))
