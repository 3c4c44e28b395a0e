"""What a family of models has to say about itself. One file a family in `families/` subclasses `Family`; nothing else names a family.

No torch here: modules and tensors are handed in, so a shape can be read from a configuration in milliseconds.
"""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts
from circuitdsl.borders.units import ModelShape

if TYPE_CHECKING:
    from torch import Tensor, nn


class Family:
    """Where a family keeps its parts, and how it differs from softmax attention under a causal mask.

    `defaults` has an entry for each `model_type` served, with the values of the keys that its `config.json` may leave out.
    """

    name: str
    defaults: Mapping[str, Mapping[str, Any]]
    overrides: Mapping[str, Any] = {}
    """Settings of the configuration that are changed at load because they only say how precisely to compute."""
    words_as_tokens = False
    """True where a model without a tokenizer may be measured with a word as a token: one that is written by hand."""
    norm_spans_heads = False
    """True where one q norm and one k norm span all heads of a layer, so that a head cannot be projected by itself."""

    # --- from the configuration alone

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A `config.json` with what it leaves out filled in. Raises KeyError for a `model_type` that is not served."""
        return {**self.defaults[config["model_type"]], **{key: value for key, value in config.items() if value is not None}}

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        """The shape that a configuration describes, a dictionary as in `config.json`."""
        raise NotImplementedError

    def window(self, config: Any, layer: int) -> int | None:
        """How many positions back a query of this layer sees, itself included; None, the default: all of them."""
        return None

    # --- where the modules are

    def load(self, folder: Any, config: Mapping[str, Any]) -> "nn.Module | None":
        """A model that transformers does not know, from its folder; None: transformers loads it."""
        return None

    def body(self, model: "nn.Module") -> "nn.Module":
        """The model without its unembedding."""
        return model.base_model  # type: ignore[return-value]

    def blocks(self, body: "nn.Module") -> "Sequence[nn.Module]":
        return body.layers  # type: ignore[return-value]

    def parts(self, block: "nn.Module", shape: ModelShape) -> LayerParts:
        raise NotImplementedError

    def final(self, model: "nn.Module") -> "tuple[nn.Module | None, nn.Module]":
        """The final norm and the unembedding."""
        return self.body(model).norm, model.lm_head  # type: ignore[return-value]

    def cache(self) -> Any:
        """Where a run of the body leaves keys and values, [B, H, T, h] in each of `layers`."""
        from transformers import DynamicCache

        return DynamicCache()  # without a configuration no layer of it forgets what has left a sliding window

    # --- what the modules compute

    def weight(self, module: Any) -> "Tensor":
        """[outputs, inputs] of a projection."""
        return module.weight

    def gain(self, norm: Any) -> "Tensor":
        """[d]: what a norm multiplies by after scaling."""
        return norm.weight

    def head_norm(self, attention: Any, port: str, projected: "Tensor") -> "Tensor":
        """The norm of queries or keys: [..., n, h], or [..., H·h] where it spans the heads. Most families have none."""
        return projected

    def rotate(self, body: Any, projected: "Tensor", positions: "Tensor") -> "Tensor":
        """Rotary embedding of [B, P, n, h] at positions [P]. The default: none."""
        return projected

    def scaling(self, attention: Any) -> float:
        return attention.scaling

    def attention_cap(self, config: Any) -> float | None:
        """Softcap of attention scores."""
        return None

    def logit_cap(self, config: Any) -> float | None:
        """Softcap of the vocabulary's logits."""
        return None

    def pattern(self, config: Any, scores: "Tensor") -> "Tensor | None":
        """Attention weights of masked scores [..., T], where they are not a softmax (None)."""
        return None

    def activations(self, mlp: Any, project: "Callable[[nn.Module], Tensor]") -> "Tensor":
        """What the down projection takes. `project(module)` applies the wanted output features of one of the MLP's projections."""
        raise NotImplementedError

    def multiplier(self, config: Any) -> float:
        """What contributions of heads and MLPs are multiplied by before they are added to the stream."""
        return 1.0


def rotary(body: Any, projected: "Tensor", positions: "Tensor") -> "Tensor":
    """Rotary embedding by the model's own module and its modelling file's own `apply_rotary_pos_emb`."""
    cos, sin = body.rotary_emb(projected, positions[None])
    apply = import_module(type(body).__module__).apply_rotary_pos_emb
    return apply(projected, projected[:, :, :0], cos, sin, unsqueeze_dim=2)[0]


def discover() -> dict[str, Family]:
    """Every family in `families/`, by the `model_type` that it serves."""
    package = import_module("circuitdsl.models.families")
    found = [import_module(f"{package.__name__}.{entry.name}").FAMILY for entry in pkgutil.iter_modules(package.__path__)]
    return {model_type: family for family in found for model_type in family.defaults}
