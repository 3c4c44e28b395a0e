"""The mean of numbers of a known range: exact where exact answers are known, and never wrong too often."""

import numpy as np
import pytest

from circuitdsl.borders.measure import Combination, MeanOf, column
from circuitdsl.statistics import gaffke
from circuitdsl.statistics.analyses import Known
from circuitdsl.statistics.intervals import analyse_mean
from circuitdsl.statistics.proportions import clopper_pearson
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.tails import BetaTails


@pytest.mark.parametrize(("n", "count"), [(5, 0), (10, 3), (64, 60), (256, 128), (40, 40)])
def test_of_shares_it_is_clopper_and_pearsons(n, count):
    values, exact = np.repeat([1.0, 0.0], [count, n - count]), BetaTails(count, n)
    for theta in (0.02, 0.3, 0.5, 0.93):
        assert gaffke.above(values, 0.0, theta) == pytest.approx(exact.above(theta), rel=1e-6)
        assert gaffke.below(values, 1.0, theta) == pytest.approx(exact.below(theta), rel=1e-6)
    assert gaffke.ends(values, 0.0, 1.0, 0.025) == pytest.approx(clopper_pearson(count, n, 0.95), abs=1e-6)


def test_of_equal_numbers_it_is_markovs_inequality():
    values = np.full(20, 0.3)
    assert gaffke.above(values, 0.0, 0.2) == pytest.approx((0.2 / 0.3) ** 20)
    assert gaffke.below(values, 1.0, 0.5) == pytest.approx((0.5 / 0.7) ** 20)
    assert gaffke.below(values, 1.0, 0.2) == pytest.approx(1 - 0) or gaffke.below(values, 1.0, 0.2) > 0.99
    assert gaffke.above(values, -np.inf, -5.0) == 1.0


def test_it_is_the_chance_of_a_sum_of_spacings():
    random = np.random.default_rng(0)
    values = random.random(12)
    spacings = random.dirichlet(np.ones(13), 200_000)
    for theta in (0.4, 0.6, 0.7):
        assert gaffke.below(values, 1.0, theta) == pytest.approx(float(np.mean(spacings @ np.append(values, 1.0) >= theta)), abs=0.005)


@pytest.mark.parametrize("n", [5, 20, 64])
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda random, n: random.beta(0.2, 5, n), 0.2 / 5.2),
        (lambda random, n: random.random(n), 0.5),
        (lambda random, n: np.where(random.random(n) < 0.05, 0.0, 0.9 + 0.01 * random.random(n)), 0.95 * 0.905),
        (lambda random, n: 1.0 * (random.random(n) < 0.1), 0.1),
    ],
    ids=["Beta(0.2, 5)", "uniform", "rare failure", "share"],
)
def test_a_true_bound_is_rejected_no_oftener_than_said(draw, truth, n, plausible):
    random = np.random.default_rng(n)
    samples = [draw(random, n) for _ in range(400)]
    assert plausible(sum(gaffke.above(x, 0.0, truth) <= 0.05 for x in samples), 400, 0.0, 0.05)
    assert plausible(sum(gaffke.below(x, 1.0, truth) <= 0.05 for x in samples), 400, 0.0, 0.05)


def test_interval_and_p_values_are_of_one_kind():
    values = np.random.default_rng(1).beta(2, 5, 30)
    low, high = gaffke.ends(values, 0.0, 1.0, 0.025)
    assert gaffke.above(values, 0.0, low) == pytest.approx(0.025, rel=1e-4)
    assert gaffke.below(values, 1.0, high) == pytest.approx(0.025, rel=1e-4)


def test_the_range_of_a_combination():
    known = Known({"a": (0.0, 1.0), "b": (0.0, 1.0), "c": (0.0, np.inf)})
    assert known.range_of(Combination((("a", 1.0), ("b", -1.0)))) == (-1.0, 1.0)
    assert known.range_of(Combination((("a", 1.0), ("a", -1.0)))) == (0, 0)
    assert known.range_of(Combination((("a", 1.0), ("c", -1.0)))) == (-np.inf, 1.0)
    assert known.range_of(column("d")) is None


def test_clusters_that_vary_are_left_to_students_t():
    labels, known = np.arange(60) % 12, Known({"x": (0.0, 1.0)})
    values = np.random.default_rng(2).random(60)
    assert "Gaffke" in analyse_mean(MeanOf(column("x")), {"x": values}, sample(np.arange(60)), 0.95, known).estimate.method
    assert "Gaffke" not in analyse_mean(MeanOf(column("x")), {"x": values}, sample(labels), 0.95, known).estimate.method
