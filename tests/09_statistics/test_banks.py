"""Numbers whose replicates have something drawn for all prompts at once: the standard error between banks, and what is warned of."""

import numpy as np
import pytest

from circuitdsl.borders.measure import MeanOf, Member, RatioOf, SpreadOf, column, difference
from circuitdsl.borders.verdict import Estimate, Question
from circuitdsl.borders.watches import BankBias, Joined, Regrouped
from circuitdsl.statistics import judge
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.verdicts import analyse

BANKS, N, TRUE = 4, 60, 0.7
WHOLE = column("whole")


def drawn(rng, between):
    """Columns with a part for each prompt, one for each bank and one for each of both, and the whole that they are a share of."""
    scrubbed = TRUE + 0.5 * rng.normal(size=N) + between * rng.normal(size=(BANKS, 1)) + 0.5 * rng.normal(size=(BANKS, N))
    return {"scrubbed": scrubbed, "whole": 1 + 0.1 * rng.normal(size=N), "other": scrubbed - between * rng.normal(size=(BANKS, 1))}


def coverage(make, between, true, times=400):
    rng = np.random.default_rng(0)
    these = sample(np.arange(N))
    found = [analyse(make, drawn(rng, between), these, 0.95).estimate for _ in range(times)]
    return np.mean([one.low <= true <= one.high for one in found])


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_intervals_with_banks_cover(between):
    """With nothing between banks they are too wide, never too narrow; without `banks` what differs between them is missed."""
    for make in (MeanOf(column("scrubbed"), banks=True), RatioOf(column("scrubbed"), WHOLE, banks=True)):
        assert coverage(make, between, TRUE) >= 0.95 - 3 * (0.05 * 0.95 / 400) ** 0.5
    assert (coverage(RatioOf(column("scrubbed"), WHOLE), between, TRUE) < 0.9) == (between > 0)


def test_a_spread_counts_the_banks_of_both():
    first, second = (RatioOf(column(name), WHOLE, banks=True) for name in ("scrubbed", "other"))
    assert coverage(SpreadOf(first, second), 0.3, 0.0) >= 0.92
    without = SpreadOf(RatioOf(first.numerator, WHOLE), RatioOf(second.numerator, WHOLE))
    assert coverage(without, 0.3, 0.0) < 0.5


def test_a_column_without_replicates_is_as_ever():
    columns = {"scrubbed": np.arange(10.0), "whole": np.ones(10)}
    these = sample(np.arange(10))
    for kind in (MeanOf(column("scrubbed"), banks=True), RatioOf(column("scrubbed"), WHOLE, banks=True)):
        plain = type(kind)(*(getattr(kind, name) for name in type(kind).__slots__ if name != "banks"))
        assert analyse(kind, columns, these, 0.95).estimate == analyse(plain, columns, these, 0.95).estimate


@pytest.mark.parametrize("make", [MeanOf(column("scrubbed"), banks=True), RatioOf(column("scrubbed"), WHOLE, banks=True)])
def test_banks_that_differ_are_no_certainty_where_prompts_are_all_alike(make):
    by_bank = np.array([[0.5], [0.6], [0.7], [0.8]])
    found = analyse(make, {"scrubbed": np.broadcast_to(by_bank, (BANKS, N)), "whole": np.ones(N)}, sample(np.arange(N)), 0.95)
    assert not found.exact and found.estimate.low < 0.5 and found.estimate.high > 0.8
    assert found.estimate.standard_error == pytest.approx(by_bank.std(ddof=1) / 2)


def warned(watch, apart):
    """Codes of the warnings about a score of 0.7 where the other way to draw gives `apart` more."""
    rng = np.random.default_rng(1)
    columns = {"F(scrub)": TRUE + 0.05 * rng.normal(size=(BANKS, N)), "F(M)": np.ones(N), "F(base)": np.zeros(N)}
    columns["other"] = TRUE + apart + 0.05 * rng.normal(size=(BANKS, N))
    score = RatioOf(difference("F(scrub)", "F(base)"), difference("F(M)", "F(base)"), banks=True)
    (verdict,) = judge(
        [Question("s", None, (Member("s", score),), columns, np.arange(N), watches=(watch(score),))], confidence=0.95, seed=0
    )
    return [warning.code for warning in verdict.warnings]


def bias(score):
    return BankBias(8, SpreadOf(RatioOf(difference("other", "F(base)"), score.denominator, banks=True), score))


def spread(score):
    return SpreadOf(score, RatioOf(difference("other", "F(base)"), score.denominator, banks=True))


@pytest.mark.parametrize(
    ("code", "watch", "fires", "silent"),
    [
        ("W066", bias, (0.2, -0.2), (0.0, 0.005)),
        ("W067", lambda score: Joined("f", "drawn together", spread(score)), (0.2, -0.2), (0.0, 0.005)),
        ("W068", lambda score: Regrouped("heads | the rest", spread(score)), (-0.2,), (0.0, 0.2)),
    ],
)
def test_warnings_of_other_ways_to_draw(code, watch, fires, silent):
    assert all(warned(watch, apart) == [code] for apart in fires)
    assert all(warned(watch, apart) == [] for apart in silent)


@pytest.mark.parametrize(("off", "large"), [(0.1, False), (0.2, True), (-0.2, True)])
def test_a_bias_that_is_a_large_part_of_the_score_may_be_larger_than_its_bound(off, large):
    from circuitdsl.statistics.scrubbed import biased_banks

    warning = biased_banks(8, Estimate(value=off, low=off - 0.05, high=off + 0.05), Estimate(value=0.7))
    assert warning.message.startswith("banks of 8 put the score off by about 0.")
    assert warning.message.endswith("its bound may be too small") == large


def test_no_warning_without_an_interval():
    from circuitdsl.statistics.scrubbed import biased_banks, joined_differs, regrouped_lower

    unknown = Estimate(value=0.5)
    assert biased_banks(8, unknown, unknown) is joined_differs("f", "drawn apart", unknown) is regrouped_lower("heads", unknown) is None
