"""The oracle against one-pass hooks on the model itself: what it says by the algebra, the model says when it is patched in one run."""

from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import Place
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AttentionWeight, MetricValue
from circuitdsl.borders.units import Role, Unit
from circuitdsl.borders.values import Algebra, Gather, Override, Run, Zero
from circuitdsl.measures.patched_runs import PatchedRun, knocked_out
from circuitdsl.models.exact import exact
from circuitdsl.oracle import evaluate

LAST_B = (Role("B"),)
ROWS = (0, 3, 4)
"""One of each layout."""


@pytest.fixture(autouse=True)
def _exact():
    with exact(), torch.no_grad():
        yield


@pytest.fixture
def adapter(tiny, family):
    return tiny(family)


@pytest.fixture
def space(adapter, hypothesis):
    return hypothesis(adapter.shape)


@contextmanager
def patched(*registered):
    with ExitStack() as stack:
        for handle in registered:
            stack.callback(handle.remove)
        yield


def tokens_of(space, row, name="clean"):
    return torch.tensor([space.distributions[name].prompts[row].tokens])


def logit_diff(space, row, logits):
    """`logits` [1, T, V] of the model to the metric's number, spelled out once more."""
    prompt = space.distributions["clean"].prompts[row]
    end = logits[0, prompt.layout.length - 1]
    return float(end[prompt.answer] - end[prompt.wrong[0]])


def oracle(space, adapter, value, draws=None):
    readout = MetricValue(value, "clean", "logit_diff")
    return evaluate([Request(readout, ROWS)], space, adapter, draws)[readout.digest]


def logits_of(adapter, stream):
    """The model's own logits of a final stream: softcaps and all."""
    norm, unembedding = adapter.final()
    with patched((norm or unembedding).register_forward_pre_hook(lambda module, args: (stream,))):
        return adapter.model(torch.zeros(stream.shape[:2], dtype=torch.long)).logits


def by_hand(space, run):
    return np.array([run(row) for row in ROWS])


def own_slice(adapter, weighted, head):
    """The input of the output projection with all but one head's slice zeroed."""
    width = adapter.shape.head_width
    kept = torch.zeros_like(weighted)
    kept[..., head * width : (head + 1) * width] = weighted[..., head * width : (head + 1) * width]
    return kept


def inputs(module, kept):
    """Keeps what a module is given."""
    return module.register_forward_pre_hook(
        lambda m, args, kwargs: kept.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )


def test_the_plain_run_is_the_model(space, adapter):
    expected = by_hand(space, lambda row: logit_diff(space, row, adapter.model(tokens_of(space, row)).logits))
    np.testing.assert_allclose(oracle(space, adapter, Algebra().logits(Run("clean"))), expected, rtol=1e-10)


def test_every_edge_live_is_the_model(space, adapter):
    embed = Unit("embed")
    algebra = Algebra()
    routes = PatchedRun(algebra, adapter.shape, Zero(), [Override(embed, None, algebra.base(Run("clean"), embed))])
    expected = by_hand(space, lambda row: logit_diff(space, row, adapter.model(tokens_of(space, row)).logits))
    np.testing.assert_allclose(oracle(space, adapter, routes.logits()), expected, rtol=1e-10)


def test_a_gathered_world_is_the_donors_run(space, adapter):
    draws = {"donors": np.array([0, 1, 3, 5, 4, 8])}  # of the rows' own layouts
    value = Algebra().logits(Gather("pool", "donors"))

    def run(row):
        donor = tokens_of(space, int(draws["donors"][row]), "pool")
        return logit_diff(space, row, adapter.model(donor).logits)

    np.testing.assert_allclose(oracle(space, adapter, value, draws), by_hand(space, run), rtol=1e-10)


@pytest.mark.parametrize("head", [0, 3])
def test_a_zeroed_head(space, adapter, head):
    place = Place(Unit("head", 1, head), "cut")
    value = knocked_out(Algebra(), adapter.shape, Run("clean"), Zero(), [place])
    output = adapter.parts(1).output

    def run(row):
        def zero(module, args):
            return (args[0] - own_slice(adapter, args[0], head),)

        with patched(output.register_forward_pre_hook(zero)):
            return logit_diff(space, row, adapter.model(tokens_of(space, row)).logits)

    np.testing.assert_allclose(oracle(space, adapter, value), by_hand(space, run), rtol=1e-10)


def test_a_neuron_set_to_zero_while_its_mlp_lives_on(space, adapter):
    place = Place(Unit("neuron", 1, 7), "cut")
    value = knocked_out(Algebra(), adapter.shape, Run("clean"), Zero(), [place])

    def run(row):
        def zero(module, args):
            changed = args[0].clone()
            changed[..., 7] = 0
            return (changed,)

        with patched(adapter.parts(1).down.register_forward_pre_hook(zero)):
            return logit_diff(space, row, adapter.model(tokens_of(space, row)).logits)

    np.testing.assert_allclose(oracle(space, adapter, value), by_hand(space, run), rtol=1e-10)


def test_an_mlp_patched_at_one_position(space, adapter):
    mlp = Unit("mlp", 0)
    algebra = Algebra()
    pin = Override(mlp, LAST_B, algebra.base(Run("abc"), mlp))
    value = PatchedRun(algebra, adapter.shape, Run("clean"), [pin]).logits()
    module = adapter.parts(0).mlp_ends[1]

    def run(row):
        kept = []
        with patched(module.register_forward_hook(lambda m, args, output: kept.append(output))):
            adapter.model(tokens_of(space, row, "abc"))
        position = space.distributions["clean"].prompts[row].layout.positions(LAST_B)[0]

        def put(m, args, output):
            changed = output.clone()
            changed[..., position, :] = kept[0][..., position, :]
            return changed

        with patched(module.register_forward_hook(put)):
            return logit_diff(space, row, adapter.model(tokens_of(space, row)).logits)

    np.testing.assert_allclose(oracle(space, adapter, value), by_hand(space, run), rtol=1e-10)


def test_a_direct_edge_to_the_logits(space, adapter):
    """The final stream minus what the head's group wrote, plus what it writes with that head's value from the other prompt."""
    head = Unit("head", 1, 2)
    algebra = Algebra()
    value = algebra.logits(Run("clean"), algebra.mix([Override(head, None, algebra.base(Run("abc"), head))]))
    parts, norm = adapter.parts(1), adapter.final()[0]
    post = parts.attention_post or (lambda total: total)

    def run(row):
        weighted, stream = [], []
        with patched(inputs(parts.output, weighted), inputs(norm, stream)):
            adapter.model(tokens_of(space, row))
            adapter.model(tokens_of(space, row, "abc"))
        swapped = weighted[0] + own_slice(adapter, weighted[1] - weighted[0], head.index)
        final = stream[0] - post(parts.output(weighted[0])) + post(parts.output(swapped))
        return logit_diff(space, row, logits_of(adapter, final))

    np.testing.assert_allclose(oracle(space, adapter, value), by_hand(space, run), rtol=1e-10)


@pytest.mark.parametrize("port", ["q", "k", "v"])
def test_a_path_through_one_port_of_one_head(space, adapter, port):
    """mlp 0 → head 2.1 by one port, then every route: this head's features of the layer's projection, all else as it is."""
    sender, head, algebra = Unit("mlp", 0), Unit("head", 2, 1), Algebra()
    clean = Run("clean")
    mix = algebra.mix([Override(sender, None, algebra.base(Run("abc"), sender))])
    pin = Override(head, None, algebra.recomputed(head, clean, {port: mix}))
    value = PatchedRun(algebra, adapter.shape, clean, [pin]).logits()
    first, parts, shape = adapter.parts(0), adapter.parts(2), adapter.shape
    post, norm = first.mlp_post or (lambda total: total), parts.attention_norm or (lambda stream: stream)

    def attention_of(stream_port, args, kwargs):
        """The layer's attention by itself, all heads given `stream_port` at the port."""
        projection = getattr(parts, port)

        def put(module, args, output):
            changed, own = output.clone(), module.forward(stream_port)
            features = slice(None) if projection.features is None else projection.features
            changed[..., features] = own[..., features]
            return changed

        weighted = []
        with patched(projection.module.register_forward_hook(put), inputs(parts.output, weighted)):
            parts.attention(*args, **kwargs)
        return weighted[0]

    def run(row):
        outs, calls = [], []
        with patched(
            first.mlp_ends[1].register_forward_hook(lambda m, args, output: outs.append(output)),
            parts.attention.register_forward_pre_hook(lambda m, args, kwargs: calls.append((args, kwargs)), with_kwargs=True),
            inputs(parts.attention_norm or parts.attention, streams := []),
        ):
            adapter.model(tokens_of(space, row), use_cache=False)
            adapter.model(tokens_of(space, row, "abc"), use_cache=False)
        reads = norm(streams[0] - post(outs[0]) + post(outs[1]))
        weighted = attention_of(reads, *calls[0])
        with patched(
            parts.output.register_forward_pre_hook(
                lambda m, args: (args[0] - own_slice(adapter, args[0] - weighted, head.index), *args[1:])
            )
        ):
            return logit_diff(space, row, adapter.model(tokens_of(space, row)).logits)

    assert shape.reads(head, sender)
    np.testing.assert_allclose(oracle(space, adapter, value), by_hand(space, run), rtol=1e-9)


def test_attention_is_what_the_model_reports(space, adapter):
    head = Unit("head", 2, 3)
    readout = AttentionWeight(Algebra().base(Run("clean"), head), "clean", query=(Role("END"),), key=(Role("A", part="all"),))
    found = evaluate([Request(readout, ROWS)], space, adapter)[readout.digest]

    def run(row):
        pattern = adapter.model(tokens_of(space, row), output_attentions=True).attentions[2][0, 3, -1]
        start, end = space.distributions["clean"].prompts[row].layout.span("A")
        return float(pattern[start:end].sum())

    np.testing.assert_allclose(found, by_hand(space, run), rtol=1e-10)


def test_no_hook_is_left_behind(space, adapter):
    value = Algebra().logits(Gather("pool", "missing"))
    with pytest.raises(KeyError):
        oracle(space, adapter, value)
    oracle(space, adapter, knocked_out(Algebra(), adapter.shape, Run("clean"), Zero(), [Place(Unit("head", 0, 0), "cut")]))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in adapter.model.modules())


def test_a_frozen_norm_keeps_the_scale_and_centres_live(space, adapter):
    """The direct edge from `embed` to the logits under the clean run's scale: its effect is its own part of the normalised stream."""
    adapter.model.config.final_logit_softcapping = None  # so that it shows undistorted
    embed, algebra, clean = Unit("embed"), Algebra(), Run("clean")
    silent = algebra.mix([Override(embed, None, algebra.base(Zero(), embed))])
    norm, unembedding = adapter.final()
    plain, empty = (oracle(space, adapter, algebra.logits(clean, mix, frozen=clean)) for mix in (None, silent))
    np.testing.assert_allclose(plain, oracle(space, adapter, algebra.logits(clean)), rtol=1e-10)

    def own_part(row):
        first, last = [], []
        with patched(inputs(adapter.parts(0).attention_norm or adapter.parts(0).attention, first), inputs(norm, last)):
            adapter.model(tokens_of(space, row))
        change = first[0]
        if isinstance(norm, torch.nn.LayerNorm):
            change = change - change.mean(-1, keepdim=True)
            scale = (last[0].var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        else:
            scale = (last[0].square().mean(-1, keepdim=True) + (norm.eps if hasattr(norm, "eps") else norm.variance_epsilon)).sqrt()
        return logit_diff(space, row, change / scale @ (unembedding.weight * adapter.family.gain(norm)).T)

    np.testing.assert_allclose(plain - empty, by_hand(space, own_part), rtol=1e-8)
