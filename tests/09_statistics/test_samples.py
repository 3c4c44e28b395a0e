"""Strata below ten templates, clusters from ten up; the bootstrap figures that the design quotes."""

import numpy as np
import pytest

from circuitdsl.statistics.intervals import mean_interval
from circuitdsl.statistics.samples import bootstrap_weights, grouped, sample

BETWEEN = 0.6
SIMULATIONS = 3000


def test_ten_templates_are_clusters_and_nine_are_strata():
    assert sample(np.arange(90) % 9).kind == "strata"
    assert sample(np.arange(90) % 10).kind == "clusters"


def test_rows_as_their_own_clusters_give_the_plain_standard_error():
    values = np.random.default_rng(0).normal(size=40)
    these = sample(np.arange(40))
    assert these.variance(values) == pytest.approx(values.var(ddof=1) / 40)
    assert these.degrees(values) == pytest.approx(39)
    assert "independent" in these.method


def test_one_template_gives_the_plain_standard_error():
    values = np.random.default_rng(0).normal(size=40)
    these = sample(np.zeros(40))
    assert these.variance(values) == pytest.approx(values.var(ddof=1) / 40)
    assert these.degrees(values) == pytest.approx(39)


def test_strata_leave_out_what_differs_between_them():
    labels = np.arange(40) % 2
    values = 100.0 * labels + np.random.default_rng(0).normal(size=40)
    assert float(sample(labels).variance(values)) < 0.1 < values.var(ddof=1) / 40
    assert "2 templates as fixed strata" in sample(labels).method


def test_single_prompts_share_a_stratum_and_a_lone_one_joins_the_smallest():
    assert sorted(sample(np.array([0, 0, 0, 1, 2, 3])).sizes) == [3, 3]
    assert sorted(sample(np.array([0, 0, 0, 1, 1, 2])).sizes) == [3, 3]
    assert list(sample(np.array(["a", "b", "c"])).sizes) == [3]


def test_cluster_degrees_of_freedom_are_bell_and_mccaffreys():
    sizes = np.array([20, 15, 10, 9, 8, 7, 6, 5, 4, 3, 3, 1])
    n = sizes.sum()
    # by brute force: residual totals of each cluster, under prompts that agree within a cluster
    totals = np.diag(1 / np.sqrt(1 - sizes / n)) @ (np.diag(sizes) - np.outer(sizes, sizes) / n)
    covariance = totals @ totals.T
    wanted = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    assert sample(np.repeat(np.arange(12), sizes)).degrees(np.zeros(n)) == pytest.approx(wanted)


def test_fewer_than_two_prompts_are_no_sample():
    with pytest.raises(ValueError, match="two prompts"):
        sample(np.array([0]))


def _columns(templates: int, n: int, random: np.random.Generator, simulations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns [S, n] with a between-template deviation, their labels, and the true mean of each simulation [S].

    Ten templates and more are drawn anew each time, and the truth is the mean over all templates there could be; fewer are these.
    """
    labels = np.arange(n) % templates
    means = random.normal(0, BETWEEN, (simulations, templates))
    columns = means[:, labels] + random.normal(size=(simulations, n))
    return columns, labels, np.zeros(simulations) if templates >= 10 else means[:, labels].mean(axis=1)


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("templates", [2, 4, 10, 30])
def test_intervals_cover_as_often_as_they_say(templates, n, plausible):
    columns, labels, truth = _columns(templates, n, np.random.default_rng(n + templates), SIMULATIONS)
    mean, _, half = mean_interval(columns, sample(labels), 0.95)
    assert plausible(int((abs(mean - truth) <= half).sum()), SIMULATIONS, 0.95)


@pytest.mark.parametrize("sizes", [[20, 15, 10, 9, 8, 7, 6, 5, 4, 3, 3, 1], [40, *[4] * 14]], ids=["graded", "one large"])
def test_unequal_clusters_are_covered_at_least_as_often(sizes, plausible):
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    columns = random.normal(0, BETWEEN, (SIMULATIONS, len(sizes)))[:, labels] + random.normal(size=(SIMULATIONS, len(labels)))
    mean, _, half = mean_interval(columns, sample(labels), 0.95)
    assert plausible(int((abs(mean) <= half).sum()), SIMULATIONS, 0.95, 1.0)


@pytest.mark.parametrize("n", [20, 200])
def test_skewed_columns_are_covered_nearly_as_often(n, plausible):
    columns = np.random.default_rng(4).exponential(size=(SIMULATIONS, n))
    mean, _, half = mean_interval(columns, sample(np.arange(n) % 2), 0.95)
    assert plausible(int((abs(mean - 1) <= half).sum()), SIMULATIONS, 0.92 if n == 20 else 0.94, 0.95)


def test_resamples_draw_templates_first_and_keep_strata_whole():
    clusters = sample(np.repeat(np.arange(12), 5))
    totals = np.add.reduceat(bootstrap_weights(clusters, 50, 0), np.arange(0, 60, 5), axis=1)
    assert (totals % 5 == 0).all() and (totals == 0).any() and (totals.sum(axis=1) == 60).all()
    strata = sample(np.repeat([0, 1], [20, 40]))
    weights = bootstrap_weights(strata, 50, 0)
    assert (weights[:, :20].sum(axis=1) == 20).all() and (weights.sum(axis=1) == 60).all()


def _bootstrap_coverage(weights: np.ndarray, columns: np.ndarray) -> float:
    resampled = columns @ (weights / weights.sum(axis=1, keepdims=True)).T
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    return float(((low <= 0) & (high >= 0)).mean())


def test_the_plain_bootstrap_undercovers_and_the_cluster_bootstrap_does_not():
    columns, labels, _ = _columns(30, 256, np.random.default_rng(5), 800)
    assert _bootstrap_coverage(bootstrap_weights(sample(np.arange(256)), 400, 0), columns) == pytest.approx(0.74, abs=0.05)
    assert _bootstrap_coverage(bootstrap_weights(sample(labels), 400, 0), columns) == pytest.approx(0.94, abs=0.025)


def test_two_templates_are_too_few_for_the_cluster_bootstrap():
    random = np.random.default_rng(6)
    labels = np.arange(256) % 2
    columns = random.normal(0, BETWEEN, (800, 2))[:, labels] + random.normal(size=(800, 256))
    drawn = random.integers(0, 2, (400, 2))
    weights = np.stack(
        [(drawn == code).sum(axis=1)[:, None] * random.multinomial(128, np.full(128, 1 / 128), 400) for code in (0, 1)], axis=2
    )
    assert _bootstrap_coverage(weights.reshape(400, 256).astype(float), columns) == pytest.approx(0.64, abs=0.06)


def test_the_interval_agrees_with_the_bca_bootstrap():
    from scipy.stats import bootstrap

    values = np.random.default_rng(7).gamma(4, size=200)
    mean, _, half = mean_interval(values, sample(np.arange(200)), 0.95)
    wanted = bootstrap((values,), np.mean, n_resamples=4000, rng=np.random.default_rng(0), vectorized=True).confidence_interval
    assert [mean - half, mean + half] == pytest.approx([wanted.low, wanted.high], abs=0.15 * half)


def test_clusters_that_the_data_name_are_clusters_at_any_number():
    labels = np.repeat([f"c{number}" for number in range(9)], 8)
    named, templates = sample(labels, named=True), sample(labels)
    assert (named.kind, named.units, templates.kind) == ("clusters", 9, "strata")
    assert "9 clusters that the data name" in named.method
    alike = np.repeat(np.arange(9.0), 8)
    assert named.variance(alike) == pytest.approx(np.arange(9.0).var(ddof=1) / 9) and templates.variance(alike) == 0
    assert grouped(labels[:8], named=True) is None and grouped(labels[:8]) is not None


def test_the_same_text_eleven_times_is_one_unit():
    """Twelve texts say the same, however often each stands in the sample."""
    once = np.random.default_rng(0).normal(size=12)
    units = np.tile(np.arange(12), 11)
    many = sample(np.full(132, "1"), units=units)
    alone = sample(np.full(12, "1"))
    assert many.units == 12 and many.variance(once[units]) == pytest.approx(alone.variance(once))
    assert many.degrees(once[units]) == pytest.approx(alone.degrees(once))
    assert sample(np.full(12, "1"), units=np.arange(12)).method == alone.method
    assert grouped(np.full(5, "1"), units=np.zeros(5)) is None
