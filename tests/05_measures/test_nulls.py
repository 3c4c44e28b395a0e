"""Random circuits: each sampler against the list of all that its null allows, and the rank's decision."""

from collections import Counter
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Comparison
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import ModelShape, Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.measures import measures
from circuitdsl.measures.nulls import (
    NoSuchCircuit,
    all_circuits,
    by_layer,
    disjoint,
    heads_of,
    one_swapped,
    put,
    random_circuits,
    same_size,
)
from circuitdsl.models import toys

DRAWS = 3000
OF_A_CHAIN = 1000
"""Draws where each takes a hundred steps."""
CHAIN = ["embed -> 0.0.v", "0.0 -> 1.0.k", "1.0 -> logits"]
PAIR = ["embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> 1.0.k", "0.1 -> 1.0.v", "1.0 -> logits"]
THROUGH_MLP = ["embed -> 0.0.v", "0.0 -> mlp 0", "mlp 0 -> 1.0.v", "1.0 -> logits"]


def shape(layers: int, heads: int) -> ModelShape:
    return replace(toys.arithmetic().adapter().shape, layers=layers, heads=heads, kv_heads=heads, mlps=True)


def head(text: str) -> Unit:
    return Unit("head", *map(int, text.split(".")))


def every_map(circuit, size, allowed):
    """All one-to-one maps of the circuit's heads that `allowed` takes, as tuples of their new places."""
    heads, places = heads_of(circuit), list(product(range(size.layers), range(size.heads)))
    found = ({h: Unit("head", *place) for h, place in zip(heads, some, strict=True)} for some in permutations(places, len(heads)))
    return {tuple(one.values()) for one in found if allowed(one)}


def in_order(circuit, size):
    def allowed(heads):
        return all(
            size.reads(heads.get(link.receiver.unit, link.receiver.unit), heads.get(link.sender.unit, link.sender.unit)) for link in circuit
        )

    return allowed


def same_layers(heads):
    return all(old.layer == new.layer for old, new in heads.items())


def uniform(sampler, circuit, size, every, draws=DRAWS, **options):
    """Chi-square of draws with a fixed seed against the uniform distribution over `every` map."""
    from scipy.stats import chisquare

    rng = np.random.default_rng(5)
    counts: Counter[tuple[Unit, ...]] = Counter()
    for _ in range(draws):
        drawn = sampler(circuit, size, rng, **options)
        counts[tuple(drawn.get(h, h) for h in heads_of(circuit))] += 1
    assert counts.keys() == every
    return chisquare([counts[one] for one in every]).pvalue


@pytest.mark.parametrize(("lines", "size"), [(CHAIN, (2, 3)), (PAIR, (2, 3))])
def test_circuits_of_the_same_layers_are_uniform(links, lines, size):
    circuit, size = links(*lines), shape(*size)
    assert uniform(by_layer, circuit, size, every_map(circuit, size, same_layers)) > 0.001


@pytest.mark.parametrize(("lines", "size"), [(CHAIN, (2, 4)), (PAIR, (2, 4))])
def test_disjoint_circuits_are_uniform(links, lines, size):
    circuit, size = links(*lines), shape(*size)
    own = set(heads_of(circuit))
    every = every_map(circuit, size, lambda heads: same_layers(heads) and not own & set(heads.values()))
    assert uniform(disjoint, circuit, size, every) > 0.001


@pytest.mark.parametrize("lines", [CHAIN, PAIR])
def test_swaps_of_one_head_are_uniform(links, lines):
    circuit, size = links(*lines), shape(2, 3)
    own = set(heads_of(circuit))

    def one_moved(heads):
        moved = [new for old, new in heads.items() if old != new]
        return same_layers(heads) and len(moved) == 1 and moved[0] not in own

    assert uniform(one_swapped, circuit, size, every_map(circuit, size, one_moved)) > 0.001


@pytest.mark.parametrize(("lines", "size"), [(CHAIN, (3, 2)), (PAIR, (3, 2)), (THROUGH_MLP, (3, 1)), (THROUGH_MLP, (2, 2))])
def test_connected_circuits_of_the_same_size_are_uniform(links, lines, size):
    """Every edge stays possible; the chain's limit is uniform over all such maps, exchanged heads among them."""
    circuit, size = links(*lines), shape(*size)
    every = every_map(circuit, size, in_order(circuit, size))
    assert len(every) > 1
    assert uniform(same_size, circuit, size, every, OF_A_CHAIN) > 0.001


def test_a_head_that_makes_room_keeps_its_own_edges_possible(links):
    """Head 1.0 may go anywhere, but where it takes the place of 0.0, that must not end up after the MLP which reads it."""
    circuit = links("embed -> 0.0.v", "0.0 -> mlp 0", "mlp 0 -> logits", "embed -> 1.0.v", "1.0 -> logits")
    size = shape(2, 2)
    every = every_map(circuit, size, in_order(circuit, size))
    assert uniform(same_size, circuit, size, every, OF_A_CHAIN) > 0.001


def test_a_sampler_that_is_not_uniform_would_be_caught(links):
    circuit, size = links(*CHAIN), shape(2, 3)

    def lazy(circuit, size, rng):
        return {head("0.0"): head("0.0"), head("1.0"): head("1.0")} if rng.random() < 0.15 else by_layer(circuit, size, rng)

    assert uniform(lazy, circuit, size, every_map(circuit, size, same_layers)) < 0.001


def test_fixed_heads_stay_and_are_nobodys_place(links):
    circuit, size, fixed = links(*PAIR), shape(2, 3), frozenset({head("0.0"), head("1.2")})
    for sampler in (by_layer, disjoint, one_swapped, same_size):
        for seed in range(30):
            drawn = sampler(circuit, size, np.random.default_rng(seed), fixed)
            assert head("0.0") not in drawn and not fixed & set(drawn.values())


def test_the_graph_is_kept(links):
    circuit, size = links(*THROUGH_MLP), shape(3, 3)
    for null in ("layer", "size", "swap", "disjoint"):
        for moved in random_circuits(null, circuit, size, 20, seed=0):
            assert [(link.port, link.receiver.unit.kind) for link in moved] == [(link.port, link.receiver.unit.kind) for link in circuit]
            assert [link.sender.unit for link in moved if link.receiver.unit.kind == "mlp"] == [moved[0].receiver.unit]
            assert all(size.reads(link.receiver.unit, link.sender.unit) for link in moved)


def test_inflated_circuits_hold_the_circuit_and_a_disjoint_one(links):
    circuit, size = links(*PAIR), shape(2, 4)
    for inflated, other in zip(
        random_circuits("inflated", circuit, size, 6, 0), random_circuits("disjoint", circuit, size, 6, 0), strict=True
    ):
        assert set(circuit) <= set(inflated) and len(heads_of(inflated)) == 2 * len(heads_of(other)) == 6


def test_draws_depend_on_the_seed_and_their_number_alone(links):
    circuit, size = links(*PAIR), shape(3, 4)
    assert random_circuits("layer", circuit, size, 5, 0) == random_circuits("layer", circuit, size, 9, 0)[:5]
    assert random_circuits("layer", circuit, size, 5, 0) != random_circuits("layer", circuit, size, 5, 1)


@pytest.mark.parametrize("sampler", [disjoint, one_swapped])
def test_a_null_that_allows_none_says_so(links, sampler):
    circuit, size = links(*CHAIN), shape(2, 1)
    with pytest.raises(NoSuchCircuit):
        sampler(circuit, size, np.random.default_rng(0))


# ---------------------------------------------------------------- nulls that can be counted

TWINS = ["embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> 1.0.k", "0.1 -> 1.0.k", "1.0 -> logits"]
CROSSED = ["embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> 1.0.k", "0.1 -> 1.1.k", "1.0 -> logits", "1.1 -> logits"]


def wiring(circuit):
    return frozenset((link.sender.unit, link.receiver.unit, link.port) for link in circuit)


def every_wiring(null, circuit, size):
    own = set(heads_of(circuit))
    allowed = {
        "layer": same_layers,
        "disjoint": lambda heads: same_layers(heads) and not own & set(heads.values()),
        "swap": lambda heads: same_layers(heads) and len(set(heads.values()) - own) == 1 == sum(a != b for a, b in heads.items()),
        "size": in_order(circuit, size),
    }[null]
    moved = (put(circuit, dict(zip(heads_of(circuit), places, strict=True))) for places in every_map(circuit, size, allowed))
    return {wiring(one) for one in moved} - {wiring(circuit)}


@pytest.mark.parametrize("null", ["layer", "disjoint", "swap", "size"])
@pytest.mark.parametrize("lines", [CHAIN, PAIR, TWINS, CROSSED, THROUGH_MLP])
def test_all_circuits_of_a_null_are_found_once(links, null, lines):
    circuit, size = links(*lines), shape(2, 4)
    every = every_wiring(null, circuit, size)
    found = all_circuits(null, circuit, size, len(every))
    assert len(found) == len(every) and {wiring(one) for one in found} == every
    assert all_circuits(null, circuit, size, len(every) - 1) is None


@pytest.mark.parametrize("null", ["layer", "disjoint", "swap", "size", "inflated"])
@pytest.mark.parametrize("lines", [PAIR, TWINS])
def test_draws_are_the_circuit_never_and_no_other_twice(links, null, lines):
    circuit, size = links(*lines), shape(2, 3 if null == "size" else 4)
    drawn = random_circuits(null, circuit, size, 1000, seed=0)
    assert wiring(circuit) not in map(wiring, drawn) and len(set(map(wiring, drawn))) == len(drawn)
    assert set(map(wiring, drawn)) == set(map(wiring, all_circuits(null, circuit, size, 10_000)))


@pytest.mark.parametrize("null", ["layer", "disjoint", "swap", "inflated"])
def test_a_circuit_of_all_heads_has_none_to_compare_with(links, null):
    circuit = links(*CROSSED, *TWINS, "0.0 -> 1.1.k", "0.1 -> 1.1.k")
    with pytest.raises(NoSuchCircuit):
        all_circuits(null, circuit, shape(2, 2), 100)


def test_many_heads_that_stand_in_for_each_other_are_counted_at_once(links):
    """Twelve heads of 13 in each of two layers: 13!² maps, 13² circuits."""
    lines = [line for i in range(12) for line in (f"embed -> 0.{i}.v", f"0.{i} -> logits", f"embed -> 1.{i}.q", f"1.{i} -> logits")]
    circuit = links(*lines)
    assert len(all_circuits("layer", circuit, shape(2, 13), 1000)) == 13**2 - 1


# ---------------------------------------------------------------- the measure


@pytest.fixture
def ranked(space):
    """`ranked(*edges, **claim)`: the lowered claim on the induction toy."""
    adapter = toys.induction(("a", "b", "c"), 5).adapter()
    rows = [(0, *s) for s in product((1, 2, 3), repeat=4) if s[:3].count(s[3]) == 1]
    answers = [row[row.index(row[4]) + 1] for row in rows]

    def lower(*lines, comparison=None, **options):
        hypothesis = space(adapter.shape, rows, answers, *lines)
        claim = Claim(
            "special",
            "rank_among_random",
            "it",
            "logit",
            options=measures()["rank_among_random"].options_of({"ablate": Ablation("zero"), **options}),
            comparison=comparison,
            measured="clean",
        )
        hypothesis = replace(hypothesis, claims=(claim,))
        return adapter, hypothesis, claim, measures()["rank_among_random"].lower(claim, hypothesis, Algebra())

    return lower


SEVEN = ["embed -> 0.0.q", "embed -> 0.0.k", "embed -> 0.0.v", "0.0 -> 1.0.k", "embed -> 1.0.q", "embed -> 1.0.v", "1.0 -> logits"]


def verdict(adapter, hypothesis, claim, lowered):
    from circuitdsl.borders.plan import Request
    from circuitdsl.borders.verdict import Question
    from circuitdsl.engine.executor import execute
    from circuitdsl.planning import plan
    from circuitdsl.statistics import judge

    found = execute(plan([Request(one, hypothesis.verifying) for one in lowered.readouts.values()], hypothesis), adapter, hypothesis)
    columns = {name: found[one.digest] for name, one in lowered.readouts.items()}
    question = Question("special", claim.comparison, lowered.members, columns, np.arange(len(hypothesis.verifying)))
    return judge([question], confidence=0.95, seed=0)[0]


@pytest.mark.parametrize(("theta", "outcome"), [(0.5, "supported"), (0.25, "supported"), (0.2, "inconclusive")])
def test_a_small_null_is_taken_whole(ranked, theta, outcome):
    """There are three other ways to put the two heads into their layers, and none is as good: the rank is a quarter."""
    found = verdict(*ranked(*SEVEN, comparison=Comparison("<=", theta), draws=100))
    estimate = found.members[0].estimate
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (0.25, 0.0, 0.25, 3)
    assert found.outcome == outcome
    assert [warning.code for warning in found.warnings if warning.code == "W058"] == ["W058"] * (theta < 0.25)


def test_a_share_of_a_whole_null_above_the_bound_refutes(ranked):
    """Head 0.0 alone does nothing here, and nothing is as far from the model: all of the null are as good."""
    idle = ["embed -> 0.0.v", "0.0 -> 1.0.k", "1.0 -> logits"]
    found = verdict(*ranked(*idle, comparison=Comparison("<=", 0.05)))
    assert found.outcome == "refuted" and found.members[0].estimate.value == 1.0


def test_a_circuit_is_special_where_no_other_does_it(ranked):
    """Disjoint heads write where nobody reads; there is one such circuit, so that half is the least rank."""
    found = verdict(*ranked(*SEVEN, comparison=Comparison("<=", 0.5), match="disjoint"))
    assert found.outcome == "supported" and found.members[0].estimate.n == 1
    assert found.members[0].estimate.value == pytest.approx(1 / 2)


@pytest.mark.parametrize(("theta", "draws"), [(0.05, 59), (0.01, 299)])
def test_as_many_are_drawn_as_can_decide(ranked, monkeypatch, theta, draws):
    monkeypatch.setattr("circuitdsl.measures.ranks.all_circuits", lambda *given: None)
    monkeypatch.setattr("circuitdsl.measures.ranks.random_circuits", lambda null, links, shape, count, seed, fixed: [links] * count)
    _, _, _, lowered = ranked(*SEVEN, comparison=Comparison("<=", theta))
    assert int(lowered.conditions["draws"]) == draws == len(lowered.members[0].estimand.among)


def test_a_null_that_allows_none_is_an_error_at_the_claim(ranked):
    with pytest.raises(CircError, match="C372"):
        ranked("embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> logits", "0.1 -> logits", match="disjoint")
    with pytest.raises(CircError, match="C372"):
        ranked("embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> logits", "0.1 -> logits")
