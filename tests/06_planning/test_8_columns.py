"""A readout of logits takes the columns of the tokens that it names, and the whole vocabulary only where it compares with every token."""

import numpy as np
import pytest

from circuitdsl.borders.plan import Measure, Request
from circuitdsl.borders.prompts import Divergence, Metric, Pick
from circuitdsl.borders.values import Algebra, Readout, Run
from circuitdsl.planning import plan
from circuitdsl.planning.columns import whole_vocabulary

ENDS = np.full(12, 5)


def metric(expression) -> Metric:
    return Metric("m", "m", False, {"clean": expression})


@pytest.mark.parametrize(
    ("kind", "expression", "whole"),
    [
        ("metric", Pick("logit", ENDS, ENDS), False),
        ("metric", Pick("logprob", ENDS, ENDS), True),
        ("metric", Pick("prob", ENDS, ENDS), True),
        ("metric", Divergence(ENDS), True),
        ("beats", Pick("logprob", ENDS, ENDS), False),
        ("top1", Pick("logit", ENDS, ENDS), True),
        ("agrees", Pick("logit", ENDS, ENDS), True),
        ("kl", Pick("logit", ENDS, ENDS), True),
    ],
)
def test_what_needs_every_token(kind, expression, whole):
    assert whole_vocabulary(kind, metric(expression), "clean") is whole


def test_steps_say_it_and_savings_count_it(space, shape):
    """Of `beats` an answer and a wrong one of each row; of `top1` all."""
    value = Algebra().logits(Run("clean"))
    for kind, whole, columns in (("beats", False, 2 * 2), ("top1", True, shape.vocabulary)):
        planned = plan([Request(Readout(kind, value, "clean", "ld"), (0, 3))], space())
        [measure] = [step for panel in planned.panels for step in panel.steps if isinstance(step, Measure)]
        assert measure.whole is whole
        [saved] = [one for one in planned.savings if one.name == "named tokens only"]
        assert (saved.before, saved.after) == (2 * shape.vocabulary, 2 * columns)
