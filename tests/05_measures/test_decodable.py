"""Probes on a toy that copies the first of two names: which head has which name is known, and nothing else is to be read."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim, Comparison, Hypothesis, ModelName, Path, Place, Settings
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution, Prompt
from circuitdsl.borders.source import CircError, Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.borders.verdict import Question
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.probes import commonest, control_labels, fit
from circuitdsl.models.toys import Draft
from circuitdsl.planning import plan
from circuitdsl.statistics import judge

FIRST, SECOND, IDLE = (Place(Unit("head", 0, index), name) for index, name in enumerate(("first", "second", "idle")))
NAMES = ("a", "b", "c", "d")
PAIRS = [(x, y) for x in range(4) for y in range(4)] * 12


@pytest.fixture(scope="module")
def copying():
    """A prompt is a pair of names; head 0.0 writes the first, 0.1 the second, 0.2 nothing."""
    toy = Draft(1, 3, 4, 1, [f"{x}{y}" for x in NAMES for y in NAMES], {"token": 16, "name": 4})
    toy.embed(toy.read("token"))
    for index, at in enumerate((lambda x, y: x, lambda x, y: y)):
        table = np.zeros((4, 16))
        for x in range(4):
            for y in range(4):
                table[at(x, y), 4 * x + y] = 1
        toy.head(0, index, v=toy.read("token", table), out=toy.write("name"))
    toy.unembed(np.zeros((16, toy.width)))
    return toy.adapter()


@pytest.fixture
def file(copying) -> Hypothesis:
    """Three rows of four explore. `half` puts names in two classes; `rare` is true of one pair in sixteen."""
    prompts = tuple(Prompt("", (4 * x + y,), Layout(0, 1), {"X": NAMES[x], "Y": NAMES[y]}) for x, y in PAIRS)
    features = {
        "X": tuple(x for x, _ in PAIRS),
        "Y": tuple(y for _, y in PAIRS),
        "half": tuple(int(x > 1) for x, _ in PAIRS),
        "rare": tuple(int(x == y == 0) for x, y in PAIRS),
        "pair": tuple(4 * x + y for x, y in PAIRS),
    }
    exploring = tuple(row for row in range(len(PAIRS)) if (row // 16) % 2)
    return Hypothesis(
        "", "", (), ModelName("toy"), copying.shape, {"clean": Distribution("clean", prompts)}, "clean", {},
        {name: {"clean": found} for name, found in features.items()}, {}, (), (), Settings(), exploring,
        tuple(row for row in range(len(PAIRS)) if row not in exploring), Source(""),
    )  # fmt: skip


def claim(slot, *places, measure="decodable", each=None, bound=0.9, **options):
    path = Path("node", places or (FIRST,), each=each)
    comparison = None if bound is None else Comparison(">=", bound)
    return Claim(
        "it",
        measure,
        "it",
        paths=(path,),
        slots=(slot,),
        options=measures()[measure].options_of(options),
        comparison=comparison,
        measured="clean",
    )


def settled(one, file, adapter):
    """Lowered, the columns of the rows that it is scored on, and the verdict."""
    lowered = measures()[one.measure].lower(one, file, Algebra())
    assert isinstance(lowered, Search)
    look, score = file.divided(one, "clean")

    def vectors(readouts, rows):
        found = execute(plan([Request(readout, rows) for readout in readouts.values()], file), adapter, file)
        return {name: found[readout.digest] for name, readout in readouts.items()}

    lowered = lowered.then(vectors(lowered.readouts, look))
    assert isinstance(lowered, Lowered) and lowered.scored is not None
    columns = lowered.scored.columns(score, vectors(lowered.readouts, score))
    question = Question(
        "it", one.comparison, lowered.members, columns, np.arange(len(score)), watches=lowered.watches, ranges=lowered.scored.ranges
    )
    return lowered, columns, judge([question], confidence=0.95, seed=0)[0]


def test_a_head_that_writes_a_name_is_decoded_and_one_that_does_not_is_not(file, copying):
    assert settled(claim("X"), file, copying)[2].outcome == "supported"
    for slot, place in (("Y", FIRST), ("X", SECOND), ("X", IDLE)):
        found = settled(claim(slot, place), file, copying)[2]
        assert found.outcome == "refuted" and found.members[0].estimate.high < 0.5


def test_a_node_writes_the_sum_of_its_units_and_each_goes_through_them(file, copying):
    """First and second name are written to one place: of their sum, which is which cannot be told."""
    both = settled(claim("X", FIRST, SECOND), file, copying)[2].members[0]
    assert 0.4 < both.estimate.value < 0.8
    each = settled(claim("X", FIRST, SECOND, each=0), file, copying)[2]
    assert [member.outcome for member in each.members] == ["supported", "refuted"]
    assert [member.label for member in each.members] == ["head 0.0", "head 0.1"]


def test_the_stream_that_a_node_reads_has_both_names(file, copying):
    for slot in ("X", "Y"):
        assert settled(claim(slot, IDLE, of="input"), file, copying)[2].outcome == "supported"


def test_the_area_under_the_curve_of_two_classes(file, copying):
    found = settled(claim("half", score="auc"), file, copying)[2]
    assert found.outcome == "supported" and found.members[0].estimate.value == 1
    assert settled(claim("half", SECOND, score="auc", bound=0.7), file, copying)[2].outcome == "refuted"
    with pytest.raises(CircError, match="two classes"):
        settled(claim("X", score="auc"), file, copying)


def test_a_constant_guess_is_told_and_warned_of(file, copying):
    """Fifteen prompts of sixteen are not rare: a probe of nothing is right on them, and no better than with labels permuted."""
    _, _, found = settled(claim("rare", IDLE), file, copying)
    member = found.members[0]
    assert member.estimate.value == member.beside["commonest class"].value == 15 / 16 and member.beside["p (permuted)"].value == 1
    assert any(warning.code == "W060" for warning in found.warnings)
    _, _, real = settled(claim("X"), file, copying)
    assert real.members[0].beside["p (permuted)"].value == 0.001 and not any(warning.code == "W060" for warning in real.warnings)


def test_a_probe_that_can_memorise_names_is_not_selective(file, copying):
    """The head gives the name away, so every labelling of names is learnt as well as the true one."""
    lowered, _, found = settled(claim("half", types="X"), file, copying)
    assert lowered.conditions["control task"].startswith("10 labellings of X (4 types, 100%")
    assert found.members[0].beside["control task"].value == 1 and any(warning.code == "W061" for warning in found.warnings)
    assert settled(claim("half", measure="decodable.selectivity", bound=0.5), file, copying)[2].outcome == "refuted"


def test_a_property_beyond_what_the_types_give_away_is_selective(file, copying):
    """Types are pairs of names. The head has the first name only: its half is decoded, labels of pairs can hardly be."""
    _, columns, found = settled(claim("half", types="pair", measure="decodable.selectivity", bound=0.1), file, copying)
    assert found.outcome == "supported" and not any(warning.code == "W061" for warning in found.warnings)
    assert columns["node: right"].all() and 0.4 < columns["node: control right"].mean() < 0.8


def test_the_control_task_labels_types_by_the_labels_own_shares_and_everywhere_alike():
    types, labels = np.arange(1000), np.repeat([0, 1], [900, 100])
    drawn = control_labels(types, labels, "key")
    assert 0.06 < np.mean([label for one in drawn for label in one.values()]) < 0.14
    assert control_labels(types[:3], labels, "key")[0] == {kind: drawn[0][kind] for kind in range(3)}
    assert drawn[0] != drawn[1]


def test_types_are_found_and_have_to_be_finer(file, copying):
    assert "labellings of X " in settled(claim("half"), file, copying)[0].conditions["control task"], "the coarsest that divides it"
    assert settled(claim("pair", bound=0.1), file, copying)[0].conditions["control task"].startswith("none")
    with pytest.raises(CircError, match="no slot or feature divides"):
        settled(claim("pair", measure="decodable.selectivity"), file, copying)
    with pytest.raises(CircError, match="no more classes"):
        settled(claim("X", types="half"), file, copying)


def test_what_is_fitted_never_sees_what_is_scored(file, copying):
    """Labels of the scored rows turned round: the probe is as it was, and wrong on all of them."""
    changed = list(file.features["half"]["clean"])
    for row in file.verifying:
        changed[row] = 1 - changed[row]
    turned = replace(file, features={**file.features, "half": {"clean": tuple(changed)}})
    assert settled(claim("half", types=None), turned, copying)[2].members[0].estimate.value == 0


def test_a_measurement_is_scored_on_the_half_of_the_exploring_part_that_it_was_not_fitted_on(file, copying):
    one = claim("X", bound=None)
    look, score = file.divided(one, "clean")
    assert set(look) | set(score) == set(file.exploring) and not set(look) & set(score) and abs(len(look) - len(score)) <= 1
    assert settled(one, file, copying)[2].outcome == "measured"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slot": "Z"}, "have no `Z`"),
        ({"slot": "X", "places": (Place(EMBED, "embed"),), "of": "input"}, "reads no stream"),
        ({"slot": "X", "places": (FIRST, Place(LOGITS, "logits"))}, "write nothing"),
        ({"slot": "X", "places": (FIRST, Place(LOGITS, "logits")), "of": "input"}, "do not read one stream"),
    ],
)
def test_what_cannot_be_probed_is_refused(file, copying, changes, words):
    changes = dict(changes)
    with pytest.raises(CircError, match=words) as error:
        settled(claim(changes.pop("slot"), *changes.pop("places", ()), **changes), file, copying)
    assert error.value.diagnostics[0].code in ("C395", "C399")


def test_without_scikit_learn_it_says_what_to_install(file, copying, monkeypatch):
    monkeypatch.setattr("circuitdsl.measures.probe_task.available", lambda: False)
    with pytest.raises(CircError, match=r"C398.*scikit-learn"):
        settled(claim("X"), file, copying)


def test_a_probe_of_one_class_says_that_class():
    probe = fit(np.zeros((5, 2)), np.full(5, 3))
    assert probe.predict(np.ones((2, 2))).tolist() == [3, 3] and commonest(np.array([2, 1, 1, 2])) == 1
