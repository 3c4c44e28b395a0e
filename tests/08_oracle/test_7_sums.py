"""Sums of values: what the algebra knows without numbers, and what they must give in every family, by the engine and by the oracle."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AttentionWeight
from circuitdsl.borders.units import LOGITS, Role, Unit
from circuitdsl.borders.values import Algebra, Base, Override, Run, Share, Subspace, Zero
from circuitdsl.models.exact import exact

ROWS = (0, 3, 4)
CLEAN, OTHER = Run("clean"), Run("abc")
LINE = Subspace("line", 1)


@pytest.fixture(autouse=True)
def _exact():
    with exact(), torch.no_grad():
        yield


@pytest.fixture
def adapter(tiny, family):
    return tiny(family)


@pytest.fixture
def space(adapter, hypothesis):
    found = hypothesis(adapter.shape)
    return replace(found, subspaces={**found.subspaces, "everything": np.eye(adapter.shape.width)})


@pytest.fixture
def patched(space, adapter, measured):
    """The metric where, for the model's run, a unit's contribution is this value, at these roles."""

    def measure(value, roles=None, frozen=None):
        algebra = Algebra()
        mix = algebra.mix([Override(value.unit, roles, value)])
        return measured(algebra.logits(CLEAN, mix, frozen), space, adapter, ROWS)

    return measure


def test_a_sum_that_is_a_value_is_that_value():
    algebra, head = Algebra(), Unit("head", 1, 0)
    first, second = algebra.base(CLEAN, head), algebra.base(OTHER, head)
    assert algebra.blend(first, second, 0) is first and algebra.blend(first, second, 1) is second
    assert algebra.with_part(first, LINE, first) is first
    part = algebra.projected(first, LINE)
    assert algebra.projected(part, LINE) is part
    assert algebra.linear(head, [Share(1, first), Share(-1, first)]) is algebra.base(Zero(), head)
    half = algebra.blend(first, second, 0.5)
    assert algebra.linear(head, [Share(2, half), Share(-1, second)]) is first
    assert algebra.blend(second, first, 0.5) is half and algebra.blend(first, second, 0.25) is not half


def test_sums_are_of_one_units_contributions():
    algebra = Algebra()
    head, other = algebra.base(CLEAN, Unit("head", 1, 0)), algebra.base(CLEAN, Unit("head", 1, 1))
    with pytest.raises(ValueError, match=r"head 1\.1 is no contribution of head 1\.0"):
        algebra.blend(head, other, 0.5)
    with pytest.raises(ValueError, match="no contribution of logits"):
        algebra.projected(algebra.logits(CLEAN), LINE)


@pytest.mark.parametrize("unit", [Unit("embed"), Unit("head", 1, 1), Unit("mlp", 1), Unit("neuron", 0, 3)], ids=str)
def test_a_direct_effect_under_the_clean_scale_is_linear(family, adapter, space, patched, unit):
    """No engine knows this: the metric of what lies between two contributions lies as far between their metrics."""
    if adapter.shape.post_norm:
        pytest.skip("a norm after the group is not linear")
    algebra = Algebra()
    first, second = algebra.base(CLEAN, unit), algebra.base(OTHER, unit)
    ends = [patched(value, frozen=CLEAN) for value in (first, second)]
    assert np.abs(ends[0] - ends[1]).max() > 1e-6
    for share in (0.3, 1.7):
        np.testing.assert_allclose(
            patched(algebra.blend(first, second, share), frozen=CLEAN), (1 - share) * ends[0] + share * ends[1], rtol=1e-9
        )
    parts = patched(algebra.with_part(first, LINE, second), frozen=CLEAN), patched(algebra.with_part(second, LINE, first), frozen=CLEAN)
    np.testing.assert_allclose(parts[0] + parts[1], ends[0] + ends[1], rtol=1e-9)
    assert np.abs(parts[0] - ends[0]).max() > 1e-9


def test_the_part_in_the_whole_space_is_everything(adapter, patched):
    algebra, head, everything = Algebra(), Unit("head", 0, 1), Subspace("everything", adapter.shape.width)
    first, second = algebra.base(CLEAN, head), algebra.base(OTHER, head)
    roles = (Role("B"), Role("END"))
    expected = patched(second, roles)
    np.testing.assert_allclose(patched(algebra.with_part(first, everything, second), roles), expected, rtol=1e-9)
    assert np.abs(expected - patched(first, roles)).max() > 1e-6


def test_parts_of_the_same_prompts_give_the_model(adapter, space, measured):
    """Every unit has the part of another distribution whose prompts are the same: its values are others, and equal."""
    distributions = {**space.distributions, "abc": replace(space.distributions["abc"], prompts=space.distributions["clean"].prompts)}
    same, algebra = replace(space, distributions=distributions), Algebra()
    units = [unit for unit in adapter.shape.units() if unit != LOGITS]
    parts = [algebra.with_part(algebra.base(CLEAN, unit), LINE, algebra.base(OTHER, unit)) for unit in units]
    assert not any(isinstance(part, Base) for part in parts)
    found = measured(algebra.logits(CLEAN, algebra.mix([Override(part.unit, None, part) for part in parts])), same, adapter, ROWS)
    np.testing.assert_allclose(found, measured(algebra.logits(CLEAN), same, adapter, ROWS), rtol=1e-9)


def test_a_sum_has_no_attention_pattern(adapter, space, executor):
    algebra, head = Algebra(), Unit("head", 0, 1)
    half = algebra.blend(algebra.base(CLEAN, head), algebra.base(OTHER, head), 0.5)
    with pytest.raises(ValueError, match="attention"):
        executor([Request(AttentionWeight(half, "clean"), ROWS)], space, adapter)
