"""A small attention model whose weights are written by hand: no norms, learned positions, softmax or hard attention, perhaps MLPs.

A toy is a folder with `config.json` (`"model_type": "circuitdsl_toy"`), `model.safetensors`, and perhaps `tokenizer.json`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from circuitdsl.models.errors import model_error

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "identity": lambda x: x, "step": lambda x: (x > 0).to(x.dtype)}


def hard(scores: Tensor) -> Tensor:
    """Hard attention [..., T]: all weight on the largest score, shared evenly between those within 1e-6 of it."""
    largest = scores >= scores.amax(-1, keepdim=True) - 1e-6
    return largest.to(scores.dtype) / largest.sum(-1, keepdim=True)


class ToyAttention(nn.Module):
    def __init__(self, config: Any):
        super().__init__()
        inner = config.heads * config.head_width
        self.config = config
        self.scaling: float = config.scaling
        self.q, self.k, self.v = (nn.Linear(config.width, inner) for _ in range(3))
        self.output = nn.Linear(inner, config.width)

    def forward(self, hidden_states: Tensor, layer: int = 0, past_key_values: Any = None) -> tuple[Tensor, Tensor]:
        """[B, T, d] → what is added to the stream [B, T, d], weights [B, H, T, T]."""
        split = (-1, self.config.head_width)
        q, k, v = (port(hidden_states).unflatten(-1, split).transpose(1, 2) for port in (self.q, self.k, self.v))
        if past_key_values is not None:
            k, v = past_key_values.update(k, v, layer)
        scores = q @ k.transpose(-1, -2) * self.scaling
        if self.config.causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        weights = hard(scores) if self.config.attention == "hard" else scores.softmax(-1)
        return self.output((weights @ v).transpose(1, 2).flatten(-2)), weights


class ToyCache:
    """Keys and values of each layer, as transformers' caches have them, whose import takes longer than a toy's whole run."""

    def __init__(self) -> None:
        self.layers: list[SimpleNamespace] = []

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Both [B, H, T, h]. Layers come in order, each once."""
        self.layers.append(SimpleNamespace(keys=keys, values=values))
        return keys, values


class ToyMLP(nn.Module):
    def __init__(self, config: Any):
        super().__init__()
        self.up, self.down = nn.Linear(config.width, config.mlp_width), nn.Linear(config.mlp_width, config.width)
        self.activate = ACTIVATIONS[config.activation]

    def forward(self, stream: Tensor) -> Tensor:
        written: Tensor = self.down(self.activate(self.up(stream)))
        return written


class ToyBlock(nn.Module):
    def __init__(self, config: Any):
        super().__init__()
        self.attention = ToyAttention(config)
        self.mlp = ToyMLP(config) if config.mlp_width else None

    def forward(self, stream: Tensor, layer: int, past_key_values: Any) -> Tensor:
        stream = stream + self.attention(stream, layer=layer, past_key_values=past_key_values)[0]
        return stream if self.mlp is None else stream + self.mlp(stream)


class ToyBody(nn.Module):
    def __init__(self, config: Any):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(config.vocabulary, config.width), nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(ToyBlock(config) for _ in range(config.layers))

    def forward(self, tokens: Tensor, past_key_values: Any = None, use_cache: bool = False) -> SimpleNamespace:
        stream = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        for layer, block in enumerate(self.blocks):
            stream = block(stream, layer, past_key_values)
        return SimpleNamespace(last_hidden_state=stream)


class ToyModel(nn.Module):
    """Called as transformers' models are: `model(tokens).logits` [B, T, V]. Every weight is zero until it is given."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        self.config = SimpleNamespace(**config, to_dict=lambda: dict(config))
        self.body = ToyBody(self.config)
        self.unembed = nn.Linear(self.config.width, self.config.vocabulary)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()

    def forward(self, tokens: Tensor, use_cache: bool = False) -> SimpleNamespace:
        return SimpleNamespace(logits=self.unembed(self.body(tokens).last_hidden_state))


def build_toy(config: Mapping[str, Any], weights: Mapping[str, Any]) -> ToyModel:
    """A toy in memory, float64. `weights` maps parameter names to arrays; those that are left out are zero.

    Names are `body.tokens.weight` [V, d], `body.positions.weight` [context, d], `body.blocks.L.attention.q.weight` [H·h, d] (so `k`, `v`),
    `….attention.output.weight` [d, H·h], `body.blocks.L.mlp.up.weight` [m, d], `….mlp.down.weight` [d, m], `unembed.weight` [V, d], each
    but the first two also with `bias`. Raises CircError C406 for names and shapes that do not fit.
    """
    from circuitdsl.models.families.toy import FAMILY

    settings = FAMILY.settings({"model_type": "circuitdsl_toy", **config})
    if settings["attention"] not in ("softmax", "hard") or settings["activation"] not in ACTIVATIONS:
        raise model_error("C406", f"a toy's `attention` is softmax or hard, its `activation` one of {', '.join(ACTIVATIONS)}")
    model = ToyModel(settings).double()
    parameters = dict(model.named_parameters())
    for name, value in weights.items():
        tensor = torch.as_tensor(value, dtype=torch.float64)
        if name not in parameters:
            raise model_error("C406", f"a toy has no weight `{name}`", f"its weights: {', '.join(parameters)}")
        if tensor.shape != parameters[name].shape:
            raise model_error("C406", f"`{name}` has shape {tuple(tensor.shape)} instead of {tuple(parameters[name].shape)}")
        with torch.no_grad():
            parameters[name].copy_(tensor)
    return model.eval().requires_grad_(False)


def read_toy(folder: Path, config: Mapping[str, Any]) -> ToyModel:
    """The toy in a folder."""
    from safetensors.torch import load_file

    return build_toy(config, load_file(folder / "model.safetensors"))


def write_toy(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Any], tokens: Sequence[str] = (), bos: str | None = None
) -> None:
    """Writes a toy that a `.circ` file can name (`model "./folder"`), weights as in `build_toy`.

    With `tokens` (the vocabulary in order of its ids) it has a tokenizer that splits at spaces; `bos`, one of them, is put first.
    """
    from safetensors.numpy import save_file

    model = build_toy(config, weights)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"model_type": "circuitdsl_toy", **{key: value for key, value in model.config.to_dict().items() if key != "model_type"}}
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float64) for name, value in sorted(weights.items())}, folder / "model.safetensors"
    )
    if tokens:
        _tokenizer(tokens, bos).save(str(folder / "tokenizer.json"))


def _tokenizer(tokens: Sequence[str], bos: str | None) -> Any:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer(WordLevel({token: number for number, token in enumerate(tokens)}, unk_token=tokens[0]))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    if bos is not None:
        tokenizer.add_special_tokens([AddedToken(bos, special=True)])
        tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, tokens.index(bos))])
    return tokenizer
