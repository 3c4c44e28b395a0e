"""Predictions of time and memory know which MLPs are gated: three products instead of two, and three sets of activations."""

import pytest

from circuitdsl.borders.steps.work import activations, mlp


@pytest.mark.parametrize("family", ["gpt2", "neox", "llama", "qwen2", "qwen3", "olmo2", "gemma2"])
def test_an_mlp_is_predicted_to_read_the_weights_that_it_has(tiny, family):
    adapter = tiny(family)
    weights = [one for one in adapter.parts(0).mlp.parameters() if one.dim() == 2]
    assert mlp(adapter.shape, 1).weights == sum(one.numel() for one in weights)
    assert activations(adapter.shape) == len(weights)
