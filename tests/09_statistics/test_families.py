"""Many claims at once."""

import numpy as np
import pytest
from scipy.stats import norm

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, Member, column
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import judge
from circuitdsl.statistics.families import both_ways, e_bh, holm, some_fails


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


def test_both_directions_by_hand():
    assert both_ways([0.01, 0.04, 0.03]).tolist() == pytest.approx([4, 3, 4])  # 0.04, then 0.12 for both: 0.03 · 4, and 0.04 · 2 is less
    assert both_ways([0.03]).tolist() == [1] and both_ways([0.0, 1.0]).tolist() == [2, 2] and both_ways([]).size == 0
    assert both_ways([0.001, 0.002, 0.02, 0.04]).tolist() == pytest.approx([6, 6, 4, 2])


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(0).random(20) ** 3
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_e_benjamini_hochberg_by_hand():
    # m = 4, level 0.1: the k-th largest has to reach 40 / k
    assert e_bh([25, 1, 21, 0], 0.1).tolist() == [True, False, True, False]
    assert e_bh([19, 1, 19, 0], 0.1).tolist() == [False] * 4
    assert e_bh([], 0.1).size == 0


def test_e_benjamini_hochberg_holds_the_false_discovery_rate():
    random, shares = np.random.default_rng(0), []
    for _ in range(3000):
        z = random.normal(size=10) * 0.6 + random.normal() * 0.8  # dependent
        z[:5] += 4
        rejected = e_bh(np.exp(3 * z - 4.5), 0.2)
        shares.append(rejected[5:].sum() / max(1, rejected.sum()))
    assert 0 < np.mean(shares) <= 0.2


def _questions(columns: np.ndarray, operators: str) -> list[Question]:
    """One claim a column [m, n] about a mean of 0."""
    labels = np.arange(columns.shape[1])
    return [
        Question(f"claim {i}", Comparison(op, 0.0), (Member("mean", MeanOf(column("x"))),), {"x": values}, labels)
        for i, (op, values) in enumerate(zip(operators.split(), columns, strict=True))
    ]


@pytest.mark.parametrize("dependent", [False, True])
def test_all_verdicts_of_a_file_are_right_as_often_as_it_says(dependent, plausible):
    """Claims of both directions at the hardest place, the bound, and some clearly true ones; any wrong verdict counts."""
    random, wrong, trials = np.random.default_rng(1), 0, 250
    for _ in range(trials):
        noise = random.normal(size=(1, 25)).repeat(6, axis=0) * np.array([[1], [-1]] * 3) if dependent else random.normal(size=(6, 25))
        columns = noise + np.array([[0], [0], [0], [0], [3], [3]])
        # "> 0" is false at 0, ">= 0" is true there
        verdicts = judge(_questions(columns, "> >= > >= > <"), confidence=0.95, seed=0)
        bad = ["supported", "refuted", "supported", "refuted", "refuted", "supported"]
        wrong += any(verdict.outcome == outcome for verdict, outcome in zip(verdicts, bad, strict=True))
    assert plausible(wrong, trials, 0.0, 0.05)


@pytest.mark.parametrize("claims", [1, 2, 5, 20])
@pytest.mark.parametrize("dependent", ["independent", "one noise", "opposite noise"])
@pytest.mark.parametrize("false", ["none", "all", "half", "one clear half"])
def test_some_verdict_is_wrong_at_most_as_often_as_said(claims, dependent, false, plausible):
    """Every claim at its bound or clearly beyond it; the tests have normal p-values. Where all of α can be spent, it is nearly spent."""
    random, trials = np.random.default_rng(3), 4000
    noise = random.normal(size=(trials, claims if dependent == "independent" else 1)) * np.ones((trials, claims))
    noise *= np.where((np.arange(claims) % 2 > 0) & (dependent == "opposite noise"), -1, 1)
    is_false = {"none": np.zeros(claims), "all": np.ones(claims)}.get(false, np.arange(claims) % 2) > 0
    shift = np.where((np.arange(claims) % 4 < 2) & (false == "one clear half"), np.where(is_false, -4.0, 4.0), 0.0)
    support = norm.sf(noise + shift)  # at the bound a claim is false as the one, and true as the other
    wrong = 0
    for up, down in zip(support, 1 - support, strict=True):
        supported, refuted = (p * both_ways(p) <= 0.05 for p in (up, down))
        assert not (supported & refuted).any()
        wrong += bool((np.where(is_false, supported, refuted)).any())
    assert plausible(wrong, trials, 0.0, 0.05)
    if claims <= 2 and dependent == "independent" and false != "one clear half":
        assert wrong > 0.04 * trials


def test_one_claim_has_the_power_of_a_one_sided_test():
    """Mean 0.3 of 50 normal numbers: 0.67, where half of α for each direction has 0.54."""
    z = np.random.default_rng(4).normal(size=20_000) + 0.3 * 50**0.5
    support = norm.sf(z)
    assert np.mean([p * both_ways([p])[0] <= 0.05 for p in support]) == pytest.approx(0.68, abs=0.015)
    assert np.mean(2 * support <= 0.05) == pytest.approx(0.56, abs=0.015)


def test_more_claims_make_each_harder():
    random = np.random.default_rng(2)
    doubtful = random.normal(size=30)
    doubtful += 2.3 * doubtful.std(ddof=1) / np.sqrt(30) - doubtful.mean()  # t = 2.3
    alone = judge(_questions(doubtful[None], ">"), confidence=0.95, seed=0)[0]
    among = judge(_questions(np.stack([doubtful, *random.normal(size=(2, 30))]), "> > >"), confidence=0.95, seed=0)[0]
    beside_clear = judge(_questions(np.stack([doubtful, doubtful + 9, doubtful + 9]), "> > >"), confidence=0.95, seed=0)[0]
    assert alone.outcome == beside_clear.outcome == "supported"
    assert among.outcome == "inconclusive" and "correction" in among.reason
    assert alone.p_adjusted == alone.members[0].p_support and among.p_adjusted == pytest.approx(4 * alone.p_adjusted)
    assert among.members[0].estimate == alone.members[0].estimate


def _each(means: list[float], n: int = 40, seed: int = 0) -> Question:
    random = np.random.default_rng(seed)
    columns = {f"m{i}": mean + random.normal(size=n) for i, mean in enumerate(means)}
    members = tuple(Member(name, MeanOf(column(name))) for name in columns)
    return Question("each", Comparison(">", 0.0), members, columns, np.arange(n))


def test_each_is_supported_when_all_members_are():
    verdict = judge([_each([2.0] * 30)], confidence=0.95, seed=0)[0]
    assert verdict.outcome == "supported"
    assert verdict.p_adjusted == pytest.approx(max(member.p_support for member in verdict.members))


def test_each_is_refuted_by_one_member_and_says_which():
    verdict = judge([_each([2.0, 2.0, -2.0, 2.0])], confidence=0.95, seed=0)[0]
    assert verdict.outcome == "refuted"
    assert [member.label for member in verdict.members if member.outcome == "refuted"] == ["m2"]
    assert "1 of 4: m2" in verdict.reason
    assert verdict.members[2].p_adjusted == pytest.approx(4 * verdict.members[2].p_refute)


def test_each_needs_no_correction_to_be_supported_but_the_failing_list_does(plausible):
    """With all members at the bound, hardly ever all are supported; any refuted one is wrong for ">= 0"."""
    refuted, trials = 0, 250
    for seed in range(trials):
        question = _each([0.0] * 5, 20, seed)._replace(comparison=Comparison(">=", 0.0))
        refuted += judge([question], confidence=0.95, seed=0)[0].outcome == "refuted"
    assert plausible(refuted, trials, 0.0, 0.05)
    assert some_fails([0.01, 0.5]) == 0.02


def test_each_with_an_undecided_member_is_inconclusive():
    assert judge([_each([2.0, 0.0])], confidence=0.95, seed=0)[0].outcome == "inconclusive"
