"""Toys: small attention models written by hand, for ground truths that can be worked out on paper. The modules are in `models/toy.py`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family, ProjectNeurons

if TYPE_CHECKING:
    from torch import Tensor, nn


class Toy(Family):
    name = "toy"
    words_as_tokens = True
    defaults = {"circuitdsl_toy": {"mlp_width": 0, "attention": "softmax", "scaling": 1.0, "causal": True, "activation": "relu"}}

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        c = self.settings(config)
        return ModelShape(
            name=name,
            family=self.name,
            layers=c["layers"],
            heads=c["heads"],
            kv_heads=c["heads"],
            width=c["width"],
            head_width=c["head_width"],
            mlp_width=c["mlp_width"],
            vocabulary=c["vocabulary"],
            context=c["context"],
            mlps=c["mlp_width"] > 0,
            causal=c["causal"],
        )

    def load(self, folder: Path, config: Mapping[str, Any]) -> "nn.Module | None":
        from circuitdsl.models.toy import read_toy

        return read_toy(folder, self.settings(config))

    def body(self, model: Any) -> "nn.Module":
        found: nn.Module = model.body
        return found

    def blocks(self, body: Any) -> "Sequence[nn.Module]":
        found: Sequence[nn.Module] = body.blocks
        return found

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        attention, mlp = block.attention, block.mlp
        return LayerParts(
            attention=attention,
            q=Projection(attention.q),
            k=Projection(attention.k),
            v=Projection(attention.v),
            output=attention.output,
            attention_norm=None,
            attention_post=None,
            mlp=mlp,
            down=mlp.down if mlp is not None else None,
            mlp_norm=None,
            mlp_post=None,
        )

    def cache(self) -> Any:
        from circuitdsl.models.toy import ToyCache

        return ToyCache()

    def final(self, model: Any) -> "tuple[nn.Module | None, nn.Module]":
        return None, model.unembed

    def pattern(self, config: Any, scores: "Tensor") -> "Tensor | None":
        from circuitdsl.models.toy import hard

        return hard(scores) if config.attention == "hard" else None

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        made: Tensor = mlp.activate(project(mlp.up))
        return made


FAMILY = Toy()
