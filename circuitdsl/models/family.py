"""What a family of models has to say about itself. One file a family in `families/` subclasses `Family`; nothing else names a family.

No torch here: modules and tensors are handed in, so a shape can be read from a configuration in milliseconds.
"""

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.errors import model_error

if TYPE_CHECKING:
    from torch import Tensor, nn

GROUP = "circuitdsl.families"
"""The entry point group of families from outside: each entry names an instance of `Family`."""


class ProjectNeurons(Protocol):
    def __call__(self, projection: "nn.Module | Projection", /) -> "Tensor":
        """[..., d] → [..., n]: the wanted neurons' outputs of one of the MLP's projections, with its bias.

        A module whose outputs are the neurons in order, or a `Projection` with the outputs that are: half of a fused one, for example.
        """
        ...


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

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Why a model of this family is not served (C426), from its settings: a layout that the algebra does not have. None: it is."""
        return None

    def window(self, config: Any, layer: int) -> int | None:
        """How many positions back a query of this layer sees, itself included; None, the default: all of them."""
        return None

    # --- where the modules are

    def load(self, folder: Path, config: Mapping[str, Any]) -> "nn.Module | None":
        """A model that transformers does not know, from its folder; None: transformers loads it."""
        return None

    def body(self, model: Any) -> "nn.Module":
        """The model without its unembedding."""
        found: nn.Module = model.base_model
        return found

    def blocks(self, body: Any) -> "Sequence[nn.Module]":
        found: Sequence[nn.Module] = body.layers
        return found

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        """The modules of a layer. An MLP that is not one module is an `nn.Sequential` of its modules, in the order they are called."""
        raise NotImplementedError

    def final(self, model: Any) -> "tuple[nn.Module | None, nn.Module]":
        """The final norm and the unembedding."""
        body: Any = self.body(model)
        return body.norm, model.lm_head

    def cache(self) -> Any:
        """Where a run of the body leaves keys and values, [B, H, T, h] in each of `layers`."""
        from transformers import DynamicCache

        return DynamicCache()  # without a configuration no layer of it forgets what has left a sliding window

    # --- what the modules compute

    def weight(self, module: Any) -> "Tensor":
        """[outputs, inputs] of a projection."""
        weight: Tensor = module.weight
        return weight

    def gain(self, norm: Any) -> "Tensor | float":
        """[d]: what a norm multiplies by after scaling; 1 where it has no weights."""
        weight: Tensor | None = norm.weight
        return 1.0 if weight is None else weight

    def head_norm(self, attention: Any, port: str, projected: "Tensor") -> "Tensor":
        """The norm of queries or keys: [..., n, h], or [..., H·h] where it spans the heads. Most families have none."""
        return projected

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        """Rotary embedding of [B, P, n, h] at positions [P], in this layer. The default: none."""
        return projected

    def scaling(self, attention: Any) -> float:
        """What scores are multiplied by before a softcap."""
        scaling: float = attention.scaling
        return scaling

    def attention_cap(self, config: Any) -> float | None:
        """Softcap of attention scores."""
        return None

    def logit_cap(self, config: Any) -> float | None:
        """Softcap of the vocabulary's logits."""
        return None

    def pattern(self, config: Any, scores: "Tensor") -> "Tensor | None":
        """Attention weights of masked scores [..., T], where they are not a softmax (None)."""
        return None

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        """[..., n]: what the down projection takes of the wanted neurons; `mlp` is that of `parts`."""
        raise NotImplementedError

    def multiplier(self, config: Any) -> float:
        """What contributions of heads and MLPs are multiplied by before they are added to the stream."""
        return 1.0


def rotary(body: Any, projected: "Tensor", positions: "Tensor", *kind: str) -> "Tensor":
    """Rotary embedding by the model's own module and its modelling file's own `apply_rotary_pos_emb`.

    `kind` is what the module is told beside the positions: the type of the layer, where a model has several rotary embeddings.
    """
    cos, sin = body.rotary_emb(projected, positions[None], *kind)
    apply = import_module(type(body).__module__).apply_rotary_pos_emb
    rotated: Tensor = apply(projected, projected[:, :, :0], cos, sin, unsqueeze_dim=2)[0]
    return rotated


class Families(Mapping[str, Family]):
    """Every family by the `model_type`s that it serves: those in `families/`, then those that other packages bring.

    The others are looked for only once a type is not built in, or all are asked for: going through what is installed takes a while.
    Built-in families keep their types. Raises CircError C427 for an entry point that cannot be used.
    """

    @cached_property
    def _own(self) -> dict[str, Family]:
        package = import_module("circuitdsl.models.families")
        found = [import_module(f"{package.__name__}.{entry.name}").FAMILY for entry in pkgutil.iter_modules(package.__path__)]
        return {model_type: family for family in found for model_type in family.defaults}

    @cached_property
    def _all(self) -> dict[str, Family]:
        from importlib.metadata import entry_points

        found = dict(self._own)
        for entry in entry_points(group=GROUP):
            try:
                family = entry.load()
            except Exception as error:  # whatever the module of another package raises
                raise _unusable(entry.name, entry.value, f"{type(error).__name__}: {error}") from error
            if not isinstance(family, Family):
                raise _unusable(entry.name, entry.value, f"it is {type(family).__name__}, not an instance of a subclass of Family")
            for model_type in family.defaults:
                found.setdefault(model_type, family)
        return found

    def __getitem__(self, model_type: str) -> Family:
        return self._own[model_type] if model_type in self._own else self._all[model_type]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (model_type for model_type in self._all if model_type not in self._own)

    def __len__(self) -> int:
        return len(self._all)


def _unusable(name: str, value: str, why: str) -> Exception:
    message = f"the family `{name}` of another package ({value}) cannot be used: {' '.join(why.split())}"
    return model_error("C427", message, "uninstall or mend that package")


def discover() -> Families:
    """Every family, by the `model_type` that it serves."""
    return Families()
