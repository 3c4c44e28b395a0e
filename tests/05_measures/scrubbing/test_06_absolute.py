"""`align = absolute`: what it refuses, what it says, and who may be whose donor."""

from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim, Path, Place, Settings, Step
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import LOGITS, Layout, Role, Unit
from circuitdsl.measures import measures
from circuitdsl.measures.effects import EffectOptions
from circuitdsl.models.toys import induction

A, B = Unit("head", 0, 0), Unit("head", 1, 0)
HERE, THERE = (Role("X"),), (Role("Y"),)
LAYOUTS = Layout(0, 5, ((("X", 1), (1, 2)), (("Y", 1), (2, 3)))), Layout(1, 5, ((("X", 1), (2, 3)), (("Y", 1), (1, 2))))
FEATURES = {"f": [row // 2 % 3 for row in range(12)], "template": [row % 2 for row in range(12)]}
ABSOLUTE = Settings(align="absolute")


@pytest.fixture
def file(scrub):
    """`file(edges, **nodes)`: 12 prompts of two layouts by turns, in which X and Y change places."""

    def make(edges, **nodes):
        prompts = scrub.prompts([[0, 1 + row % 3, 2, 3, 1] for row in range(12)], [LAYOUTS[row % 2] for row in range(12)])
        graph = scrub.Graph(induction().adapter().shape, prompts, [1] * 12, FEATURES, nodes, edges)
        return replace(graph.hypothesis(), settings=ABSOLUTE)

    return make


def placed(scrub, file, carries, port="k", **more):
    a = scrub.node("a", A, carries=carries, roles=HERE)
    return file([("embed", "a", None), ("a", "b", port), ("b", "logits", None)], a=a, b=scrub.node("b", B, carries="f"), **more)


@pytest.mark.parametrize("port", ["q", None])
def test_what_is_read_where_it_stands_needs_a_feature_that_fixes_its_place(scrub, file, port):
    with pytest.raises(CircError, match=r"C374: `a` feeds the queries of head 1.0, .*agree on `f` one has `X` at token 1, one at 2"):
        scrub.lowered(placed(scrub, file, "f", port))
    scrub.lowered(placed(scrub, file, "template", port))
    scrub.lowered(placed(scrub, file, None, port))


def test_keys_and_values_are_found_wherever_they_stand(scrub, file):
    for port in "kv":
        scrub.lowered(placed(scrub, file, "f", port))


def test_what_feeds_the_logits_is_read_where_it_stands(scrub, file):
    node = scrub.node("a", A, carries="f", roles=HERE)
    with pytest.raises(CircError, match="C374: `a` feeds logits, where each position is read for itself"):
        scrub.lowered(file([("embed", "a", None), ("a", "logits", None)], a=node))


@pytest.mark.parametrize(("carries", "refused"), [("f", True), ("template", False), (None, False)])
def test_two_nodes_of_one_unit_may_not_meet(scrub, file, carries, refused):
    """X of one donor stands where Y of another does; not if their features fix the place."""
    a, b = scrub.node("a", A, carries=carries, roles=HERE), scrub.node("a2", A, carries=carries, roles=THERE)
    edges = [("embed", "a", None), ("embed", "a2", None), ("a", "b", "k"), ("a2", "b", "k"), ("b", "logits", None)]
    made = file(edges, a=a, a2=b, b=scrub.node("b", B, carries="f"))
    if refused:
        with pytest.raises(CircError, match=r"C381: head 0.0 is in `a` and `a2`, and their donors may both deliver at token 1"):
            scrub.lowered(made)
        return
    scrub.lowered(made)
    with pytest.raises(CircError, match="C381") as error:
        scrub.lowered(made, baseline="unconditional")
    assert error.value.diagnostics[0].hint.endswith("or take another baseline")


def test_shared_draws_of_one_feature_do_not_meet(scrub, file):
    a, b = scrub.node("a", A, carries="f", roles=HERE), scrub.node("a2", A, carries="f", roles=THERE)
    edges = [("embed", "a", None), ("embed", "a2", None), ("a", "b", "k"), ("a2", "b", "k"), ("b", "logits", None)]
    scrub.lowered(file(edges, a=a, a2=b, b=scrub.node("b", B, carries="f")), sampling="shared")


def test_a_left_out_node_with_a_draw_of_its_own_may_not_meet_one_that_is_delivered(scrub, file):
    made = placed(scrub, file, "f", aside=scrub.node("aside", A, roles=THERE))
    with pytest.raises(CircError, match="C381"):
        scrub.lowered(made, others=("aside",))


def test_donors_without_the_position(scrub, file):
    made = placed(scrub, file, "f")
    bare = Distribution("bare", scrub.prompts([[0, 1, 2, 3, 1]] * 4))
    features = {name: {**of, "bare": of["clean"][:4]} for name, of in made.features.items()}
    made = replace(made, distributions={**made.distributions, "bare": bare}, features=features)
    with pytest.raises(CircError, match=r"C382: `X` does not stand in every prompt of `bare`"):
        scrub.lowered(made, **{"from": "bare"})


def test_the_report_says_how_often_a_node_stands_elsewhere(scrub, file):
    """Two of the four donors that agree on f have the other layout."""
    lowered = scrub.lowered(placed(scrub, file, "f"))
    assert lowered.conditions["classes"] == "cut by length (donors of any layout)"
    assert lowered.conditions["donor stands elsewhere (a @ X)"] == "50.0% of draws"
    assert lowered.conditions["donor has another layout (f)"] == "50.0% of draws"
    assert lowered.conditions["donor is the reference (f)"] == "25.0% of draws"
    one = scrub.lowered(placed(scrub, file, "template"))
    assert one.conditions["donor stands elsewhere (a @ X)"] == "0.0% of draws"
    assert any(str(warning).startswith("W057: 3 of 3 classes of `f`, cut by length") for warning in lowered.warnings)


def test_a_feature_that_the_layout_fixes_is_worth_a_warning(scrub, file):
    made = placed(scrub, file, "template")
    assert not any(warning.code == "W069" for warning in scrub.lowered(made).warnings)
    (warning,) = [w for w in scrub.lowered(replace(made, settings=Settings())).warnings if w.code == "W069"]
    assert "all prompts of a layout agree on `template`" in warning.message


def test_donors_come_from_every_layout_of_the_length(scrub, file):
    """Each agreeing donor as often as the next: also when it has another layout, and never one of another length."""
    from circuitdsl.borders.values import Draw
    from circuitdsl.planning.draws import Tape

    made = placed(scrub, file, "f")
    longer = scrub.prompts([[0] * 6] * 3, [Layout(0, 6)] * 3)
    clean = replace(made.distributions["clean"], prompts=(*made.distributions["clean"].prompts, *longer))
    made = replace(made, distributions={"clean": clean}, features={"f": {"clean": (*FEATURES["f"], 0, 0, 0)}})
    counts = np.zeros((15, 15))
    for seed in range(800):
        counts[range(15), Tape(made, range(15), seed).rows(Draw("clean", "clean", "path", "f"))] += 1
    classes, lengths = np.array([*FEATURES["f"], 0, 0, 0]), np.array([5] * 12 + [6] * 3)
    same = np.equal.outer(classes, classes) & np.equal.outer(lengths, lengths)
    odds = same / same.sum(1)
    assert (counts[~same] == 0).all()
    assert np.abs(counts / 800 - odds)[same].max() < 5 * (0.25 * 0.75 / 800) ** 0.5


def test_an_effect_from_drawn_donors_that_stand_elsewhere_is_refused(scrub, file):
    made = placed(scrub, file, "f")
    pool = Distribution("pool", made.distributions["clean"].prompts[1:])
    metric = made.metrics["m"]
    metric = replace(metric, bound={**metric.bound, "pool": metric.bound["clean"]})
    made = replace(made, distributions={**made.distributions, "pool": pool}, metrics={"m": metric})

    def effect(roles, hypothesis):
        path = Path("a -> logits", (Place(A, "a", roles),), (Step("direct", (Place(LOGITS, "logits"),)),))
        claim = Claim("e", "effect", "e", metric="m", paths=(path,), options=EffectOptions(from_="pool"), measured="clean")
        check = measures()["effect"].check
        assert check is not None
        check(claim, hypothesis)

    with pytest.raises(CircError, match=r"C383: `X` stands elsewhere in some donors from `pool`"):
        effect(HERE, made)
    effect(None, made)
    effect((Role("END"),), made)
    effect(HERE, replace(made, settings=Settings()))
