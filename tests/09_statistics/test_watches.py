"""Each warning fires where it should, and does not where it should not."""

import numpy as np
import pytest

from circuitdsl.borders.measure import MeanOf, RatioOf, difference
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics import watches
from circuitdsl.statistics.codes import CODES
from circuitdsl.statistics.intervals import mean_interval
from circuitdsl.statistics.samples import bootstrap_weights, sample

THESE = sample(np.arange(60))
FAITHFUL = RatioOf(difference("C", "empty"), difference("M", "empty"))


def _normal(mean: float, deviation: float = 1.0, seed: int = 0, n: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, n)


def _columns(ratio: float = 0.9, spread: float = 0.3) -> dict[str, np.ndarray]:
    empty, whole = _normal(0, 0.3, 1), _normal(3, 0.5, 2)
    return {"M": empty + whole, "empty": empty, "C": empty + ratio * whole + spread * _normal(0, 1, 3)}


def test_empty_circuit_off_chance():
    caution = watches.empty_not_chance(_normal(1.0), _normal(3.0), THESE)
    assert caution.code == "W050"
    assert watches.empty_not_chance(_normal(0.8, 0.1), _normal(0.9, 0.1), THESE, chance=0.5).code == "W050"


def test_empty_circuit_near_chance():
    assert watches.empty_not_chance(_normal(0.1), _normal(3.0), THESE) is None
    assert watches.empty_not_chance(_normal(0.2, 0.01), _normal(3.0), THESE) is None, "surely off, but by little"


def test_donors_that_share_the_mechanism():
    assert watches.shared_mechanism({"1.0": np.full(60, 0.01), "0.1": np.zeros(60)}).code == "W051"


def test_donors_that_break_the_mechanism():
    assert watches.shared_mechanism({"1.0": np.full(60, 0.8), "0.1": np.zeros(60)}) is None
    assert watches.shared_mechanism({}) is None


def test_faithfulness_above_one(ask):
    verdict = ask(FAITHFUL, _columns(1.3), ">=", 0.8)
    assert verdict.outcome == "supported" and [said.code for said in verdict.warnings] == ["W052"]


def test_faithfulness_not_surely_above_one(ask):
    assert ask(FAITHFUL, _columns(1.01, 0.5), ">=", 0.8).warnings == ()
    assert watches.above_one(Estimate(value=1.0, low=1.0, high=1.0)) is None


def test_changes_that_cancel_in_the_mean(ask):
    """Ground truth 16: f = 1 + g h with x in -1, 0, 1: the score is 1 and every other prompt is wrong."""
    columns = {"M": np.tile([2.0, 4.0], 40), "C": np.tile([4.0, 2.0], 40), "empty": _normal(0, 0.1, n=80)}
    for estimand, operator, margin in (
        (FAITHFUL, "=", 0.5),
        (RatioOf(difference("C", "M"), difference("M", "empty"), absolute=True), "<=", None),
        (MeanOf(difference("C", "M")), "<=", None),
    ):
        said = ask(estimand, columns, operator, 1.0, margin).warnings
        assert [line.code for line in said] == ["W053"]


def test_changes_beside_the_claims_own_margin(ask):
    """Every prompt is off by 2/9 of the mean, half of them up, which a claim of 1 +- 0.3 is about, and one of 1 +- 0.8 hardly."""
    off = np.tile([1.0, -1.0], 30) * 2 / 9 + 1e-3 * _normal(0)
    columns = {"M": np.ones(60) + 1e-3 * _normal(0, seed=1), "C": 1 + off, "empty": np.zeros(60)}
    assert [warning.code for warning in ask(FAITHFUL, columns, "=", 1.0, 0.3).warnings] == ["W053"]
    assert ask(FAITHFUL, columns, "=", 1.0, 0.8).warnings == ask(FAITHFUL, columns, ">=", 0.5).warnings == ()


def test_changes_that_do_not_cancel(ask):
    assert ask(FAITHFUL, _columns(0.5), "<=", 1.0).warnings == ()
    assert ask(MeanOf(difference("C", "M")), _columns(0.5), "<=", 1.0).warnings == ()
    assert watches.changes_cancel(_normal(0.0, 0.01), 3.0) is None, "small changes"


def test_a_smaller_or_disjoint_random_circuit_scores_as_well():
    random, sizes, none = np.array([0.1, 0.97]), np.array([20, 12]), np.zeros(2, dtype=bool)
    smaller = watches.random_as_good(0.9, random, 20, sizes, none)
    assert smaller.code == "W054" and "smaller" in smaller.message and "0.97" in smaller.message
    assert "disjoint" in watches.random_as_good(0.9, random, 10, sizes, np.array([False, True])).message


def test_a_random_circuit_that_is_large_or_worse_is_no_rival():
    sizes, none = np.array([20, 30]), np.zeros(2, dtype=bool)
    assert watches.random_as_good(0.9, np.array([0.1, 0.97]), 20, sizes, none) is None
    assert watches.random_as_good(0.9, np.array([0.1, 1.3]), 40, sizes, none) is None


def _backup(alone: float, without: float) -> CodedWarning | None:
    whole = _normal(3, 0.5, 2)
    columns = {"whole": whole, "alone": alone * whole, "without": without * whole, "zero": np.zeros(60)}
    columns = {name: values + 0.01 * _normal(0, 1, len(name)) for name, values in columns.items()}
    first, second = (RatioOf(difference(name, "zero"), difference("whole", "zero"), True) for name in ("alone", "without"))
    return watches.backed_up("head 1.0", first, second, columns, THESE, 0.1, 0.95)


def test_a_node_that_is_needed_once_its_backup_is_gone():
    assert _backup(0.0, 0.9).code == "W055"


def test_a_node_that_is_needed_anyway_or_never():
    assert _backup(0.5, 0.9) is None
    assert _backup(0.0, 0.02) is None


def test_a_verdict_that_flips():
    assert watches.verdict_flips({"zero": "supported", "mean(abc)": "refuted"}).code == "W056"


def test_a_verdict_that_is_only_less_sure():
    assert watches.verdict_flips({"zero": "supported", "mean(abc)": "inconclusive"}) is None


def test_few_donors():
    caution = watches.few_donors({"layout 1": 40, "layout 2": 3})
    assert caution.code == "W057" and "layout 2 has 3" in caution.message


def test_enough_donors():
    assert watches.few_donors({"layout 1": 40, "layout 2": 20}) is None


def test_few_random_circuits():
    assert watches.few_draws(58, 0.05, 0.95).code == "W058"


def test_enough_random_circuits():
    assert watches.few_draws(59, 0.05, 0.95) is None


def test_a_bootstrap_that_disagrees(ask):
    heavy = np.ones(60)
    heavy[0] = 4000.0
    assert [said.code for said in ask(MeanOf(difference("x", "zero")), {"x": heavy, "zero": np.zeros(60)}, ">", 0.0).warnings] == ["W059"]


@pytest.mark.parametrize("labels", [np.arange(20), np.arange(20) % 2, np.arange(60) % 12], ids=["prompts", "strata", "clusters"])
def test_a_bootstrap_that_agrees(labels):
    these = sample(labels)
    weights = bootstrap_weights(these, 999, 0)
    for seed in range(100):
        values = _normal(1.0, seed=seed, n=len(labels))
        mean, _, half = mean_interval(values, these, 0.95)
        assert watches.bootstrap_disagrees((float(mean - half), float(mean + half)), weights, values, None, 0.95) is None


def test_every_warning_of_this_stage_is_explained():
    assert sorted(CODES) == [f"W{number:03}" for number in (*range(50, 62), 66, 67, 68)]
    assert all(code.title and "\n\n" in code.text for code in CODES.values())


@pytest.mark.parametrize("value", ["W052", "W053"])
def test_a_warning_reads_with_its_code(value):
    assert str(CodedWarning(value, "why")) == f"{value}: why"
