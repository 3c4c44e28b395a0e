"""Runs with parts knocked out and path effects, as values, against their definitions. The oracle gives the numbers."""

import random
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Hypothesis, Link, ModelName, Path, Place, Settings, Step
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Role, Unit
from circuitdsl.borders.values import Algebra, Override, Run
from circuitdsl.measures.circuit_runs import EMBEDDING, OUTPUT, circuit_logits
from circuitdsl.measures.effects import path_logits
from circuitdsl.measures.patched_runs import knocked_out
from circuitdsl.oracle import evaluate

FAMILIES = ("gpt2", "llama", "neox", "olmo2")
LENGTH, ROWS = 6, 2
S, END = (Role("S"),), (Role("END"),)


def hypothesis(shape) -> Hypothesis:
    """Two paired distributions of random tokens in one layout; the metric is one token's logit at END."""
    rng = random.Random(0)
    layout = Layout(0, LENGTH, ((("S", 1), (2, 3)),))

    def prompts():
        rows = [tuple(rng.randrange(3, shape.vocabulary) for _ in range(LENGTH)) for _ in range(ROWS)]
        return tuple(Prompt("", tokens, layout) for tokens in rows)

    clean, other = Distribution("clean", prompts()), Distribution("other", prompts(), paired="clean")
    pick = Pick("logit", np.full(ROWS, 7), np.full(ROWS, LENGTH - 1))
    positions = {name: np.full(ROWS, LENGTH - 1) for name in ("clean", "other")}
    metric = Metric("m", "logit", False, {"clean": pick, "other": pick}, positions=positions)
    return Hypothesis(
        "", "", (), ModelName("tiny"), shape, {"clean": clean, "other": other}, "clean", {"m": metric}, {}, {}, (), (), Settings(), (),
        tuple(range(ROWS)), Source(""),
    )  # fmt: skip


def numbers(adapter, file, *values):
    from circuitdsl.models.exact import exact

    requests = [SimpleNamespace(readout=MetricValue(value, "clean", "m"), rows=tuple(range(ROWS))) for value in values]
    with exact():
        found = evaluate(requests, file, adapter, {})
    return [found[request.readout.digest] for request in requests]


def every_link(shape, places):
    return [
        Link(sender, receiver, port)
        for sender, receiver in product(places, places)
        if shape.reads(receiver.unit, sender.unit)
        for port in receiver.unit.ports
    ]


def split(shape, special):
    """A place for each unit, but for `special` units one @ S and one for each other position."""
    others = tuple(Role("END", part="last", shift=-i) for i in range(LENGTH) if LENGTH - 1 - i != 2)
    places = [EMBEDDING, OUTPUT]
    for unit in shape.units():
        if unit in (EMBED, LOGITS):
            continue
        if unit in special:
            places += [Place(unit, f"{unit} S", S), Place(unit, f"{unit} rest", others)]
        else:
            places.append(Place(unit, str(unit)))
    return places


@pytest.mark.parametrize("family", FAMILIES)
def test_knocking_nodes_out_of_the_model_is_its_run_with_all_edges_but_theirs(tiny, family):
    adapter = tiny(family)
    file, shape = hypothesis(adapter.shape), adapter.shape
    algebra, clean, other = Algebra(), Run("clean"), Run("other")
    special = {Unit("head", 0, 1), Unit("mlp", 1), Unit("head", 1, 2)}
    places = split(shape, special)
    gone = [place for place in places if place.unit in special and place.roles == S]
    links = [link for link in every_link(shape, places) if link.sender not in gone]
    slow, fast, model = numbers(
        adapter,
        file,
        circuit_logits(algebra, links, other, clean),
        knocked_out(algebra, shape, clean, other, nodes=gone),
        algebra.logits(clean),
    )
    np.testing.assert_allclose(fast, slow, rtol=1e-9)
    assert np.abs(fast - model).min() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_knocking_edges_out_of_the_model_is_its_run_with_all_edges_but_them(tiny, family):
    adapter = tiny(family)
    file, shape = hypothesis(adapter.shape), adapter.shape
    algebra, clean, other = Algebra(), Run("clean"), Run("other")
    special = {Unit("head", 0, 1), Unit("head", 2, 0), Unit("head", 1, 2)}
    places = split(shape, special)
    rng = random.Random(1)
    every = every_link(shape, places)
    cut = rng.sample([link for link in every if link.sender.roles == S or link.receiver == OUTPUT], 6)
    slow, fast = numbers(
        adapter,
        file,
        circuit_logits(algebra, [link for link in every if link not in cut], other, clean),
        knocked_out(algebra, shape, clean, other, links=cut),
    )
    np.testing.assert_allclose(fast, slow, rtol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_pinning_every_head_of_a_layer_along_every_route_equals_running_from_there(tiny, family):
    """All units of layer 0 and the embedding pinned to the other prompts: everything after them is the other prompts' run."""
    adapter = tiny(family)
    file, shape = hypothesis(adapter.shape), adapter.shape
    algebra, clean, other = Algebra(), Run("clean"), Run("other")
    start = tuple(Place(unit, str(unit)) for unit in shape.units() if unit == EMBED or (unit.layer == 0 and unit != LOGITS))
    path = Path("", start, (Step("all", (OUTPUT,)),))
    found, there = numbers(adapter, file, path_logits(algebra, file, path, other, clean), algebra.logits(other))
    np.testing.assert_allclose(found, there, rtol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_path_recomputes_what_it_names_and_pins_each_read(tiny, family):
    """`a -> b.q ~> logits` by hand: b's query read pinned, its other ports and everything after it live."""
    adapter = tiny(family)
    file, shape = hypothesis(adapter.shape), adapter.shape
    algebra, clean, other = Algebra(), Run("clean"), Run("other")
    a, b = Place(Unit("head", 0, 1), "a", END), Place(Unit("head", 1, 2), "b", END)
    first = Step("direct", (b,), "q")
    pinned = algebra.mix([Override(a.unit, END, algebra.base(other, a.unit))])
    value = algebra.recomputed(b.unit, clean, {"q": pinned})
    direct = algebra.logits(clean, algebra.mix([Override(b.unit, END, value)]))
    routes = circuit_logits_of_everything_after(algebra, shape, clean, b, value)
    got_direct, want_direct, got_all, want_all = numbers(
        adapter,
        file,
        path_logits(algebra, file, Path("", (a,), (first, Step("direct", (OUTPUT,)))), other, clean),
        direct,
        path_logits(algebra, file, Path("", (a,), (first, Step("all", (OUTPUT,)))), other, clean),
        routes,
    )
    np.testing.assert_allclose(got_direct, want_direct, rtol=1e-12)
    np.testing.assert_allclose(got_all, want_all, rtol=1e-9)
    assert np.abs(got_all - got_direct).max() > 1e-6


def circuit_logits_of_everything_after(algebra, shape, clean, place, value):
    """Every unit after `place` recomputed from `place` and from one another, one override at a time."""
    values = {place: value}
    for unit in shape.units():
        if shape.reads(unit, place.unit) and unit != LOGITS:
            reads = [Override(p.unit, p.roles, v) for p, v in values.items() if shape.reads(unit, p.unit)]
            values[Place(unit, str(unit))] = algebra.recomputed(unit, clean, dict.fromkeys(unit.ports, algebra.mix(reads)))
    return algebra.logits(clean, algebra.mix(Override(p.unit, p.roles, v) for p, v in values.items()))


def test_what_links_deliver_at_one_place_twice_arrives_there_once():
    """As where `keep` feeds a live unit all that an edge feeds it in part."""
    algebra, head = Algebra(), Place(Unit("head", 0, 1), "early", (*S, *END))
    first = Link(EMBEDDING, head, "v")

    def run(*delivered):
        return circuit_logits(algebra, [first, *(Link(head, OUTPUT, "in", roles) for roles in delivered)], Run("other"), Run("clean"))

    assert run(S, None) is run(None) is run(S, END) and run(S, S) is run(S) is not run(END)
    whole = Place(Unit("head", 0, 1), "early")
    links = [Link(EMBEDDING, whole, "v"), Link(whole, OUTPUT, "in", S), Link(whole, OUTPUT, "in")]
    assert circuit_logits(algebra, links, Run("other"), Run("clean")) is circuit_logits(
        algebra, [links[0], links[2]], Run("other"), Run("clean")
    )
