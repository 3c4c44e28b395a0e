"""What the engine and the oracle ask of a model. One small file a family answers it (`circuitdsl/models/families/`).

Shapes: B rows, T positions, P ≤ T of them, d stream, H query heads of width h, n ≤ H of them, V vocabulary. "…" are any leading axes.
Query heads are numbered as the model numbers them; with grouped queries head i has k and v ports of its own, projected by
the weights of key-value head i // (H / KV). "Normalised" means after the reader's own pre-norm (the identity where a family has none).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from circuitdsl.borders.units import ModelShape, WriteGroup

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Captured:
    """One plain run of the model, kept at the width things have: heads before their output projection."""

    embed: "Tensor"
    """[B, T, d]: token embedding with position embedding and scale."""
    heads: "tuple[Tensor, ...]"
    """A layer: [B, T, H, h], the heads' weighted values, which the output projection takes to the stream."""
    mlps: "tuple[Tensor, ...]"
    """A layer: [B, T, d], raw contributions (before a post-norm, after a multiplier). Empty for attention-only models."""
    reads: "Mapping[WriteGroup, Tensor]"
    """[B, T, d]: the stream that the heads of a layer, its MLP and the logits read, before their own pre-norms."""
    keys: "tuple[Tensor, ...]"
    """A layer: [B, T, KV, h], with q/k norm and rotary embedding."""
    values: "tuple[Tensor, ...]"
    """A layer: [B, T, KV, h]."""
    at: tuple[int, ...] | None = None
    """Positions at which the last of these layers was run beside its keys and values (None: all); elsewhere NaN."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A port's projection, or an MLP's: a module of the model and which of its output features are meant, in order (None: all)."""

    module: "nn.Module"
    features: "Tensor | None" = None


@dataclass(frozen=True, slots=True)
class LayerParts:
    """The model's own modules of a layer, for the oracle. `attention(hidden, **kwargs)` runs the layer's attention on normalised reads.

    `q`, `k`, `v` are projections inside it; `output` is the projection whose input is the heads' weighted values [B, T, H·h].
    `down` is the module whose input is the MLP's neurons. An MLP that is not one module of the model is an `nn.Sequential` of its
    modules, which the model calls one after another; `mlp_ends` are the first and the last module that the model itself calls.
    Pre- and post-norms are None where a family has none.
    """

    attention: "nn.Module"
    q: Projection
    k: Projection
    v: Projection
    output: "nn.Module"
    attention_norm: "nn.Module | None"
    attention_post: "nn.Module | None"
    mlp: "nn.Module | None"
    down: "nn.Module | None"
    mlp_norm: "nn.Module | None"
    mlp_post: "nn.Module | None"

    @property
    def mlp_ends(self) -> "tuple[nn.Module, nn.Module] | None":
        """The module that takes the MLP's read, and the one that gives its contribution; None where there is no MLP."""
        if self.mlp is None:
            return None
        modules = list(self.mlp.children()) if type(self.mlp).__name__ == "Sequential" else [self.mlp]
        return modules[0], modules[-1]


class Adapter(Protocol):
    """A loaded model. Nothing here changes it; hooks set by a method are gone when it returns or raises."""

    shape: ModelShape
    model: "nn.Module"

    @property
    def device(self) -> "torch.device": ...

    @property
    def dtype(self) -> "torch.dtype": ...

    def capture(self, tokens: "Tensor", layers: int | None = None, at: tuple[int, ...] | None = None) -> Captured:
        """Runs the model plainly on tokens [B, T] (one length, no padding), without computing the vocabulary's logits.

        With `layers`, only the first so many are run: what comes later is missing, but for the stream that the next layer reads.
        With `at`, the last of them is run at those positions alone, beside its keys and values.
        """
        ...

    # --- the algebra's pieces, for the fast engine

    def norm(self, reader: WriteGroup, stream: "Tensor", scale_from: "Tensor | None" = None) -> "Tensor":
        """The reader's pre-norm of a stream […, d]. With `scale_from` […, d] the scale is that stream's, centring stays live."""
        ...

    def project(self, layer: int, port: str, normalised: "Tensor", heads: Sequence[int]) -> "Tensor":
        """[…, d] → […, n, h]: the port's projection for those query heads, with bias and q/k norm, before rotary embedding."""
        ...

    def rotate(self, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        """Rotary embedding of queries or keys [B, P, n, h] that stand at positions [P]; the identity where a family has none."""
        ...

    def attend(self, layer: int, q: "Tensor", k: "Tensor", v: "Tensor", positions: "Tensor") -> "tuple[Tensor, Tensor]":
        """Queries [B, P, n, h] at positions [P] over keys and values [B, T, n, h] → weighted values [B, P, n, h], pattern [B, n, P, T]."""
        ...

    def scores(self, layer: int, q: "Tensor", k: "Tensor") -> "Tensor":
        """Queries [B, P, n, h] and keys [B, T, n, h] → scaled scores [B, n, P, T], of any position after the query too."""
        ...

    def pattern(self, layer: int, scores: "Tensor", positions: "Tensor") -> "Tensor":
        """Scores […, P, T] of queries at positions [P] → attention pattern, capped, masked and normalised over the keys."""
        ...

    def write(self, layer: int, weighted: "Tensor", heads: Sequence[int]) -> "Tensor":
        """[…, n, h] → […, d]: summed contributions of those heads, after any multiplier, without the layer's output bias."""
        ...

    def mlp(self, layer: int, normalised: "Tensor") -> "Tensor":
        """[…, d] → […, d]: the MLP's contribution, its output bias and any multiplier included, before a post-norm."""
        ...

    def neurons(self, layer: int, normalised: "Tensor", indices: Sequence[int]) -> "Tensor":
        """[…, d] → […, n]: activations of those neurons, as the down projection takes them."""
        ...

    def write_neurons(self, layer: int, activations: "Tensor", indices: Sequence[int]) -> "Tensor":
        """[…, n] → […, d]: summed contributions of those neurons, without bias."""
        ...

    def bias(self, group: WriteGroup) -> "Tensor | None":
        """c_g [d]: the output bias of a layer's attention, after any multiplier; None where there is none, and for MLPs (it is theirs)."""
        ...

    def post(self, group: WriteGroup, total: "Tensor") -> "Tensor":
        """The norm after a write group's sum […, d]; the identity where a family has none."""
        ...

    def logits(self, normalised: "Tensor", columns: "Tensor | None" = None) -> "Tensor":
        """[…, d] after the final norm → […, V] or those columns, with bias, scale and softcap."""
        ...

    # --- the model's own modules, for the oracle

    def parts(self, layer: int) -> LayerParts: ...

    def final(self) -> "tuple[nn.Module | None, nn.Module]":
        """The final norm (None where a family has none) and the unembedding."""
        ...

    def multiplier(self, group: WriteGroup) -> float:
        """What a group's output is multiplied by before it is added to the stream (1 for most families)."""
        ...
