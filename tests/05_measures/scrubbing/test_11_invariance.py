"""Ground truth 27: what may not change a number does not change it, whatever is sampled, nor what an adversary finds."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim, Comparison
from circuitdsl.borders.plan import Request
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.oracle import evaluate
from circuitdsl.pipeline import judge, lower, settle
from circuitdsl.pipeline import plan as spine_plan
from circuitdsl.planning import plan

SAMPLINGS = ({"sampling": "tree", "replicates": 2}, {"sampling": "shared", "replicates": 2}, {"banks": 2})


@pytest.fixture(scope="module")
def model(scrub):
    """Head 0.0 writes f; 0.1 and 0.2 write g and take it back, 0.3 and 0.4 likewise h; the metric is the probability of f's side."""
    parts = (lambda f, g, h: f, lambda f, g, h: g, lambda f, g, h: -g, lambda f, g, h: 2 * h, lambda f, g, h: -2 * h)
    return scrub.Voted(product((-1, 1), repeat=3), *parts, kind="prob", times=3)


def a_file(scrub, model, turned=False):
    """Half of the prompts are explored. What is left out has names, some of them two. `turned`: they are written in another order."""
    heads = [Unit("head", 0, index) for index in range(5)]
    named = {"g": heads[1:3], "mixed": heads[1:4], "also": heads[1:4], "ends": [heads[1], heads[4]], "alone": heads[2:3], "all": heads[1:]}
    file = model.file([scrub.node("a", heads[0], carries="f")], f=lambda f, g, h: f)
    nodes = {**file.nodes, **{name: scrub.node(name, *units) for name, units in named.items()}}
    if turned:
        nodes, file = dict(reversed(nodes.items())), replace(file, edges=file.edges[::-1])
    rows = range(len(model.inputs))
    return replace(file, nodes=nodes, exploring=tuple(rows[::2]), verifying=tuple(rows[1::2]))


def found(file, model, memory=None, oracle=False, **options):
    """What an adversary that tries three splits a step finds, with the verdict on the other prompts."""
    given = {"baseline": "shuffle", "adversary": 3, **options}
    claim = Claim(
        "s",
        "scrub",
        "scrub(m)",
        metric="m",
        options=measures()["scrub"].options_of(given),
        measured="clean",
        comparison=Comparison(">=", 0.5),
    )

    def run(planned):
        numbers = evaluate(planned.requests, file, model.adapter, planned.draws) if oracle else execute(planned, model.adapter, file)
        return {one.readout.digest: dict(zip(one.rows, numbers[one.readout.digest], strict=True)) for one in planned.requests}

    asked = settle(file, lower(replace(file, claims=(claim,)), Algebra()), run, memory)
    return asked[0].lowered.conditions["adversary"], judge(file, asked, run(spine_plan(file, asked, memory)))[0]


def numbers(verdict):
    member = verdict.members[0]
    return {name: (one.value, one.low, one.high) for name, one in {"score": member.estimate, **member.beside}.items()}


@pytest.mark.parametrize("options", SAMPLINGS, ids=lambda options: str(next(iter(options.values()))))
@pytest.mark.parametrize("how", ["prompts one by one", "another order of the file", "nothing shared"])
def test_the_adversary_finds_the_same(scrub, model, options, how):
    grouping, verdict = found(a_file(scrub, model), model, **options)
    match how:
        case "prompts one by one":
            other, again = found(a_file(scrub, model), model, memory=1, **options)
        case "another order of the file":
            other, again = found(a_file(scrub, model, turned=True), model, **options)
        case _:
            other, again = found(a_file(scrub, model), model, oracle=True, **options)
    assert other == grouping and "no split" not in grouping
    assert again.outcome == verdict.outcome and again.warnings == verdict.warnings
    assert numbers(again) == {name: pytest.approx(value, rel=1e-9, abs=1e-9) for name, value in numbers(verdict).items()}


def test_an_adversary_splits_what_is_left_out_where_it_is_named_as_one_group_too(scrub, model):
    """Embeddings are left out as well, but nothing reads them where the others are read."""
    for others, group in (((), "the rest"), (("all",), "all")):
        grouping, verdict = found(a_file(scrub, model), model, adversary=12, others=others, replicates=2)
        assert group in grouping and "no split" not in grouping
        assert verdict.members[0].estimate.value == pytest.approx(1, abs=1e-6)
        assert verdict.members[0].beside["lowered by"].value > 0.05


@pytest.mark.parametrize("options", SAMPLINGS, ids=lambda options: str(next(iter(options.values()))))
def test_a_prompts_number_does_not_depend_on_which_are_measured_with_it(scrub, model, options):
    file = a_file(scrub, model)
    lowered = scrub.lowered(file, **options)
    readouts = [lowered.readouts[name] for name in lowered.replicates["F(scrub)"]]

    def of(rows, memory=None):
        planned = plan([Request(readout, rows) for readout in readouts], file, memory=memory)
        got = execute(planned, model.adapter, file)
        return np.stack([got[readout.digest] for readout in readouts])

    whole = of(tuple(range(len(model.inputs))))
    for rows in ((5,), (20, 7, 3), tuple(range(1, 24, 2))):
        np.testing.assert_allclose(of(rows), whole[:, rows], rtol=1e-11)
        np.testing.assert_allclose(of(rows, memory=1), whole[:, rows], rtol=1e-11)


@pytest.mark.parametrize("sampling", ["tree", "shared"])
def test_left_out_parents_may_be_named_as_one_group(scrub, sampling):
    """Every way that the draws can fall, with its odds: one group for all that is left out gives what the one `rest` gives."""
    toy = scrub.Sums([(0, 0), (0, 1), (1, 0), (1, 1)], [lambda f, g: f, lambda f, g: g, lambda f, g: -2 * g])
    nodes = [
        scrub.node("a", Unit("head", 0, 0)),
        scrub.node("one", Unit("head", 0, 1)),
        scrub.node("both", *(Unit("head", 0, i) for i in (1, 2))),
    ]
    file = toy.graph(nodes, {}, [("embed", "a", None), ("a", "logits", None)])

    def odds(others):
        fallen = {}
        for one in scrub.outcomes(file, toy.adapter, still(others), sampling=sampling, others=others):
            fallen[one.row, round(one.value, 9)] = fallen.get((one.row, round(one.value, 9)), 0) + one.odds
        return fallen

    def still(others):
        """Where all that matters has a group of its own, the rest does not matter."""
        return lambda draw: draw.path.endswith("rest") and (bool(others) or draw.path.count("/") > 1)

    assert odds(("both",)) == odds(()) != odds(("one",))
