"""Toys: models written by hand, whose numbers are known without a computer."""

import json

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import WriteGroup
from circuitdsl.models.adapter import adapt
from circuitdsl.models.loading import load
from circuitdsl.models.parity import check_parity
from circuitdsl.models.shapes import find_shape
from circuitdsl.models.tokenizers import assert_same_tokenizer, load_tokenizer
from circuitdsl.models.toy import build_toy, write_toy

SMALL = {"layers": 2, "heads": 2, "head_width": 3, "width": 7, "vocabulary": 6, "context": 10}


def random_weights(config, seed=0):
    generator = np.random.default_rng(seed)
    model = build_toy(config, {})
    return {name: generator.normal(size=tuple(parameter.shape)) for name, parameter in model.named_parameters()}


def one_hot(*columns, size):
    """Rows of a unit matrix; None is a zero row."""
    return np.array([np.zeros(size) if column is None else np.eye(size)[column] for column in columns])


@pytest.mark.parametrize("attention", ["softmax", "hard"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("mlp_width", [0, 5])
def test_a_toy_is_a_model_like_any_other(tmp_path, attention, causal, mlp_width):
    config = {**SMALL, "attention": attention, "causal": causal, "mlp_width": mlp_width, "scaling": 0.7}
    write_toy(tmp_path / "toy", config, random_weights(config), tokens=["<bos>", "a", "b", "c", "d", "e"], bos="<bos>")
    name = ModelName("./toy")
    shape = find_shape(name, tmp_path)
    assert (shape.family, shape.layers, shape.mlps, shape.causal) == ("toy", 2, mlp_width > 0, causal)
    tokenizer = load_tokenizer(name, tmp_path)
    assert tokenizer.encode("a b  e").ids == (0, 1, 2, 5)
    assert tokenizer.plain_ids() == (1, 2, 3, 4, 5)
    loaded = load(name, folder=tmp_path, dtype="float64")
    assert_same_tokenizer(tokenizer, loaded.location, ["a b c", "e"])
    parity = check_parity(loaded.adapter, torch.randint(0, 6, (4, 8), generator=torch.Generator().manual_seed(0)))
    assert max(parity.parity_error, parity.sum_error, parity.piece_error) < 1e-14
    pattern = loaded.adapter.attend(0, *(torch.randn(1, 8, 2, 3).double() for _ in range(3)), torch.arange(8))[1]
    assert (pattern.triu(1) == 0).all() == causal


def test_hard_attention_shares_between_the_largest():
    config = {**SMALL, "layers": 1, "heads": 1, "attention": "hard"}
    adapter = adapt(build_toy(config, {}))
    pattern = adapter.attend(0, *(torch.zeros(1, 4, 1, 3).double() for _ in range(3)), torch.arange(4))[1]
    assert torch.equal(pattern[0, 0], torch.ones(4, 4).double().tril() / torch.arange(1, 5)[:, None])


def gate(outputs):
    """Two heads each write 1 to feature 0 where tokens 1 and 2 stand; an MLP of one neuron makes `outputs` of their sum S: feature 1.

    Token 0 is where it is read. Stream: S, result, token 0, 1, 2, a constant.
    """
    config = {"layers": 1, "heads": 2, "head_width": 1, "width": 6, "vocabulary": 5, "context": 3, "mlp_width": 1, "attention": "hard"}
    tokens = one_hot(2, 3, 4, None, None, size=6)
    tokens[:, 5] = 1
    # Tokens 3 and 4 stand for "off" in place of 1 and 2. A head looks at its position by a one-hot position in the last query.
    weights = {
        "body.tokens.weight": tokens,
        "body.positions.weight": np.zeros((3, 6)),
        "body.blocks.0.attention.v.weight": np.array([[0, 0, 0, 3.0, 0, 0], [0, 0, 0, 0, 3.0, 0]]),
        "body.blocks.0.attention.output.weight": np.array([[1.0, 1.0]] + [[0.0, 0.0]] * 5),
        "unembed.weight": one_hot(1, None, None, None, None, size=6),
        **outputs,
    }
    return build_toy(config, weights)


def result(model, first, second):
    return float(model(torch.tensor([[first, second, 0]])).logits[0, -1, 0])


def test_an_or_gate():
    """1 − relu(1 − S): every head spreads over three positions, so a value of 3 arrives as 1."""
    up, down = np.zeros((1, 6)), np.zeros((6, 1))
    up[0, 0], down[1, 0] = -1, -1
    out = np.zeros(6)
    out[1] = 1
    mlp = "body.blocks.0.mlp"
    model = gate({f"{mlp}.up.weight": up, f"{mlp}.up.bias": [1.0], f"{mlp}.down.weight": down, f"{mlp}.down.bias": out})
    found = {(a, b): result(model, 1 if a else 3, 2 if b else 4) for a in (0, 1) for b in (0, 1)}
    assert found == {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 1}


def test_an_and_gate():
    """relu(S − 1)."""
    up, down = np.zeros((1, 6)), np.zeros((6, 1))
    up[0, 0], down[1, 0] = 1, 1
    mlp = "body.blocks.0.mlp"
    model = gate({f"{mlp}.up.weight": up, f"{mlp}.up.bias": [-1.0], f"{mlp}.down.weight": down})
    found = {(a, b): result(model, 1 if a else 3, 2 if b else 4) for a in (0, 1) for b in (0, 1)}
    assert found == {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 1}


def test_an_induction_head_written_by_hand():
    """Head 0.0 copies the previous token, head 1.0 finds where the present token was the previous one and copies what stands there.

    Stream: token (5), position (6), previous token (5), answer (5).
    """
    V, P = 5, 6
    width = V + P + V + V
    token, position, previous, answer = (slice(start, start + size) for start, size in ((0, V), (V, P), (V + P, V), (2 * V + P, V)))
    config = {"layers": 2, "heads": 1, "head_width": P, "width": width, "vocabulary": V, "context": P, "attention": "hard"}

    def select(part, rows=P, shift=0):
        matrix = np.zeros((rows, width))
        size = part.stop - part.start
        matrix[:size, part] = np.eye(size, k=shift)
        return matrix

    weights = {
        "body.tokens.weight": select(token, V),
        "body.positions.weight": select(position, P),
        "body.blocks.0.attention.q.weight": select(position, shift=1),  # query at p asks for position p − 1
        "body.blocks.0.attention.k.weight": select(position),
        "body.blocks.0.attention.v.weight": select(token),
        "body.blocks.0.attention.output.weight": select(previous).T,
        "body.blocks.1.attention.q.weight": select(token),
        "body.blocks.1.attention.k.weight": select(previous),
        "body.blocks.1.attention.v.weight": select(token),
        "body.blocks.1.attention.output.weight": select(answer).T,
        "unembed.weight": select(answer, V),
    }
    adapter = adapt(build_toy(config, weights))
    logits = adapter.model(torch.tensor([[0, 1, 2, 3, 1]])).logits[0, -1]
    assert logits.tolist() == [0, 0, 1, 0, 0]
    captured = adapter.capture(torch.tensor([[0, 1, 2, 3, 1]]))
    assert captured.heads[1][0, -1, 0, :V].tolist() == [0, 0, 1, 0, 0]
    assert captured.reads[WriteGroup(0, "logits")][0, -1, answer].tolist() == [0, 0, 1, 0, 0]


def test_weights_that_do_not_fit_are_errors(tmp_path):
    with pytest.raises(CircError, match="C406"):
        build_toy(SMALL, {"body.tokens.weight": np.zeros((2, 2))})
    with pytest.raises(CircError, match="C406"):
        build_toy(SMALL, {"body.token.weight": np.zeros((6, 7))})
    with pytest.raises(CircError, match="C406"):
        build_toy({**SMALL, "attention": "sharp"}, {})
    write_toy(tmp_path / "toy", SMALL, random_weights(SMALL))
    config = json.loads((tmp_path / "toy" / "config.json").read_text())
    (tmp_path / "toy" / "config.json").write_text(json.dumps({**config, "width": 8}))
    with pytest.raises(CircError, match="C406"):
        load(ModelName("./toy"), folder=tmp_path)
    (tmp_path / "toy" / "config.json").write_text(json.dumps({"model_type": "circuitdsl_toy"}))
    with pytest.raises(CircError, match="C411"):
        find_shape(ModelName("./toy"), tmp_path)
