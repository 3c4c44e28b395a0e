"""Ground truth 25: scrubbing a set of two prompts, the donor fixed, is direct path patching, for every pair of heads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import Claim, Path, Place, Step
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.effects import EffectOptions
from circuitdsl.models.adapter import adapt
from circuitdsl.planning import plan

HEADS, WIDTH, INNER, LENGTH, VOCABULARY, TARGET = 3, 12, 4, 5, 20, 7


@pytest.fixture(scope="module")
def gpt2():
    """Two layers with layer norm, weights at random; the last MLP writes nothing, so a head of layer 1 reaches the logits alone."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    size = {"n_layer": 2, "n_head": HEADS, "n_embd": WIDTH, "n_positions": LENGTH, "vocab_size": VOCABULARY}
    model = GPT2LMHeadModel(GPT2Config(**size, initializer_range=0.5, bos_token_id=0, eos_token_id=0)).double().eval()
    with torch.no_grad():
        for block in model.transformer.h:
            for norm in (block.ln_1, block.ln_2):
                norm.weight.normal_(1, 0.3)
                norm.bias.normal_(0, 0.3)
        model.transformer.h[1].mlp.c_proj.weight.zero_()
    return model


def run(model, tokens, changes=None, keep=None):
    """Logits at the end. `changes` [T, d] is added to what each head of layer 1 reads; of head `keep` alone that goes to the logits."""
    body, kept = model.transformer, {}
    hooks = [
        block.attn.c_proj.register_forward_pre_hook(lambda _, given, layer=layer: kept.__setitem__(layer, given[0][0]))
        for layer, block in enumerate(body.h)
    ]
    if changes is not None:
        hooks.append(body.h[1].ln_1.register_forward_pre_hook(lambda _, given: (given[0] + changes,)))
    if keep is not None:
        head, plain = keep
        mine = slice(head * INNER, (head + 1) * INNER)

        def put(_, given):
            mixed = plain.clone()
            mixed[:, mine] = given[0][0][:, mine]
            return (mixed[None],)

        hooks.append(body.h[1].attn.c_proj.register_forward_pre_hook(put))
    try:
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1]
    finally:
        for hook in hooks:
            hook.remove()
    return logits, kept


def write(model, head, weighted):
    mine = slice(head * INNER, (head + 1) * INNER)
    return weighted[:, mine] @ model.transformer.h[0].attn.c_proj.weight[mine].detach()


def test_two_prompts_and_a_fixed_donor_are_direct_path_patching(scrub, gpt2):
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, VOCABULARY, LENGTH).tolist() for _ in range(2))
    adapter = adapt(gpt2, "tiny")
    units = [Unit("head", layer, head) for layer in range(2) for head in range(HEADS)] + [Unit("mlp", layer) for layer in range(2)]
    names = {str(unit): unit for unit in units}
    clean, donors = run(gpt2, one), run(gpt2, other)
    changed = []
    for sender in range(HEADS):
        for receiver in range(HEADS):
            a, b = f"head 0.{sender}", f"head 1.{receiver}"
            pairs = [(s, r) for s in ["embed", *names] for r in names if s == "embed" or adapter.shape.reads(names[r], names[s])]
            edges = [(s, r, None) for s, r in pairs if (s, r) != (a, b)] + [(s, "logits", None) for s in ["embed", *names]]
            nodes = {name: scrub.node(name, unit) for name, unit in names.items()}
            file = scrub.Graph(adapter.shape, scrub.prompts([one]), [TARGET], {}, nodes, edges).hypothesis()
            file = replace(file, distributions={**file.distributions, "other": Distribution("other", scrub.prompts([other]), "clean")})
            scrubbed = scrub.lowered(file, sampling="shared", **{"from": "other"}).readouts["F(scrub)"]
            path = Path(f"{a} -> {b} -> logits", (Place(names[a], a),), (Step("direct", (Place(names[b], b),)), logits_step()))
            claim = Claim("e", "effect", "", metric="m", paths=(path,), options=EffectOptions(from_="other"), measured="clean")
            effect = measures()["effect"].lower(claim, file, Algebra())
            requests = [Request(readout, (0,)) for readout in (scrubbed, *effect.readouts.values())]
            found = execute(plan(requests, file), adapter, file)
            changes = write(gpt2, sender, donors[1][0]) - write(gpt2, sender, clean[1][0])
            wanted = run(gpt2, one, changes, (receiver, clean[1][1]))[0][TARGET].item()
            number = found[scrubbed.digest][0]
            assert number == pytest.approx(wanted, rel=1e-9)
            patched = {name: found[readout.digest][0] for name, readout in effect.readouts.items()}
            assert any(value == pytest.approx(number, rel=1e-9) for value in patched.values()), patched
            changed.append(abs(number - clean[0][TARGET].item()))
    assert min(changed) > 1e-6


def logits_step():
    return Step("direct", (Place(Unit("logits"), "logits"),))
