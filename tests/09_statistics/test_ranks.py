"""Better than random circuits."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import Member, RankOf, RatioOf, difference
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import draws_needed, judge
from circuitdsl.statistics.ranks import count_as_good, rank_analysis, rank_p_values

WHOLE = difference("M", "empty")


@pytest.mark.parametrize(("theta", "draws"), [(0.05, 59), (0.01, 299)])
def test_the_default_is_the_smallest_number_that_can_decide(theta, draws):
    assert draws_needed(theta, 0.95) == draws
    claim = Comparison("<=", theta)
    assert rank_p_values(0, draws, claim)[0] <= 0.05 < rank_p_values(0, draws - 1, claim)[0]
    assert rank_analysis(0, draws, 0.9).estimate.high <= theta < rank_analysis(0, draws - 1, 0.95).estimate.high


def test_the_rank_is_never_zero():
    estimate = rank_analysis(0, 99, 0.95).estimate
    assert estimate.value == pytest.approx(0.01)
    assert estimate.low == 0.0


def test_a_rank_claim_holds_its_size_at_the_bound(plausible):
    random, claim = np.random.default_rng(0), Comparison("<=", 0.05)
    decided = [rank_p_values(int(random.binomial(73, 0.05)), 73, claim) for _ in range(4000)]
    assert plausible(sum(support <= 0.025 for support, _ in decided), 4000, 0.0, 0.025)
    assert plausible(sum(refute <= 0.025 for _, refute in decided), 4000, 0.0, 0.025)


def _question(ratios: np.ndarray, own: float, theta: float = 0.05, n: int = 60) -> Question:
    random = np.random.default_rng(1)
    empty, whole = random.normal(0, 0.2, n), random.normal(3, 0.5, n)
    columns = {"M": empty + whole, "empty": empty, "C": empty + own * whole}
    columns |= {f"random {i}": empty + ratio * whole for i, ratio in enumerate(ratios)}
    among = tuple(RatioOf(difference(f"random {i}", "empty"), WHOLE) for i in range(len(ratios)))
    estimand = RankOf(RatioOf(difference("C", "empty"), WHOLE), among)
    return Question("special", Comparison("<=", theta), (Member("special", estimand),), columns, np.zeros(n))


def test_a_circuit_better_than_all_is_special_and_one_of_them_is_not():
    random = np.random.default_rng(2)
    best, typical = (
        judge([_question(random.uniform(0, 0.5, 72), 0.95)], confidence=0.95, seed=0)[0],
        _question(random.uniform(0, 1, 72), 0.4),
    )
    assert best.outcome == "supported" and best.warnings == ()
    assert judge([typical], confidence=0.95, seed=0)[0].outcome == "refuted"


def test_nearness_counts_from_both_sides_and_ties_count_as_good():
    question = _question(np.array([0.8, 1.2, 0.5, 1.21, 1.0]), 0.8)
    assert count_as_good(question.members[0].estimand, question.columns) == 3


def test_too_few_random_circuits_are_a_coded_warning():
    few = judge([_question(np.full(20, 0.1), 0.95)], confidence=0.95, seed=0)[0]
    assert few.outcome == "inconclusive"
    (warning,) = few.warnings
    assert warning.code == "W058" and warning.message.startswith("20 random circuits cannot") and "59" in warning.message
    assert "random circuits would probably decide" in few.reason


def test_a_weak_denominator_has_no_rank():
    question = _question(np.full(80, 0.1), 0.95)
    columns = dict(question.columns) | {"M": question.columns["empty"]}
    assert judge([question._replace(columns=columns)], confidence=0.95, seed=0)[0].outcome == "not testable"


def test_a_share_that_no_number_of_circuits_could_show_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        draws_needed(0.0, 0.95)
