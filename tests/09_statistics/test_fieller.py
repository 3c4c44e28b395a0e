"""Ratios of means: Fieller's interval and the tests that it is dual to."""

import numpy as np
import pytest

from circuitdsl.borders.measure import RatioOf, column, difference
from circuitdsl.statistics.fieller import analyse_ratio, fieller, fold, paired
from circuitdsl.statistics.samples import sample

RATIO = RatioOf(difference("C", "empty"), difference("M", "empty"))
ABSOLUTE = RatioOf(difference("C", "M"), difference("M", "empty"), absolute=True)


def _columns(random: np.random.Generator, n: int = 100, ratio: float = 0.9, means: np.ndarray | float = 3.0) -> dict[str, np.ndarray]:
    empty = random.normal(0, 0.5, n)
    whole = means + random.normal(0, 1, n)
    return {"M": empty + whole, "C": empty + ratio * whole + random.normal(0, 1, n), "empty": empty}


@pytest.mark.parametrize("templates", [1, 4, 20])
@pytest.mark.parametrize("n", [20, 100])
def test_fiellers_interval_covers_the_ratio_of_means(templates, n, plausible):
    random, labels, trials, hits = np.random.default_rng(templates * n), np.arange(n) % templates, 1500, 0
    these = sample(labels)
    for _ in range(trials):
        means = (3 + random.normal(0, 0.6, templates))[labels]
        columns = _columns(random, n, means=means)
        analysis = analyse_ratio(RATIO, columns, these, 0.95)
        low, high = analysis.estimate.low, analysis.estimate.high
        hits += (low is None or low <= 0.9) and (high is None or high >= 0.9)
    assert plausible(hits, trials, 0.95, 0.98)


def test_the_interval_holds_what_the_test_does_not_reject():
    these = sample(np.arange(60) % 3)
    analysis = analyse_ratio(RATIO, _columns(np.random.default_rng(0), 60), these, 0.95)
    for bound in (analysis.estimate.low, analysis.estimate.high):
        assert min(analysis.tails.above(bound), analysis.tails.below(bound)) == pytest.approx(0.025, rel=1e-6)


def test_a_negative_denominator_turns_nothing_round():
    columns = _columns(np.random.default_rng(0))
    these = sample(np.arange(100))
    plain = analyse_ratio(RATIO, columns, these, 0.95)
    turned = analyse_ratio(RATIO, {name: -values for name, values in columns.items()}, these, 0.95)
    assert turned.estimate.low == pytest.approx(plain.estimate.low)
    assert turned.tails.above(0.8) == pytest.approx(plain.tails.above(0.8))
    assert plain.tails.above(0.8) < 0.5 < plain.tails.below(0.8)


def test_it_is_the_ratio_of_means_and_not_the_mean_of_ratios():
    columns = {"M": np.array([1.0, 9.0, 2.0, 8.0]), "C": np.array([1.0, 1.0, 2.0, 2.0]), "empty": np.zeros(4)}
    assert analyse_ratio(RATIO, columns, sample(np.arange(4)), 0.95).estimate.value == pytest.approx(6 / 20)


def test_fiellers_interval_agrees_with_the_bootstrap():
    from scipy.stats import bootstrap

    columns = _columns(np.random.default_rng(1), 300)
    estimate = analyse_ratio(RATIO, columns, sample(np.arange(300)), 0.95).estimate
    pairs = (columns["C"] - columns["empty"], columns["M"] - columns["empty"])
    found = bootstrap(
        pairs, lambda a, b, axis: a.mean(axis) / b.mean(axis), paired=True, n_resamples=4000, rng=np.random.default_rng(0), vectorized=True
    ).confidence_interval
    half = (estimate.high - estimate.low) / 2
    assert [estimate.low, estimate.high] == pytest.approx([found.low, found.high], abs=0.15 * half)


def test_a_weak_denominator_is_unbounded_and_not_testable(ask):
    random = np.random.default_rng(2)
    columns = {name: random.normal(size=40) for name in ("M", "C", "empty")}
    of = paired(columns["C"], columns["M"], sample(np.arange(40)))
    assert fieller(of, 0.95) == (None, None)
    verdict = ask(RATIO, columns, ">=", 0.8)
    assert verdict.outcome == "not testable"
    assert "contains 0" in verdict.reason and "unbounded" in verdict.reason
    assert verdict.members[0].estimate.low is verdict.members[0].estimate.high is None


def test_weak_denominators_rarely_pass_the_guard(ask, plausible):
    random = np.random.default_rng(3)
    outcomes = [ask(RATIO, {name: random.normal(size=30) for name in ("M", "C", "empty")}, ">=", 0.8).outcome for _ in range(200)]
    assert plausible(sum(outcome != "not testable" for outcome in outcomes), 200, 0.05)


def test_an_identical_circuit_is_exactly_one(ask):
    columns = _columns(np.random.default_rng(4), 20)
    columns["C"] = columns["M"]
    verdict = ask(RATIO, columns, "=", 1.0, 0.2, everything=True)
    assert verdict.outcome == "supported"
    estimate = verdict.members[0].estimate
    assert estimate.value == estimate.low == estimate.high == 1.0
    assert ask(RATIO, columns, ">=", 1.0, everything=True).outcome == "supported"
    assert ask(ABSOLUTE, columns, "<=", 0.05, everything=True).outcome == "supported"


def test_an_identical_circuit_on_a_sample_is_no_certainty(ask):
    """One prompt in a hundred on which it differs may not have been drawn, and a ratio of means has no bounds."""
    columns = _columns(np.random.default_rng(4), 20)
    columns["C"] = columns["M"]
    verdict = ask(RATIO, columns, ">=", 0.9)
    assert verdict.outcome == "inconclusive" and "at least 86% of prompts have 1" in verdict.reason
    estimate = verdict.members[0].estimate
    assert estimate.value == 1.0 and estimate.low is estimate.high is verdict.members[0].prompts_to_decide is None


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_an_identical_circuit_is_never_rejected(n, ask):
    random = np.random.default_rng(n)
    for _ in range(40):
        columns = _columns(random, n, means=1.0)
        columns["C"] = columns["M"]
        verdict = ask(RATIO, columns, "=", 1.0, 0.01)
        assert verdict.outcome in ("supported", "inconclusive", "not testable")
        assert verdict.members[0].p_refute in (None, 1.0)


def test_rounding_of_float32_is_no_difference(ask):
    columns = _columns(np.random.default_rng(5), 100, means=20.0)
    columns["C"] = columns["M"] * (1 - 3e-8)
    assert ask(RATIO, columns, ">=", 1.0, everything=True).outcome == "supported"


def test_the_absolute_value_folds_interval_and_tests():
    random, these = np.random.default_rng(6), sample(np.arange(100))
    columns = _columns(random, ratio=0.5)  # (C − M)/(M − empty) is −0.5
    analysis = analyse_ratio(ABSOLUTE, columns, these, 0.95)
    signed = analyse_ratio(RatioOf(ABSOLUTE.numerator, ABSOLUTE.denominator), columns, these, 0.95)
    assert analysis.estimate.low == pytest.approx(-signed.estimate.high)
    assert analysis.tails.above(0.2) < 1e-3 < analysis.tails.below(0.2)
    assert analysis.tails.above(-0.1) < 1e-9 and analysis.tails.below(-0.1) == 1.0


def test_folding_an_interval_across_zero_starts_at_zero():
    assert fold(-0.3, 0.1) == (0.0, 0.3)
    assert fold(-0.3, -0.1) == (0.1, 0.3)


@pytest.mark.parametrize("truth", [0.0, -0.1, 0.1])
def test_absolute_ratios_hold_their_size_at_the_bound(truth, plausible):
    """At |ratio| = 0.1 "at most 0.1" may not be refuted, nor "at least 0.1" at 0 be supported, too often."""
    random, these, trials = np.random.default_rng(7), sample(np.arange(50)), 1500
    rejected = 0
    for _ in range(trials):
        denominator = random.normal(3, 1, 50)
        columns = {"n": truth * denominator + random.normal(0, 1, 50), "d": denominator}
        tails = analyse_ratio(RatioOf(column("n"), column("d"), True), columns, these, 0.95).tails
        rejected += tails.above(0.1) <= 0.025
    assert plausible(rejected, trials, 0.0, 0.025)
