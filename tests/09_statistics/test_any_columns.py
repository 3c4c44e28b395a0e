"""Whatever the columns hold, the judge answers, quietly and consistently."""

import warnings

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, Member, ProportionOf, RankOf, RatioOf, column, difference
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import balanced_blocks, judge, judge_sequentially

NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 1e-12, 3.0, 1e12, float("nan"), float("inf")]),
    st.floats(-100, 100, allow_nan=False),
)
ESTIMANDS = [
    MeanOf(column("a")),
    MeanOf(difference("a", "b")),
    RatioOf(column("a"), column("b")),
    RatioOf(difference("a", "b"), column("b"), absolute=True),
    RatioOf(column("a"), column("a")),
    RankOf(RatioOf(column("a"), column("b")), (RatioOf(column("b"), column("a")), RatioOf(column("a"), column("a")))),
    ProportionOf("right"),
]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    n = draw(st.integers(0, 24))
    columns = {name: np.array(draw(st.lists(NUMBERS, min_size=n, max_size=n)), dtype=float) for name in "ab"}
    columns["right"] = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=float)
    comparison = Comparison(draw(st.sampled_from([">=", ">", "<=", "<"])), draw(st.floats(-2, 2)))
    if draw(st.booleans()):
        comparison = Comparison("=", draw(st.floats(-2, 2)), draw(st.floats(0, 1)))
    chosen = draw(st.lists(st.sampled_from(ESTIMANDS), min_size=1, max_size=3))
    members = tuple(Member(f"member {i}", estimand) for i, estimand in enumerate(chosen))
    labels = np.array(draw(st.lists(st.integers(0, 14), min_size=n, max_size=n)), dtype=int)
    return Question("claim", comparison, members, columns, labels)


UNDERFLOW = Question(
    "a variance too small for a float",
    Comparison(">=", 0.0),
    (Member("a", MeanOf(column("a"))),),
    {"a": np.array([0.0, 6e-211])},
    np.zeros(2),
)

TOO_NEAR = Question(
    "an estimate so near its bound that the number of prompts is too large for a float",
    Comparison(">=", 0.0),
    (Member("a / b", RatioOf(column("a"), column("b"))),),
    {"a": np.array([0.0, 1.0, -1.0, 2.2e-308]), "b": np.ones(4)},
    np.array([0, 0, 1, 1]),
)

NEARLY_NOTHING = Question(
    "a denominator whose mean is all but zero",
    Comparison(">=", 0.0),
    (Member("a / b", RatioOf(column("a"), column("b"))),),
    {"a": np.array([0.0, 0.0, 4.0]), "b": np.array([1.0, -1.0, 2.2e-308])},
    np.zeros(3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(questions(), min_size=1, max_size=3))
@example([UNDERFLOW])
@example([TOO_NEAR])
@example([NEARLY_NOTHING])
def test_every_question_gets_a_consistent_answer(asked):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdicts = judge(asked, confidence=0.95, seed=0)
    assert [verdict.label for verdict in verdicts] == [question.label for question in asked]
    for verdict in verdicts:
        outcomes = {member.outcome for member in verdict.members}
        assert (verdict.outcome == "supported") == (outcomes == {"supported"})
        assert (verdict.outcome == "refuted") == ("refuted" in outcomes)
        for member in verdict.members:
            assert (member.outcome == "not testable") == (member.p_support is None) == (member.p_adjusted is None)
            assert member.outcome != "not testable" or member.reason
            if member.p_support is not None:
                assert member.p_support + member.p_refute >= 1 - 1e-9
                assert member.p_support > 0 or member.p_refute > 0
            estimate = member.estimate
            if None not in (estimate.value, estimate.low, estimate.high):
                slack = 1e-9 * max(1.0, abs(estimate.value))
                assert estimate.low - slack <= estimate.value <= estimate.high + slack


@settings(max_examples=60, deadline=None)
@given(questions().filter(lambda question: len(question.clusters) > 1))
def test_every_question_gets_a_sequential_answer(question):
    finite = {name: np.nan_to_num(values, nan=0.0, posinf=5.0, neginf=-5.0) for name, values in question.columns.items()}
    blocks = balanced_blocks(question.clusters, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = judge_sequentially(
            [question._replace(columns=finite)], blocks, bounds={"a": (-5.0, 5.0), "b": (0.0, 5.0)}, confidence=0.95
        )[0]
    assert verdict.outcome in ("supported", "refuted", "inconclusive", "not testable")
