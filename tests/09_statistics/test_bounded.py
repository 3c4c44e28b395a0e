"""A score from banks with its bias bounded: what the interval covers, that p-values say the same, and how wide it is."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import BoundedOf, Combination, Member, RatioOf, column
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import judge
from circuitdsl.statistics.analyses import Known
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.tails import student_quantile
from circuitdsl.statistics.verdicts import analyse

BANKS, N, TRUE, TIMES = 8, 60, 0.7, 400
WHOLE = column("whole")
TWICE = Combination((("of", 2.0), ("half", -1.0)))
SCORE = BoundedOf(*(RatioOf(one, WHOLE, banks=True) for one in (column("of"), column("half"), TWICE)), slots=16)
THESE = sample(np.arange(N))


def drawn(rng, bias, more):
    """Banks whose score is off by `bias`, and of half the size by `bias + more`; prompts, banks and both have a part."""

    def off(by):
        return TRUE + by + prompts + 0.05 * rng.normal(size=(BANKS, 1)) + 0.3 * rng.normal(size=(BANKS, N))

    prompts = 0.3 * rng.normal(size=N)
    return {"of": off(bias), "half": off(bias + more), "whole": 1 + 0.1 * rng.normal(size=N)}


def missed(estimand, bias, more):
    """How often the truth lies below and above the interval."""
    rng = np.random.default_rng(0)
    found = [analyse(estimand, drawn(rng, bias, more), THESE, 0.95).estimate for _ in range(TIMES)]
    return np.array([np.mean([one.low > TRUE for one in found]), np.mean([one.high < TRUE for one in found])])


@pytest.mark.parametrize(("bias", "more"), [(0.0, 0.0), (0.3, 0.3), (-0.3, -0.3), (0.1, 0.3), (-0.1, 0.3)])
def test_the_truth_is_covered_if_doubling_halves_the_bias_or_better(bias, more):
    chance = 3 * (0.025 * 0.975 / TIMES) ** 0.5
    assert (missed(SCORE, bias, more) <= 0.025 + chance).all()


def test_without_the_bound_it_is_not():
    assert missed(SCORE.of, 0.3, 0.3)[0] > 0.9
    assert missed(SCORE.extrapolated, 0.1, 0.3)[1] > 0.5  # extrapolation alone overshoots where the bias falls faster


def test_verdicts_agree_with_the_interval():
    rng = np.random.default_rng(1)
    for bias in (0.0, 0.2, -0.2):
        columns = drawn(rng, bias, bias)
        found = analyse(SCORE, columns, THESE, 0.9).estimate  # one claim has 0.05 in each direction
        for bound in (found.low, found.high):
            for shift in (-1e-6, 1e-6):
                claim = Comparison(">=", bound + shift)
                (verdict,) = judge([Question("s", claim, (Member("s", SCORE),), columns, np.arange(N))], confidence=0.95, seed=0)
                expected = "supported" if bound + shift < found.low else "refuted" if bound + shift > found.high else "inconclusive"
                assert verdict.outcome == expected


def test_an_equality_is_held_to_the_whole_interval():
    columns = drawn(np.random.default_rng(2), 0.2, 0.2)
    found = analyse(SCORE, columns, THESE, 0.9).estimate
    middle, half = (found.low + found.high) / 2, (found.high - found.low) / 2
    for margin, outcome in ((half * 1.01, "supported"), (half * 0.99, "inconclusive")):
        question = Question("s", Comparison("=", middle, margin), (Member("s", SCORE),), columns, np.arange(N))
        assert judge([question], confidence=0.95, seed=0)[0].outcome == outcome


def test_it_is_narrower_than_two_bounds_put_together():
    """Bonferroni: the score's interval at 1 − α/2, wider on both sides by an upper bound at α/2 for the bias that half the size tells."""
    columns = drawn(np.random.default_rng(3), 0.1, 0.1)
    score = analyse(SCORE.of, columns, THESE, 0.975).estimate
    bias = (columns["half"] - columns["of"]).mean(axis=1)
    most = abs(bias.mean()) + student_quantile(0.9875, BANKS - 1) * bias.std(ddof=1) / BANKS**0.5
    found = analyse(SCORE, columns, THESE, 0.95).estimate
    assert found.high - found.low < score.high - score.low + 2 * most


def test_the_estimate_is_that_of_the_banks_and_the_note_says_what_the_bound_takes():
    columns = drawn(np.random.default_rng(4), 0.3, 0.3)
    found, plain = (analyse(one, columns, THESE, 0.95).estimate for one in (SCORE, SCORE.of))
    assert (found.value, found.standard_error) == (plain.value, plain.standard_error)
    below, above = plain.low - found.low, found.high - plain.high
    assert below > 0.2 and above > 0.2
    assert f"of the interval, {below:.2g} below and {above:.2g} above are the bound for the bias of banks of 16" in found.note


def test_banks_that_agree_on_every_prompt():
    """The same on every prompt is judged as such; the same with another number at half the size is no certainty."""
    columns = {"of": np.full((BANKS, N), 0.5), "half": np.full((BANKS, N), 0.5), "whole": np.ones(N)}
    every = Known(everything=True)
    found = analyse(SCORE, columns, THESE, 0.95, every)
    assert found.exact and found.estimate.low == found.estimate.high == 0.5
    assert "says nothing of the mean" in analyse(SCORE, columns, THESE, 0.95).obstacle
    found = analyse(SCORE, columns | {"half": np.full((BANKS, N), 0.6)}, THESE, 0.95, every)
    assert not found.exact and (found.estimate.low, found.estimate.high) == pytest.approx((0.4, 0.6))
    assert found.tails.above(0.3) == 2.0**-N and found.tails.above(0.55) == found.tails.below(0.45) == 1.0


def test_what_cannot_be_tested_at_half_the_size_cannot_be_tested():
    columns = drawn(np.random.default_rng(5), 0.0, 0.0)
    weak = BoundedOf(SCORE.of, RatioOf(column("half"), Combination((("whole", 1.0), ("same", -1.0))), banks=True), SCORE.extrapolated, 16)
    found = analyse(weak, columns | {"same": columns["whole"] + 0.001 * np.random.default_rng(6).normal(size=N)}, THESE, 0.95)
    assert found.tails is None and "its interval contains 0" in found.reason
