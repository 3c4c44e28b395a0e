"""What the engine says of single heads and edges, by hooks on the model itself."""

import numpy as np
import pytest
import torch

from circuitdsl.borders.units import EMBED, Unit
from circuitdsl.borders.values import Algebra, Base, Override, Run, Zero

CLEAN, ABC = Run("clean"), Run("abc")
HEAD = Unit("head", 1, 2)


def live(algebra, shape, pin, background):
    """Logits of the background with one unit pinned and everything after it recomputed."""
    mix = algebra.mix([pin])
    for layer in range(shape.layers):
        held = []
        for kind in ("head", "mlp"):
            units = [unit for unit in shape.units(kind) if unit.layer == layer and shape.reads(unit, pin.unit)]
            values = [algebra.recomputed(unit, background, dict.fromkeys(unit.ports, mix)) for unit in units]
            held += [Override(value.unit, None, value) for value in values]
            if kind == "mlp" or not shape.parallel:
                mix, held = algebra.mix(held, mix), []
    return algebra.logits(background, mix)


def replaced(adapter, head, put):
    """A hook that puts something in place of one head's weighted values."""
    width = adapter.shape.head_width

    def hook(module, args):
        weighted = args[0].clone()
        part = weighted[..., head.index * width : (head.index + 1) * width]
        part.copy_(put(part))
        return (weighted, *args[1:])

    return adapter.parts(head.layer).output.register_forward_pre_hook(hook)


def test_a_head_set_to_zero(tiny, family, space, measure, by_hooks):
    adapter = tiny(family)
    space = space(adapter.shape)
    pin = Override(HEAD, None, Base(Zero(), HEAD))
    [found] = measure(adapter, space, live(Algebra(), adapter.shape, pin, CLEAN))
    expected = by_hooks(adapter, space, lambda row, tokens: replaced(adapter, HEAD, torch.zeros_like))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert np.abs(found - measure(adapter, space, Algebra().logits(CLEAN))[0]).max() > 1e-4


def test_a_head_with_its_counterfactual_value(tiny, family, space, measure, by_hooks):
    adapter = tiny(family)
    space = space(adapter.shape)
    pin = Override(HEAD, None, Base(ABC, HEAD))
    [found] = measure(adapter, space, live(Algebra(), adapter.shape, pin, CLEAN))

    def hook(row, tokens):
        other = adapter.capture(torch.tensor([space.distributions["abc"].prompts[row].tokens]))
        return replaced(adapter, HEAD, lambda part: other.heads[HEAD.layer][:, :, HEAD.index])

    np.testing.assert_allclose(found, by_hooks(adapter, space, hook), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("head", [Unit("head", 0, 1), Unit("head", 2, 0)], ids=str)
def test_the_edge_from_a_head_to_the_logits(tiny, family, space, measure, by_hooks, head):
    """Its counterfactual value, seen by the final norm alone: a hook adds the difference of the contributions to the last stream."""
    adapter = tiny(family)
    if adapter.shape.post_norm:
        pytest.skip("under a post-norm a contribution cannot be added to the stream")
    space = space(adapter.shape)
    algebra = Algebra()
    mix = algebra.mix([Override(head, None, algebra.base(ABC, head))])
    [found] = measure(adapter, space, algebra.logits(CLEAN, mix))

    def hook(row, tokens):
        own, other = (adapter.capture(torch.tensor([space.distributions[name].prompts[row].tokens])) for name in ("clean", "abc"))
        width, projection = adapter.shape.head_width, adapter.parts(head.layer).output
        difference = torch.zeros_like(own.heads[head.layer].flatten(-2))
        start = head.index * width
        difference[..., start : start + width] = (other.heads[head.layer] - own.heads[head.layer])[:, :, head.index]
        added = projection(difference) - projection(torch.zeros_like(difference))
        return adapter.final()[0].register_forward_pre_hook(lambda module, args: (args[0] + added, *args[1:]))

    np.testing.assert_allclose(found, by_hooks(adapter, space, hook), rtol=1e-9, atol=1e-9)


def test_everything_from_the_embedding_on_is_the_model(tiny, family, space, measure):
    """Law 1 by the shortest way: the counterfactual run with the clean embedding, all else recomputed."""
    adapter = tiny(family)
    space = space(adapter.shape)
    algebra = Algebra()
    pin = Override(EMBED, None, algebra.base(CLEAN, EMBED))
    found, model = measure(adapter, space, live(algebra, adapter.shape, pin, ABC), algebra.logits(CLEAN))
    np.testing.assert_allclose(found, model, rtol=1e-9, atol=1e-9)
