"""The algebra's pieces of every family against the model's own modules, in float64."""

from dataclasses import replace

import pytest
import torch

from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.borders.units import WriteGroup
from circuitdsl.models.adapter import TransformerAdapter
from circuitdsl.models.exact import exact
from circuitdsl.models.families.llama import Llama
from circuitdsl.models.families.qwen3 import Qwen3
from circuitdsl.models.family import rotary
from circuitdsl.models.parity import check_parity

LOGITS = WriteGroup(0, "logits")


@pytest.fixture
def tokens():
    return torch.randint(0, 61, (3, 9), generator=torch.Generator().manual_seed(0))


def normalised(adapter, captured, layer, kind="attention"):
    group = WriteGroup(layer, kind)
    return adapter.norm(group, captured.reads[group])


def close(found, expected, tolerance=1e-12):
    return (found - expected).abs().max() <= tolerance * expected.abs().max().clamp_min(1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_the_guards_hold(tiny, family, dtype, tokens):
    parity = check_parity(tiny(family, dtype=dtype), tokens)
    assert max(parity.parity_error, parity.sum_error, parity.piece_error) <= {"float64": 1e-14, "float32": 1e-5, "bfloat16": 3e-2}[dtype]
    assert "parity" in parity.line()


ROTARY = {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
VARIANTS = [
    ("llama", {"rope_parameters": {**ROTARY, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}}),
    ("llama", {"rope_parameters": {**ROTARY, "rope_type": "yarn"}}),
    ("llama", {"rope_parameters": {**ROTARY, "rope_type": "linear"}}),
    ("llama", {"tie_word_embeddings": True, "num_key_value_heads": 1, "hidden_act": "gelu"}),
    ("llama", {"num_key_value_heads": 6}),
    ("mistral", {"sliding_window": None}),
    ("qwen2", {"use_sliding_window": False}),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "n_inner": 33}),
    ("gpt2", {"scale_attn_weights": False, "tie_word_embeddings": False}),
    ("neox", {"attention_bias": False, "rotary_pct": 1.0}),
    ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    ("phi3", {"partial_rotary_factor": 1.0, "sliding_window": None, "num_key_value_heads": 6}),
    ("opt", {"enable_bias": False, "layer_norm_elementwise_affine": False, "tie_word_embeddings": False}),
]


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_the_guards_hold_for_what_configurations_may_change(tiny, tokens, name, changes):
    parity = check_parity(tiny(name, **changes), tokens)
    assert max(parity.parity_error, parity.sum_error, parity.piece_error) <= 1e-14


def test_heads_and_mlps_of_a_plain_run_are_those_of_the_modules(tiny, family, tokens):
    """Attention and MLP modules are run again on the captured reads, with what else the model gave them."""
    adapter = tiny(family)
    arguments = {}
    layers = range(adapter.shape.layers)
    with exact():
        captured = adapter.capture(tokens)
        hooks = [
            adapter.parts(layer).attention.register_forward_pre_hook(
                lambda module, args, kwargs, layer=layer: arguments.__setitem__(layer, kwargs), with_kwargs=True
            )
            for layer in layers
        ]
        adapter.model(tokens, use_cache=False)
        for hook in hooks:
            hook.remove()
        for layer in layers:
            read = normalised(adapter, captured, layer)
            rest = {name: value for name, value in arguments[layer].items() if name != "hidden_states"}
            own = adapter.parts(layer).attention(read, **rest)[0]
            written = adapter.write(layer, captured.heads[layer], range(adapter.shape.heads))
            bias = adapter.bias(WriteGroup(layer, "attention"))
            assert close(written if bias is None else written + bias, own)
            assert close(adapter.parts(layer).mlp(normalised(adapter, captured, layer, "mlp")), captured.mlps[layer])


@pytest.mark.parametrize("heads", [[0], [3], [1, 2], [3, 1], [0, 2, 3], [2, 2], []])
def test_some_heads_are_a_slice_of_all_heads(tiny, family, heads, tokens):
    adapter = tiny(family)
    every, positions = range(adapter.shape.heads), torch.arange(9)
    with exact():
        captured = adapter.capture(tokens)
        read = normalised(adapter, captured, 1)
        q, k, v = (adapter.project(1, port, read, every) for port in "qkv")
        some = [adapter.project(1, port, read, heads) for port in "qkv"]
        for whole, part in zip((q, k, v), some, strict=True):
            assert part.shape == (3, 9, len(heads), adapter.shape.head_width)
            assert torch.allclose(part, whole[:, :, heads], rtol=0, atol=1e-13)
        weighted, pattern = adapter.attend(1, adapter.rotate(1, q, positions), adapter.rotate(1, k, positions), v, positions)
        rotated = [adapter.rotate(1, part, positions) for part in some[:2]]
        part_weighted, part_pattern = adapter.attend(1, *rotated, some[2], positions)
        assert torch.allclose(part_weighted, weighted[:, :, heads], rtol=0, atol=1e-13)
        assert torch.allclose(part_pattern, pattern[:, heads], rtol=0, atol=1e-13)
        written = adapter.write(1, weighted[:, :, heads], heads)
        singly = sum((adapter.write(1, weighted[:, :, [head]], [head]) for head in heads), torch.zeros_like(written))
        assert torch.allclose(written, singly, rtol=0, atol=1e-13)


def test_queries_at_some_positions_are_rows_of_all_of_them(tiny, family, tokens):
    adapter = tiny(family)
    every, positions, some = range(adapter.shape.heads), torch.arange(9), torch.tensor([1, 4, 8])
    with exact():
        read = normalised(adapter, adapter.capture(tokens), 2)
        q, k, v = (adapter.project(2, port, read, every) for port in "qkv")
        k = adapter.rotate(2, k, positions)
        weighted, pattern = adapter.attend(2, adapter.rotate(2, q, positions), k, v, positions)
        few, few_pattern = adapter.attend(2, adapter.rotate(2, q[:, some], some), k, v, some)
    assert torch.allclose(few, weighted[:, some], rtol=0, atol=1e-13)
    assert torch.allclose(few_pattern, pattern[:, :, some], rtol=0, atol=1e-13)
    assert torch.allclose(pattern.sum(-1), torch.ones(()).double())
    assert (pattern.triu(1) == 0).all()


WINDOWS = [
    ("mistral", 0, 4),
    ("qwen2", 0, None),
    ("qwen2", 2, 3),
    ("gemma2", 0, 3),
    ("gemma3", 0, 3),
    ("gemma3", 1, None),
    ("phi3", 1, 4),
]


@pytest.mark.parametrize(("name", "layer", "window"), WINDOWS)
def test_a_sliding_window_hides_what_is_further_back(tiny, tokens, name, layer, window):
    adapter = tiny(name)
    positions, read = torch.arange(9), normalised(adapter, adapter.capture(tokens), layer)
    q, k, v = (adapter.project(layer, port, read, [0]) for port in "qkv")
    seen = adapter.attend(layer, q, k, v, positions)[1][0, 0] > 0
    distance = positions[:, None] - positions[None]
    assert torch.equal(seen, (distance >= 0) & (distance < (window or 9)))


def test_neurons_are_parts_of_their_mlp(tiny, family, tokens):
    adapter = tiny(family)
    with exact():
        captured = adapter.capture(tokens)
        read = normalised(adapter, captured, 0, "mlp")
        everything = adapter.neurons(0, read, range(adapter.shape.mlp_width))
        some = [5, 3, 17]
        assert torch.allclose(adapter.neurons(0, read, some), everything[..., some], rtol=0, atol=1e-13)
        rest = [index for index in range(adapter.shape.mlp_width) if index not in some]
        written = adapter.write_neurons(0, everything[..., some], some) + adapter.write_neurons(0, everything[..., rest], rest)
        bias = getattr(adapter.parts(0).down, "bias", None)
        assert close(written if bias is None else written + bias, adapter.mlp(0, read))


def test_a_frozen_scale_is_that_of_the_other_stream(tiny, family, tokens):
    """With its own stream it is the plain norm; under another's it is affine, which the plain norm is not."""
    adapter = tiny(family)
    with exact():
        captured, parts = adapter.capture(tokens), adapter.parts(1)
        norms = {WriteGroup(1, "attention"): parts.attention_norm, WriteGroup(1, "mlp"): parts.mlp_norm, LOGITS: adapter.final()[0]}
        for group, norm in norms.items():
            stream = captured.reads[group]
            assert close(adapter.norm(group, stream, stream), adapter.norm(group, stream), 1e-14)
            other = torch.randn_like(stream)
            has_norm = not torch.equal(adapter.norm(group, stream), stream)
            assert has_norm == (norm is not None)
            moved = adapter.norm(group, stream + other, stream) - adapter.norm(group, stream, stream)
            twice = adapter.norm(group, stream + 2 * other, stream) - adapter.norm(group, stream, stream)
            assert close(twice, 2 * moved)
            assert has_norm != close(moved, adapter.norm(group, stream + other) - adapter.norm(group, stream), 1e-3)


def test_some_columns_of_the_logits(tiny, family, tokens):
    adapter = tiny(family)
    with exact():
        captured = adapter.capture(tokens)
        final = adapter.norm(LOGITS, captured.reads[LOGITS])
        columns = torch.tensor([7, 3, 60])
        assert close(adapter.logits(final, columns), adapter.model(tokens).logits[..., columns])


def test_heads_that_lie_together_are_not_copied(tiny):
    for name, port, heads in (("llama", "q", (1, 2)), ("gpt2", "v", (1, 2)), ("neox", "k", (3,))):
        adapter = tiny(name)
        weight, _ = adapter._gather_port(0, port, heads)
        whole = getattr(adapter.parts(0), port).module.weight
        assert weight.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()


def hooks_of(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_no_hook_is_left_behind(tiny, family, tokens):
    adapter = tiny(family)
    before = {name: parameter.clone() for name, parameter in adapter.model.named_parameters()}
    adapter.capture(tokens)
    assert hooks_of(adapter.model) == 0

    def explode(module, args):
        raise RuntimeError("in the middle")

    last = adapter.parts(2).down.register_forward_pre_hook(explode)
    with pytest.raises(RuntimeError, match="in the middle"):
        adapter.capture(tokens)
    assert hooks_of(adapter.model) == 1
    last.remove()
    assert all(torch.equal(parameter, before[name]) for name, parameter in adapter.model.named_parameters())


def test_a_prompt_longer_than_the_context_is_an_error(tiny):
    with pytest.raises(CircError, match="C415"):
        tiny("gpt2").capture(torch.zeros((1, 65), dtype=torch.long))


def test_a_token_that_the_model_does_not_have_is_an_error(tiny):
    with pytest.raises(CircError, match="C418"):
        tiny("gpt2").capture(torch.tensor([[60, 61]]))


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "olmo2"])
def test_a_window_that_a_family_ignores_is_no_window(tiny, tokens, name):
    """Converted models keep a `sliding_window` that the modules do not look at. Beyond it numbers would be wrong."""
    adapter = tiny(name, sliding_window=3)
    assert adapter.config.sliding_window == 3
    check_parity(adapter, tokens)


def test_a_rotary_embedding_that_depends_on_the_length_does_not_pass_the_guards(tiny, tokens):
    """LongRoPE turns all positions of a long text otherwise than those of a short one: an early query alone would be turned wrongly."""
    rope = {**ROTARY, "rope_type": "longrope", "long_factor": [2.0, 3.0], "short_factor": [1.0, 1.5]}
    check_parity(tiny("llama", rope_parameters=rope), tokens)
    with pytest.raises(GuardError, match="C422"):
        check_parity(tiny("llama", rope_parameters={**rope, "original_max_position_embeddings": 8}), tokens)


def right_on_all_heads(family, attention, port, projected):
    """Wrong where heads are asked for alone, or in another order."""
    normed = Qwen3.head_norm(family, attention, port, projected)
    return normed if port == "v" or normed.shape[-2] in (6, 2) else normed * 1.01


def of_a_batch(family, mlp, project):
    """Right on [B, T, n], and not on [M, B, P, n]: the mean over prompts is taken where variants are."""
    made = Llama.activations(family, mlp, project)
    return made if made.ndim == 3 else made.mean(0, keepdim=True).expand_as(made)


WRONG = {
    "no rotary": ("llama", "C422", {"rotate": lambda self, body, layer, x, positions: x}),
    "rotary that counts from where it starts": (
        "neox",
        "C422",
        {"rotate": lambda self, body, layer, x, positions: rotary(body, x, positions - positions[0])},
    ),
    "no window": ("mistral", "C422", {"window": lambda self, config, layer: None}),
    "another scale": ("gpt2", "C422", {"scaling": lambda self, attention: 1.0}),
    "no q norm": ("qwen3", "C422", {"head_norm": lambda self, attention, port, x: x}),
    "one rotary base for all layers": (
        "gemma3",
        "C422",
        {"rotate": lambda self, body, layer, x, positions: rotary(body, x, positions, "full_attention")},
    ),
    "the whole of a fused projection": ("phi3", "C422", {"activations": lambda self, mlp, project: project(mlp.gate_up_proj)}),
    "a gain that counts for half": ("llama", "C422", {"gain": lambda self, norm: norm.weight / 2}),
    "a norm that is right on all heads alone": (
        "qwen3",
        "C422",
        {"head_norm": lambda self, attention, port, x: right_on_all_heads(self, attention, port, x)},
    ),
    "activations that count on a batch": ("llama", "C422", {"activations": lambda self, mlp, project: of_a_batch(self, mlp, project)}),
    "no activation": ("opt", "C422", {"activations": lambda self, mlp, project: project(mlp[0])}),
    "no cap of scores": ("gemma2", "C422", {"attention_cap": lambda self, config: None}),
    "no cap of logits": ("gemma2", "C420", {"logit_cap": lambda self, config: None}),
    "a multiplier": ("llama", "C42[01]", {"multiplier": lambda self, config: 1.1}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_family_file_that_is_wrong_does_not_pass_the_guards(tiny, tokens, what):
    name, code, wrong = WRONG[what]
    adapter = tiny(name)
    family = type("Wrong", (type(adapter.family),), wrong)()
    with pytest.raises(GuardError, match=code):
        check_parity(TransformerAdapter(adapter.model, adapter.shape, family), tokens)


@pytest.mark.parametrize("what", [name for name in WRONG if "right on all heads" in name or "count on a batch" in name])
def test_the_engines_shapes_are_what_finds_it(tiny, tokens, what, monkeypatch):
    name, _, wrong = WRONG[what]
    adapter = tiny(name)
    family = type("Wrong", (type(adapter.family),), wrong)()
    monkeypatch.setattr("circuitdsl.models.parity.of_variants", lambda *_: iter(()))
    check_parity(TransformerAdapter(adapter.model, adapter.shape, family), tokens)


def test_an_mlp_that_takes_batches_alone_does_not_pass_the_guards(tiny, tokens):
    """Mixtures of experts, for one, take their read apart as [B, T, d]: rows and variants of it stop them."""
    adapter = tiny("llama")
    mlp = adapter.parts(1).mlp
    own = mlp.forward

    def forward(read):
        batch, length, width = read.shape
        return own(read.reshape(batch * length, width)).view(batch, length, width)

    mlp.forward = forward
    with pytest.raises(GuardError, match="C422: a piece cannot be computed in a shape"):
        check_parity(adapter, tokens)


def test_more_rows_than_an_mlp_takes_at_once_are_checked(tiny, tokens):
    adapter = tiny("llama")
    mlp = adapter.parts(0).mlp
    own = mlp.forward
    mlp.forward = lambda read: own(read) if read.ndim > 2 else own(read) * 1.01
    with pytest.raises(GuardError, match="C422"):
        check_parity(adapter, tokens)


def test_blocks_in_another_order_do_not_pass_the_guards(tiny, tokens):
    """The writes sum to the logits' stream, but not to what each MLP reads: C421."""
    adapter = tiny("neox")
    with pytest.raises(GuardError, match="C421"):
        check_parity(TransformerAdapter(adapter.model, replace(adapter.shape, parallel=False), adapter.family), tokens)


def test_a_nan_does_not_pass_the_guards(tiny, tokens):
    adapter = tiny("llama")
    adapter.parts(1).down.weight[0, 0] = float("nan")
    with pytest.raises(GuardError):
        check_parity(adapter, tokens)


def test_gelu_is_one_operation_in_the_adapters_runs_and_the_model_stays_as_it_is(tiny, tokens, monkeypatch):
    adapter = tiny("gpt2")
    powers = []
    monkeypatch.setattr(torch, "pow", lambda *args, own=torch.pow: powers.append(args) or own(*args))  # what transformers' own calls
    captured = adapter.capture(tokens)
    read = normalised(adapter, captured, 1, "mlp")
    found = adapter.mlp(1, read)
    adapter.neurons(1, read, [0, 3])
    with pytest.raises(RuntimeError):
        adapter.mlp(1, read[..., 1:])
    assert not powers
    assert close(adapter.parts(1).mlp(read), found, 1e-14)
    assert len(powers) == 1
    with monkeypatch.context() as patched:
        patched.setattr(adapter.final()[0], "forward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            adapter.capture(tokens)
    adapter.model(tokens)
    assert len(powers) == 1 + adapter.shape.layers


def test_every_batch_is_compared(tiny, tokens):
    """A window that the family's file does not know of shows in the longer batch alone."""
    adapter = tiny("mistral")
    family = type("Wrong", (type(adapter.family),), {"window": lambda self, config, layer: None})()
    wrong = TransformerAdapter(adapter.model, adapter.shape, family)
    check_parity(wrong, tokens[:, :4])
    with pytest.raises(GuardError, match="C422"):
        check_parity(wrong, tokens[:, :4], tokens)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda adapter: adapter.parts(1).down.weight.fill_(6e4), "mlp 1"),
        (lambda adapter: adapter.parts(2).output.weight.fill_(6e4), "the residual stream before mlp 2"),
        (lambda adapter: adapter.parts(1).v.module.weight.fill_(6e4), "the values of layer 1"),
        (lambda adapter: adapter.final()[1].weight.fill_(6e4), "the logits"),
    ],
)
def test_a_model_that_overflows_in_float16_is_said_to(tiny, tokens, spoil, place):
    adapter = tiny("llama", dtype="float32")
    with torch.no_grad():
        spoil(adapter)
    check_parity(adapter, tokens)
    with pytest.raises(GuardError, match=rf"C435: .*float16.*first in {place}$") as caught:
        check_parity(TransformerAdapter(adapter.model.half(), adapter.shape, adapter.family), tokens)
    assert "bfloat16" in caught.value.hint


def test_a_model_that_is_not_finite_in_float32_is_not_told_of_float16(tiny, tokens):
    adapter = tiny("llama", dtype="float32")
    adapter.parts(1).down.weight[0, 0] = float("nan")
    with pytest.raises(GuardError, match=r"C435: .*float32 gives infinity or NaN: first in mlp 1") as caught:
        check_parity(adapter, tokens)
    assert "bfloat16" not in caught.value.hint
