"""Shares of prompts: exact binomial, and no more prompts than the templates are worth."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import ProportionOf
from circuitdsl.statistics.proportions import analyse_proportion, clopper_pearson, effective_prompts
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.tails import BetaTails, p_values


@pytest.mark.parametrize("count", [0, 1, 17, 39, 40])
def test_interval_and_p_values_are_those_of_the_exact_binomial_test(count):
    from scipy.stats import binomtest

    exact = binomtest(count, 40).proportion_ci(0.95, method="exact")
    assert clopper_pearson(count, 40, 0.95) == pytest.approx((exact.low, exact.high))
    support, refute = p_values(BetaTails(count, 40), Comparison(">=", 0.6))
    assert support == pytest.approx(binomtest(count, 40, 0.6, alternative="greater").pvalue)
    assert refute == pytest.approx(binomtest(count, 40, 0.6, alternative="less").pvalue)


def test_p_values_of_both_directions_never_are_small_together():
    for count in range(41):
        for comparison in (Comparison(">=", 0.6), Comparison("<", 0.6), Comparison("=", 0.6, 0.1)):
            assert sum(p_values(BetaTails(count, 40), comparison)) >= 1 - 1e-12


def test_a_mean_difference_is_no_proportion(ask):
    with pytest.raises(ValueError, match="no share"):
        ask(ProportionOf("x"), {"x": np.random.default_rng(0).normal(size=50)}, ">=", 0.5)


def test_every_prompt_right_supports_only_what_so_few_prompts_can(ask):
    assert ask(ProportionOf("x"), {"x": np.ones(100)}, ">=", 0.95).outcome == "supported"
    few = ask(ProportionOf("x"), {"x": np.ones(20)}, ">=", 0.95)
    assert few.outcome == "inconclusive" and few.members[0].prompts_to_decide > 20


def test_prompts_that_agree_within_templates_are_worth_one_a_template():
    labels = np.repeat(np.arange(20), 10)
    agreeing = np.repeat((np.arange(20) < 14).astype(float), 10)
    worth = effective_prompts(agreeing, sample(labels), 0.95)
    assert worth < 25
    mixed = np.tile((np.arange(10) < 7).astype(float), 20)
    assert effective_prompts(mixed, sample(labels), 0.95) == 200
    assert "worth" in analyse_proportion(ProportionOf("x"), {"x": agreeing}, sample(labels), 0.95).estimate.method
    assert "independent" in analyse_proportion(ProportionOf("x"), {"x": mixed}, sample(labels), 0.95).estimate.method


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_prompts_that_all_agree_are_worth_no_more_than_their_templates(ask, right, plausible):
    """With ten templates wholly right a claim is no surer than with ten prompts, whatever their number."""
    labels = np.repeat(np.arange(10), 30)
    assert effective_prompts(np.full(300, right), sample(labels), 0.95) == 10
    assert effective_prompts(np.full(300, right), sample(labels % 2), 0.95) == 300
    random, false = np.random.default_rng(0), 0
    for _ in range(200):
        whole = (random.random(10) < (0.85 if right else 0.15)).astype(float)
        operator, bound = (">=", 0.95) if right else ("<=", 0.05)
        false += ask(ProportionOf("x"), {"x": np.repeat(whole, 30)}, operator, bound, clusters=labels).outcome == "supported"
    assert plausible(false, 200, 0.0, 0.025)


def test_what_prompts_are_worth_is_korn_and_graubards():
    from scipy.stats import t

    agreeing = np.repeat((np.arange(20) < 14).astype(float), 10)
    effect = (0.7 * 0.3 / 19) / (0.7 * 0.3 / 199)
    wanted = 200 / effect * (t.ppf(0.975, 199) / t.ppf(0.975, 19)) ** 2
    assert effective_prompts(agreeing, sample(np.repeat(np.arange(20), 10)), 0.95) == pytest.approx(wanted)


def test_a_narrow_equivalence_counts_both_tails():
    from scipy.stats import binomtest

    refute = p_values(BetaTails(30, 40), Comparison("=", 0.5, 1e-12))[1]
    assert refute == pytest.approx(binomtest(30, 40, 0.5).pvalue)


@pytest.mark.parametrize("deviation", [0.0, 0.2])
def test_clustered_shares_are_covered_at_least_as_often(deviation, plausible):
    random, labels, trials, hits = np.random.default_rng(1), np.repeat(np.arange(20), 10), 1000, 0
    these = sample(labels)
    for _ in range(trials):
        share = np.clip(0.7 + deviation * random.choice([-1, 1], 20), 0, 1)[labels]
        estimate = analyse_proportion(ProportionOf("x"), {"x": (random.random(200) < share).astype(float)}, these, 0.95).estimate
        hits += estimate.low <= 0.7 <= estimate.high
    assert plausible(hits, trials, 0.945, 1.0)


def test_replicates_of_draws_give_a_share_of_prompts_and_draws():
    column = (np.random.default_rng(2).random((8, 60)) < 0.8).astype(float)
    estimate = analyse_proportion(ProportionOf("x"), {"x": column}, sample(np.arange(60)), 0.95).estimate
    assert estimate.value == pytest.approx(column.mean())
    assert "8 draws of donors" in estimate.note
