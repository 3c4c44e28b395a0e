"""Three laws on every family: all edges give the model, no edge the background, donors equal to the rows themselves the model."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import Link, Place
from circuitdsl.borders.units import LOGITS, Role, Unit
from circuitdsl.borders.values import Algebra, Gather, Mean, Run, Zero
from circuitdsl.measures.circuit_runs import circuit_logits
from circuitdsl.models.exact import exact

BACKGROUNDS = [Run("abc"), Gather("pool", "donor/pool"), Mean("pool"), Zero()]
CLEAN = Run("clean")
ROWS = (0, 3, 4)
"""One of each layout."""


@pytest.fixture(autouse=True)
def _exact():
    with exact(), torch.no_grad():
        yield


@pytest.fixture
def adapter(tiny, family, layouts, executor):
    if executor.__name__ == "by_oracle" and family not in layouts:
        pytest.skip("the engine keeps the laws, and the oracle agrees with it on random values of this family")
    return tiny(family)


@pytest.fixture
def space(adapter, hypothesis):
    return hypothesis(adapter.shape)


def links_between(places, shape):
    return [
        Link(sender, receiver, port)
        for receiver in places
        for sender in places
        if shape.reads(receiver.unit, sender.unit)
        for port in receiver.unit.ports
    ]


def every_link(shape):
    return links_between([Place(unit, str(unit)) for unit in shape.units()], shape)


def some_links(shape, seed):
    """A random circuit of units at positions, a third of its edges."""
    draw = np.random.default_rng(seed)
    roles = [None, (Role("B"),), (Role("A"), Role("END"))]
    places = [
        Place(unit, str(unit), None if unit in (Unit("embed"), LOGITS) else roles[draw.integers(3)])
        for unit in shape.units()
        if unit in (Unit("embed"), LOGITS) or draw.random() < 0.5
    ]
    return [link for link in links_between(places, shape) if draw.random() < 0.35]


def model_on(space, adapter, name, rows=ROWS):
    """The model's own logit difference on other prompts, with the labels of the rows in whose place they stand."""
    found = []
    for labelled, row in zip(ROWS, rows, strict=True):
        labels = space.distributions["clean"].prompts[labelled]
        logits = adapter.model(torch.tensor([space.distributions[name].prompts[row].tokens])).logits[0, -1]
        found.append(float(logits[labels.answer] - logits[labels.wrong[0]]))
    return np.array(found)


@pytest.mark.parametrize("background", BACKGROUNDS, ids=str)
def test_all_edges_are_the_model(space, adapter, measured, background):
    value = circuit_logits(Algebra(), every_link(adapter.shape), background, CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), model_on(space, adapter, "clean"), rtol=1e-9)


def test_all_edges_are_the_model_under_the_clean_scale_too(space, adapter, measured):
    value = circuit_logits(Algebra(), every_link(adapter.shape), Run("abc"), CLEAN, frozen=CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), model_on(space, adapter, "clean"), rtol=1e-9)


def test_no_edge_is_the_counterfactual_run(space, adapter, measured):
    value = circuit_logits(Algebra(), [], Run("abc"), CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), model_on(space, adapter, "abc"), rtol=1e-9)


def test_no_edge_is_a_donors_run(space, adapter, measured):
    """With one prompt a layout in the pool there is no doubt who the donor is."""
    pool = replace(space.distributions["pool"], prompts=space.distributions["pool"].prompts[:3])
    space = replace(space, distributions={**space.distributions, "pool": pool})
    donors = [pool.rows_by_layout()[prompt.layout][0] for prompt in [space.distributions["clean"].prompts[row] for row in ROWS]]
    value = circuit_logits(Algebra(), [], Gather("pool", "donor/pool"), CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), model_on(space, adapter, "pool", donors), rtol=1e-9)


def written(adapter, tokens):
    """What the model's write groups write in a plain run, before post-norms: embedding, then attention and MLP of each layer."""
    kept = {}
    first = adapter.parts(0)
    with ExitStack() as stack:
        hook = (first.attention_norm or first.attention).register_forward_pre_hook(
            lambda module, args, kwargs: kept.__setitem__("embed", args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
        stack.callback(hook.remove)
        for layer in range(adapter.shape.layers):
            parts = adapter.parts(layer)
            for module in (parts.output, parts.mlp_ends[1]):
                hook = module.register_forward_hook(lambda module, args, output: kept.__setitem__(module, output.view(*tokens.shape, -1)))
                stack.callback(hook.remove)
        adapter.model(tokens)
    return kept


def stream_of(adapter, totals):
    """The final stream of write groups' totals."""
    stream = totals["embed"]
    for layer in range(adapter.shape.layers):
        parts = adapter.parts(layer)
        for module, post in ((parts.output, parts.attention_post), (parts.mlp_ends[1], parts.mlp_post)):
            stream = stream + (post(totals[module]) if post else totals[module])
    return stream


def difference_of(adapter, space, row, stream):
    """The row's logit difference from a final stream, the rest of the way by the model itself."""
    norm, unembedding = adapter.final()
    prompt = space.distributions["clean"].prompts[row]
    with ExitStack() as stack:
        stack.callback((norm or unembedding).register_forward_pre_hook(lambda module, args: (stream,)).remove)
        logits = adapter.model(torch.tensor([prompt.tokens])).logits[0, -1]
    return float(logits[prompt.answer] - logits[prompt.wrong[0]])


def test_no_edge_is_the_mean_of_contributions_by_layout(space, adapter, measured):
    pool = space.distributions["pool"].prompts
    expected = []
    for row in ROWS:
        prompt = space.distributions["clean"].prompts[row]
        runs = [written(adapter, torch.tensor([p.tokens])) for p in pool if p.layout == prompt.layout]
        assert len(runs) == 3
        totals = {key: sum(run[key] for run in runs) / 3 for key in runs[0]}
        expected.append(difference_of(adapter, space, row, stream_of(adapter, totals)))
    value = circuit_logits(Algebra(), [], Mean("pool"), CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), expected, rtol=1e-9)


def test_no_edge_is_the_constants_alone_under_zero(space, adapter, measured):
    expected = []
    for row in ROWS:
        prompt = space.distributions["clean"].prompts[row]
        silent = torch.zeros(1, prompt.layout.length, adapter.shape.width, dtype=torch.float64)
        totals = {"embed": silent}
        for layer in range(adapter.shape.layers):
            parts = adapter.parts(layer)
            totals[parts.mlp_ends[1]] = silent
            totals[parts.output] = silent + (0 if getattr(parts.output, "bias", None) is None else parts.output.bias)
        expected.append(difference_of(adapter, space, row, stream_of(adapter, totals)))
    value = circuit_logits(Algebra(), [], Zero(), CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("background", BACKGROUNDS[:3], ids=str)
def test_donors_equal_to_the_rows_themselves_give_the_model(space, adapter, measured, background):
    """Every distribution holds, in a layout, one prompt only: the clean one. Then a circuit, whatever it is, is the model."""
    first = {}
    for prompt in space.distributions["clean"].prompts:
        first.setdefault(prompt.layout, prompt)

    def same(name):
        distribution = space.distributions[name]
        return replace(distribution, prompts=tuple(replace(p, tokens=first[p.layout].tokens) for p in distribution.prompts))

    space = replace(space, distributions={name: same(name) for name in space.distributions})
    value = circuit_logits(Algebra(), some_links(adapter.shape, 0), background, CLEAN)
    np.testing.assert_allclose(measured(value, space, adapter, ROWS), model_on(space, adapter, "clean"), rtol=1e-9)


def test_a_circuit_is_neither(space, adapter, measured):
    """The laws' ends are apart, and a random circuit stands at neither, so that the tests above can fail."""
    part = measured(circuit_logits(Algebra(), some_links(adapter.shape, 1), Run("abc"), CLEAN), space, adapter, ROWS)
    ends = [model_on(space, adapter, name) for name in ("clean", "abc")]
    assert all(np.abs(part - end).max() > 1e-2 for end in ends)
