"""What protects from false accepts: every warning and row beside a score, where it is due and where it is not."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Place
from circuitdsl.borders.units import Role, Unit
from circuitdsl.measures.adversary import Grouping, left_out, splits
from circuitdsl.measures.scrub_runs import SharedDraw, draw_groups
from circuitdsl.models.toys import induction

A, B, C = (Unit("head", 0, index) for index in range(3))
SIGNS = (-1, 1)


def codes(verdict):
    return [warning.code for warning in verdict.warnings]


def row(verdict, name):
    return verdict.members[0].beside[name].value


@pytest.mark.parametrize(("whole", "fires"), [(False, True), (True, False)])
def test_changes_that_cancel(scrub, whole, fires):
    """As in ground truth 16 the mean is kept, and each prompt is not: what is left out adds to one and takes from another."""
    toy = scrub.Voted([(y, x) for y in SIGNS for x in (-1, 0, 1)], lambda y, x: y + y * x, lambda y, x: 0 if whole else 2 * x)
    verdict = scrub.judged(toy.file([scrub.node("a", A)]), toy.adapter)
    assert ("W053" in codes(verdict)) == fires
    assert verdict.members[0].estimate.value == pytest.approx(1, abs=0.3)
    assert (row(verdict, "|F(scrub) − F(M)| a prompt") > 0.5) == fires
    assert (row(verdict, "KL(M‖scrub)") > 0.1) == fires


@pytest.mark.parametrize(("whole", "fires"), [(False, True), (True, False)])
def test_a_score_above_one(scrub, whole, fires):
    """An anti-helper is left out: ground truth 18."""
    toy = scrub.Voted([(y,) for y in SIGNS], lambda y: y, lambda y: -y / 2)
    nodes = [scrub.node("y", A, carries="y"), *([scrub.node("less", B, carries="y")] if whole else [])]
    verdict = scrub.judged(toy.file(nodes, y=lambda y: y), toy.adapter, baseline="unconditional")
    assert ("W052" in codes(verdict)) == fires
    assert verdict.members[0].estimate.value == pytest.approx(1 if whole else 2, abs=0.5)


@pytest.mark.parametrize(("times", "fires"), [(10, True), (20, False)])
def test_a_small_class(scrub, times, fires):
    toy = scrub.Voted([(y,) for y in SIGNS], lambda y: y, lambda y: 0, times=times)
    assert ("W057" in codes(scrub.judged(toy.file([scrub.node("y", A, carries="y")], y=lambda y: y), toy.adapter))) == fires


@pytest.mark.parametrize(("each", "fires"), [(3, True), (40, False)])
def test_donors_that_are_the_reference_itself(scrub, each, fires):
    toy = scrub.Voted([(y, x) for y in SIGNS for x in range(120 // each)], lambda y, x: y, lambda y, x: 0, times=each // 2 or 1)
    verdict = scrub.judged(toy.file([scrub.node("y", A, carries="x")], x=lambda y, x: x), toy.adapter)
    assert ("W063" in codes(verdict)) == fires


def diamond(scrub, other, together=False):
    """Two heads that carry f: f + g and f less `other` of g; the probability of f's side."""
    toy = scrub.Voted(product(SIGNS, SIGNS), lambda f, g: f + g, lambda f, g: f - other * g, kind="prob")
    return toy, toy.file([scrub.node("m", A, B, carries="f", together=together)], f=lambda f, g: f)


@pytest.mark.parametrize(("other", "fires"), [(1, True), (0, False)])
def test_what_carries_one_feature_is_drawn_together_and_apart(scrub, other, fires):
    """Ground truth 12: drawn together the errors cancel, apart they do not. With g in one head alone it is all the same."""
    toy, file = diamond(scrub, other)
    verdict = scrub.judged(file, toy.adapter, replicates=3)
    assert ("W067" in codes(verdict)) == fires
    apart, together = verdict.members[0].estimate.value, row(verdict, "score, f drawn together")
    if fires:
        assert together == pytest.approx(1, abs=1e-6) and apart < 0.95
        assert any("with f drawn together the score is higher" in warning.message for warning in verdict.warnings)
    toy, file = diamond(scrub, other, together=True)
    verdict = scrub.judged(file, toy.adapter, replicates=3)
    assert ("W067" in codes(verdict)) == fires
    assert "score, f drawn apart" in verdict.members[0].beside


def test_the_other_way_to_draw_is_not_asked_where_there_is_none(scrub):
    toy, file = diamond(scrub, 1)
    one = toy.file([scrub.node("m", A, carries="f")], f=lambda f, g: f)
    for hypothesis, options in ((one, {}), (file, {"sampling": "shared"})):
        lowered = scrub.lowered(hypothesis, **options)
        assert not any("drawn" in name for name in lowered.members[0].beside)


def test_drawn_together_the_rest_is_the_same(scrub):
    """So that the two scores differ in the donors alone."""
    _, file = diamond(scrub, 1)
    own, other = (scrub.lowered(file).readouts[name].value for name in ("F(scrub)", "F(scrub), drawn together"))
    assert own.background == other.background and own is not other


@pytest.mark.parametrize(("seed", "fires"), [(None, True), (0, False)])
def test_donors_that_share_the_mechanism(scrub, seed, fires):
    """Where the pair stands at the same place in every prompt, the induction head attends alike whoever is the donor."""
    rng = np.random.default_rng(seed or 0)
    places = [0] * 60 if seed is None else rng.integers(0, 2, 60).tolist()
    toy = induction(("a", "b", "c", "d"), 5).adapter()
    fill = [rng.permutation(4).tolist() for _ in places]
    prompts = [(a, b, c, d, a) if not place else (c, a, b, d, a) for place, (a, b, c, d) in zip(places, fill, strict=True)]
    prompts = [tuple(token + 1 for token in prompt) for prompt in prompts]
    nodes = {"i": scrub.node("i", Unit("head", 1, 0), carries="next")}
    edges = [("embed", "i", "q"), ("embed", "i", "v"), ("i", "logits", None)]
    features = {"next": [b for _, b, _, _ in fill]}
    file = scrub.Graph(toy.shape, scrub.prompts(prompts), [b + 1 for _, b, _, _ in fill], features, nodes, edges).hypothesis()
    assert ("W051" in codes(scrub.judged(file, toy))) == fires


def left_to_cancel(scrub, other, size=2):
    """Ground truth 13: g and less `other` of g are left out; the probability of f's side. Half of the prompts are explored."""
    toy = scrub.Voted(product(SIGNS, SIGNS), lambda f, g: f, lambda f, g: size * g, lambda f, g: -size * other * g, kind="prob")
    file = toy.file([scrub.node("a", A, carries="f")], f=lambda f, g: f)
    n = len(toy.inputs)
    return toy, replace(file, exploring=tuple(range(n // 2)), verifying=tuple(range(n // 2, n)))


def test_the_adversary_takes_apart_what_cancels(scrub):
    toy, file = left_to_cancel(scrub, 1)
    verdict = scrub.judged(file, toy.adapter, adversary=8, replicates=2)
    assert verdict.members[0].estimate.value == pytest.approx(1, abs=1e-6)
    (name,) = (name for name in verdict.members[0].beside if name.startswith("score, left out in groups"))
    assert name in ("score, left out in groups: head 0.1 | the rest", "score, left out in groups: head 0.2 | the rest")
    assert row(verdict, name) < 0.9
    assert row(verdict, "lowered by") == pytest.approx(1 - row(verdict, name))
    assert "W068" in codes(verdict)


def test_the_adversary_finds_nothing_where_nothing_is_left_out_that_matters(scrub):
    toy, file = left_to_cancel(scrub, 1)
    nothing = scrub.Voted(product(SIGNS, SIGNS), lambda f, g: f, lambda f, g: 0, lambda f, g: 0, kind="prob")
    file = replace(nothing.file([scrub.node("a", A, carries="f")], f=lambda f, g: f), exploring=file.exploring, verifying=file.verifying)
    verdict = scrub.judged(file, nothing.adapter, adversary=8)
    assert "W068" not in codes(verdict) and "lowered by" not in verdict.members[0].beside
    assert toy is not None


def test_parts_of_a_stated_group_keep_its_positions():
    places = tuple(Place(unit, "late", (Role("END"),)) for unit in (A, B))
    left = (A, B, C)
    found = splits(Grouping((SharedDraw("late", places),)), {"head 0.0": frozenset({A}), "head 0.2": frozenset({C})}, left)
    (grouping,) = found  # head 0.2 is all that is left of the rest
    assert {one.name: one.places for one in grouping.apart} == {"late less head 0.0": places[1:], "head 0.0": places[:1]}


def test_what_an_edge_delivers_at_some_positions_is_left_out_at_the_others(scrub):
    toy = scrub.Sums([(0,), (1,)], [lambda x: x, lambda x: x], 2)
    file = toy.graph([scrub.node("a", A), scrub.node("b", B)])
    incoming = draw_groups(file, tuple(link for edge in file.edges for link in edge.links))
    logits = next(place for place in incoming if str(place.unit) == "logits")
    assert B not in left_out(file, incoming)
    groups = tuple(replace(one, links=tuple(replace(link, roles=(Role("END"),)) for link in one.links)) for one in incoming[logits])
    assert B in left_out(file, {**incoming, logits: groups})
