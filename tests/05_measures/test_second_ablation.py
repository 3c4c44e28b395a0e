"""A second ablation beside the first: the same number as a claim under it would have, and a warning where the verdict flips."""

import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Comparison
from circuitdsl.measures import measures
from circuitdsl.models import toys

RESAMPLE, MEAN = Ablation("resample", "abc"), Ablation("mean", "abc")
INPUTS = [f"embed -> 0.{bit}.v" for bit in range(3)]
GATE = [f"0.{bit} -> mlp 0" for bit in range(3)]
CASES = {
    # An OR gate whose first input is off and alone in the circuit: of donors with both others on or none, half set it off; their mean
    # (½ + ½) does so always. What is left with nothing is a half either way: (½ − ½) / ½, and (1 − ½) / ½.
    "faithfulness": ("or", 6, (6, 0), [INPUTS[0], GATE[0], "mlp 0 -> logits"], (0.0, 1.0)),
    # An AND gate with one input in the circuit. With no set left out the circuit is on for half of the donors, and never for their means
    # (1 + ½ + ½ − 2); the model always, and with nothing a half: ½ / ½, and 1 / ½. Without the input they are less apart.
    "completeness": ("and", 7, (7, 0), [INPUTS[0], GATE[0], "mlp 0 -> logits"], (1.0, 2.0)),
    # An AND gate without two of its inputs: on for half of the donors, never for their means (1 + ½ + ½ − 2).
    "complement": ("and", 7, (7, 0), [*INPUTS[:2], *GATE[:2]], (0.0, 1.0)),
}


@pytest.fixture
def gate(space):
    """`gate(measure)`: every row alike, half of the donors of either kind; eight rows to explore, eight to verify."""

    def make(measure):
        kind, clean, donors, lines, _ = CASES[measure]
        adapter = toys.gate(kind, 3).adapter()
        return adapter, space(adapter.shape, [(clean,)] * 16, [8] * 16, *lines, exploring=range(8), abc=[(one,) for one in donors] * 8)

    return make


def claim(measure, ablation, operator=">=", value=0.0, **options):
    return Claim(
        "it",
        measure,
        "it",
        "logit",
        options=measures()[measure].options_of({"ablate": ablation, **options}),
        measured="clean",
        comparison=Comparison(operator, value),
    )


@pytest.mark.parametrize("measure", CASES)
def test_what_stands_beside_is_what_a_claim_under_the_other_ablation_finds(gate, judged, measure):
    adapter, hypothesis = gate(measure)
    options = {"family": "single"} if measure == "completeness" else {}
    first, second = (judged(claim(measure, ablation, **options), hypothesis, adapter).members[0] for ablation in (RESAMPLE, MEAN))
    assert (first.estimate.value, second.estimate.value) == pytest.approx(CASES[measure][-1])
    assert first.beside["under mean(abc)"].value == pytest.approx(second.estimate.value)
    assert second.beside["under resample(abc)"].value == pytest.approx(first.estimate.value)
    assert first.beside["spread"].value == pytest.approx(first.estimate.value - second.estimate.value)


@pytest.mark.parametrize("measure", CASES)
def test_a_verdict_that_flips_is_warned_of_and_one_that_does_not_is_not(gate, judged, measure):
    adapter, hypothesis = gate(measure)

    def codes(*bound, **options):
        return [warning.code for warning in judged(claim(measure, RESAMPLE, *bound, **options), hypothesis, adapter).warnings]

    first, second = CASES[measure][-1]
    between = (first + second) / 2
    assert "W056" in codes("<=", between)
    assert "W056" not in codes("<=", second + 0.5) and "W056" not in codes("<=", between, second="no")


def test_without_is_taken_out_of_the_model_under_each_ablation(gate, judged, with_node):
    """F(M) has a node knocked out by the ablation, so it is another number under the other one."""
    adapter, hypothesis = gate("faithfulness")
    hypothesis = with_node(hypothesis, "gone", "0.1")
    first, second = (judged(claim("faithfulness", one, without=("gone",)), hypothesis, adapter).members[0] for one in (RESAMPLE, MEAN))
    assert first.beside["under mean(abc)"].value == pytest.approx(second.estimate.value)
