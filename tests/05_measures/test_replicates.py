"""Donors redrawn: the same claim with other draws, its columns side by side."""

from dataclasses import replace
from itertools import product

import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.values import Algebra
from circuitdsl.measures import measures
from circuitdsl.measures.replicates import REPLICATES, lower_redrawn
from circuitdsl.models import toys

SEVEN = ["embed -> 0.0.q", "embed -> 0.0.k", "embed -> 0.0.v", "0.0 -> 1.0.k", "embed -> 1.0.q", "embed -> 1.0.v", "1.0 -> logits"]


@pytest.fixture
def hypothesis(space):
    shape = toys.induction(("a", "b", "c"), 5).adapter().shape
    rows = [(0, *s) for s in product((1, 2, 3), repeat=4) if s[:3].count(s[3]) == 1]
    return space(shape, rows, [1] * len(rows), *SEVEN, exploring=range(12), other=rows[::-1])


def lowered(hypothesis, measure, ablate, **options):
    claim = Claim("it", measure, "it", "logit", options=measures()[measure].options_of({"ablate": ablate, **options}), measured="clean")
    return lower_redrawn(measures()[measure], claim, replace(hypothesis, claims=(claim,)), Algebra())


DRAWN, PAIRED = Ablation("resample", "clean"), Ablation("resample", "other")


def test_what_depends_on_donors_has_a_column_for_each_draw(hypothesis):
    found = lowered(hypothesis, "faithfulness", DRAWN, second="no")
    assert set(found.replicates) == {"F(C)", "F(∅)", "KL(M‖C)", "same argmax"} and "F(M)" in found.readouts
    for names in found.replicates.values():
        assert len(names) == len({found.readouts[name].digest for name in names}) == REPLICATES
    assert found.conditions["draws of donors"] == str(REPLICATES)


@pytest.mark.parametrize("ablate", [PAIRED, Ablation("zero"), Ablation("mean", "other")], ids=str)
def test_nothing_is_redrawn_where_nothing_is_drawn(hypothesis, ablate):
    found = lowered(hypothesis, "faithfulness", ablate, second="no")
    assert not found.replicates and "draws of donors" not in found.conditions


def test_what_is_chosen_by_looking_is_the_same_in_all_draws(hypothesis):
    import numpy as np

    search = lowered(hypothesis, "completeness", DRAWN, family="single")
    assert isinstance(search, Search)
    scores = {name: np.full(12, float("head 1.0" in name and "C∖K" in name)) for name in search.readouts}
    found = search.then(scores)
    assert isinstance(found, Lowered) and found.conditions["K"] == "head 1.0"
    assert set(found.replicates) == {"F(∅)", "F(C∖K)", "F(M∖K)"}


def test_a_rank_takes_one_draw(hypothesis):
    assert not lowered(hypothesis, "rank_among_random", DRAWN, draws=5).replicates
