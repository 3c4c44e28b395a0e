"""What joins the stages: the prompts that were looked at, the names of columns, and what each kind of verdict may err."""

from dataclasses import replace

import numpy as np

from circuitdsl.pipeline import early_stopping
from circuitdsl.reports.record import looked_at


def test_the_prompts_of_the_figure_were_looked_at(lowered):
    """Also where no claim was measured on them, as where costly claims are measured on a subset."""
    claims = ["needed: minimality.single(copied, each node) >= 0.001"]
    hypothesis, claimed, (figure,) = lowered(claims, subset=6)
    prompts = hypothesis.distributions[hypothesis.default].prompts
    assert len(claimed[0].rows) == 6 < len(figure.rows) == 32
    assert set(looked_at(hypothesis, claimed, figure)) == {prompts[row].digest for row in figure.rows}
    assert len(looked_at(hypothesis, claimed, None)) == 6


def test_a_column_on_some_rows_is_named_otherwise_than_one_on_all(lowered):
    _, (one,), _ = lowered(["works: value(copied, of = model) >= 0.5"])
    some, others = (replace(one, rows=rows, whole=False) for rows in (one.rows[:4], one.rows[4:8]))
    names = [each.column("digest") for each in (one, some, others, replace(one, part="exploring"))]
    assert len(set(names)) == 4 and names[0] == "digest.verifying"
    assert some.column("digest") == replace(some).column("digest")


def test_late_claims_have_the_part_of_what_verdicts_may_err_that_is_theirs(lowered, monkeypatch):
    """One claim of three can be judged early: a third is for it, two thirds for the others."""
    claims = [
        "early: accuracy(copied, of = model) >= 0.5",
        "late: value(copied, of = model) >= 0.5",
        "later: value(copied, of = model) <= 5",
        "measured: value(copied, of = model)",
    ]
    hypothesis, claimed, _ = lowered(claims)
    shares = {}
    judge, early = early_stopping.judge, early_stopping._one_distribution

    def late(hypothesis, some, numbers, share=1.0):
        shares["late"] = share
        return judge(hypothesis, some, numbers, share)

    def soon(hypothesis, some, run, numbers, share):
        shares["early"] = share
        return early(hypothesis, some, run, numbers, share)

    def run(some):
        return {wanted.digest: dict.fromkeys(range(32), 1.0) for one in some for wanted in one.lowered.readouts.values()}

    monkeypatch.setattr(early_stopping, "judge", late)
    monkeypatch.setattr(early_stopping, "_one_distribution", soon)
    early_stopping.judge_early(hypothesis, claimed, (), run)
    assert np.isclose(shares["early"], 1 / 3) and np.isclose(shares["late"], 2 / 3)
