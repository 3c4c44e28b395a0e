"""The engine through the whole program: the three laws, the oracle on random circuits, draws made beforehand, nothing left behind."""

import random

import numpy as np
import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, plan, read, resolve

LAYOUTS = ["gpt2", "llama", "neox", "olmo2"]
"""A family of each kind: biases and learned positions; grouped queries; parallel blocks and partial rotary; norms after the sums."""
POOL = """prompts pool {
  "{a} {b} and {c} {a2}"
  "so {b} {a} and {c} then {a2}"
  a, b, c, a2 in words distinct
}
"""


@pytest.fixture
def loaded(model_file):
    """`loaded(claims, …)`: the file with other claims, resolved and planned, and its model in float64."""
    from circuitdsl.models.loading import load

    def make(claims, declared="", edges="edges all", settings="prompts = 8; ablate = resample(other)", nodes=None):
        text = model_file.read_text()
        head, rest = text.split("nodes {")
        nodes = nodes or "nodes {" + rest.split("}")[0] + "}"
        model_file.write_text(f"{head}{declared}\n{nodes}\n{edges}\nsettings {{ {settings} }}\nclaims {{\n{claims}\n}}\n")
        hypothesis = resolve(read(model_file), Flags())
        adapter = load(hypothesis.model, folder=model_file.parent, dtype="float64").adapter
        return hypothesis, lower(hypothesis, Algebra()), adapter

    return make


def numbers(hypothesis, asked, adapter, memory=None, **how):
    """Columns by claim and readout, from a plan and an execution of its own."""
    from circuitdsl.engine.executor import execute
    from circuitdsl.models.exact import exact

    with exact():
        found = execute(plan(hypothesis, asked, memory), adapter, hypothesis, **how)
    return {(one.claim.label, name): found[readout.digest] for one in asked for name, readout in one.lowered.readouts.items()}


# ---------------------------------------------------------------- the three laws


@pytest.mark.parametrize("family", LAYOUTS)
def test_all_edges_are_the_model_none_the_background_and_donors_equal_to_the_rows_the_model(loaded):
    import torch

    from circuitdsl.models.exact import exact

    nodes = "nodes { first = heads 0.*\n second = heads 1.*\n third = heads 2.*\n body = mlps * }"
    hypothesis, asked, adapter = loaded(
        "whole: faithfulness(diff, second = no)\npart: faithfulness(diff, circuit = (first, third), ablate = resample(same), second = no)",
        declared="prompts same from clean { a2 = a }",
        nodes=nodes,
    )
    found = numbers(hypothesis, asked, adapter)

    def model(name):
        """transformers' own logits on those prompts, with the labels of the measured rows."""
        differences = []
        for row in asked[0].rows:
            labels = hypothesis.distributions["clean"].prompts[row]
            logits = adapter.model(torch.tensor([hypothesis.distributions[name].prompts[row].tokens])).logits[0, -1]
            differences.append(float(logits[labels.answer] - logits[labels.wrong[0]]))
        return np.array(differences)

    with exact(), torch.no_grad():
        clean, other = model("clean"), model("other")
    np.testing.assert_allclose(found["whole", "F(C)"], clean, rtol=1e-9)
    np.testing.assert_allclose(found["whole", "F(∅)"], other, rtol=1e-9)
    np.testing.assert_allclose(found["part", "F(C)"], clean, rtol=1e-9)
    assert np.abs(clean - other).max() > 1e-2


# ---------------------------------------------------------------- the oracle


def random_circuit(draw: random.Random) -> tuple[str, str]:
    """Nodes at some positions in each layer, and edges between them by some ports."""
    nodes, edges = [], ["embed -> n0, n1, n2"]
    for layer in range(3):
        heads = sorted(draw.sample(range(4), draw.randint(1, 3)))
        units = ", ".join(f"{layer}.{head}" for head in heads)
        nodes.append(f"  n{layer} = heads {units}{draw.choice(['', ' @ END', ' @ (b, a2)', ' @ (a.first, END)'])}")
        edges.append(f"n{layer} -> logits")
    for sender, receiver in [(0, 1), (0, 2), (1, 2)]:
        if ports := draw.sample("qkv", draw.randint(0, 3)):
            edges.append(f"n{sender} -> {', '.join(f'n{receiver}.{port}' for port in sorted(ports))}")
    if draw.random() < 0.5:
        nodes.append(f"  m = mlps {draw.randint(0, 1)}")
        edges.append("embed -> m\n m -> logits")
    return "nodes {\n" + "\n".join(nodes) + "\n}", "edges {\n" + "\n".join(edges) + "\n}"


@pytest.mark.parametrize(
    ("family", "ablation"),
    [
        ("gpt2", "resample(pool)"),
        ("llama", "mean(pool)"),
        ("neox", "resample(other)"),
        ("olmo2", "zero"),
        ("qwen3", "mean(clean)"),
        ("gemma2", "resample(clean)"),
    ],
)
def test_the_oracle_agrees_on_random_circuits(loaded, family, ablation):
    from circuitdsl.models.exact import exact
    from circuitdsl.oracle import evaluate

    nodes, edges = random_circuit(random.Random(family))
    hypothesis, asked, adapter = loaded(
        "it: faithfulness(diff, second = no)\nthrough: effect(n0 -[n1]-> n2 ~> logits, from = other)\n"
        "back: effect(embed -> n1.v -> logits, from = clean, into = other)",
        declared=POOL,
        nodes=nodes,
        edges=edges,
        settings=f"prompts = 6; ablate = {ablation}",
    )
    planned = plan(hypothesis, asked)
    with exact():
        slow = evaluate(planned.requests, hypothesis, adapter, planned.draws)
    fast = numbers(hypothesis, asked, adapter)
    digests = {(one.claim.label, name): readout.digest for one in asked for name, readout in one.lowered.readouts.items()}
    for key, column in fast.items():
        np.testing.assert_allclose(column, slow[digests[key]], rtol=1e-9, atol=1e-9, err_msg=str(key))


# ---------------------------------------------------------------- values and draws


@pytest.mark.parametrize("family", ["llama"])
def test_equal_values_are_one_and_lowering_is_a_pure_function(loaded):
    hypothesis, asked, _ = loaded("a: faithfulness(diff)\nb: faithfulness(diff)\nc: effect(early -> late.q ~> logits, from = other)")
    first, second, path = (one.lowered.readouts for one in asked)
    assert all(first[name].value is second[name].value for name in first)
    assert path["background"].value is first["F(M)"].value is not first["F(C)"].value
    again = lower(hypothesis, Algebra())
    assert [[readout.digest for readout in one.lowered.readouts.values()] for one in again] == [
        [readout.digest for readout in one.lowered.readouts.values()] for one in asked
    ]


def no_dice():
    """Refuses every operation of torch that draws, and numpy's generators."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class NoDice(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            idle = function is torch.ops.aten.dropout.default and not args[2]
            assert idle or torch.Tag.nondeterministic_seeded not in function.tags, function
            return function(*args, **(kwargs or {}))

    return NoDice()


@pytest.mark.parametrize("family", ["llama"])
def test_every_draw_is_made_beforehand(loaded, monkeypatch):
    """A plan is carried out without a die, twice and in small batches, with the same numbers."""
    hypothesis, asked, adapter = loaded(
        "it: faithfulness(diff)", declared=POOL, edges="edges { embed -> early -> late -> logits }",
        settings="prompts = 24; ablate = resample(pool)", nodes="nodes { early = heads 0.*\n late = heads 1.*, 2.* }",
    )  # fmt: skip
    first = numbers(hypothesis, asked, adapter)
    planned, small = plan(hypothesis, asked), plan(hypothesis, asked, 20_000)
    assert {draw: rows.tolist() for draw, rows in planned.draws.items()} == {draw: rows.tolist() for draw, rows in small.draws.items()}
    assert min(panel.prompts(small.memory, 8) for panel in small.panels) < min(len(panel.rows) for panel in planned.panels)
    with monkeypatch.context() as patch, no_dice():
        for name in ("default_rng", "Generator", "Philox", "PCG64", "rand", "random", "randint", "choice", "permutation"):
            patch.setattr(np.random, name, lambda *arguments, name=name, **more: pytest.fail(f"numpy.random.{name}"))
        for name in ("random", "randint", "choice", "shuffle", "sample", "getrandbits"):
            patch.setattr(random, name, lambda *arguments, name=name, **more: pytest.fail(f"random.{name}"))
        second, pieces = numbers(hypothesis, asked, adapter), numbers(hypothesis, asked, adapter, memory=20_000)
    for key, column in first.items():
        assert column.tobytes() == second[key].tobytes()
        np.testing.assert_allclose(pieces[key], column, rtol=1e-9, atol=1e-12)
    one, two = (first["it", f"F(C), draw {number}"] for number in (1, 2))
    assert np.abs(one - two).max() > 1e-3  # so donors are drawn, and matter


# ---------------------------------------------------------------- nothing is left behind


@pytest.mark.parametrize("family", LAYOUTS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_hook_is_left_behind_after_an_exception(loaded, error, monkeypatch):
    hypothesis, asked, adapter = loaded("it: faithfulness(diff)\nlooks: attention(late, query = END, key = a)")
    before = numbers(hypothesis, asked, adapter)

    def hooked():
        return [name for name, module in adapter.model.named_modules() if module._forward_hooks or module._forward_pre_hooks]

    assert not hooked()
    seen = []

    def broken(*arguments, **more):
        seen.extend(hooked())
        raise error("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(adapter.parts(1).mlp, "forward", broken)
        with pytest.raises(error, match="in the middle"):
            numbers(hypothesis, asked, adapter)
    assert seen and not hooked()
    after = numbers(hypothesis, asked, adapter)
    assert all(after[key].tobytes() == column.tobytes() for key, column in before.items())
