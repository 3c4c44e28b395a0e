"""Warnings where they begin, and what they say: a sign, a bound or a name that is wrong would change them."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import RatioOf, difference
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics import watches
from circuitdsl.statistics.samples import sample

THESE = sample(np.arange(4))


def around(mean: float) -> np.ndarray:
    """Four numbers with hardly any spread."""
    return mean + np.array([-1e-6, 1e-6, -1e-6, 1e-6])


def test_chance_is_where_the_empty_circuit_should_be():
    assert watches.empty_not_chance(around(0.5), around(2.0), THESE, chance=0.5) is None
    assert watches.empty_not_chance(around(-0.5), around(2.0), THESE, chance=0.5) is not None
    # a tenth of what the model has above chance: 0.17 here, were chance 0 it would be 0.22 and more
    assert watches.empty_not_chance(around(0.7), around(2.2), THESE, chance=0.5).message == (
        "the empty circuit's F is 0.7 where chance is 0.5 and the model has 2.2"
    )
    assert watches.empty_not_chance(around(0.65), around(2.2), THESE, chance=0.5) is None


def test_a_twentieth_of_the_attention_is_enough_to_break_the_mechanism():
    assert watches.shared_mechanism({"0.0": np.full(4, 0.05)}) is None
    said = watches.shared_mechanism({"0.0": np.full(4, 0.01), "0.1": np.full(4, 0.04)})
    assert said.message.endswith("at most 0.04 of it moves")


def test_above_one_needs_an_interval_and_a_value():
    assert watches.above_one(Estimate(value=None, low=1.5, high=2.0)) is None
    assert watches.above_one(Estimate(value=1.5, low=None, high=None)) is None
    assert watches.above_one(Estimate(value=1.5, low=1.1, high=1.9)).message.startswith("1.5 is above 1")


def test_changes_cancel_by_their_size():
    """A quarter of the size of the changes, whatever that is; three tenths of the scale."""
    assert watches.changes_cancel(np.array([6.0, -2.0, 6.0, -2.0]), 4.0) is None
    assert watches.changes_cancel(np.array([5.0, -3.0, 5.0, -3.0]), 4.0) is not None
    assert watches.changes_cancel(np.array([0.4, -0.4]), 1.0) is not None
    assert watches.changes_cancel(np.array([0.2, -0.2]), 1.0) is None
    assert watches.changes_cancel(np.array([0.4, -0.4]), -1.0) is not None, "the size of the scale counts"


def test_the_best_of_the_rivals_is_named():
    sizes, disjoint = np.array([3, 5, 9, 5]), np.array([False, False, False, True])
    said = watches.random_as_good(0.5, np.array([0.6, 1.2, 1.0, 1.3]), 9, sizes, disjoint)
    assert said.message == "a smaller random circuit (5 edges, the circuit 9) scores as well: 1.2 to 0.5"
    said = watches.random_as_good(0.5, np.array([0.1, 0.2, 1.0, 1.5]), 9, sizes, disjoint)
    assert said.message == "a disjoint random circuit (5 edges, the circuit 9) scores as well: 1.5 to 0.5"


def test_a_rival_is_as_good_and_smaller_or_disjoint():
    """As good is good enough; as large is not smaller, and better is better only near the target."""
    same, one = np.array([False]), np.array([1.5])
    assert watches.random_as_good(0.5, one, 4, np.array([3]), same) is not None
    assert watches.random_as_good(0.5, one, 4, np.array([4]), same) is None
    assert watches.random_as_good(0.5, np.array([1.6]), 4, np.array([3]), same) is None
    assert watches.random_as_good(0.5, np.array([0.2]), 4, np.array([3]), same, target=0.0) is not None
    assert watches.random_as_good(0.5, np.array([0.9]), 4, np.array([3]), same, target=0.0) is None


def test_a_verdict_flips_only_from_supported_to_refuted():
    for outcomes in (("inconclusive", "refuted"), ("not testable", "refuted"), ("supported", "supported"), ("refuted", "refuted")):
        assert watches.verdict_flips(dict(zip(("zero", "mean"), outcomes, strict=True))) is None
    said = watches.verdict_flips({"zero": "refuted", "mean": "supported", "abc": "supported", "x": "refuted", "y": "inconclusive"})
    assert said.message == "supported under mean, abc, but refuted under zero, x"


def test_the_class_with_the_fewest_donors_is_named():
    said = watches.few_donors({"a": 5, "b": 3, "c": 20, "d": 19})
    assert said.message == "3 of 4 classes have fewer than 20 donors; b has 3"


@pytest.mark.parametrize(("theta", "fires"), [(0.0, False), (-0.1, False), (0.01, True), (1.0, False), (1.5, False)])
def test_shares_that_draws_could_support(theta, fires):
    assert (watches.few_draws(5, theta, 0.95) is not None) == fires


@pytest.mark.parametrize(("theta", "fires"), [(0.0, False), (0.2, True), (0.25, False), (0.3, False)])
def test_shares_that_a_whole_null_could_support(theta, fires):
    """Three others and the circuit itself: a quarter is the least."""
    assert (watches.few_draws(3, theta, 0.95, everything=True) is not None) == fires


def test_a_backup_needs_both_intervals():
    """The ratio without the backup cannot be told where what is below the line may be 0: nothing is said."""
    of = {name: RatioOf(difference(name, "zero"), difference(below, "zero"), True) for name, below in (("a", "whole"), ("b", "odd"))}
    columns = {"whole": around(1.0), "odd": np.array([1.0, -1.0, 1.0, -1.0]), "zero": np.zeros(4), "a": around(0.0), "b": around(1.0)}
    columns["b2"] = around(1.0)
    sure = RatioOf(difference("b2", "zero"), difference("whole", "zero"), True)
    assert watches.backed_up("n", of["a"], sure, columns, THESE, 0.1, 0.95).message == (
        "n is not needed alone (0) but is once its backup is gone (1)"
    )
    assert watches.backed_up("n", of["a"], of["b"], columns, THESE, 0.1, 0.95) is None
    assert watches.backed_up("n", of["b"], sure, columns, THESE, 0.1, 0.95) is None


def test_large_changes_are_half_of_the_margin_within_bounds():
    assert [watches.large_changes(Comparison("=", 1.0, margin)) for margin in (0.2, 5.0, 0.001)] == [0.1, watches.LARGE, watches.SMALL]
    assert watches.large_changes(None) == watches.large_changes(Comparison(">=", 1.0)) == watches.LARGE
