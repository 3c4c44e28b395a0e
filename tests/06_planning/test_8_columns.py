"""A readout of logits takes the columns of the tokens that it names, and the whole vocabulary only where it compares with every token."""

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Divergence, Metric, Pick
from circuitdsl.borders.readouts import AnswerBeats, KLDivergence, MetricValue, SameArgmax, Top1
from circuitdsl.borders.steps import ReadLogits
from circuitdsl.borders.values import Algebra, Run
from circuitdsl.planning import plan

ENDS = np.full(12, 5)
LOGITS = Algebra().logits(Run("clean"))


def metric(expression) -> Metric:
    return Metric("m", "m", False, {"clean": expression})


@pytest.mark.parametrize(
    ("readout", "expression", "whole"),
    [
        (MetricValue(LOGITS, "clean", "m"), Pick("logit", ENDS, ENDS), False),
        (MetricValue(LOGITS, "clean", "m"), Pick("logprob", ENDS, ENDS), True),
        (MetricValue(LOGITS, "clean", "m"), Pick("prob", ENDS, ENDS), True),
        (MetricValue(LOGITS, "clean", "m"), Divergence(ENDS), True),
        (AnswerBeats(LOGITS, "clean", "m"), Pick("logprob", ENDS, ENDS), False),
        (Top1(LOGITS, "clean", "m"), Pick("logit", ENDS, ENDS), True),
        (SameArgmax(LOGITS, "clean", "m", LOGITS), Pick("logit", ENDS, ENDS), True),
        (KLDivergence(LOGITS, "clean", "m", LOGITS), Pick("logit", ENDS, ENDS), True),
    ],
)
def test_what_needs_every_token(readout, expression, whole):
    assert readout.whole({"m": metric(expression)}) is whole


def test_steps_say_it_and_savings_count_it(space, shape):
    """Of `beats` the answer and the wrong one, which are the same on both rows; of `top1` all."""
    value = Algebra().logits(Run("clean"))
    for readout, whole, columns in ((AnswerBeats, False, 2), (Top1, True, shape.vocabulary)):
        planned = plan([Request(readout(value, "clean", "ld"), (0, 3))], space())
        [step] = [step for panel in planned.panels for step in panel.steps if isinstance(step, ReadLogits)]
        assert step.whole is whole
        [saved] = [one for one in planned.savings if one.name == "named tokens only"]
        assert (saved.before, saved.after) == (2 * shape.vocabulary, 2 * columns)
