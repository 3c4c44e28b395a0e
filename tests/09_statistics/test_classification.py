"""Areas under the ROC curve and permuted labels: against scikit-learn, by hand, and by simulation."""

import numpy as np
import pytest

from circuitdsl.borders.measure import AucOf, MeanOf, Member, PermutedOf, ProportionOf, difference
from circuitdsl.borders.verdict import Question
from circuitdsl.borders.watches import Guesses
from circuitdsl.statistics import judge
from circuitdsl.statistics.classification import PERMUTATIONS, analyse_auc, analyse_permuted, auc
from circuitdsl.statistics.samples import sample

AREA, SHARE = AucOf("score", "positive"), PermutedOf("found", "label")
SIMULATIONS = 300


def _scores(n, share, area, random):
    """Normal scores whose classes are as far apart as the area says."""
    from scipy.stats import norm

    positive = (np.arange(n) < share * n).astype(float)
    return {"positive": positive, "score": random.normal(size=n) + np.sqrt(2) * norm.ppf(area) * positive}


def test_the_area_is_scikit_learns_ties_included():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    for _ in range(20):
        score, positive = random.integers(0, 5, 30).astype(float), random.integers(0, 2, 30).astype(float)
        assert auc(score, positive).area == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_the_variance_is_delongs():
    """Worked out from all pairs: S10/m + S01/n, up to n/(n − 1) and the like."""
    columns = _scores(300, 0.4, 0.8, np.random.default_rng(1))
    positive = columns["positive"] > 0
    wins = columns["score"][positive][:, None] > columns["score"][~positive]
    by_pairs = wins.mean(1).var(ddof=1) / positive.sum() + wins.mean(0).var(ddof=1) / (~positive).sum()
    found = auc(columns["score"], columns["positive"])
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    assert sample(np.arange(300)).variance(found.influence) == pytest.approx(by_pairs, rel=0.01)


@pytest.mark.parametrize("area", [0.5, 0.8, 0.97])
@pytest.mark.parametrize(("n", "share"), [(20, 0.5), (50, 0.2), (200, 0.5)])
def test_areas_are_covered_at_least_nearly_as_often_as_said(n, share, area, plausible):
    random = np.random.default_rng(n)
    hits = 0
    for _ in range(SIMULATIONS):
        found = analyse_auc(AREA, _scores(n, share, area, random), sample(np.arange(n)), 0.95).estimate
        hits += found.low <= area <= found.high
    assert plausible(hits, SIMULATIONS, 0.935, 1.0)


def test_templates_that_differ_widen_the_interval(plausible):
    """The class is the template's, and so is most of the score: prompts are worth little more than templates."""
    random, labels = np.random.default_rng(5), np.repeat(np.arange(20), 10)
    positive, hits = (labels % 2).astype(float), 0
    for _ in range(SIMULATIONS):
        score = random.normal(size=20)[labels] + 0.3 * random.normal(size=200)
        found = analyse_auc(AREA, {"score": score, "positive": positive}, sample(labels), 0.95).estimate
        hits += found.low <= 0.5 <= found.high
    assert plausible(hits, SIMULATIONS, 0.93, 1.0)


def test_all_scores_in_order_are_no_certainty(ask):
    positive = np.repeat([0.0, 1.0], 10)
    found = ask(AREA, {"score": np.arange(20.0), "positive": positive}, ">=", 0.9)
    assert found.members[0].estimate.value == 1 and found.members[0].estimate.low < 0.8 and found.outcome == "inconclusive"
    assert found.members[0].prompts_to_decide > 20
    many = ask(AREA, {"score": np.arange(200.0), "positive": np.repeat([0.0, 1.0], 100)}, ">=", 0.9)
    assert many.outcome == "supported"


def test_scores_in_order_in_every_template_are_worth_no_more_than_the_templates(ask):
    labels, positive = np.repeat(np.arange(10), 40), np.tile(np.repeat([0.0, 1.0], 20), 10)
    columns = {"score": positive + 0.0, "positive": positive}
    assert ask(AREA, columns, ">=", 0.95, clusters=labels).outcome == "inconclusive"
    assert ask(AREA, columns, ">=", 0.95, clusters=labels % 2).outcome == "supported"


def test_one_class_alone_has_no_area(ask):
    found = ask(AREA, {"score": np.arange(20.0), "positive": np.ones(20)}, ">=", 0.9)
    assert found.outcome == "not testable" and "one class" in found.reason


def test_power_and_size_of_a_claim_about_an_area(ask, plausible):
    random = np.random.default_rng(2)
    bound = [ask(AREA, _scores(100, 0.5, 0.8, random), ">=", 0.8).outcome for _ in range(SIMULATIONS)]
    assert plausible(bound.count("supported"), SIMULATIONS, 0.0, 0.04) and plausible(bound.count("refuted"), SIMULATIONS, 0.0, 0.04)
    clear = [ask(AREA, _scores(100, 0.5, 0.95, random), ">=", 0.8).outcome for _ in range(100)]
    assert clear.count("supported") > 90


# ---------------------------------------------------------------- permuted labels


def test_the_permutation_p_value_is_uniform_without_a_signal_and_never_zero(plausible):
    random, small = np.random.default_rng(3), 0
    for _ in range(SIMULATIONS):
        columns = {"found": random.normal(size=30), "label": random.permutation(np.repeat([0.0, 1.0], 15))}
        p = analyse_permuted(PermutedOf("found", "label", auc=True), columns, sample(np.arange(30))).estimate.value
        small += p <= 0.05
    assert plausible(small, SIMULATIONS, 0.05)
    label = np.repeat([0.0, 1.0], 30)
    assert analyse_permuted(SHARE, {"found": label, "label": label}, sample(np.arange(60))).estimate.value == 1 / (PERMUTATIONS + 1)


def test_labels_stay_within_their_template():
    """What the template alone tells is no decoding: every permutation within it fits as well."""
    templates = np.repeat([0, 1], 20)
    label = np.where(np.arange(40) == 39, 0.0, templates)
    estimate = analyse_permuted(SHARE, {"found": templates + 0.0, "label": label}, sample(templates)).estimate
    assert estimate.value == 1 and "within templates" in estimate.method
    assert analyse_permuted(SHARE, {"found": label, "label": label}, sample(np.arange(40))).estimate.value < 0.01


def test_labels_of_whole_templates_are_permuted_among_them(plausible):
    """Of the 24 ways to give four templates their labels one is as good as the true one."""
    templates = np.repeat(np.arange(4), 24)
    label = templates.astype(float)
    estimate = analyse_permuted(SHARE, {"found": np.where(np.arange(96) % 3, label, 0.0), "label": label}, sample(templates)).estimate
    assert estimate.value == pytest.approx(1 / 24, abs=0.02) and "among templates" in estimate.method
    random, small = np.random.default_rng(4), 0
    for _ in range(SIMULATIONS):
        found = random.permutation(8)[templates].astype(float)
        small += analyse_permuted(SHARE, {"found": found, "label": label}, sample(templates)).estimate.value <= 0.05
    assert plausible(small, SIMULATIONS, 0.0, 0.05)


def test_named_clusters_of_one_label_each_are_permuted_whole():
    clusters = np.repeat(np.arange(8), 5)
    label = clusters % 2 + 0.0
    estimate = analyse_permuted(SHARE, {"found": label, "label": label}, sample(clusters, named=True)).estimate
    assert estimate.value == pytest.approx(1 / 70, abs=0.01) and "among named clusters" in estimate.method


def test_too_few_templates_of_one_label_each_are_not_testable():
    label = np.repeat([0.0, 1.0, 2.0], 20)
    estimate = analyse_permuted(SHARE, {"found": label, "label": label}, sample(label)).estimate
    assert estimate.value is None and estimate.note.startswith("each of 3 templates has one label, and there are no more than 6 ways")
    assert _warned(label, label, np.zeros(60), label) == []


def test_a_permutation_p_value_is_no_claims_number(ask):
    label = np.repeat([0.0, 1.0], 20)
    assert ask(SHARE, {"found": label, "label": label}, "<=", 0.05).outcome == "not testable"


# ---------------------------------------------------------------- warnings


def _warned(found, label, control, clusters=None):
    correct = (found == label).astype(float)
    columns = {"found": found, "label": label, "correct": correct, "control": control}
    watch = Guesses("node", SHARE, MeanOf(difference("correct", "control")))
    question = Question(
        "it",
        None,
        (Member("it", ProportionOf("correct")),),
        columns,
        np.arange(len(label)) if clusters is None else clusters,
        watches=(watch,),
    )
    return [warning.code for warning in judge([question], confidence=0.95, seed=0)[0].warnings]


def test_a_constant_guess_is_warned_of_and_a_probe_is_not():
    label = np.repeat([1.0, 1.0, 1.0, 0.0], 10)
    assert _warned(np.ones(40), label, np.zeros(40)) == ["W060"]
    assert _warned(label.copy(), label, np.full(40, 0.5)) == []


def test_a_probe_that_learns_anything_is_warned_of():
    label = np.repeat([0.0, 1.0], 20)
    assert _warned(label.copy(), label, np.ones(40)) == ["W061"]


def test_a_probe_is_warned_of_by_the_size_of_its_selectivity():
    """0.97 against 1.00 is surely better, and no better for that; half of all labels is unsure on few prompts, and large."""
    label = np.tile([0.0, 1.0], 500)
    control = np.ones(1000)
    control[::33] = 0.0
    columns = {"found": label, "label": label, "correct": np.ones(1000), "control": control}
    watch = Guesses("node", SHARE, MeanOf(difference("correct", "control")))
    question = Question("it", None, (Member("it", ProportionOf("correct")),), columns, np.arange(1000), watches=(watch,))
    (warning,) = map(str, judge([question], confidence=0.95, seed=0)[0].warnings)
    assert (
        warning == "W061: node's probe is right on 1.00 of its labels and on 0.97 of labels drawn at random: selectivity 0.031, below 0.1"
    )
    control[::8] = 0.0
    assert judge([question], confidence=0.95, seed=0)[0].warnings == ()
