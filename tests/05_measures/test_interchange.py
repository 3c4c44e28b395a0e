"""Interchange interventions on a toy that copies the first of two names: which head carries it is known."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim, Hypothesis, ModelName, Path, Place, Settings
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import CircError, Source
from circuitdsl.borders.units import Layout, Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.interchange import InterchangeOptions
from circuitdsl.models.toys import Draft
from circuitdsl.planning import plan

FIRST, SECOND, IDLE = (Place(Unit("head", 0, index), name) for index, name in enumerate(("first", "second", "idle")))
NAMES = ("a", "b", "c")
PAIRS = [(x, y) for x in range(3) for y in range(3) if x != y]


def copying():
    """A prompt is a pair of names; head 0.0 gives the first name twice, 0.1 the second once, 0.2 nothing; the larger logit wins."""
    tokens = [*(f"{NAMES[x]}{NAMES[y]}" for x in range(3) for y in range(3)), *NAMES]
    toy = Draft(1, 3, 3, 1, tokens, {"token": 12, "name": 3})
    toy.embed(toy.read("token"))
    for index, (place, weight) in enumerate(((0, 2.0), (1, 1.0))):
        table = np.zeros((3, 12))
        for x in range(3):
            for y in range(3):
                table[(x, y)[place], 3 * x + y] = weight
        toy.head(0, index, v=toy.read("token", table), out=toy.write("name"))
    toy.unembed(np.vstack([np.zeros((9, toy.width)), toy.read("name")]))
    return toy.adapter()


def file(shape, change) -> Hypothesis:
    """Prompts are pairs; the answer is the first name. `change(x, y)` is the counterfactual pair."""

    def prompts(pairs):
        layout = Layout(0, 1)
        made = (Prompt("", (3 * x + y,), layout, {"X": NAMES[x], "Y": NAMES[y]}, 9 + x, (9 + y,)) for x, y in pairs)
        return tuple(made)

    clean = Distribution("clean", prompts(PAIRS))
    swap = Distribution("swap", prompts([change(x, y) for x, y in PAIRS]), paired="clean")
    ends = np.zeros(len(PAIRS), dtype=np.int64)
    bound = {one.name: Pick("logit", np.array([prompt.answer for prompt in one.prompts]), ends) for one in (clean, swap)}
    metric = Metric("m", "logit", False, bound, positions={"clean": ends, "swap": ends})
    return Hypothesis(
        "", "", (), ModelName("toy"), shape, {"clean": clean, "swap": swap}, "clean", {"m": metric}, {}, {}, (), (), Settings(), (),
        tuple(range(len(PAIRS))), Source(""),
    )  # fmt: skip


def third(x, y):
    return 3 - x - y


def score(places, change, slot="X", each=None):
    adapter = copying()
    hypothesis = file(adapter.shape, change)
    claim = Claim(
        "i",
        "interchange",
        "",
        "m",
        (Path("node", places, each=each),),
        (slot,),
        options=InterchangeOptions(from_="swap", metric="m"),
        measured="clean",
    )
    measures()["interchange"].check(claim, hypothesis)
    lowered = measures()["interchange"].lower(claim, hypothesis, Algebra())
    rows = tuple(range(len(PAIRS)))
    planned = plan([Request(readout, rows) for readout in lowered.readouts.values()], hypothesis)
    found = execute(planned, adapter, hypothesis)
    return lowered, {name: found[readout.digest].mean() for name, readout in lowered.readouts.items()}


def another_first(x, y):
    return third(x, y), y


def test_the_head_that_carries_the_variable_gives_the_other_answer():
    _, found = score((FIRST,), another_first)
    assert found["i"] == 1 and found["whole model"] == 1 and found["nothing"] == 0


@pytest.mark.parametrize("place", [SECOND, IDLE])
def test_other_heads_do_not(place):
    assert score((place,), another_first)[1]["i"] == 0


def test_the_same_number_of_random_heads_of_the_layer_stands_beside_it():
    lowered, found = score((FIRST,), another_first)
    elsewhere = [value for name, value in found.items() if "elsewhere" in name]
    assert elsewhere == [0] * len(elsewhere) and len(elsewhere) == 4
    assert "random heads of the same layers" in lowered.members[0].beside
    assert score((IDLE,), another_first)[0].conditions["chance"] == "0.5 for a guess"


def test_all_heads_of_a_layer_have_no_other_to_compare_with():
    lowered, found = score((FIRST, SECOND, IDLE), another_first)
    assert found["i"] == 1
    assert "random heads of the same layers" not in lowered.members[0].beside


def test_a_group_is_swapped_together_and_each_unit_alone():
    lowered, found = score((FIRST, SECOND), another_first, each=0)
    assert [member.label for member in lowered.members] == ["head 0.0", "head 0.1"]
    assert (found["head 0.0"], found["head 0.1"]) == (1, 0)


def test_a_counterfactual_that_changes_more_is_refused():
    with pytest.raises(CircError, match=r"C379.*changes `Y` besides `X`"):
        score((FIRST,), lambda x, y: (y, x))


def with_fields(x, y, slot):
    """A claim about X where X is an item with two fields; Y changes as well if x is told to be y's."""
    hypothesis = file(copying().shape, lambda first, second: (x(first, second), y(first, second)))

    def fields(prompt):
        return replace(prompt, values={"X.name": prompt.values["X"], "X.other": prompt.values["X"] * 2, "Y.name": prompt.values["Y"]})

    distributions = {name: replace(one, prompts=tuple(map(fields, one.prompts))) for name, one in hypothesis.distributions.items()}
    claim = Claim(
        "i",
        "interchange",
        "",
        "m",
        (Path("node", (FIRST,)),),
        (slot,),
        options=InterchangeOptions(from_="swap", metric="m"),
        measured="clean",
    )
    measures()["interchange"].check(claim, replace(hypothesis, distributions=distributions))


def test_fields_of_a_slot_change_with_it():
    with_fields(third, lambda x, y: y, "X")
    with pytest.raises(CircError, match=r"C379.*changes `Y` besides `X`"):
        with_fields(lambda x, y: y, lambda x, y: x, "X")
    with pytest.raises(CircError, match=r"C379.*changes `X.other` besides `X.name`"):
        with_fields(third, lambda x, y: y, "X.name")
    with pytest.raises(CircError, match=r"C379.*never changes `X`"):
        with_fields(lambda x, y: x, lambda x, y: y, "X")


def test_a_counterfactual_that_changes_nothing_is_refused():
    with pytest.raises(CircError, match=r"C379.*never changes `X`"):
        score((FIRST,), lambda x, y: (x, y))


def test_prompts_that_are_not_its_counterfactual_are_refused():
    hypothesis = file(copying().shape, another_first)
    alone = {**hypothesis.distributions, "swap": replace(hypothesis.distributions["swap"], paired=None)}
    claim = Claim(
        "i", "interchange", "", "m", (Path("node", (FIRST,)),), ("X",), options=InterchangeOptions(from_="swap"), measured="clean"
    )
    with pytest.raises(CircError, match="C378"):
        measures()["interchange"].check(claim, replace(hypothesis, distributions=alone))


def test_a_counterfactual_without_answers_is_refused():
    hypothesis = file(copying().shape, another_first)
    silent = tuple(replace(prompt, answer=None, wrong=()) for prompt in hypothesis.distributions["swap"].prompts)
    mute = {**hypothesis.distributions, "swap": replace(hypothesis.distributions["swap"], prompts=silent)}
    claim = Claim(
        "i", "interchange", "", "m", (Path("node", (FIRST,)),), ("X",), options=InterchangeOptions(from_="swap"), measured="clean"
    )
    with pytest.raises(CircError, match="C380"):
        measures()["interchange"].check(claim, replace(hypothesis, distributions=mute))
