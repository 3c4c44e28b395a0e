"""The difference of two ratios over the same prompts: right on average, with intervals that cover."""

import numpy as np
import pytest

from circuitdsl.borders.measure import RatioOf, SpreadOf, difference
from circuitdsl.statistics.fieller import analyse_spread
from circuitdsl.statistics.samples import sample

FIRST = RatioOf(difference("C1", "empty1"), difference("M", "empty1"))
SECOND = RatioOf(difference("C2", "empty2"), difference("M", "empty2"))
N = 60


def columns(seed: int, first: float = 0.9, second: float = 0.7) -> dict[str, np.ndarray]:
    """Ratios `first` and `second`, prompts of different size, noise shared and apart."""
    random = np.random.default_rng(seed)
    size, shared = random.normal(3, 1, N), random.normal(0, 0.5, N)
    nothing = {name: random.normal(0.2, 0.3, N) for name in ("empty1", "empty2")}
    whole = {"M": 0.2 + size + shared}
    return (
        nothing
        | whole
        | {
            "C1": 0.2 + first * size + shared + random.normal(0, 0.4, N),
            "C2": 0.2 + second * size + shared + random.normal(0, 0.4, N),
        }
    )


def test_intervals_cover_the_true_difference():
    hits, runs = 0, 600
    for seed in range(runs):
        estimate = analyse_spread(SpreadOf(FIRST, SECOND), columns(seed), sample(np.arange(N)), 0.95).estimate
        hits += estimate.low <= 0.2 <= estimate.high
    assert abs(hits / runs - 0.95) < 3 * (0.95 * 0.05 / runs) ** 0.5


def test_equal_ratios_have_no_spread():
    found = columns(0)
    analysis = analyse_spread(SpreadOf(FIRST, FIRST), found, sample(np.arange(N)), 0.95)
    assert analysis.estimate.value == 0 and analysis.estimate.standard_error == pytest.approx(0)


def test_redrawn_donors_are_averaged():
    found = columns(1)
    redrawn = found | {name: np.stack([found[name]] * 3) for name in ("C1", "empty1")}
    plain, stacked = (analyse_spread(SpreadOf(FIRST, SECOND), some, sample(np.arange(N)), 0.95).estimate for some in (found, redrawn))
    assert stacked.value == pytest.approx(plain.value) and stacked.low == pytest.approx(plain.low)


def test_no_spread_where_a_denominator_may_be_nothing():
    found = columns(2)
    found["M"] = found["empty2"] + np.random.default_rng(0).normal(0, 1, N)
    assert analyse_spread(SpreadOf(FIRST, SECOND), found, sample(np.arange(N)), 0.95).tails is None
