"""What a scrub claim refuses, and what it says beside its score."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.measure import MeanOf
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Draw
from circuitdsl.models.toys import induction
from circuitdsl.planning.draws import Tape, uniform

A = Unit("head", 0, 0)


@pytest.fixture
def file(scrub):
    nodes = {"a": scrub.node("a", A, carries="f"), "b": scrub.node("b", Unit("head", 1, 0), carries="g")}
    edges = [("embed", "a", None), ("a", "b", "k"), ("embed", "b", "q"), ("b", "logits", None)]
    prompts = scrub.prompts([[0, 1 + row % 3, 2, 3] for row in range(12)])
    features = {"f": [row % 3 for row in range(12)], "g": [row % 2 for row in range(12)]}
    return scrub.Graph(induction().adapter().shape, prompts, [1] * 12, features, nodes, edges).hypothesis()


@pytest.mark.parametrize("replicates", [-1, 0, 1.5, 1e9])
def test_replicates_are_a_whole_number(scrub, file, replicates):
    with pytest.raises(CircError, match="C375"):
        scrub.lowered(file, replicates=replicates)


def test_a_feature_that_the_prompts_have_not(scrub, file):
    with pytest.raises(CircError, match=r"C376.*no `f`"):
        scrub.lowered(replace(file, features={"g": file.features["g"]}))


def test_the_score_is_a_ratio_with_what_protects_it_beside_it(scrub, file):
    lowered = scrub.lowered(file, replicates=3)
    (member,) = lowered.members
    assert {"F(scrub)", "F(base)", "F(M)", "|F(scrub) − F(M)| a prompt", "KL(M‖scrub)"} <= set(member.beside)
    assert member.beside["|F(scrub) − F(M)| a prompt"] == MeanOf(member.beside["|F(scrub) − F(M)| a prompt"].of, absolute=True)
    assert lowered.replicates["F(scrub)"] == ("F(scrub) 1", "F(scrub) 2", "F(scrub) 3")
    assert lowered.conditions["donor is the reference (f)"] == "25.0% of draws"
    assert any(warning.code == "W063" and warning.message.startswith("25% of the donors that agree on `f`") for warning in lowered.warnings)
    assert not any(warning.code == "W063" and "`g`" in warning.message for warning in lowered.warnings)
    assert set(lowered.classes) == {"f", "g"}
    assert any(warning.code == "W057" and "`f`" in warning.message for warning in lowered.warnings)


def test_replicates_draw_anew_and_the_first_is_the_only_one(scrub, file):
    one, three = scrub.lowered(file), scrub.lowered(file, replicates=3)
    assert one.readouts["F(scrub)"].digest == three.readouts["F(scrub) 1"].digest
    assert len({three.readouts[f"F(scrub) {number}"].digest for number in (1, 2, 3)}) == 3


def test_donors_are_uniform_over_the_class_with_the_reference_itself(file):
    """The matrix of odds is doubly stochastic and idempotent: each class of n has 1/n everywhere; so every marginal is uniform."""
    draw = Draw("clean", "clean", "path", "f")
    counts = np.zeros((12, 12))
    for seed in range(1500):
        counts[range(12), Tape(file, range(12), seed).rows(draw)] += 1
    same = np.equal.outer(file.features["f"]["clean"], file.features["f"]["clean"])
    odds = same / same.sum(1)
    assert np.allclose(odds @ odds, odds) and np.allclose(odds.sum(0), 1)
    assert (counts[~same] == 0).all()
    assert np.abs(counts / 1500 - odds)[same].max() < 5 * (0.25 * 0.75 / 1500) ** 0.5
    assert np.trace(odds) / 12 == pytest.approx(3 / 12)


def test_a_draw_given_by_another_is_uniform_over_all_prompts(file):
    first = Draw("clean", "clean", "one", "f")
    second = Draw("clean", "clean", "two", "g", first)
    found = np.concatenate([Tape(file, range(12), seed).rows(second) for seed in range(400)])
    counts = np.bincount(found, minlength=12)
    assert np.abs(counts - 400).max() < 5 * (400 * 11 / 12) ** 0.5


def test_known_draws():
    """Draws are part of what makes a run repeatable: they may not change between versions."""
    assert [uniform(0, "clean", "0:logits/*<head 9.9@END", row, 100) for row in range(3)] == [96, 53, 26]
