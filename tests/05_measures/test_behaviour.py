"""`value` and `effect` with something knocked out beforehand, and as a share of the model's own number, on gates of known numbers."""

import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Comparison, Path, Place, Step
from circuitdsl.borders.units import LOGITS, Unit
from circuitdsl.measures import measures
from circuitdsl.models import toys

GATE = [f"embed -> 0.{bit}.v" for bit in range(2)] + [f"0.{bit} -> mlp 0" for bit in range(2)] + ["mlp 0 -> logits"]
ZERO = Ablation("zero")


@pytest.fixture
def gate(space):
    """An OR gate of two inputs that are both on; what `none` names has both off."""
    adapter = toys.gate("or", 2).adapter()
    return adapter, space(adapter.shape, [(3,)] * 8, [4] * 8, *GATE, none=[(0,)] * 8)


@pytest.fixture
def number(gate, judged, with_node):
    """`number("value", of="circuit", without=("first",))`: the claim's number; `first` and `second` are the inputs' heads."""

    def measure(name, paths=(), **options):
        adapter, hypothesis = gate
        hypothesis = with_node(with_node(hypothesis, "first", "0.0"), "second", "0.1")
        stated = measures()[name].options_of(options)
        claim = Claim("it", name, "it", "logit", paths=paths, options=stated, measured="clean", comparison=Comparison(">=", 0.0))
        return judged(claim, hypothesis, adapter).members[0].estimate.value

    return measure


def test_either_input_of_an_or_gate_is_enough(number):
    """One head out changes nothing, both do: of the model, and of the circuit alone."""
    for of in ("model", "circuit"):
        whole = number("value", of=of, ablate=ZERO)
        assert number("value", of=of, ablate=ZERO, without=("first",)) == pytest.approx(whole)
        assert number("value", of=of, ablate=ZERO, without=("first", "second")) == pytest.approx(whole - 1)


def test_a_value_as_a_share_of_the_models(number):
    whole = number("value")
    assert number("value", share_of="model") == pytest.approx(1)
    both = number("value", ablate=ZERO, without=("first", "second"), share_of="model")
    assert both == pytest.approx((whole - 1) / whole)


def test_an_effect_as_a_share_of_the_models(number):
    """Both inputs turned off at once take the gate's 1 from the metric."""
    path = Path("both", tuple(Place(Unit("head", 0, bit), "both") for bit in range(2)), (Step("all", (Place(LOGITS, "logits"),)),))
    change, whole = number("effect", (path,), **{"from": "none"}), number("value")
    assert change == pytest.approx(-1)
    assert number("effect", (path,), **{"from": "none", "share_of": "model"}) == pytest.approx(change / whole)
