"""Banks, where the tree is too large: when they are taken, how their draws fall, and how far they are off."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Algebra, Draw
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.scrub_claim import Scrubs
from circuitdsl.measures.scrub_runs import permutation
from circuitdsl.models.toys import Draft
from circuitdsl.planning import plan
from circuitdsl.planning.dependencies import dependencies
from circuitdsl.planning.draws import Tape, order


def diamonds(depth, second=-1.0):
    """Each layer's two heads take what the layer before gave, ±1/2 from the token, and write their difference, or their sum."""
    toy = Draft(depth, 2, 1, 1, ["a", "b", "out"], {f"s{layer}": 1 for layer in range(depth + 1)})
    toy.embed(np.array([[0.5], [-0.5], [0.0]]) @ toy.read("s0"))
    for layer in range(depth):
        for index in (0, 1):
            toy.head(layer, index, v=toy.read(f"s{layer}"), out=toy.write(f"s{layer + 1}", [[(1.0, second)[index]]]))
    toy.unembed(np.vstack([np.zeros((2, toy.width)), toy.read(f"s{depth}")]))
    return toy.adapter()


def chained(scrub, shape, depth, rows=2, **features):
    """The chain of diamonds as a hypothesis: every layer is a node, and carries each of the features in turn."""
    features = features or {"none": [0] * rows}
    named = {
        f"m{layer}": scrub.node(f"m{layer}", *(Unit("head", layer, index) for index in (0, 1)), carries=[*features][layer % len(features)])
        for layer in range(depth)
    }
    edges = [(a, b, None) for a, b in pairwise(["embed", *named, "logits"])]
    return scrub.Graph(shape, scrub.prompts([[row % 2] for row in range(rows)]), [2] * rows, features, named, edges).hypothesis()


@pytest.fixture(scope="module")
def shape():
    return diamonds(12).shape


def test_a_small_tree_is_taken_as_it_is(scrub, shape):
    lowered = scrub.lowered(chained(scrub, shape, 8))
    assert lowered.conditions["sampling"] == "tree"
    assert lowered.conditions["size"] == "255 recomputations in the tree, 15 with shared draws"
    assert "F(scrub)" in lowered.readouts
    assert not any("bank" in name for name in lowered.members[0].beside)


def test_banks_are_taken_where_the_tree_is_too_large_and_it_is_said_why(scrub, shape):
    lowered = scrub.lowered(chained(scrub, shape, 12))
    assert lowered.conditions["sampling"].startswith("banks of 64: the tree has 4,095 recomputations for every prompt, more than 4,000")
    assert lowered.replicates["F(scrub)"] == tuple(f"F(scrub) {number}" for number in (1, 2, 3, 4))
    (note,) = lowered.notes
    assert "4,095 recomputations in the tree, 23 with shared draws," in note
    assert "4 draws for each prompt (banks of 64: the tree has 4,095 recomputations for every prompt, more than 4,000); about" in note
    reached = dependencies([lowered.readouts["F(scrub) 1"]]).count
    assert f"{reached} in banks of 64" in note and reached <= 1000


def test_what_is_too_large_all_the_same_is_refused(scrub, shape):
    file = chained(scrub, shape, 12)
    with pytest.raises(CircError, match=r"C377.*4,095 recomputations.*the most is 4,000"):
        scrub.lowered(file, sampling="tree")
    alternating = chained(scrub, shape, 12, 8, f=[row // 4 for row in range(8)], g=[row // 2 % 2 for row in range(8)])
    with pytest.raises(CircError, match=r"C377.*too large for banks.*4,095"):
        scrub.lowered(alternating)


@pytest.mark.parametrize(
    "options",
    [
        {"banks": 0},
        {"banks": 7},
        {"banks": 2.5},
        {"banks": 1e9},
        {"banks": 8, "sampling": "shared"},
        {"banks": 8, "sampling": "tree"},
        {"banks": 8, "replicates": 3},
    ],
)
def test_banks_that_cannot_be(scrub, shape, options):
    with pytest.raises(CircError, match="C386"):
        scrub.lowered(chained(scrub, shape, 2), **options)


def test_a_feature_that_follows_from_the_one_before_keeps_the_banks_small(scrub, shape):
    rows = 8
    fine, coarse = list(range(rows)), [row // 4 for row in range(rows)]
    lowered = scrub.lowered(chained(scrub, shape, 12, rows, fine=fine, coarse=coarse))
    assert lowered.conditions["sampling"].startswith("banks of ")


def test_every_node_has_so_many_values_and_no_two_share_a_draw(scrub, shape):
    lowered = scrub.lowered(chained(scrub, shape, 6), banks=4)
    reached = dependencies([lowered.readouts["F(scrub) 1"]])
    counts = {}
    for value in (value for values in reached.values.values() for value in values):
        counts[value.unit] = counts.get(value.unit, 0) + 1
    assert max(counts.values()) == 4 and counts[Unit("logits")] == 1
    draws = [world.draw for world in reached.worlds if isinstance(getattr(world, "draw", None), Draw)]
    assert len({(draw.path, draw.slot) for draw in draws}) == len(draws)
    assert {draw.slot for draw in draws} == {0, 1, 2, 3}


def test_slots_take_their_class_in_turn_and_each_is_uniform(scrub, shape):
    rows = 12
    file = chained(scrub, shape, 1, rows, f=[row % 3 for row in range(rows)])
    counts = np.zeros((rows, rows))
    for seed in range(600):
        tape = Tape(file, range(rows), seed)
        slots = np.stack([tape.rows(Draw("clean", "clean", "bank", "f", shared=True, slot=slot)) for slot in range(8)])
        assert all(sorted(part) == sorted(set(part)) for row in range(rows) for part in (slots[:4, row].tolist(), slots[4:, row].tolist()))
        counts[range(rows), slots[5]] += 1
    same = np.equal.outer(file.features["f"]["clean"], file.features["f"]["clean"])
    assert (counts[~same] == 0).all()
    assert np.abs(counts / 600 - 1 / 4)[same].max() < 5 * (0.25 * 0.75 / 600) ** 0.5


def test_known_orders():
    """Draws are part of what makes a run repeatable: they may not change between versions."""
    assert order(0, "clean", "0:bank:head 9.9@END=3/0", 5, 6).tolist() == [3, 2, 1, 0, 4, 5]
    assert permutation(6, "0/0/logits/*<head 9.9@END") == (2, 5, 3, 4, 0, 1)


def squares(scrub, toy, depth, banks, rows, **options):
    """Means over prompts of the square of what a chain of diamonds gives, for banks of the claim's size and of half."""
    file = chained(scrub, toy.shape, depth, rows)
    lowered = scrub.lowered(file, banks=banks, **options)
    names = [lowered.replicates[name] for name in ("F(scrub)", f"F(scrub), banks of {banks // 2}")]
    requests = [Request(lowered.readouts[name], tuple(range(rows))) for some in names for name in some]
    found = execute(plan(requests, file), toy, file)
    return [np.array([np.mean(found[lowered.readouts[name].digest] ** 2) for name in some]) for some in names]


def test_a_chain_of_diamonds_has_its_spread_and_larger_banks_are_nearer(scrub):
    """Ground truth 19: 2¹⁰/4 = 256. What four banks differ by gives their standard error, which shrinks as they grow."""
    toy, chance = diamonds(10), 362 / np.sqrt(400)
    large, half = squares(scrub, toy, 10, 32, 100)
    small, _ = squares(scrub, toy, 10, 8, 100)
    assert abs(large.mean() - 256) < 4 * chance and abs(half.mean() - 256) < 6 * chance
    assert large.std() < small.std() / 2


DONORS = 1024


def mean_squares(scrub, toy, slots, banks, rows):
    """Mean of the square over `rows` prompts for each bank of so many slots, in the chain of ten, with 1,024 donors; [banks]."""
    file = chained(scrub, toy.shape, 10, rows)
    pool = Distribution("pool", scrub.prompts([[row % 2] for row in range(DONORS)]))
    features = {"none": {"clean": (0,) * rows, "pool": (0,) * DONORS}}
    file = replace(file, distributions={**file.distributions, "pool": pool}, features=features)
    options = {"baseline": "shuffle", "banks": slots, "from": "pool"}
    runs = Scrubs(
        Claim("s", "scrub", "scrub(m)", metric="m", options=measures()["scrub"].options_of(options), measured="clean"), file, Algebra()
    )
    requests = [Request(MetricValue(runs.scrubbed(bank), "clean", "m"), tuple(range(rows))) for bank in range(banks)]
    found = execute(plan(requests, file), toy, file)
    return np.array([np.mean(found[request.readout.digest] ** 2) for request in requests])


def expected(slots, pairs):
    """Ground truth 19, 2¹⁰/4, and what `pairs` of paths to one leaf add: they meet with probability 1/M, else never in one donor."""
    return 256 + pairs / 4 * (1 / slots - (1 - 1 / slots) / (DONORS - 1))


def test_the_error_of_banks_shrinks_as_they_grow(scrub):
    """Ground truth 19 with heads that write their sum, so that all pairs of the 512 paths to a leaf add up."""
    toy, sizes, means = diamonds(10, 1.0), (8, 64, 512), []
    for slots in sizes:
        found = mean_squares(scrub, toy, slots, 4, 25)
        error = np.hypot(found.std(ddof=1) / 2, 2**0.5 * found.mean() / (4 * 25) ** 0.5)
        assert abs(found.mean() - expected(slots, 2 * 512 * 511)) < 3 * error
        means.append(found.mean() - 256)
    assert means[0] > 4 * means[1] > 16 * means[2] > 0


@pytest.mark.parametrize(("slots", "banks", "rows"), [(512, 4, 25), (4096, 1, 100)])
def test_large_banks_are_the_tree_but_for_chance(scrub, slots, banks, rows):
    """Ground truth 19 as it is stated: heads write their difference, and the square's deviation is √2 times its mean."""
    found = mean_squares(scrub, diamonds(10), slots, banks, rows)
    chance = 2**0.5 * 256 / (banks * rows) ** 0.5
    assert abs(found.mean() - 256) < 2.5 * chance and abs(found.mean() - expected(slots, -1024)) < 2.5 * chance


def test_banks_of_half_the_size_are_off_by_twice_as_much(scrub):
    """Heads that write their sum: each of two leaves is reached by 16 paths, any two of which meet with probability 1/M.

    So the mean square is 2⁵/4 = 8 in the tree, and 8 + 2·16·15/4/M in banks: what half the size tells is what the banks are off by.
    """
    large, half = squares(scrub, diamonds(5, 1.0), 5, 16, 200, replicates=12)
    error = np.sqrt((large.var(ddof=1) + half.var(ddof=1)) / 12)
    assert abs(large.mean() - 15.5) < 4 * error and abs(half.mean() - 23) < 4 * error
    assert abs(2 * large.mean() - half.mean() - 8) < 4 * np.sqrt((4 * large.var(ddof=1) + half.var(ddof=1)) / 12)
    assert half.mean() - large.mean() > 3 * error


def test_left_out_parents_named_as_one_group_share_a_draw_in_banks_as_well(scrub):
    """Two heads that cancel are left out: with a group of their own for both nothing changes, with one for one of them it does."""
    toy = scrub.Sums([(0, 0), (0, 1), (1, 0), (1, 1)] * 5, [lambda f, g: f, lambda f, g: g, lambda f, g: -g])
    heads = [Unit("head", 0, index) for index in range(3)]
    nodes = [scrub.node("a", heads[0]), scrub.node("one", heads[1]), scrub.node("both", *heads[1:])]
    file = toy.graph(nodes, {}, [("embed", "a", None), ("a", "logits", None)])
    for others, same in (((), True), (("both",), True), (("one",), False)):
        lowered = scrub.lowered(file, banks=4, others=others)
        requests = [Request(lowered.readouts[name], tuple(range(20))) for name in lowered.replicates["F(scrub)"]]
        found = execute(plan(requests, file), toy.adapter, file)
        assert np.allclose([found[request.readout.digest] for request in requests], toy.model) == same
