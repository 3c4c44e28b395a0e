"""What would change an inconclusive verdict."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, ProportionOf, column
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.deciding import prompts_to_decide, why_undecided
from circuitdsl.statistics.proportions import clopper_pearson
from circuitdsl.statistics.samples import sample

X = MeanOf(column("x"))


def test_so_many_prompts_would_probably_decide(ask, plausible):
    """Were the truth what was estimated, eight in ten runs of that size decide."""
    estimate = Estimate(value=0.3, standard_error=0.2, n=25)
    needed = prompts_to_decide(X, estimate, Comparison(">", 0.0), 0.025)
    assert 80 < needed < 100
    random = np.random.default_rng(0)
    outcomes = [ask(X, {"x": 0.3 + random.normal(size=needed)}, ">", 0.0).outcome for _ in range(250)]
    assert plausible(outcomes.count("supported"), 250, 0.75, 0.83)


def test_so_many_prompts_would_probably_decide_a_share(plausible):
    estimate = Estimate(value=0.9, standard_error=np.sqrt(0.9 * 0.1 / 40), n=40)
    needed = prompts_to_decide(ProportionOf("x"), estimate, Comparison(">=", 0.8), 0.025)
    counts = np.random.default_rng(1).binomial(needed, 0.9, 1000)
    assert plausible(sum(clopper_pearson(int(count), needed, 0.95).low > 0.8 for count in counts), 1000, 0.7, 0.85)


def test_equivalence_looks_at_the_nearest_end():
    near = prompts_to_decide(X, Estimate(value=1.15, standard_error=0.2, n=50), Comparison("=", 1.0, 0.2), 0.025)
    far = prompts_to_decide(X, Estimate(value=1.0, standard_error=0.2, n=50), Comparison("=", 1.0, 0.2), 0.025)
    assert near > far > 50


def test_an_estimate_on_the_bound_has_no_number():
    estimate = Estimate(value=1.0, low=0.9, high=1.1, standard_error=0.05, n=50)
    assert prompts_to_decide(X, estimate, Comparison(">", 1.0), 0.025) is None
    assert "no reasonable number of prompts" in why_undecided(estimate, Comparison(">", 1.0), None, sample(np.arange(50)))


def test_a_stricter_level_asks_for_more():
    estimate = Estimate(value=0.3, standard_error=0.2, n=25)
    assert prompts_to_decide(X, estimate, Comparison(">", 0.0), 0.001) > prompts_to_decide(X, estimate, Comparison(">", 0.0), 0.025)


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
