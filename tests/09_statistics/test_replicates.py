"""Two sources of variance: prompts, and draws of donors."""

import numpy as np
import pytest

from circuitdsl.borders.measure import MeanOf, RatioOf, column, difference
from circuitdsl.statistics import components
from circuitdsl.statistics.samples import sample


def test_both_components_are_recovered():
    random, these = np.random.default_rng(0), sample(np.arange(200))
    found = [components(random.normal(size=200) * 2 + random.normal(size=(5, 200)) * 3, these) for _ in range(200)]
    assert np.mean([f.prompts**2 for f in found]) == pytest.approx(4 / 200, rel=0.05)
    assert np.mean([f.draws**2 for f in found]) == pytest.approx(9 / 1000, rel=0.05)
    assert found[0].standard_error ** 2 == pytest.approx(found[0].prompts ** 2 + found[0].draws ** 2)


def test_without_draws_all_variance_is_the_prompts():
    values = np.random.default_rng(1).normal(size=50)
    found = components(np.stack([values, values]), sample(np.arange(50)))
    assert found.draws == 0.0
    assert found.prompts == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_one_replicate_cannot_tell_them_apart():
    with pytest.raises(ValueError, match="two replicates"):
        components(np.zeros((1, 10)), sample(np.arange(10)))


def test_intervals_over_replicates_cover_the_mean_over_prompts_and_draws(ask, plausible):
    random, hits = np.random.default_rng(2), 0
    for _ in range(800):
        columns = random.normal(1, 0.5, 30) + random.normal(size=(4, 30))
        estimate = ask(MeanOf(column("x")), {"x": columns}).members[0].estimate
        hits += estimate.low <= 1 <= estimate.high
    assert plausible(hits, 800, 0.95)


def test_verdicts_on_replicates_print_both_components(ask):
    random = np.random.default_rng(3)
    columns = {"M": random.normal(3, 1, 80), "empty": random.normal(0, 0.3, (6, 80))}
    columns["C"] = columns["M"] + random.normal(-0.1, 0.5, (6, 80))
    member = ask(RatioOf(difference("C", "empty"), difference("M", "empty")), columns, ">=", 0.8).members[0]
    assert member.outcome == "supported"
    assert "6 draws of donors; standard error from prompts" in member.estimate.note
