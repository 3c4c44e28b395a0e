"""Completeness, minimality with K and complement on models whose answers are worked out by hand (ground truths 3 to 5)."""

from dataclasses import replace
from itertools import product

import pytest

from circuitdsl.borders.hypothesis import Ablation, Place
from circuitdsl.measures.knockout_sets import KnockoutSet, random_sets, units
from circuitdsl.models import toys

ZERO = Ablation("zero")
OR = ["embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> mlp 0", "0.1 -> mlp 0", "mlp 0 -> logits"]
HALF_OR = ["embed -> 0.0.v", "0.0 -> mlp 0", "mlp 0 -> logits"]
SEVEN = ["embed -> 0.0.q", "embed -> 0.0.k", "embed -> 0.0.v", "0.0 -> 1.0.k", "embed -> 1.0.q", "embed -> 1.0.v", "1.0 -> logits"]
TWIN = [*SEVEN, "0.0 -> 1.1.k", "embed -> 1.1.q", "embed -> 1.1.v", "1.1 -> logits"]


@pytest.fixture
def or_gate(space):
    """`or_gate(*edges)`: both bits set, on two rows to explore and two to verify."""
    adapter = toys.gate("or", 2).adapter()
    return adapter, lambda *lines: space(adapter.shape, [(3,)] * 4, [4] * 4, *lines, exploring=(0, 1))


@pytest.fixture
def inductive(space):
    """`inductive(twin, *edges)`: sequences whose last token occurred once before, every other one to explore."""

    def make(twin, *lines):
        adapter = toys.induction(("a", "b", "c"), 5, twin=twin).adapter()
        rows = [(0, *s) for s in product((1, 2, 3), repeat=4) if s[:3].count(s[3]) == 1]
        answers = [row[row.index(row[4]) + 1] for row in rows]
        return adapter, space(adapter.shape, rows, answers, *lines, exploring=range(0, len(rows), 2))

    return make


# ---------------------------------------------------------------- completeness


@pytest.mark.parametrize("family", ["class", "single", "greedy"])
def test_completeness_finds_the_input_of_an_or_gate_that_a_circuit_leaves_out(or_gate, settle, family):
    """The circuit with one input is faithful; without that input it is silent and the model is not."""
    adapter, gate = or_gate
    found = settle("completeness", gate(*HALF_OR), adapter, ZERO, family=family)
    assert found.scores == {"it": 1.0}
    assert found.conditions["K"] in ("0.0", "head 0.0")
    assert settle("faithfulness", gate(*HALF_OR), adapter, ZERO, second="no").scores == {"it": 1.0}


@pytest.mark.parametrize("family", ["class", "single", "random", "greedy"])
def test_a_whole_or_gate_is_complete(or_gate, settle, family):
    adapter, gate = or_gate
    assert settle("completeness", gate(*OR), adapter, ZERO, family=family).scores == {"it": 0.0}


@pytest.mark.parametrize("family", ["class", "single", "greedy"])
def test_completeness_finds_a_twin_that_a_circuit_leaves_out(inductive, settle, family):
    """F(M) is 2. Without 1.0 the circuit gives nothing and the model the twin's 1: a gap of a half."""
    adapter, hypothesis = inductive(True, *SEVEN)
    found = settle("completeness", hypothesis, adapter, ZERO, family=family)
    assert found.scores["it"] == pytest.approx(0.5) and "1.0" in found.conditions["K"]


@pytest.mark.parametrize("family", ["class", "single", "random", "greedy"])
@pytest.mark.parametrize("lines", [["embed -> 0.0.v", "0.0 -> logits"], ["embed -> 0.0.v", "mlp 0 -> logits"]], ids=["one unit", "no path"])
def test_a_circuit_that_does_nothing_is_not_complete(space, settle, family, lines):
    """Knocked out whole it breaks as an AND gate does; the empty K says that it never did what the gate does."""
    adapter = toys.gate("and", 2).adapter()
    gate = space(adapter.shape, [(3,)] * 4, [4] * 4, *lines, exploring=(0, 1))
    found = settle("completeness", gate, adapter, ZERO, family=family)
    assert found.scores == {"it": 1.0} and found.conditions["K"] == "nothing"
    assert found.looks == (1 if family != "greedy" else len(units(gate.links)))


def test_greedy_goes_on_from_units_where_the_empty_set_shows_the_larger_gap_at_first(inductive, settle):
    """Without the twin the circuit lacks a half; nothing that is taken away makes that more, and the search ends by itself."""
    adapter, hypothesis = inductive(True, *SEVEN, "embed -> 1.1.v")
    found = settle("completeness", hypothesis, adapter, ZERO, family="greedy")
    assert found.scores["it"] == pytest.approx(0.5) and found.looks == 2


@pytest.mark.parametrize(("twin", "lines"), [(False, SEVEN), (True, TWIN)], ids=["no twin", "the twin named"])
@pytest.mark.parametrize("family", ["class", "single", "random", "greedy"])
def test_a_circuit_with_everything_is_complete(inductive, settle, twin, lines, family):
    adapter, hypothesis = inductive(twin, *lines)
    assert settle("completeness", hypothesis, adapter, ZERO, family=family).scores["it"] == pytest.approx(0, abs=1e-12)


def test_greedy_looks_on_until_nothing_is_gained(or_gate, settle):
    adapter, gate = or_gate
    assert settle("completeness", gate(*OR), adapter, ZERO, family="single").looks == 1
    assert settle("completeness", gate(*HALF_OR), adapter, ZERO, family="greedy").looks == 2


def test_k_is_chosen_on_exploring_rows_and_scored_on_the_others(space, settle):
    """Where only bit 0 is set, knocking out head 0.0 costs the circuit nothing that it does not cost the model; and so on.

    The circuit names head 0.0 alone. Exploring rows have bit 0 set only, so there no K shows a gap that verifying rows, with both
    bits set, would; what is chosen is what is largest where one looked.
    """
    adapter = toys.gate("or", 2).adapter()
    rows = [(1,), (1,), (3,), (3,)]
    hypothesis = space(adapter.shape, rows, [4] * 4, *HALF_OR, exploring=(0, 1))
    chosen = settle("completeness", hypothesis, adapter, ZERO, family="single")
    swapped = settle("completeness", space(adapter.shape, rows, [4] * 4, *HALF_OR, exploring=(2, 3)), adapter, ZERO, family="single")
    assert swapped.conditions["K"] == "head 0.0" and swapped.scores["it"] == 0, "found on both bits, nothing to see on one"
    assert chosen.conditions["K"] == "head 0.0" and chosen.scores["it"] == 1, "equal gaps of 0: the first, scored on both bits"


# ---------------------------------------------------------------- minimality


@pytest.mark.parametrize("family", ["class", "single", "greedy"])
def test_minimality_calls_redundant_inputs_needed_where_single_knockouts_do_not(or_gate, settle, family):
    adapter, gate = or_gate
    assert settle("minimality.single", gate(*OR), adapter, ZERO, each="unit").scores == {"head 0.0": 0, "head 0.1": 0, "mlp 0": 1}
    scores = settle("minimality", gate(*OR), adapter, ZERO, each="unit", family=family).scores
    assert {label.split(",")[0]: score for label, score in scores.items()} == {"head 0.0": 1, "head 0.1": 1, "mlp 0": 1}
    assert next(iter(scores)).partition("K = ")[2] in ("0.1", "head 0.1"), "the K that was found is named"


@pytest.mark.parametrize("bits", [3, 4])
def test_greedy_minimality_looks_past_ties(space, settle, bits):
    """An OR gate of three or four inputs: no gap shows before all others are gone. The gate itself, whose loss would hide it, stays."""
    adapter = toys.gate("or", bits).adapter()
    lines = [line for bit in range(bits) for line in (f"embed -> 0.{bit}.v", f"0.{bit} -> mlp 0")]
    whole = space(adapter.shape, [(2**bits - 1,)] * 4, [2**bits] * 4, *lines, "mlp 0 -> logits", exploring=(0, 1))
    found = settle("minimality", whole, adapter, ZERO, each="unit", family="greedy")
    assert {label.split(",")[0]: score for label, score in found.scores.items()} == {
        "mlp 0": 1.0,
        **{f"head 0.{bit}": 1.0 for bit in range(bits)},
    }
    single = settle("minimality", whole, adapter, ZERO, each="unit", family="single")
    assert single.scores["head 0.0"] == 0, "no single K shows it"


def test_greedy_completeness_looks_past_ties(space, settle):
    """The circuit has three of the four inputs: it breaks, and the model does not, once all three are gone."""
    adapter = toys.gate("or", 4).adapter()
    lines = [line for bit in range(3) for line in (f"embed -> 0.{bit}.v", f"0.{bit} -> mlp 0")]
    circuit = space(adapter.shape, [(15,)] * 4, [16] * 4, *lines, "mlp 0 -> logits", exploring=(0, 1))
    found = settle("completeness", circuit, adapter, ZERO, family="greedy")
    assert found.scores == {"it": 1.0} and found.conditions["K"] == "head 0.0, head 0.1, head 0.2"
    assert settle("completeness", circuit, adapter, ZERO, family="single").scores == {"it": 0.0}


def test_minimality_calls_a_useless_head_useless(or_gate, settle):
    """A head of the circuit that nothing reads: no K makes it needed."""
    adapter, gate = or_gate
    circuit = gate("embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> mlp 0", "mlp 0 -> logits", "0.1 -> logits")
    scores = settle("minimality", circuit, adapter, ZERO, each="unit", family="single").scores
    assert {label.split(",")[0]: score for label, score in scores.items()}["head 0.1"] == 0


@pytest.mark.parametrize("bits", [2, 3])
def test_every_input_of_an_and_gate_is_needed_with_any_family(space, settle, bits):
    adapter = toys.gate("and", bits).adapter()
    lines = [line for bit in range(bits) for line in (f"embed -> 0.{bit}.v", f"0.{bit} -> mlp 0")]
    whole = space(adapter.shape, [(2**bits - 1,)] * 4, [2**bits] * 4, *lines, "mlp 0 -> logits", exploring=(0, 1))
    for family in ("class", "single", "random", "greedy"):
        scores = settle("minimality", whole, adapter, ZERO, each="unit", family=family).scores
        assert set(scores.values()) == {1.0}
    assert settle("completeness", whole, adapter, ZERO, family="single").scores == {"it": 0}


# ---------------------------------------------------------------- complement


def test_what_is_left_without_the_circuit(or_gate, settle):
    """One input of an OR gate leaves the other; both leave nothing but the gate's constant, which nobody set."""
    adapter, gate = or_gate
    assert settle("complement", gate("embed -> 0.0.v", "0.0 -> mlp 0"), adapter, ZERO).scores["it"] == pytest.approx(1)
    assert settle("complement", gate(*OR), adapter, ZERO).scores["it"] == pytest.approx(0)


def test_the_complement_of_all_edges_knocks_nodes_out(or_gate, settle):
    adapter, gate = or_gate
    found = settle("complement", replace(gate(*OR), all_edges=True), adapter, ZERO)
    assert found.scores["it"] == pytest.approx(0) and found.conditions["knocked out"] == "the circuit's nodes"


# ---------------------------------------------------------------- without, keep, circuit, norm


def test_without_knocks_out_of_the_circuit_and_of_the_model(or_gate, settle, with_node):
    """Without its backup, an input of an OR gate is needed by itself."""
    adapter, gate = or_gate
    hypothesis = with_node(gate(*OR), "backup", "0.1")
    found = settle("minimality.single", hypothesis, adapter, ZERO, each="unit", without=("0.1",))
    assert found.scores == {"head 0.0": 1, "mlp 0": 1} and found.conditions["without"] == "0.1"
    assert settle("faithfulness", hypothesis, adapter, ZERO, second="no", without=("backup",)).scores == {"it": 1}


def test_a_part_of_the_circuit_is_scored_as_such(or_gate, settle):
    adapter, gate = or_gate
    found = settle("faithfulness", gate(*OR), adapter, ZERO, second="no", circuit=("0.0", "mlp 0"))
    assert found.scores == {"it": 1} and found.conditions["circuit"] == "0.0, mlp 0"
    assert settle("faithfulness", gate(*OR), adapter, ZERO, second="no", circuit=("0.0", "0.1")).scores == {"it": 0}


def test_what_is_kept_live_reads_and_feeds_and_is_in_no_k(or_gate, settle, with_node):
    """The circuit names heads only; with the MLP kept live it is the whole gate, and the MLP is no part of it."""
    adapter, gate = or_gate
    heads = with_node(gate("embed -> 0.0.v", "embed -> 0.1.v"), "mlps", "mlp 0")
    assert settle("faithfulness", heads, adapter, ZERO, second="no").scores == {"it": 0}
    kept = settle("faithfulness", heads, adapter, Ablation("zero"), second="no", keep=("mlps",))
    assert kept.conditions["keep"] == "mlps"
    single = settle("minimality.single", with_node(gate(*OR), "mlps", "mlp 0"), adapter, ZERO, each="unit", keep=("mlps",))
    assert "mlp 0" not in single.scores


def test_kept_units_are_alike_in_every_run(tiny, space, settle, with_node):
    """The circuit's one edge goes to a head that nothing reads, so it is the empty circuit whatever is kept live beside it.

    The kept units read the prompts' own embedding in both.
    """
    adapter = tiny("gpt2")
    rows = [(5, 9, 17, 30), (8, 40, 12, 3), (22, 7, 51, 19), (33, 16, 28, 44)]
    others = [(6, 2, 13, 31), (18, 4, 52, 23), (21, 57, 11, 9), (3, 36, 48, 14)]
    kept = with_node(space(adapter.shape, rows, [7] * 4, "embed -> 2.3.v", other=others), "ms", "mlp 0", "mlp 1", "1.1")
    found = settle("faithfulness", kept, adapter, Ablation("resample", "other"), second="no", keep=("ms",))
    assert found.scores["it"] == 0


@pytest.fixture
def and_gate(space, with_node):
    adapter = toys.gate("and", 2).adapter()
    lines = ["embed -> 0.0.v", "embed -> 0.1.v", "0.0 -> mlp 0", "0.1 -> mlp 0", "mlp 0 -> logits"]
    return adapter, with_node(space(adapter.shape, [(3,)] * 4, [4] * 4, *lines, exploring=(0, 1)), "mlps", "mlp 0")


def test_a_unit_that_is_knocked_out_does_not_feed_what_is_kept_live(and_gate, settle):
    """Its edges into a live MLP are cut with the rest."""
    adapter, hypothesis = and_gate
    for measure in ("minimality.single", "minimality"):
        scores = settle(measure, hypothesis, adapter, ZERO, each="unit", keep=("mlps",)).scores
        assert set(scores.values()) == {1.0} and len(scores) == 2


def test_edges_of_what_is_kept_live_are_not_cut_for_the_complement(and_gate, settle):
    adapter, hypothesis = and_gate
    into_mlp = replace(hypothesis, edges=tuple(edge for edge in hypothesis.edges if edge.receiver == "mlp 0"))
    assert settle("complement", into_mlp, adapter, ZERO).scores["it"] == pytest.approx(0)
    assert settle("complement", into_mlp, adapter, ZERO, keep=("mlps",)).scores["it"] == pytest.approx(1)


@pytest.mark.parametrize("measure", ["completeness", "complement"])
def test_scales_are_frozen_on_both_sides(tiny, space, settle, measure):
    """A circuit of all edges is the model, also with parts knocked out and the clean run's scales: no gap; with live ones neither."""
    adapter = tiny("llama")
    shape = adapter.shape
    lines = [
        f"{sender} -> {reader}" + ("" if port == "in" else f".{port}")
        for reader, sender in product([str(u).removeprefix("head ") for u in shape.units()], repeat=2)
        if shape.reads(unit(reader), unit(sender))
        for port in unit(reader).ports
    ]
    rows = [(5, 9, 17, 30), (8, 40, 12, 3), (22, 7, 51, 19), (33, 16, 28, 44)]
    others = [(6, 2, 13, 31), (18, 4, 52, 23), (21, 57, 11, 9), (3, 36, 48, 14)]
    hypothesis = space(shape, rows, [7] * 4, *lines, exploring=(0, 1), other=others)
    family = {"family": "random"} if measure == "completeness" else {}
    scores = {
        norm: settle(measure, hypothesis, adapter, Ablation("resample", "other"), norm=norm, **family).scores["it"]
        for norm in ("live", "frozen")
    }
    assert scores == {"live": pytest.approx(0, abs=1e-7), "frozen": pytest.approx(0, abs=1e-7)}
    part = space(shape, rows, [7] * 4, *lines[::2], exploring=(0, 1), other=others)
    live, frozen = (
        settle("faithfulness", part, adapter, Ablation("resample", "other"), norm=norm, second="no").scores["it"]
        for norm in ("live", "frozen")
    )
    assert abs(live - frozen) > 1e-6


def unit(text):
    from circuitdsl.borders.units import EMBED, LOGITS, Unit

    if text in ("embed", "logits"):
        return EMBED if text == "embed" else LOGITS
    if text.startswith("mlp"):
        return Unit("mlp", int(text.split()[1]))
    return Unit("head", *map(int, text.split(".")))


# ---------------------------------------------------------------- families


def test_families_of_sets(links):
    singles = units(links(*OR))
    assert [one.label for one in singles] == ["head 0.0", "head 0.1", "mlp 0"]
    sets = random_sets(singles, seed=0, count=400)
    assert random_sets(singles, seed=0, count=400) == sets != random_sets(singles, seed=1, count=400)
    shares = [sum(one.places <= found.places for found in sets) / 400 for one in singles]
    assert all(0.43 < share < 0.64 for share in shares), "each with probability 1/2, the empty sets (1 in 8) left out"


def test_sets_with_and_without_others():
    a, b = (KnockoutSet(name, frozenset({Place(unit(name), name)})) for name in ("0.0", "0.1"))
    both = a.with_(b)
    assert both.label == "0.0, 0.1" and both.without(a).places == b.places
    assert a.without(b) == a


def test_what_is_given_is_knocked_out_of_the_circuit_alone(inductive, settle):
    """Each twin adds 1 to the model's 2. Once the other is gone from the circuit, a twin is worth half of the model; `without` takes it
    from the model too."""
    adapter, hypothesis = inductive(True, *TWIN)
    shares = settle("minimality.single", hypothesis, adapter, ZERO, each="unit", given=("1.1",))
    assert shares.scores["head 1.0"] == 0.5 and "head 1.1" not in shares.scores and shares.conditions["given"] == "1.1"
    assert settle("minimality.single", hypothesis, adapter, ZERO, each="unit", without=("1.1",)).scores["head 1.0"] == 1.0
