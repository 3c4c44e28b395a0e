"""Early stopping: right whenever one stops."""

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import MeanOf, Member, ProportionOf, RankOf, RatioOf, column, difference
from circuitdsl.borders.verdict import Question
from circuitdsl.statistics import all_decided, balanced_blocks, judge, judge_sequentially
from circuitdsl.statistics.betting import confidence_sequence, wealth_above, wealth_below

SIMULATIONS = 2000


def _observations(kind: str, mean: float, random: np.random.Generator) -> np.ndarray:
    """[S, 200] in [0, 1] with this mean."""
    shape = (SIMULATIONS, 200)
    if kind == "coin":
        return (random.random(shape) < mean).astype(float)
    return random.beta(10 * mean, 10 * (1 - mean), shape)


@pytest.mark.parametrize("kind", ["coin", "beta"])
@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
def test_the_gambler_hardly_ever_gets_rich_against_the_truth(kind, mean, plausible):
    """Ville: that the money ever, at any time, exceeds 1/α has at most probability α."""
    observations = _observations(kind, mean, np.random.default_rng(0))
    for wealth in (wealth_above(observations, mean), wealth_below(observations, mean)):
        assert plausible(int((wealth.max(axis=1) >= 20).sum()), SIMULATIONS, 0.0, 0.05)


@pytest.mark.parametrize("kind", ["coin", "beta"])
def test_the_gambler_gets_rich_against_what_is_false(kind):
    observations = _observations(kind, 0.8, np.random.default_rng(1))
    assert (wealth_above(observations, 0.6)[:, -1] >= 40).mean() > 0.9
    assert (wealth_below(observations, 0.95)[:, -1] >= 40).mean() > 0.9


@pytest.mark.parametrize(("kind", "mean"), [("coin", 0.5), ("coin", 0.97), ("beta", 0.3)])
def test_the_confidence_sequence_covers_at_all_times_at_once(kind, mean, plausible):
    observations, trials = _observations(kind, mean, np.random.default_rng(2))[:, :80], 300
    covered = 0
    for row in observations[:trials]:
        low, high = confidence_sequence(row, 0.95, grid=200)
        covered += bool(((low <= mean) & (mean <= high)).all())
        assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    assert plausible(covered, trials, 0.95, 1.0)


def test_the_confidence_sequence_closes_in():
    low, high = confidence_sequence(_observations("coin", 0.9, np.random.default_rng(3))[0], 0.95)
    assert 0.75 < low[-1] < 0.9 < high[-1] <= 1.0


def test_blocks_hold_every_layout_alike_and_no_row_twice():
    layouts = np.repeat(["a", "b", "c", "rare 1", "rare 2"], [40, 20, 20, 1, 2])
    blocks = balanced_blocks(layouts, 0)
    assert len(np.unique(blocks.rows)) == blocks.rows.size
    assert len({tuple(np.sort(np.char.replace(layouts[row], "rare 1", "rare 2"))) for row in blocks.rows[:, :2]}) == 1
    assert blocks.weights.sum() == pytest.approx(1)
    assert (balanced_blocks(layouts, 0).rows == blocks.rows).all() and (balanced_blocks(layouts, 1).rows != blocks.rows).any()


def test_rows_of_their_own_make_blocks_of_one():
    assert balanced_blocks(np.arange(50), 0).rows.shape == (50, 1)


def test_block_means_weigh_layouts_by_their_share():
    layouts = np.repeat([0, 1], [36, 12])
    blocks = balanced_blocks(layouts, 0)
    assert blocks.rows.shape == (12, 4)
    assert blocks.means(layouts.astype(float)) == pytest.approx(np.full(12, 0.25))


FAITHFUL = RatioOf(difference("C", "empty"), difference("M", "empty"))
BOUNDS = dict.fromkeys(("M", "C", "empty"), (-4.0, 8.0))


def _questions(ratio: float, n: int = 600, seed: int = 0) -> list[Question]:
    random, labels = np.random.default_rng(seed), np.arange(n) % 3
    empty, whole = random.normal(0, 0.3, n), random.normal(4, 0.5, n)
    columns = {"M": empty + whole, "empty": empty, "C": empty + ratio * whole, "right": (random.random(n) < 0.97).astype(float)}
    gap = RatioOf(difference("C", "M"), difference("M", "empty"), absolute=True)
    asked = [
        ("faithful", FAITHFUL, Comparison("=", 1.0, 0.3)),
        ("strong", FAITHFUL, Comparison(">=", 0.7)),
        ("complete", gap, Comparison("<=", 0.3)),
        ("works", ProportionOf("right"), Comparison(">=", 0.85)),
        ("value", MeanOf(column("M")), Comparison(">", 2.0)),
    ]
    return [Question(label, comparison, (Member(label, estimand),), columns, labels) for label, estimand, comparison in asked]


def test_a_good_circuit_is_supported_before_the_cap():
    questions, blocks = _questions(1.0), balanced_blocks(np.arange(600) % 3, 0)
    stops = [
        count
        for count in range(10, 201, 10)
        if all_decided(judge_sequentially(questions, blocks.first(count), bounds=BOUNDS, confidence=0.95))
    ]
    assert stops and stops[0] < 200
    verdicts = judge_sequentially(questions, blocks.first(stops[0]), bounds=BOUNDS, confidence=0.95)
    assert {verdict.outcome for verdict in verdicts} == {"supported"}
    for verdict in verdicts:
        estimate = verdict.members[0].estimate
        assert estimate.low <= estimate.value <= estimate.high and estimate.n == 3 * stops[0]


def test_a_bad_circuit_is_refuted():
    verdicts = judge_sequentially(_questions(0.2), balanced_blocks(np.arange(600) % 3, 0), bounds=BOUNDS, confidence=0.95)
    assert [verdict.outcome for verdict in verdicts] == ["refuted", "refuted", "refuted", "supported", "supported"]


def test_rows_outside_the_blocks_are_never_read():
    questions, blocks = _questions(1.0), balanced_blocks(np.arange(600) % 3, 0).first(40)
    unread = np.setdiff1d(np.arange(600), blocks.rows)
    blank = {name: values.copy() for name, values in questions[0].columns.items()}
    for values in blank.values():
        values[unread] = np.nan
    answers = [
        judge_sequentially([q._replace(columns=c) for q in questions], blocks, bounds=BOUNDS, confidence=0.95)
        for c in (blank, questions[0].columns)
    ]
    assert answers[0] == answers[1]


def test_looking_after_every_block_makes_no_false_verdict_likely(plausible):
    """At the bound "> 0.8" is false and ">= 0.8" is true; whoever stops at the first wrong verdict still hardly finds one."""
    random, wrong, trials = np.random.default_rng(4), 0, 100
    blocks = balanced_blocks(np.arange(80) % 2, 0)
    for _ in range(trials):
        columns = {"right": (random.random(80) < 0.8).astype(float)}
        asked = [Question(op, Comparison(op, 0.8), (Member(op, ProportionOf("right")),), columns, np.arange(80) % 2) for op in (">", ">=")]
        seen = [judge_sequentially(asked, blocks.first(count), bounds={}, confidence=0.95) for count in range(5, 41, 5)]
        wrong += any(first.outcome == "supported" or second.outcome == "refuted" for first, second in seen)
    assert plausible(wrong, trials, 0.0, 0.05)


def test_families_that_share_the_error_keep_it_together(plausible):
    """Two claims bet on and stopped when it suits, two judged by Holm at the end, all false at their bounds: hardly any is supported."""
    random, wrong, alone, trials = np.random.default_rng(6), 0, 0, 300
    blocks, labels = balanced_blocks(np.arange(60) % 2, 0), np.arange(60) % 2

    def question(estimand):
        return Question("it", Comparison(">", 0.5), (Member("it", estimand),), columns, labels)

    for _ in range(trials):
        columns = {"right": (random.random(60) < 0.5).astype(float), "free": random.normal(0.5, 1, 60), "other": random.normal(0.5, 1, 60)}
        early, late = [question(ProportionOf("right"))] * 2, [question(MeanOf(column(name))) for name in ("free", "other")]
        looks = [judge_sequentially(early, blocks.first(n), bounds={}, confidence=0.6, share=0.5) for n in range(5, 31, 5)]
        soon = any(verdict.outcome == "supported" for look in looks for verdict in look)
        wrong += soon or any(verdict.outcome == "supported" for verdict in judge(late, confidence=0.6, seed=0, share=0.5))
        alone += soon or any(verdict.outcome == "supported" for verdict in judge(late, confidence=0.6, seed=0))
    assert plausible(wrong, trials, 0.0, 0.2) and wrong < alone


def test_a_share_of_the_error_asks_for_more_evidence():
    questions, blocks = _questions(1.0), balanced_blocks(np.arange(600) % 3, 0)
    whole, half = (judge(questions, confidence=0.95, seed=0, share=share) for share in (1.0, 0.5))
    assert all(b.p_adjusted == pytest.approx(min(1, 2 * a.p_adjusted)) for a, b in zip(whole, half, strict=True))

    def decided(share):
        return [all_decided(judge_sequentially(questions, blocks.first(n), bounds=BOUNDS, confidence=0.95, share=share)) for n in counts]

    counts = range(10, 200, 10)
    assert sum(decided(1.0)) > sum(decided(0.01))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ratios_at_the_bound_are_hardly_ever_decided_wrongly(sign, plausible):
    random, wrong, trials = np.random.default_rng(5), 0, 200
    blocks, bounds = balanced_blocks(np.arange(120) % 2, 0), {"n": (-1.0, 1.0), "d": (-1.0, 1.0)}
    for _ in range(trials):
        below = sign * random.uniform(0.2, 0.8, 120)
        columns = {"n": np.clip(0.5 * below + random.uniform(-0.5, 0.5, 120), -1, 1), "d": below}
        ratio = Member("r", RatioOf(column("n"), column("d")))
        asked = [Question(op, Comparison(op, 0.5), (ratio,), columns, np.arange(120) % 2) for op in (">", ">=")]
        first, second = judge_sequentially(asked, blocks, bounds=bounds, confidence=0.95)
        wrong += first.outcome == "supported" or second.outcome == "refuted"
    assert plausible(wrong, trials, 0.0, 0.05)


def test_ratios_keep_their_direction_below_zero():
    columns = {"n": np.full(200, -0.9), "d": np.full(200, -0.9)}
    ratio = Member("r", RatioOf(column("n"), column("d")))
    asked = [Question(op, Comparison(op, 0.5), (ratio,), columns, np.zeros(200)) for op in (">", "<")]
    bounds = {"n": (-1.0, 1.0), "d": (-1.0, 1.0)}
    verdicts = judge_sequentially(asked, balanced_blocks(np.zeros(200), 0), bounds=bounds, confidence=0.95)
    assert [verdict.outcome for verdict in verdicts] == ["supported", "refuted"]


def test_a_ratio_is_unbounded_while_its_denominator_may_be_zero():
    questions, blocks = _questions(1.0), balanced_blocks(np.arange(600) % 3, 0).first(2)
    estimate = judge_sequentially(questions, blocks, bounds=BOUNDS, confidence=0.95)[0].members[0].estimate
    assert estimate.low is estimate.high is None and "unbounded" in estimate.note


def test_a_column_without_bounds_cannot_be_bet_on():
    questions = _questions(1.0)
    rank = Question("rank", Comparison("<=", 0.05), (Member("rank", RankOf(FAITHFUL, ())),), questions[0].columns, np.arange(600) % 3)
    unbounded, ranked = judge_sequentially([questions[4], rank], balanced_blocks(np.arange(600) % 3, 0), bounds={}, confidence=0.95)
    assert unbounded.outcome == ranked.outcome == "not testable"
    assert "M has no bounds" in unbounded.reason


def test_each_says_which_member_fails_and_measurements_are_only_measured():
    columns = {"a": np.full(100, 0.9), "b": np.full(100, 0.1)}
    members = tuple(Member(name, MeanOf(column(name))) for name in columns)
    each = Question("each", Comparison(">=", 0.5), members, columns, np.zeros(100))
    seen = Question("seen", None, members, columns, np.zeros(100))
    verdict, measured = judge_sequentially(
        [each, seen], balanced_blocks(np.zeros(100), 0), bounds={"a": (0.0, 1.0), "b": (0.0, 1.0)}, confidence=0.95
    )
    assert verdict.outcome == "refuted"
    assert [member.outcome for member in verdict.members] == ["supported", "refuted"]
    assert measured.outcome == "measured" and measured.members[0].p_support is None


def test_members_are_corrected_for_the_number_of_claims_as_claims_are():
    """The same column is not supported as one of two members while it is open as a claim of its own."""
    columns = {"one": np.ones(12), "half": np.tile([0.0, 1.0], 6)}
    one, half = (Member(name, MeanOf(column(name))) for name in columns)
    alone = Question("alone", Comparison(">=", 0.5), (one,), columns, np.zeros(12))
    each = Question("each", Comparison(">=", 0.5), (one, half), columns, np.zeros(12))
    other = Question("other", Comparison(">=", 0.5), (half,), columns, np.zeros(12))
    verdicts = judge_sequentially(
        [alone, each, *[other] * 49], balanced_blocks(np.zeros(12), 0), bounds=dict.fromkeys(columns, (0.0, 1.0)), confidence=0.95
    )
    assert verdicts[0].outcome == "inconclusive" and [member.outcome for member in verdicts[1].members] == ["inconclusive"] * 2


def test_numbers_outside_the_clip_are_clipped():
    columns = {"x": np.full(60, 50.0)}
    question = Question("x", Comparison("<=", 2.0), (Member("x", MeanOf(column("x"))),), columns, np.zeros(60))
    verdict = judge_sequentially([question], balanced_blocks(np.zeros(60), 0), bounds={"x": (0.0, 1.0)}, confidence=0.95)[0]
    assert verdict.outcome == "supported" and verdict.members[0].estimate.value == pytest.approx(1.0)
