"""Fixtures that several stages share. Tiny random models have real layouts and weights large enough that every part matters."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from circuitdsl.borders.hypothesis import Edge
    from circuitdsl.borders.units import Unit

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: threads that wait for each other cost many times what they save
os.environ.setdefault("CIRCUITDSL_CACHE_SIZE", "off")  # plain runs on disk where a test is about them

_LLAMA = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "vocab_size": 61,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
_NEOX = {key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"} | {"num_attention_heads": 4, "rotary_pct": 0.34}

TINY: dict[str, dict[str, Any]] = {
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 20,
        "n_layer": 3,
        "n_head": 4,
        "n_positions": 64,
        "vocab_size": 61,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "llama": {"model_type": "llama", **_LLAMA},
    "llama-bias": {"model_type": "llama", **_LLAMA, "attention_bias": True, "mlp_bias": True, "head_dim": 6},
    "mistral": {"model_type": "mistral", **_LLAMA, "sliding_window": 4},
    "qwen2": {"model_type": "qwen2", **_LLAMA, "use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1},
    "neox": {"model_type": "gpt_neox", **_NEOX},
    "neox-sequential": {"model_type": "gpt_neox", **_NEOX, "use_parallel_residual": False},
    "olmo2": {"model_type": "olmo2", **_LLAMA},
    "olmo3": {
        "model_type": "olmo3",
        **_LLAMA,
        "attention_bias": True,
        "sliding_window": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 7.0},
            "full_attention": {
                "rope_type": "yarn",
                "rope_theta": 90.0,
                "factor": 8.0,
                "original_max_position_embeddings": 8,
                "attention_factor": 1.3,
            },
        },
    },
    "smollm3": {
        "model_type": "smollm3",
        **_LLAMA,
        "attention_bias": True,
        "mlp_bias": True,
        "no_rope_layers": [1, 0, 1],
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "use_sliding_window": True,
        "sliding_window": 3,
    },
    "qwen3": {"model_type": "qwen3", **_LLAMA, "head_dim": 6},
    "gemma2": {
        "model_type": "gemma2",
        **_LLAMA,
        "head_dim": 4,
        "query_pre_attn_scalar": 5,
        "sliding_window": 3,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        **_LLAMA,
        "head_dim": 4,
        "query_pre_attn_scalar": 5,
        "sliding_window": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 7.0},
            "full_attention": {"rope_type": "default", "rope_theta": 90.0},
        },
    },
    "phi3": {"model_type": "phi3", **_LLAMA, "sliding_window": 4, "partial_rotary_factor": 0.5},
    "opt": {
        "model_type": "opt",
        "hidden_size": 20,
        "ffn_dim": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "vocab_size": 61,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    },
}


@pytest.fixture
def tiny() -> Callable[..., Any]:
    """`tiny(family, seed=0, dtype="float64")`: the adapter of a tiny random model, family a key of `TINY`; 3 layers, vocabulary 61.

    Weights, biases and norms' gains are all random. Float64 comparisons belong into `with exact():` (circuitdsl.models.exact).
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from circuitdsl.models.adapter import adapt

    def make(family: str, seed: int = 0, dtype: str = "float64", **changes: Any):
        settings = {**TINY[family], **changes}
        config = AutoConfig.for_model(**settings)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(getattr(torch, dtype))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                is_gain = parameter.ndim == 1 and name.endswith("weight")
                parameter.copy_((1.0 if is_gain else 0.0) + (0.3 if parameter.ndim == 1 else 1.2 * parameter.shape[-1] ** -0.5) * noise)
        return adapt(model, name=f"tiny-{family}")

    return make


LAYOUTS = ("gemma2", "gpt2", "llama", "llama-bias", "mistral", "neox", "neox-sequential", "olmo2", "qwen2", "qwen3")
"""Families that between them have everything in which layouts differ for the planner and the engine: grouped queries, biases, fused
projections, windows, blocks in parallel, norms after the sum or across heads. A new one belongs here if it has something else."""


@pytest.fixture(scope="session")
def configurations() -> dict[str, dict[str, Any]]:
    """The table of tiny configurations, by name."""
    return TINY


@pytest.fixture(scope="session")
def layouts() -> tuple[str, ...]:
    """Names in it of families whose layouts differ."""
    return LAYOUTS


@pytest.fixture(params=sorted(TINY))
def family(request: pytest.FixtureRequest) -> str:
    """Goes through all tiny families: for tests that take a tenth of a second, and one of the engine against the oracle."""
    return request.param


@pytest.fixture(params=LAYOUTS)
def layout_family(request: pytest.FixtureRequest) -> str:
    """Goes through the families of `LAYOUTS`, for tests that take seconds, so that more families do not make them longer."""
    return request.param


# ---------------------------------------------------------------- the program as its users run it

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("circuitdsl")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the real model run in one worker, so that it is in memory once (`--dist loadgroup`)."""
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.xdist_group("real"))


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


@pytest.fixture
def circuitdsl(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`circuitdsl("check", path)`: the command line, in this process. A traceback anywhere fails the test."""
    from circuitdsl.cli import main, progress

    monkeypatch.setattr(progress, "EVERY", 3600.0)  # on a busy machine every run takes long enough to be told of

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = Ran(int(left.value.code or 0), *capfd.readouterr())
        assert "Traceback" not in said.out + said.err and "C599" not in said.err, said.err
        return said

    return run


@pytest.fixture
def program() -> Callable[..., Ran]:
    """`program("check", path)`: the installed command in a process of its own, its output in pipes."""

    def run(*arguments: object, **options: Any) -> Ran:
        command = [str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False, **options)
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def whole_population(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompts of a toy count as all that there are, so that its exact numbers, the same on each of them, have verdicts."""
    from circuitdsl.pipeline import judging

    monkeypatch.setattr(judging, "all_there_are", lambda distribution, rows: True)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A copy of the induction toy: the hypothesis, with its model beside it."""
    shutil.copytree(ROOT / "hypotheses" / "toys" / "induction", tmp_path / "toys" / "induction")
    return Path(shutil.copy(ROOT / "hypotheses" / "induction_toy.circ", tmp_path))


@pytest.fixture(scope="session")
def unit_of() -> "Callable[[str], Unit]":
    """`embed`, `logits`, `mlp 0`, or a head `1.0`."""
    from circuitdsl.borders.units import EMBED, LOGITS, Unit

    def read(text: str) -> Unit:
        if text in ("embed", "logits"):
            return EMBED if text == "embed" else LOGITS
        if text.startswith("mlp "):
            return Unit("mlp", int(text.removeprefix("mlp ")))
        layer, index = text.split(".")
        return Unit("head", int(layer), int(index))

    return read


@pytest.fixture(scope="session")
def edges_of(unit_of) -> "Callable[[Sequence[str]], tuple[Edge, ...]]":
    """`embed -> 1.0.v`, a link each; without a port, the only one."""
    from circuitdsl.borders.hypothesis import Edge, Link, Place

    def read(lines: Sequence[str]) -> tuple[Edge, ...]:
        found = []
        for line in lines:
            sender, receiver = line.split(" -> ")
            receiver, port = (receiver[:-2], receiver[-1]) if receiver[-1] in "qkv" else (receiver, "in")
            found.append(Edge(sender, receiver, port, (Link(Place(unit_of(sender), sender), Place(unit_of(receiver), receiver), port),)))
        return tuple(found)

    return read
