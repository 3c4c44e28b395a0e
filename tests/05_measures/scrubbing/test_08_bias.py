"""What banks are off by, bounded: the interval and the verdict on a chain of diamonds whose truth is known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Ablation
from circuitdsl.borders.measure import BoundedOf, RatioOf
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.units import Unit
from circuitdsl.engine.executor import execute
from circuitdsl.models.toys import Draft
from circuitdsl.planning import plan
from circuitdsl.statistics.samples import sample
from circuitdsl.statistics.verdicts import analyse

DEPTH, ROWS = 5, 40
PATHS = 2**DEPTH
TRUTH = 1 / PATHS
"""E[g²] of independent paths over that of the model, where they are all one: (PATHS / 4) / (PATHS² / 4)."""
FALSE = 1.5 * TRUTH
"""A bound that the truth is clearly below."""
ALONE = {"baseline": "pair", "ablate": Ablation("zero")}


@pytest.fixture(scope="module")
def squared():
    """Ground truth 19 with a number to score: heads write their sum, PATHS times ±1/2 at the end, and the last MLP the square of that.

    The square of a whole number x is |x| and twice what |x| has above each whole number below it.
    """
    most = PATHS // 2
    toy = Draft(DEPTH, 2, 1, 1, ["a", "b", "out"], {**{f"s{layer}": 1 for layer in range(DEPTH + 1)}, "square": 1}, mlp_width=2 * most)
    toy.embed(np.array([[0.5], [-0.5], [0.0]]) @ toy.read("s0"))
    for layer in range(DEPTH):
        for index in (0, 1):
            toy.head(layer, index, v=toy.read(f"s{layer}"), out=toy.write(f"s{layer + 1}"))
    sides, steps = np.repeat([[1.0], [-1.0]], most, axis=0), np.tile(np.arange(most), 2)
    down = toy.write("square") * np.where(steps, 2.0, 1.0)
    toy.mlp(DEPTH - 1, sides * toy.read(f"s{DEPTH}"), down, up_bias=-steps.astype(float))
    toy.unembed(np.vstack([np.zeros((2, toy.width)), toy.read("square")]))
    return toy.adapter()


def chained(scrub, shape, seed=0, **features):
    """Heads carry nothing but that they are heads: each path ends at a prompt of its own."""
    features = features or {"none": [0] * ROWS}
    named = {f"m{layer}": scrub.node(f"m{layer}", *(Unit("head", layer, one) for one in (0, 1)), carries="none") for layer in range(DEPTH)}
    named["square"] = scrub.node("square", Unit("mlp", DEPTH - 1))
    edges = [(a, b, None) for a, b in pairwise(["embed", *named, "logits"])]
    found = scrub.Graph(shape, scrub.prompts([[row % 2] for row in range(ROWS)]), [2] * ROWS, features, named, edges).hypothesis()
    return replace(found, settings=replace(found.settings, seed=seed))


def measured(scrub, toy, seed, **options):
    """The member of a claim with banks, and its columns."""
    file = chained(scrub, toy.shape, seed)
    lowered = scrub.lowered(file, **ALONE, **options)
    readouts = {name: readout for name, readout in lowered.readouts.items() if isinstance(readout, MetricValue)}
    found = execute(plan([Request(readout, tuple(range(ROWS))) for readout in readouts.values()], file), toy, file)
    columns = {name: found[readout.digest] for name, readout in readouts.items()}
    several = {name: np.stack([columns[one] for one in names]) for name, names in lowered.replicates.items() if names[0] in columns}
    return lowered.members[0], columns | several


def test_the_score_is_known(scrub, squared):
    member, columns = measured(scrub, squared, 0, sampling="tree", replicates=12)
    found = analyse(member.estimand, columns, sample(np.zeros(ROWS)), 0.95)
    assert isinstance(member.estimand, RatioOf) and (columns["F(M)"] == PATHS**2 / 4).all()
    assert found.estimate.low < TRUTH < found.estimate.high < FALSE


def test_the_interval_covers_the_truth_where_that_of_the_banks_alone_misses_it(scrub, squared):
    """Any two of the 16 paths to a leaf meet with probability 1/4, and square together: banks of 4 give four times the truth and more."""
    covered, alone, wrong, wrong_alone = [], [], [], []
    for seed in range(20):
        member, columns = measured(scrub, squared, seed, banks=4, replicates=6)
        assert isinstance(member.estimand, BoundedOf)
        whole, plain = (analyse(one, columns, sample(np.zeros(ROWS)), 0.95) for one in (member.estimand, member.estimand.of))
        covered.append(whole.estimate.low <= TRUTH <= whole.estimate.high)
        alone.append(plain.estimate.low <= TRUTH <= plain.estimate.high)
        wrong.append(whole.tails.above(FALSE) <= 0.025)
        wrong_alone.append(plain.tails.above(FALSE) <= 0.025)
    assert np.mean(covered) >= 0.95 and not any(wrong)
    assert np.mean(alone) < 0.2 and np.mean(wrong_alone) > 0.5


def test_a_claim_that_the_bias_alone_would_support_is_open(scrub, squared):
    file = chained(scrub, squared.shape)
    verdict = scrub.judged(file, squared, FALSE, banks=4, replicates=6, **ALONE)
    (member,) = verdict.members
    assert verdict.outcome == "inconclusive" and member.estimate.low < TRUTH < FALSE < member.estimate.value
    assert member.reason.startswith("banks of 4 alone would decide, but with the bound for their bias the interval reaches across")
    assert "are the bound for the bias of banks of 4" in member.estimate.note


def test_what_all_of_them_say_is_decided(scrub, squared):
    """Both ways: far below the truth and far above what banks give."""
    file = chained(scrub, squared.shape)
    for bound, outcome in ((-1.0, "supported"), (1.0, "refuted")):
        assert scrub.judged(file, squared, bound, banks=4, replicates=6, **ALONE).outcome == outcome


def test_the_bias_is_told_by_banks_of_half_the_size(scrub, squared):
    file = chained(scrub, squared.shape)
    lowered = scrub.lowered(file, banks=4, **ALONE)
    (member,) = lowered.members
    score, half, beyond = member.estimand.ratios
    terms = {ratio: dict(ratio.numerator.terms) for ratio in (score, half, beyond)}
    assert score.banks and half.banks and beyond.banks and score.denominator == half.denominator == beyond.denominator
    assert terms[score] == {"F(scrub)": 1.0, "F(base)": -1.0}
    assert terms[half] == {"F(scrub), banks of 2": 1.0, "F(base)": -1.0}
    assert terms[beyond] == {"F(scrub)": 2.0, "F(scrub), banks of 2": -1.0, "F(base)": -1.0}
    bias = member.beside["bias of banks of 4"]
    assert (bias.first, bias.second) == (half, score)
    of = lambda name: {lowered.readouts[one].digest for one in lowered.replicates[name]}  # noqa: E731
    assert not of("F(scrub)") & of("F(scrub), banks of 2")


def test_a_baseline_of_banks_is_off_as_well(scrub, squared):
    """`unconditional` draws every donor freely, in banks of the same size: of half the size it is another number too."""
    lowered = scrub.lowered(chained(scrub, squared.shape), banks=4, baseline="unconditional")
    _, half, beyond = lowered.members[0].estimand.ratios
    assert dict(half.denominator.terms) == {"F(M)": 1.0, "F(base), banks of 2": -1.0}
    assert dict(beyond.denominator.terms) == {"F(M)": 1.0, "F(base)": -2.0, "F(base), banks of 2": 1.0}
    assert {"F(base)", "F(base), banks of 2"} <= lowered.replicates.keys()
