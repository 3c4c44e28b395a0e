"""Float64 stays float64 where transformers would compute in float32."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from circuitdsl.models.exact import exact


def test_float64_is_kept_and_only_inside():
    x = torch.rand(5, dtype=torch.float64)
    casts = (
        lambda t: t.float(),
        lambda t: t.to(torch.float32),
        lambda t: t.to(dtype=torch.float32),
        lambda t: t.to("cpu", torch.float32),
        lambda t: t.type(torch.float32),
        lambda t: torch.nn.functional.softmax(t, dim=-1, dtype=torch.float32),
        lambda t: t.softmax(-1, dtype=torch.float32),
        lambda t: torch.softmax(t, -1, dtype=torch.float32),
    )
    for cast in casts:
        with exact():
            assert cast(x).dtype is torch.float64
        assert cast(x).dtype is torch.float32


def test_other_types_are_left_alone():
    with exact():
        assert torch.ones(2, dtype=torch.int64).float().dtype is torch.float32
        assert torch.ones(2, dtype=torch.bfloat16).float().dtype is torch.float32
        assert torch.ones(2, dtype=torch.float64).to(torch.bfloat16).dtype is torch.bfloat16


def test_a_norm_has_the_precision_of_float64():
    x = torch.randn(7, 16, dtype=torch.float64)
    norm = LlamaRMSNorm(16, eps=1e-6).double()
    by_hand = x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
    with exact():
        assert (norm(x) - by_hand).abs().max() < 1e-14
    assert (norm(x) - by_hand).abs().max() > 1e-9


def test_contexts_may_overlap_and_nothing_is_left_behind():
    own = torch.Tensor.to, torch.Tensor.float, torch.Tensor.softmax, torch.softmax
    x, first, second = torch.rand(5, dtype=torch.float64), exact(), exact()
    first.__enter__()
    with pytest.raises(ZeroDivisionError), second:
        first.__exit__(None, None, None)
        assert x.float().dtype is torch.float64
        raise ZeroDivisionError
    assert x.float().dtype is torch.float32
    assert (torch.Tensor.to, torch.Tensor.float, torch.Tensor.softmax, torch.softmax) == own
