"""Variants of a circuit share, position by position, what is equal in them."""

from dataclasses import replace

import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.steps import Attend, Project, Transform
from circuitdsl.borders.units import EMBED, Role, Unit
from circuitdsl.borders.values import Algebra, Mean, Override, Run
from circuitdsl.planning import plan
from circuitdsl.planning.value_numbering import ValueNumbering

CLEAN, ABC = Run("clean"), Run("abc")
END, A = (Role("END"),), (Role("A"),)
MLPS = [Unit("mlp", layer) for layer in range(3)]
EARLY = Unit("head", 0, 1)


def with_mlps(algebra, background=ABC, cut=None, roles=A):
    """Every MLP at every position, each reading what comes before it, with a head of layer 0 at `roles` unless it is `cut`."""
    mix = algebra.mix([Override(EMBED, None, algebra.base(CLEAN, EMBED))])
    head = algebra.recomputed(EARLY, background, dict.fromkeys("qkv", mix))
    mix = mix if cut == EARLY else algebra.mix([Override(EARLY, roles, head)], mix)
    for unit in MLPS:
        value = algebra.recomputed(unit, background, {"in": mix})
        mix = mix if cut == unit else algebra.mix([Override(unit, None, value)], mix)
    return mix


def steps_of(planned, kind):
    [panel] = planned.panels
    return [step for step in panel.steps if isinstance(step, kind)]


def planned(space, *values):
    return plan([Request(MetricValue(value, "clean", "ld"), (0, 3)) for value in values], space)


def late(algebra, mix, background=ABC):
    """Logits that see every position of a mix through the keys and values of a late head."""
    head = algebra.recomputed(Unit("head", 2, 0), background, dict.fromkeys("kv", mix))
    return algebra.logits(background, algebra.mix([Override(head.unit, END, head)]))


def two(mix):
    """The mix as the heads of layer 2 see it: without the last MLP."""
    return mix.before if mix.group.layer == 2 else mix


@pytest.mark.parametrize("background", [ABC, Mean("pool")], ids=str)
def test_an_mlp_is_made_again_only_where_a_cut_reaches(space, background):
    algebra = Algebra()
    values = [late(algebra, two(with_mlps(algebra, background, cut)), background) for cut in (None, EARLY)]
    made = [(step.layer, step.positions) for step in steps_of(planned(space(), *values), Transform)]
    assert sorted(made) == [(0, (0, 1, 2, 3, 4, 5)), (0, (1,)), (1, (0, 1, 2, 3, 4, 5)), (1, (1,))]


def test_a_head_is_made_again_only_where_it_sees_the_cut(space):
    """Queries before A see the same keys in both variants, though the streams differ at A."""
    algebra = Algebra()
    values = []
    for cut in (None, EARLY):
        mix = two(with_mlps(algebra, cut=cut))
        before = mix.before
        head = algebra.recomputed(Unit("head", 1, 2), ABC, dict.fromkeys("kv", before))
        values.append(late(algebra, algebra.mix([Override(head.unit, None, head)], before)))
    attends = [step for step in steps_of(planned(space(), *values), Attend) if step.layer == 1]
    assert sorted(step.positions for step in attends) == [(0, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5)]
    assert {step.heads for step in steps_of(planned(space(), *values), Project) if step.layer == 1} == {(2,)}


def test_a_head_that_sees_later_positions_is_made_again_everywhere(space, shape):
    algebra = Algebra()
    values = []
    for cut in (None, EARLY):
        before = two(with_mlps(algebra, cut=cut)).before
        head = algebra.recomputed(Unit("head", 1, 2), ABC, dict.fromkeys("kv", before))
        values.append(late(algebra, algebra.mix([Override(head.unit, None, head)], before)))
    [attend] = [step for step in steps_of(planned(space(shape=replace(shape, causal=False)), *values), Attend) if step.layer == 1]
    assert (attend.positions, attend.variants) == ((0, 1, 2, 3, 4, 5), 2)


def test_two_cuts_that_come_to_the_same_at_a_position_are_one_there(space):
    """The head at A alone, and at A and END: what the MLPs make at A is the same, and made once."""
    algebra = Algebra()
    values = [late(algebra, two(with_mlps(algebra, cut=EARLY)))]
    values += [late(algebra, two(with_mlps(algebra, roles=roles))) for roles in (A, (*A, *END))]
    made = [step.positions for step in steps_of(planned(space(), *values), Transform) if step.layer == 1]
    assert sorted(made) == [(0, 1, 2, 3, 4, 5), (1,), (5,)]


def test_variants_cost_little_more_than_one(space):
    algebra = Algebra()
    values = [late(algebra, two(with_mlps(algebra, cut=cut))) for cut in (None, EARLY)]
    alone, both = (planned(space(), *some).cost for some in (values[:1], values))
    assert both.flops < 1.4 * alone.flops


def test_what_is_seen_has_one_number_while_nothing_new_comes():
    numbers = ValueNumbering(4, causal=True)
    first, second = numbers.seen({7: 0b1111}), numbers.seen({7: 0b1011, 8: 0b0100})
    assert list(first.values()) == [0b1111]
    assert sorted(second.values()) == [0b0011, 0b1100]
    assert first.keys() & second.keys() == {number for number, at in second.items() if at == 0b0011}
    assert numbers.seen({}) == {}
