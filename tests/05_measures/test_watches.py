"""Warnings that take runs of their own, on gates: rivals and backups, where they fire and where they do not."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Comparison, Node, Place
from circuitdsl.borders.prompts import Arithmetic, Constant
from circuitdsl.measures import measures
from circuitdsl.models import toys

ZERO = {"ablate": Ablation("zero")}
INPUTS = [line for bit in range(3) for line in (f"embed -> 0.{bit}.v", f"0.{bit} -> mlp 0")]


@pytest.fixture
def gate(space):
    """`gate(kind, *edges)`: three bits, every input three times."""

    def make(kind, *lines):
        adapter = toys.gate(kind, 3).adapter()
        rows = [(token,) for token in range(8)] * 3
        hypothesis = space(adapter.shape, rows, [8] * len(rows), *lines, exploring=range(8))
        return adapter, hypothesis

    return make


def claim(measure, operator, value, **changes):
    return Claim(
        "it",
        measure,
        "it",
        "logit",
        options=measures()[measure].options_of({**ZERO, **changes.pop("options", {})}),
        measured="clean",
        comparison=Comparison(operator, value),
        **changes,
    )


def codes(verdict):
    return [warning.code for warning in verdict.warnings]


def grouped(hypothesis):
    """The heads in one named node, as a file would have them."""
    heads = [place for node in hypothesis.nodes.values() for place in node.places if place.unit.kind == "head"]
    rename = {place: replace(place, node="inputs") for place in heads}

    def link(old):
        return replace(old, sender=rename.get(old.sender, old.sender), receiver=rename.get(old.receiver, old.receiver))

    nodes = {name: node for name, node in hypothesis.nodes.items() if node.places[0].unit.kind != "head"}
    nodes["inputs"] = Node("inputs", tuple(rename.values()))
    return replace(hypothesis, nodes=nodes, edges=tuple(replace(edge, links=tuple(map(link, edge.links))) for edge in hypothesis.edges))


def test_a_disjoint_random_circuit_scores_as_well(gate, judged):
    """Each input of an OR gate alone does the same."""
    adapter, one_input = gate("or", "embed -> 0.0.v", "0.0 -> mlp 0", "mlp 0 -> logits")
    found = judged(claim("rank_among_random", "<=", 0.5), one_input, adapter)
    assert "W054" in codes(found) and any("disjoint" in warning.message for warning in found.warnings)


def test_no_random_circuit_scores_as_well_as_the_whole_gate(gate, judged):
    """Two of three inputs: there is no such circuit that is disjoint, and with fewer heads a gate does less."""
    adapter, two = gate("or", *INPUTS[:4], "mlp 0 -> logits")
    found = judged(claim("rank_among_random", ">=", 0.5), two, adapter)
    assert "W054" not in codes(found)


def test_inputs_that_stand_in_for_each_other_are_backups(gate, judged):
    """With all three bits set none is needed alone; each is once the others, of the same node, are gone."""
    adapter = toys.gate("or", 3).adapter()
    _, hypothesis = gate("or", *INPUTS, "mlp 0 -> logits")
    rows = [row for row, prompt in enumerate(hypothesis.distributions["clean"].prompts) if prompt.tokens == (7,)]
    hypothesis = replace(grouped(hypothesis), exploring=tuple(rows[:1]), verifying=tuple(rows[1:]))
    single = judged(claim("minimality.single", ">=", 0.1, each="unit"), hypothesis, adapter)
    assert [member.label for member in single.members if member.estimate.value == 0] == ["head 0.0", "head 0.1", "head 0.2"]
    assert codes(single).count("W055") == 3
    searched = judged(claim("minimality", ">=", 0.1, each="unit", options={"family": "class"}), hypothesis, adapter)
    assert codes(searched).count("W055") == 3 and all(member.estimate.value == 1 for member in searched.members)


def test_inputs_that_are_all_needed_have_no_backup(gate, judged):
    adapter, hypothesis = gate("and", *INPUTS, "mlp 0 -> logits")
    for measure, options in (("minimality.single", {}), ("minimality", {"family": "single"})):
        assert "W055" not in codes(judged(claim(measure, ">=", 0.1, each="unit", options=options), grouped(hypothesis), adapter))


@pytest.mark.parametrize(("off", "fires"), [(0.5, True), (0.0, False)])
def test_an_empty_circuit_that_is_not_near_chance(gate, judged, off, fires):
    """The metric is a difference, so chance is 0; with everything ablated an OR gate gives its constant, shifted by `off`."""
    adapter, hypothesis = gate("or", *INPUTS, "mlp 0 -> logits")
    metric = hypothesis.metrics["logit"]
    shifted = replace(metric, bound={"clean": Arithmetic("-", metric.bound["clean"], Constant(-off))})
    found = judged(claim("faithfulness", ">=", 0.5), replace(hypothesis, metrics={"logit": shifted}), adapter)
    assert ("W050" in codes(found)) == fires


def test_places_are_grouped_as_in_a_file(gate):
    _, hypothesis = gate("or", *INPUTS, "mlp 0 -> logits")
    assert len(grouped(hypothesis).nodes["inputs"].places) == 3
    assert all(isinstance(place, Place) and np.isfinite(place.unit.index) for place in grouped(hypothesis).places())


def test_a_row_is_no_donor_of_itself(space):
    """Of three prompts of one length each has two donors among themselves, and three in other prompts that are drawn from."""
    from circuitdsl.borders.values import Gather
    from circuitdsl.measures.circuit_watches import donors

    adapter = toys.gate("or", 2).adapter()
    hypothesis = space(adapter.shape, [(1,), (2,), (3,)], [4] * 3, other=[(3,), (2,), (1,)])
    for name, left in (("clean", 2), ("other", 3)):
        (watch,) = donors(hypothesis, Gather(name, f"donor/{name}/1"), "clean")
        assert list(watch.counts.values()) == [left]
