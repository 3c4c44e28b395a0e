"""What a judge is told beside the numbers: which ranges they have whatever the model, and whether the prompts are all there are."""

from dataclasses import replace

import pytest

from circuitdsl.pipeline.judging import all_there_are, ranges_of


def test_columns_have_the_ranges_of_what_they_are(lowered, toy):
    """Probabilities by the metric's own words, attention and shares by their readout, logits none; redrawn columns have their first's."""
    toy.write_text(toy.read_text().replace("metric copied", "metric sure = prob(answer) @ END\nmetric copied"))
    claims = [
        "sure: value(sure, of = model) >= 0.5",
        "mean: value(copied, of = model) >= 0.5",
        "looks: attention(induction, query = cue, key = next) >= 0.5",
        "works: accuracy(copied, of = model) >= 0.5",
    ]
    hypothesis, asked, _ = lowered(claims)
    sure, mean, looks, works = (ranges_of(hypothesis, one.lowered) for one in asked)
    assert list(sure.values()) == list(looks.values()) == list(works.values()) == [(0.0, 1.0)] and mean == {}
    (name,) = sure
    redrawn = replace(asked[0].lowered, replicates={"again": (name, name)})
    assert ranges_of(hypothesis, redrawn) == {name: (0.0, 1.0), "again": (0.0, 1.0)}


@pytest.mark.parametrize(("available", "rows", "whole_set"), [(4, 4, True), (None, 4, False), (4, 3, False), (5, 4, False), (3, 3, False)])
def test_prompts_are_all_there_are_where_all_were_drawn_and_measured(lowered, available, rows, whole_set):
    hypothesis, _, _ = lowered(["works: accuracy(copied, of = model) >= 0.5"], prompts=4)
    whole = replace(hypothesis.distributions[hypothesis.default], available=available)
    assert len(whole) == 4
    assert all_there_are(whole, tuple(range(rows))) == whole_set
    assert not all_there_are(whole, (0,) * 4)
