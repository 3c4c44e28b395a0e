"""What would change an inconclusive verdict."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, column
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Known
from circuitdsl.statistics.deciding import prompts_to_decide, why_undecided
from circuitdsl.statistics.intervals import analyse_mean
from circuitdsl.statistics.proportions import clopper_pearson
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.tails import BetaTails, RangeTails, StudentTails, p_values

X = MeanOf(column("x"))


def tails_of(values: np.ndarray) -> StudentTails:
    analysis = analyse_mean(X, {"x": values}, sample(np.arange(len(values))), 0.95)
    assert isinstance(analysis.tails, StudentTails)
    return analysis.tails


def test_so_many_prompts_would_probably_decide(ask, plausible):
    """Were the truth what was estimated, eight in ten runs of that size decide."""
    estimate = Estimate(value=0.3, standard_error=0.2, n=25)
    needed = prompts_to_decide(estimate, Comparison(">", 0.0), 0.05)
    assert 65 < needed < 85
    random = np.random.default_rng(0)
    outcomes = [ask(X, {"x": 0.3 + random.normal(size=needed)}, ">", 0.0).outcome for _ in range(250)]
    assert plausible(outcomes.count("supported"), 250, 0.8, 0.85)


@pytest.mark.parametrize("level", [0.05, 0.005])
@pytest.mark.parametrize("n", [10, 25])
@pytest.mark.parametrize(("value", "comparison"), [
    (0.6, Comparison(">=", 0.0)),
    (0.6, Comparison(">=", 0.9)),
    (0.0, Comparison("=", 0.0, 0.6)),
    (0.0, Comparison("=", 0.2, 0.6)),
    (0.9, Comparison("=", 0.0, 0.4)),
    (0.1, Comparison("=", 0.0, 0.4)),
])  # fmt: skip
def test_what_would_probably_decide_decides_in_eight_of_ten_runs(value, comparison, level, n, plausible):
    """By both tests of an equivalence claim too, and by the tests that are used, for few prompts and strict levels."""
    needed = prompts_to_decide(Estimate(value=value, standard_error=1 / np.sqrt(n), n=n), comparison, level)
    draws = np.random.default_rng(n).normal(size=(1000, needed)) + value
    p_values_of = [p_values(tails_of(row), comparison) for row in draws]
    decided = sum(min(p) <= level for p in p_values_of)
    assert needed > n and plausible(decided, 1000, 0.8, 0.9 if needed < 60 else 0.86)


def test_what_would_probably_decide_a_bounded_number_does(plausible):
    random = np.random.default_rng(3)
    few = 0.5 + 0.2 * random.uniform(-1, 1, 12)
    estimate = analyse_mean(X, {"x": few}, sample(np.arange(12)), 0.95, Known({"x": (0.0, 1.0)}))
    needed = prompts_to_decide(estimate.estimate, Comparison(">=", 0.4), 0.05, estimate.tails)
    rows = estimate.estimate.value + 0.2 * few.std(ddof=1) / (0.2 / 3**0.5) * random.uniform(-1, 1, (300, needed))
    assert plausible(sum(RangeTails(row, 0.0, 1.0).above(0.4) <= 0.05 for row in rows), 300, 0.8, 0.97)


def test_so_many_prompts_would_probably_decide_a_share(plausible):
    estimate = Estimate(value=0.9, standard_error=np.sqrt(0.9 * 0.1 / 40), n=40)
    needed = prompts_to_decide(estimate, Comparison(">=", 0.8), 0.025, BetaTails(36, 40))
    counts = np.random.default_rng(1).binomial(needed, 0.9, 1000)
    assert plausible(sum(clopper_pearson(int(count), needed, 0.95).low > 0.8 for count in counts), 1000, 0.7, 0.85)


def test_equivalence_looks_at_the_nearest_end():
    near = prompts_to_decide(Estimate(value=1.15, standard_error=0.2, n=50), Comparison("=", 1.0, 0.2), 0.025)
    far = prompts_to_decide(Estimate(value=1.0, standard_error=0.2, n=50), Comparison("=", 1.0, 0.2), 0.025)
    assert near > far > 50


def test_an_estimate_on_the_bound_has_no_number():
    estimate = Estimate(value=1.0, low=0.9, high=1.1, standard_error=0.05, n=50)
    assert prompts_to_decide(estimate, Comparison(">", 1.0), 0.025) is None
    assert "no reasonable number of prompts" in why_undecided(estimate, Comparison(">", 1.0), None, sample(np.arange(50)))


def test_a_stricter_level_asks_for_more():
    estimate = Estimate(value=0.3, standard_error=0.2, n=25)
    assert prompts_to_decide(estimate, Comparison(">", 0.0), 0.001) > prompts_to_decide(estimate, Comparison(">", 0.0), 0.025)


@pytest.mark.parametrize(
    ("low", "high", "comparison", "words"),
    [
        (0.4, 0.8, Comparison(">=", 0.5), "reaches across 0.5"),
        (0.7, 1.3, Comparison("=", 1.0, 0.2), "wider than the claim's"),
        (0.9, 1.3, Comparison("=", 1.0, 0.2), "reaches across 1.2"),
        (0.6, 0.8, Comparison(">=", 0.5), "correction for the number of claims"),
    ],
)
def test_the_reason_is_in_plain_words(low, high, comparison, words):
    estimate = Estimate(value=(low + high) / 2, low=low, high=high, standard_error=0.1, n=50)
    assert words in why_undecided(estimate, comparison, 100, sample(np.arange(50)))


def test_with_clusters_new_templates_are_asked_for(ask):
    verdict = ask(X, {"x": 0.1 + np.random.default_rng(2).normal(size=60)}, ">", 0.0, clusters=np.arange(60) % 12)
    assert verdict.outcome == "inconclusive" and "new templates" in verdict.reason
    assert verdict.members[0].prompts_to_decide > 60
