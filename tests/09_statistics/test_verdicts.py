"""Three-valued verdicts, one claim at a time."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, Member, ProportionOf, RatioOf, column, difference
from circuitdsl.borders.verdict import Estimate, Question
from circuitdsl.statistics import judge
from circuitdsl.statistics.deciding import prompts_to_decide
from circuitdsl.statistics.tails import StudentTails, inside, p_values

X = MeanOf(column("x"))


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
def test_a_lone_claims_verdict_agrees_with_the_printed_interval(ask, comparison):
    for mean in np.linspace(0.4, 1.6, 61):
        verdict = ask(X, _column(mean), comparison.operator, comparison.value, comparison.margin)
        estimate = verdict.members[0].estimate
        ends = (1.0,) if comparison.margin is None else (0.7, 1.3)
        assert (verdict.outcome == "inconclusive") == any(estimate.low <= end <= estimate.high for end in ends)


def test_p_values_are_those_of_students_test(ask):
    from scipy.stats import ttest_1samp

    columns = _column(1.15)
    member = ask(X, columns, ">=", 1.0).members[0]
    assert member.p_support == pytest.approx(ttest_1samp(columns["x"], 1.0, alternative="greater").pvalue)
    assert member.p_refute == pytest.approx(ttest_1samp(columns["x"], 1.0, alternative="less").pvalue)
    assert member.p_adjusted == pytest.approx(ttest_1samp(columns["x"], 1.0).pvalue)


@pytest.mark.parametrize(
    ("truth", "operator", "wrong"), [(1.0, ">=", "refuted"), (1.0, ">", "supported"), (1.2, "=", "refuted"), (1.3, "=", "supported")]
)
def test_wrong_verdicts_at_the_bound_are_as_rare_as_said(ask, plausible, truth, operator, wrong):
    random, trials = np.random.default_rng(5), 800
    margin, value = (0.2 if wrong == "refuted" else 0.3, 1.0) if operator == "=" else (None, 1.0)
    outcomes = [ask(X, {"x": truth + random.normal(size=40) * 0.2}, operator, value, margin).outcome for _ in range(trials)]
    assert plausible(outcomes.count(wrong), trials, 0.025)


def test_power_is_that_of_the_t_test(ask, plausible):
    from scipy.stats import nct, t

    random, trials = np.random.default_rng(6), 400
    wanted = float(nct.sf(t.ppf(0.975, 39), 39, 0.5 * np.sqrt(40)))
    outcomes = [ask(X, {"x": 0.5 + random.normal(size=40)}, ">", 0.0).outcome for _ in range(trials)]
    assert 0.5 < wanted < 0.95 and plausible(outcomes.count("supported"), trials, wanted)


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


def test_a_constant_column_is_its_own_interval(ask):
    verdict = ask(X, {"x": np.zeros(40)}, "<=", 0.1)
    assert verdict.outcome == "supported"
    member = verdict.members[0]
    assert member.estimate.low == member.estimate.high == 0.0 and member.estimate.note == "the same number on every prompt"
    assert 0 < member.p_support < 1e-9
    assert ask(X, {"x": np.zeros(40)}, ">", 0.0).outcome == "refuted"
    assert ask(X, {"x": np.zeros(40)}, ">=", 0.0).outcome == "supported"


def test_a_handful_of_equal_prompts_decides_nothing(ask):
    verdict = ask(X, {"x": np.ones(4)}, ">=", 0.5)
    assert verdict.outcome == "inconclusive"
    assert verdict.members[0].prompts_to_decide == 6


@pytest.mark.parametrize("estimand", [X, RatioOf(column("x"), column("one"))])
@pytest.mark.parametrize("one", [1.0, 0.1, 0.7])
def test_a_handful_of_prompts_that_are_equal_in_each_template_decides_nothing(ask, estimand, one):
    """Their variance is 0, or what rounding leaves of it: no t statistic is made of that."""
    for few, outcome in ((3, "inconclusive"), (10, "supported")):
        columns = {"x": one * np.repeat([0.2, 0.6], few), "one": np.full(2 * few, one)}
        scale = one if estimand is X else 1.0
        verdict = ask(estimand, columns, ">=", 0.39 * scale, clusters=np.repeat([0, 1], few))
        member = verdict.members[0]
        assert verdict.outcome == outcome and member.p_support == 2.0**-few
        assert member.estimate.low == member.estimate.high and "of a template" in member.estimate.note
        assert member.prompts_to_decide == (12 if few == 3 else None)


def test_what_is_alike_needs_as_many_independent_things_as_prompts_hang_together():
    alike = Estimate(value=1.0, low=1.0, high=1.0, standard_error=0.0, n=40)
    assert prompts_to_decide(X, alike, Comparison(">=", 0.5), 1e-15) == 50
    assert prompts_to_decide(X, alike, Comparison(">=", 0.5), 1e-15, units=10) == 200


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
