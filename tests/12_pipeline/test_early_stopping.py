"""Runs that may stop early, with made-up numbers: which prompts are measured when, and which verdict belongs to which claim."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from circuitdsl import statistics
from circuitdsl.borders.verdict import ClaimVerdict, MemberVerdict
from circuitdsl.pipeline import early_stopping
from circuitdsl.pipeline.early_stopping import AT_LEAST, bounded, judge_early, measure_early

WORKS = "accuracy(copied, of = model)"
MEAN = "value(copied, of = model)"


class Run:
    """Stands in for the engine: every number is what `value` says of the claim's label and the row. Keeps what was asked for."""

    def __init__(self, value=lambda row: 1.0):
        self.value, self.asked = value, []

    def __call__(self, some):
        self.asked.append([(one.claim.label, one.rows) for one in some])
        found = {}
        for one in some:
            for wanted in one.lowered.readouts.values():
                found.setdefault(wanted.digest, {}).update((row, self.value(row)) for row in one.rows)
        return found

    def rows(self, label):
        """The prompts of each call, of one claim."""
        return [rows for call in self.asked for name, rows in call if name == label]


@pytest.fixture
def scripted(monkeypatch):
    """`scripted(…)`: the outcomes of each look instead of those of the statistics, and what the judge was given."""

    def make(*looks):
        given, script = [], iter(looks)

        def judge(questions, blocks, *, bounds, confidence, share):
            given.append({"questions": questions, "blocks": blocks, "bounds": bounds, "confidence": confidence, "share": share})
            outcomes = next(script)
            members = [(MemberVerdict(label="m", about="", outcome=outcome, estimate=EMPTY),) for outcome in outcomes]
            return tuple(
                ClaimVerdict(label=question.label, outcome=outcome, members=its)
                for question, outcome, its in zip(questions, outcomes, members, strict=True)
            )

        monkeypatch.setattr(statistics, "judge_sequentially", judge)
        return given

    return make


EMPTY = {"value": None}
S, R, U = "supported", "refuted", "inconclusive"


def test_blocks_are_measured_one_after_the_other_and_no_prompt_twice(lowered, scripted):
    hypothesis, (one,), _ = lowered([f"works: {WORKS} >= 0.5"], prompts=60)
    given = scripted([U], [U], [S])
    run = Run()
    stopped = measure_early(hypothesis, [one], run, 1)
    calls, prompts = run.rows("works"), hypothesis.distributions["repeated"].prompts
    assert len(calls) == len(given) == 3
    measured = [row for rows in calls for row in rows]
    assert len(set(measured)) == len(measured) and set(measured) < set(one.rows)
    layouts = [Counter(prompts[row].layout for row in rows) for rows in calls]
    assert layouts[0] == layouts[1] == layouts[2] and set(layouts[0]) == {prompts[row].layout for row in one.rows}
    block = len(given[0]["blocks"].weights)
    assert all(len(rows) - block < AT_LEAST <= len(rows) and len(rows) % block == 0 for rows in calls)
    (found,), (verdict,) = stopped.asked, stopped.verdicts
    assert found.rows == tuple(measured) and not found.whole
    assert all(set(column) == set(measured) for column in stopped.numbers.values())
    assert verdict.reason == f"decided at {len(measured)} of 60 prompts"


def test_the_seed_decides_the_order_of_prompts(lowered):
    hypothesis, asked, _ = lowered([f"works: {WORKS} >= 0.5"], prompts=60)
    other = replace(hypothesis, settings=replace(hypothesis.settings, seed=1))
    first, again, reseeded = (measure_early(one, asked, Run(), 1).asked[0].rows for one in (hypothesis, hypothesis, other))
    assert first == again != reseeded


def test_each_look_is_at_all_prompts_so_far_in_the_order_of_the_blocks(lowered, scripted):
    hypothesis, (one,), _ = lowered([f"works: {WORKS} >= 0.5"], prompts=60)
    given = scripted([U], [S])
    stopped = measure_early(hypothesis, [one], Run(float), 1)
    first, second = given
    for look, rows in ((first, stopped.asked[0].rows[: first["blocks"].rows.size]), (second, stopped.asked[0].rows)):
        (column,) = look["questions"][0].columns.values()
        assert column.tolist() == list(rows) and len(look["questions"][0].clusters) == len(rows)
        assert look["questions"][0].comparison == one.claim.comparison and look["questions"][0].members == one.lowered.members
        assert look["blocks"].rows.ravel().tolist() == list(range(len(rows)))
        assert look["blocks"].weights.sum() == pytest.approx(1)
    assert first["confidence"] == hypothesis.settings.confidence and first["bounds"] == early_stopping.bounds(one.lowered)
    prompts = hypothesis.distributions["repeated"].prompts
    layouts = [prompts[row].layout for row in stopped.asked[0].rows]
    width = len(first["blocks"].weights)
    assert all(set(layouts[start : start + width]) == set(layouts) for start in range(0, len(layouts), width))


def test_a_run_ends_when_prompts_do(lowered, scripted):
    hypothesis, (one, _), _ = lowered([f"works: {WORKS} >= 0.5", f"mean: {MEAN} >= 0"], prompts=40)
    given, run = scripted(*[[U]] * 9), Run()
    stopped = measure_early(hypothesis, [one], run, 2)
    assert stopped.verdicts[0].reason == "undecided after all blocks of 40 prompts"
    assert 40 - len(given[0]["blocks"].weights) < len(stopped.asked[0].rows) <= 40
    assert sorted(row for rows in run.rows("works") for row in rows) == sorted(stopped.asked[0].rows)


def test_a_reason_says_when_a_verdict_came_that_stayed(lowered, scripted):
    hypothesis, asked, _ = lowered([f"first: {WORKS} >= 0.5", f"second: {WORKS} >= 0.6", f"third: {WORKS} >= 0.9"], prompts=90)
    given = scripted([S, S, U], [S, U, U], [S, S, R])
    stopped = measure_early(hypothesis, asked, Run(), 3)
    one, _, three = (look["blocks"].rows.size for look in given)
    assert [verdict.reason for verdict in stopped.verdicts] == [f"decided at {n} of 90 prompts" for n in (one, three, three)]
    assert [verdict.members[0].reason for verdict in stopped.verdicts] == [verdict.reason for verdict in stopped.verdicts]


def test_what_is_said_of_the_prompts_leaves_other_reasons_as_they_are(lowered, monkeypatch):
    def judge(questions, *_, **__):
        members = [MemberVerdict(label=label, about="", outcome=U, estimate=EMPTY, reason=why) for label, why in (("a", ""), ("b", "why"))]
        given = [("", members[:1]), ("", members[1:]), ("two", members)]
        return tuple(ClaimVerdict(label="it", outcome=U, members=tuple(some), reason=reason) for reason, some in given)

    hypothesis, asked, _ = lowered([f"first: {WORKS} >= 0.5", f"second: {WORKS} >= 0.6", f"third: {WORKS} >= 0.9"], prompts=20)
    monkeypatch.setattr(statistics, "judge_sequentially", judge)
    one, two, three = measure_early(hypothesis, asked, Run(), 3).verdicts
    said = "undecided after all blocks of 20 prompts"
    assert (one.reason, two.reason, three.reason) == (said, said, f"two; {said}")
    assert [[member.reason for member in verdict.members] for verdict in (one, two, three)] == [[said], ["why"], ["", "why"]]


def test_claims_of_each_distribution_have_their_part_of_what_verdicts_may_err(lowered, scripted):
    claims = [
        f"a: {WORKS} >= 0.5",
        "b: attention(induction, query = cue, key = next, on = recoloured) >= 0.5",
        f"c: {WORKS} >= 0.6",
        f"late: {MEAN} >= 0.5",
        f"later: {MEAN} >= 0.6",
    ]
    hypothesis, asked, _ = lowered(claims, prompts=40)
    given, run = scripted([S, S], [R]), Run()
    stopped = measure_early(hypothesis, asked[:3], run, 5)
    assert [look["share"] for look in given] == [2 / 5, 1 / 5]
    assert [verdict.label for verdict in stopped.verdicts] == ["a", "b", "c"] and [one.claim.label for one in stopped.asked] == [
        "a",
        "b",
        "c",
    ]
    assert [verdict.outcome for verdict in stopped.verdicts] == [S, R, S]
    assert run.rows("a") == run.rows("c") and len(run.rows("b")) == 1


def test_early_and_late_claims_keep_their_order_and_their_rows(lowered):
    claims = [f"late: {MEAN} >= 0.5", f"early: {WORKS} >= 0.5", f"measured: {MEAN}", f"later: {MEAN} <= 5", f"also: {WORKS} >= 0.4"]
    hypothesis, claimed, figure = lowered(claims, prompts=400)
    run = Run()
    asked, drawn, verdicts, numbers = judge_early(hypothesis, claimed, figure, run)
    labels = ["late", "early", "measured", "later", "also"]
    assert [one.claim.label for one in asked] == [verdict.label for verdict in verdicts] == labels
    assert [one.rows for one in (asked[0], asked[2], asked[3])] == [one.rows for one in (claimed[0], claimed[2], claimed[3])]
    assert len(asked[1].rows) == len(asked[4].rows) < len(claimed[1].rows)
    assert [one.whole for one in asked] == [True, False, True, True, False]
    warned = [[(warning.code, warning.message) for warning in verdict.warnings if warning.code == "W062"] for verdict in verdicts]
    said = [("W062", early_stopping.LATE.format(early_stopping.UNBOUNDED))]
    assert warned == [said, [], [], said, []]
    assert drawn == figure and run.rows("figure") == [figure[0].rows]
    for one in asked:
        assert all(set(one.rows) <= set(numbers[readout.digest]) for readout in one.lowered.readouts.values())


def test_the_figure_is_of_the_prompts_of_the_first_claim_where_all_stopped_early(lowered):
    claims = ["b: attention(induction, query = cue, key = next, on = recoloured) >= 0.5", f"a: {WORKS} >= 0.5", f"c: {WORKS} >= 0.97"]
    hypothesis, claimed, figure = lowered(claims, prompts=400)
    run = Run()
    asked, drawn, _, _ = judge_early(hypothesis, claimed, figure, run)
    assert drawn[0].rows == asked[1].rows and not drawn[0].whole and len(drawn[0].rows) < 400
    assert run.asked[-1] == [("figure", asked[1].rows)]
    _, elsewhere, _, _ = judge_early(hypothesis, claimed[:1], figure, Run())
    assert elsewhere == figure  # no claim was about the figure's prompts
    _, none, _, _ = judge_early(hypothesis, claimed[:1], (), only := Run())
    assert none == () and all(call for call in only.asked)


def test_numbers_of_a_column_that_both_kinds_of_claims_read_are_put_together(lowered):
    """The engine is asked for rows, and gives those alone: none that were measured before may be lost."""
    claims = [f"early: {WORKS} >= 0.5", f"late: {MEAN} >= 0.5"]
    hypothesis, claimed, _ = lowered(claims, prompts=400)
    (right,) = claimed[0].lowered.readouts.values()
    shared = replace(claimed[1], rows=claimed[1].rows[:7])
    shared = replace(shared, lowered=replace(shared.lowered, readouts={**shared.lowered.readouts, "right": right}))
    asked, _, _, numbers = judge_early(hypothesis, (claimed[0], shared), (), Run())
    digest = right.digest
    assert set(numbers[digest]) == set(asked[0].rows) | set(shared.rows)


def grouped(hypothesis, count):
    """The prompts in so many templates."""
    whole = hypothesis.distributions["repeated"]
    prompts = tuple(replace(prompt, cluster=str(number % count)) for number, prompt in enumerate(whole.prompts))
    return replace(hypothesis, distributions={**hypothesis.distributions, "repeated": replace(whole, prompts=prompts)})


@pytest.mark.parametrize(("templates", "late"), [(1, False), (4, False), (12, True), (60, False)])
def test_a_sample_of_templates_is_judged_at_the_end(lowered, templates, late):
    """Neither fixed templates nor prompts that are each one of its own are a sample of templates."""
    hypothesis, claimed, _ = lowered([f"works: {WORKS} >= 0.5"], prompts=60)
    run = Run()
    _, _, (verdict,), _ = judge_early(grouped(hypothesis, templates), claimed, (), run)
    said = [warning.message for warning in verdict.warnings if warning.code == "W062"]
    assert said == ([early_stopping.LATE.format(early_stopping.CLUSTERED)] if late else [])
    assert (run.rows("works") == [claimed[0].rows]) == late


def test_a_lone_prompt_is_no_sample(lowered):
    hypothesis, claimed, _ = lowered([f"works: {WORKS} >= 0.5"], prompts=1)
    _, _, (verdict,), _ = judge_early(hypothesis, claimed, (), Run())
    assert verdict.outcome == "inconclusive" and verdict.reason == "undecided after all blocks of 1 prompts"


def test_what_can_be_judged_while_prompts_are_coming(lowered):
    claims = [
        f"share: {WORKS} >= 0.5",
        "looks: attention(induction, query = cue, key = next) >= 0.5",
        f"mean: {MEAN} >= 0.5",
        f"measured: {WORKS}",
        "ratio: faithfulness(copied) >= 0.5",
    ]
    _, claimed, _ = lowered(claims)
    assert [bounded(one) for one in claimed] == [True, True, False, False, False]
    share, looks, mean = claimed[:3]
    redrawn = replace(share, lowered=replace(share.lowered, replicates={"right": ("a", "b")}))
    assert not bounded(redrawn)
    both = replace(looks, lowered=replace(looks.lowered, members=looks.lowered.members + mean.lowered.members))
    assert not bounded(both) and not bounded(replace(both, lowered=replace(both.lowered, members=both.lowered.members[::-1])))


def test_bounds_are_those_of_the_readouts(lowered):
    _, claimed, _ = lowered([f"share: {WORKS} >= 0.5", f"mean: {MEAN} >= 0.5"])
    assert set(early_stopping.bounds(claimed[0].lowered).values()) == {(0.0, 1.0)}
    assert early_stopping.bounds(claimed[1].lowered) == {}


def test_a_wrong_answer_is_counted_where_it_stands(lowered):
    """The estimate is the mean over blocks of the prompts that were measured, each layout by its share."""
    hypothesis, claimed, _ = lowered([f"works: {WORKS} >= 0.5"], prompts=60)
    wrong = set(claimed[0].rows[::3])
    asked, _, (verdict,), _ = judge_early(hypothesis, claimed, (), Run(lambda row: 0.0 if row in wrong else 1.0))
    right = np.mean([row not in wrong for row in asked[0].rows])
    assert verdict.members[0].estimate.value == pytest.approx(right, abs=0.1)
