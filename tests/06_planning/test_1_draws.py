"""Donors are drawn beforehand: of the row's layout, never the row itself, the same whatever else is drawn."""

from collections import Counter

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import CircError
from circuitdsl.borders.values import Algebra, Gather
from circuitdsl.planning import plan
from circuitdsl.planning.draws import donors, uniform


def drawn(space, name, rows, seed=0, draw="donor"):
    clean, pool = space.distributions["clean"], space.distributions[name]
    return donors(Gather(name, draw), clean, pool, rows, seed, itself=name == "clean")


@pytest.mark.parametrize("name", ["clean", "pool"])
def test_a_donor_has_the_rows_layout(space, name):
    space = space()
    found = drawn(space, name, range(12))
    clean, pool = space.distributions["clean"].prompts, space.distributions[name].prompts
    assert all(pool[donor].layout == clean[row].layout for row, donor in enumerate(found))


def test_with_absolute_alignment_a_donor_has_the_rows_length_and_any_layout_of_it(space):
    space = space()
    clean, pool = (space.distributions[name] for name in ("clean", "pool"))
    met = set()
    for seed in range(40):
        found = donors(Gather("pool", "donor"), clean, pool, range(12), seed, itself=False, align="absolute")
        met |= {(clean.prompts[row].layout, pool.prompts[donor].layout) for row, donor in enumerate(found)}
    layouts = list(clean.rows_by_layout())
    assert met == {(own, other) for own in layouts for other in layouts if own.length == other.length} and len(met) == 5


def test_a_row_is_never_its_own_donor(space):
    space = space()
    assert all((drawn(space, "clean", range(12), seed) != np.arange(12)).all() for seed in range(50))


def test_every_other_row_of_the_layout_is_drawn_alike(space):
    space = space()
    counts = Counter(int(drawn(space, "clean", [0], seed)[0]) for seed in range(3000))
    assert set(counts) == {3, 6, 9}
    assert all(abs(count - 1000) < 5 * (3000 * 2 / 9) ** 0.5 for count in counts.values())


def test_a_draw_does_not_depend_on_the_other_rows(space):
    space = space()
    whole, part = drawn(space, "pool", range(12)), drawn(space, "pool", [7, 2])
    assert part[7] == whole[7] and part[2] == whole[2]
    assert (np.delete(part, [2, 7]) == -1).all()


def test_seeds_and_names_give_other_draws(space):
    space = space(12)
    first = drawn(space, "clean", range(36))
    assert (first != drawn(space, "clean", range(36), seed=1)).any()
    assert (first != drawn(space, "clean", range(36), draw="other")).any()


def test_known_numbers():
    """Draws are part of what makes a run repeatable: they may not change between versions."""
    assert [uniform(0, "abc", "donor", row, 1000) for row in range(4)] == [542, 630, 745, 262]


def test_a_layout_without_a_donor_is_an_error(space):
    space = space(1)
    requests = [Request(MetricValue(Algebra().logits(Gather("clean", "donor")), "clean", "ld"), (0, 1))]
    with pytest.raises(CircError, match=r"C501.*no other prompt in the layout of row 0"):
        plan(requests, space)


def test_a_name_that_stands_for_two_draws_is_refused(space):
    algebra = Algebra()
    requests = [Request(MetricValue(algebra.logits(Gather(name, "donor")), "clean", "ld"), (0, 1)) for name in ("clean", "pool")]
    with pytest.raises(ValueError, match="stands for two things"):
        plan(requests, space())
