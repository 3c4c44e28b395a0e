"""The self-test of a device against the CPU. What a wrong device does is put into the model here: only a real one could do it itself."""

import pytest
import torch

from circuitdsl.borders.source import GuardError
from circuitdsl.models import parity
from circuitdsl.models.exact import exact
from circuitdsl.models.parity import check_parity, device_error

TOKENS = torch.tensor([[3, 9, 27, 4], [5, 8, 1, 2]])


class Elsewhere:
    """An adapter that says that it is on another device than the CPU."""

    def __init__(self, adapter):
        self._adapter = adapter

    def __getattr__(self, name):
        return getattr(self._adapter, name)

    device = torch.device("meta")


def test_the_same_modules_and_weights_run_on_the_cpu(tiny, family):
    adapter = tiny(family)
    with torch.no_grad(), exact():
        own = adapter.model(TOKENS).logits
        before = adapter.model.state_dict()
        assert device_error(adapter, TOKENS, own) == 0
        assert device_error(adapter, TOKENS, -own) == pytest.approx(2)
        assert all(value is before[name] or torch.equal(value, before[name]) for name, value in adapter.model.state_dict().items())


def test_a_device_that_inverts_a_sign_fails_the_guard(tiny, monkeypatch):
    adapter = tiny("gpt2", dtype="float32")
    right, own = check_parity(adapter, TOKENS), parity._own_logits
    assert right.device_error is None and "CPU" not in right.line()
    monkeypatch.setattr(parity.torch, "as_tensor", lambda tokens, device: tokens)  # there is no such device to put them on
    assert check_parity(Elsewhere(adapter), TOKENS).device_error == 0
    monkeypatch.setattr(parity, "_own_logits", lambda adapter, tokens: -own(adapter, tokens))
    with pytest.raises(GuardError) as caught:
        check_parity(Elsewhere(adapter), TOKENS)
    assert caught.value.code == "C425" and "meta" in caught.value.message
