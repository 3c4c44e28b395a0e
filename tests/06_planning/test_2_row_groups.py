"""Rows are put together where all positions that matter agree; rows that cannot stand side by side are refused."""

from dataclasses import replace

import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import LOGITS, Role, Unit
from circuitdsl.borders.values import Algebra, Mean, Override, Run
from circuitdsl.planning import plan

HEAD = Unit("head", 1, 0)


def readout(algebra, roles=None, background=None, labels="clean"):
    background = background or Run("abc")
    mix = algebra.mix([Override(HEAD, roles, algebra.base(Run("clean"), HEAD))])
    return MetricValue(algebra.logits(background, mix), labels, "ld")


def test_templates_with_the_same_positions_run_together(space):
    planned = plan([Request(readout(Algebra(), (Role("A"),)), tuple(range(12)))], space())
    assert [panel.rows for panel in planned.panels] == [(0, 1, 3, 4, 6, 7, 9, 10), (2, 5, 8, 11)]
    assert [panel.length for panel in planned.panels] == [6, 8]


def test_rows_are_computed_for_the_requests_that_ask_for_them_only(space):
    algebra = Algebra()
    first, second = readout(algebra), replace(readout(algebra), value=algebra.logits(Run("clean")))
    planned = plan([Request(first, (0, 1)), Request(second, (1, 3))], space())
    measured = {panel.rows: {one.digest for step in panel.steps for one in getattr(step, "readouts", ())} for panel in planned.panels}
    assert measured == {(0,): {first.digest}, (1,): {first.digest, second.digest}, (3,): {second.digest}}


def test_a_counterfactual_of_another_layout_is_refused(space):
    space = space()
    abc = space.distributions["abc"]
    turned = replace(abc, prompts=abc.prompts[1:] + abc.prompts[:1])
    space = replace(space, distributions={**space.distributions, "abc": turned})
    with pytest.raises(ValueError, match="differ in layout"):
        plan([Request(readout(Algebra()), (0,))], space)


def test_an_unpaired_run_is_refused(space):
    with pytest.raises(ValueError, match="`pool` is not paired with `clean`"):
        plan([Request(readout(Algebra(), background=Run("pool")), (0,))], space())


def test_a_mean_of_no_prompt_is_refused(space):
    space = space()
    pool = space.distributions["pool"]
    some = replace(pool, prompts=tuple(prompt for prompt in pool.prompts if prompt.layout.length == 6))
    space = replace(space, distributions={**space.distributions, "pool": some})
    asked = readout(Algebra(), background=Mean("pool"))
    assert plan([Request(asked, (0, 1))], space).panels
    with pytest.raises(CircError, match=r"C503.*no prompt in the layout of row 2"):
        plan([Request(asked, (0, 1, 2))], space)


def test_a_value_that_is_no_logits_has_no_metric(space):
    algebra = Algebra()
    value = algebra.recomputed(HEAD, Run("abc"), {})
    with pytest.raises(ValueError, match="needs logits"):
        plan([Request(MetricValue(value, "clean", "ld"), (0,))], space())
    assert value.unit != LOGITS
