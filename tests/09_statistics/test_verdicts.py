"""Three-valued verdicts, one claim at a time."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, Member, ProportionOf, RatioOf, SpreadOf, column, difference
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import judge
from circuitdsl.statistics.intervals import analyse_mean
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.tails import StudentTails, inside, p_values

X = MeanOf(column("x"))
RATIO = RatioOf(column("x"), column("one"))


def _column(mean: float, n: int = 50, error: float = 0.1, seed: int = 0) -> dict[str, np.ndarray]:
    """A column with exactly this mean and this standard error of it."""
    values = np.random.default_rng(seed).normal(size=n)
    return {"x": mean + (values - values.mean()) / values.std(ddof=1) * error * np.sqrt(n)}


@pytest.mark.parametrize(
    ("operator", "mean", "outcome"),
    [
        (">=", 1.3, "supported"),
        (">=", 0.7, "refuted"),
        (">=", 1.1, "inconclusive"),
        (">", 1.3, "supported"),
        ("<=", 0.7, "supported"),
        ("<=", 1.3, "refuted"),
        ("<", 0.9, "inconclusive"),
    ],
)
def test_one_sided_claims_are_supported_refuted_or_neither(ask, operator, mean, outcome):
    assert ask(X, _column(mean), operator, 1.0).outcome == outcome


@pytest.mark.parametrize(
    ("mean", "margin", "outcome"),
    [(1.0, 0.5, "supported"), (1.2, 0.5, "supported"), (1.4, 0.5, "inconclusive"), (1.8, 0.5, "refuted"), (1.0, 0.1, "inconclusive")],
)
def test_equivalence_claims_take_two_one_sided_tests(ask, mean, margin, outcome):
    assert ask(X, _column(mean), "=", 1.0, margin).outcome == outcome


@pytest.mark.parametrize("comparison", [Comparison(">=", 1.0), Comparison("<", 1.0), Comparison("=", 1.0, 0.3)], ids=str)
def test_a_lone_claims_verdict_agrees_with_an_interval_that_leaves_out_alpha_on_each_side(ask, comparison):
    for mean in np.linspace(0.4, 1.6, 61):
        verdict = ask(X, _column(mean), comparison.operator, comparison.value, comparison.margin)
        columns = _column(mean)
        estimate = analyse_mean(X, columns, sample(np.arange(50)), 0.9).estimate
        ends = (1.0,) if comparison.margin is None else (0.7, 1.3)
        assert (verdict.outcome == "inconclusive") == any(estimate.low <= end <= estimate.high for end in ends)


def test_p_values_are_those_of_students_test(ask):
    from scipy.stats import ttest_1samp

    half = np.random.default_rng(0).normal(size=25)
    columns = {"x": 1.15 + np.concatenate([half, -half])}  # not skewed
    member = ask(X, columns, ">=", 1.0).members[0]
    assert member.p_support == pytest.approx(ttest_1samp(columns["x"], 1.0, alternative="greater").pvalue)
    assert member.p_refute == pytest.approx(ttest_1samp(columns["x"], 1.0, alternative="less").pvalue)
    assert member.p_adjusted == member.p_support


@pytest.mark.parametrize(
    ("truth", "operator", "wrong"), [(1.0, ">=", "refuted"), (1.0, ">", "supported"), (1.2, "=", "refuted"), (1.3, "=", "supported")]
)
def test_wrong_verdicts_at_the_bound_are_as_rare_as_said(ask, plausible, truth, operator, wrong):
    random, trials = np.random.default_rng(5), 800
    margin, value = (0.2 if wrong == "refuted" else 0.3, 1.0) if operator == "=" else (None, 1.0)
    outcomes = [ask(X, {"x": truth + random.normal(size=40) * 0.2}, operator, value, margin).outcome for _ in range(trials)]
    assert plausible(outcomes.count(wrong), trials, 0.04, 0.05)


def test_power_is_that_of_the_t_test(ask, plausible):
    from scipy.stats import nct, t

    random, trials = np.random.default_rng(6), 400
    wanted = float(nct.sf(t.ppf(0.95, 39), 39, 0.4 * np.sqrt(40)))
    outcomes = [ask(X, {"x": 0.4 + random.normal(size=40)}, ">", 0.0).outcome for _ in range(trials)]
    assert 0.5 < wanted < 0.95 and plausible(outcomes.count("supported"), trials, wanted - 0.03, wanted)


def test_a_narrow_equivalence_is_refuted_no_oftener_than_said(plausible):
    """A margin far below the standard error: both tails count, or the refutation would be twice too easy."""
    z, refuted = np.random.default_rng(7).normal(size=4000), 0
    for value in z:
        tails = StudentTails(lambda theta, value=value: value - theta, 1e6)
        refuted += p_values(tails, Comparison("=", 0.0, 0.01))[1] <= 0.025
    assert plausible(refuted, 4000, 0.025)
    assert inside(StudentTails(lambda theta: 0.0 - theta, 1e6), -3, 3)[0] < 0.01


def test_a_perfect_circuit_is_supported(ask):
    random = np.random.default_rng(8)
    columns = {"M": random.normal(3, 1, 100), "empty": random.normal(0, 0.4, 100)}
    columns["C"] = columns["M"] + random.normal(0, 0.3, 100)
    labels = np.arange(100) % 3
    whole = difference("M", "empty")
    assert ask(RatioOf(difference("C", "empty"), whole), columns, "=", 1.0, 0.2, labels).outcome == "supported"
    assert ask(RatioOf(difference("C", "M"), whole, absolute=True), columns, "<=", 0.2, clusters=labels).outcome == "supported"


def test_a_constant_column_of_all_prompts_is_its_own_interval(ask):
    verdict = ask(X, {"x": np.zeros(40)}, "<=", 0.1, everything=True)
    assert verdict.outcome == "supported"
    member = verdict.members[0]
    assert member.estimate.low == member.estimate.high == 0.0 and member.estimate.note == "the same number on every prompt"
    assert 0 < member.p_support < 1e-9
    assert ask(X, {"x": np.zeros(40)}, ">", 0.0, everything=True).outcome == "refuted"
    assert ask(X, {"x": np.zeros(40)}, ">=", 0.0, everything=True).outcome == "supported"


@pytest.mark.parametrize("estimand", [X, RatioOf(column("x"), column("one")), SpreadOf(RATIO, RatioOf(column("none"), column("one")))])
@pytest.mark.parametrize("one", [1.0, 0.1, 0.7])
@pytest.mark.parametrize("labels", [np.zeros(40), np.repeat([0, 1], 20)], ids=["all alike", "alike in each template"])
def test_a_constant_sample_decides_nothing_about_a_number_without_bounds(ask, estimand, one, labels):
    """However far the bound is: a prompt in fifty may be anywhere. Nor is a t statistic made of what rounding leaves of the variance."""
    columns = {"x": one * np.where(labels > 0, 0.2, 0.6), "one": np.full(40, one), "none": np.zeros(40)}
    for operator, bound in ((">=", -100.0), ("<=", 0.0)):
        verdict = ask(estimand, columns, operator, bound, clusters=labels)
        member = verdict.members[0]
        assert verdict.outcome == "inconclusive" and member.p_support == member.p_refute == 1.0
        assert member.estimate.low is member.estimate.high is member.prompts_to_decide is None
        assert "at least 93% of prompts" in member.reason or "at least 86% of prompts have its template's" in member.reason


def test_a_rare_failure_that_was_not_seen_supports_nothing(ask):
    """-10 on 2 % of the prompts and 0 else: the mean is -0.2. Twenty prompts without a failure are no evidence for -0.1 or more."""
    random = np.random.default_rng(0)
    outcomes = [ask(X, {"x": -10.0 * (random.random(20) < 0.02)}, ">=", -0.1).outcome for _ in range(60)]
    assert outcomes.count("inconclusive") > 40 and "supported" not in outcomes


def test_a_constant_sample_of_a_bounded_number_says_what_markov_says(ask):
    member = ask(X, {"x": np.full(20, 0.9)}, ">=", 0.7, ranges={"x": (0.0, 1.0)}).members[0]
    assert member.outcome == "supported" and member.p_support == pytest.approx((0.7 / 0.9) ** 20)
    assert member.estimate.low == pytest.approx(0.9 * 0.025 ** (1 / 20)) and member.estimate.high == pytest.approx(
        1 - 0.1 * 0.025 ** (1 / 20)
    )
    member = ask(X, {"x": np.full(20, 0.9)}, ">=", 0.85, ranges={"x": (0.0, 1.0)}).members[0]
    assert member.outcome == "inconclusive" and member.prompts_to_decide == 54  # a little more than ln 0.05 / ln(0.85 / 0.9)
    one_sided = ask(X, {"x": np.zeros(200)}, "<=", 0.1, ranges={"x": (0.0, np.inf)}).members[0]
    assert one_sided.outcome == "inconclusive" and (one_sided.estimate.low, one_sided.estimate.high) == (0.0, None)


def test_all_prompts_that_there_are_cannot_be_more(ask):
    values = {"x": 0.1 + np.random.default_rng(1).normal(size=20)}
    some, every = (ask(X, values, ">=", 0.0, everything=known).members[0] for known in (False, True))
    assert some.outcome == every.outcome == "inconclusive" and some.prompts_to_decide > 100
    assert every.prompts_to_decide is None and "these 20 are all prompts that there are" in every.reason


def test_one_prompt_is_not_testable(ask):
    verdict = ask(X, {"x": np.ones(1)}, ">=", 0.5)
    assert verdict.outcome == "not testable" and "1 prompt" in verdict.reason
    assert verdict.members[0].p_support is None


def test_no_prompt_is_not_testable(ask):
    assert ask(RatioOf(column("x"), column("x")), {"x": np.ones(0)}, ">=", 0.5).outcome == "not testable"


def test_numbers_that_are_not_finite_are_not_testable(ask):
    verdict = ask(X, {"x": np.array([1.0, np.nan, 2.0])}, ">=", 0.5)
    assert verdict.outcome == "not testable" and "not a finite number" in verdict.reason


def test_a_measurement_has_no_verdict_and_is_in_no_family():
    question = Question("seen", None, (Member("a", X), Member("b", X)), _column(1.0), np.arange(50))
    claim = Question("claim", Comparison(">", 0.75), (Member("c", X),), _column(1.0), np.arange(50))
    seen, judged = judge([question, claim], confidence=0.95, seed=0)
    assert seen.outcome == "measured" and seen.p_adjusted is None and seen.members[0].p_support is None
    assert judged == judge([claim], confidence=0.95, seed=0)[0]


def test_what_stands_beside_is_estimated_and_not_judged():
    beside = {"F(C)": MeanOf(column("x")), "right": ProportionOf("right")}
    columns = _column(1.0) | {"right": np.arange(50) % 2 * 1.0}
    question = Question("claim", Comparison(">", 0.0), (Member("c", X, beside, about="head 1.2"),), columns, np.arange(50))
    member = judge([question], confidence=0.95, seed=0)[0].members[0]
    assert member.beside["right"].value == 0.5 and member.beside["F(C)"].value == pytest.approx(1.0)
    assert member.about == "head 1.2"


def test_a_claim_about_nothing_is_not_testable():
    question = Question("none", Comparison(">", 0.0), (), {}, np.arange(5))
    assert judge([question], confidence=0.95, seed=0)[0].outcome == "not testable"


def test_few_templates_are_spoken_of_as_these_only(ask):
    assert "fixed strata" in ask(X, _column(1.0), ">", 0.0, clusters=np.arange(50) % 4).members[0].estimate.method
    assert "as clusters" in ask(X, _column(1.0), ">", 0.0, clusters=np.arange(50) % 12).members[0].estimate.method


def test_templates_that_differ_make_a_claim_about_templates_harder(ask):
    labels = np.arange(240) % 12
    values = np.random.default_rng(9).normal(0.4, 1, 12)[labels] + np.random.default_rng(10).normal(size=240) * 0.1
    assert ask(X, {"x": values}, ">", 0.0, clusters=np.arange(240)).outcome == "supported"
    assert ask(X, {"x": values}, ">", 0.0, clusters=labels).outcome == "inconclusive"


def test_the_same_columns_and_seed_give_the_same_answer():
    question = Question("claim", Comparison(">", 0.0), (Member("c", X),), _column(0.1), np.arange(50) % 3)
    assert judge([question], confidence=0.95, seed=3) == judge([question], confidence=0.95, seed=3)
