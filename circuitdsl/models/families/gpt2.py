"""GPT-2: learned positions, layer norm, biases everywhere, one fused projection stored input-first (`Conv1D`)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family, ProjectNeurons

if TYPE_CHECKING:
    from torch import Tensor, nn


class GPT2(Family):
    name = "gpt2"
    defaults = {"gpt2": {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}}
    overrides = {"reorder_and_upcast_attn": False}

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        c = self.settings(config)
        width, heads = c["n_embd"], c["n_head"]
        return ModelShape(
            name=name,
            family=self.name,
            layers=c["n_layer"],
            heads=heads,
            kv_heads=heads,
            width=width,
            head_width=width // heads,
            mlp_width=c.get("n_inner", 4 * width),
            vocabulary=c["vocab_size"],
            context=c["n_positions"],
        )

    def blocks(self, body: Any) -> "Sequence[nn.Module]":
        found: Sequence[nn.Module] = body.h
        return found

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        import torch

        attention, mlp = block.attn, block.mlp
        q, k, v = (Projection(attention.c_attn, features) for features in torch.arange(3 * shape.width).chunk(3))
        return LayerParts(
            attention=attention,
            q=q,
            k=k,
            v=v,
            output=attention.c_proj,
            attention_norm=block.ln_1,
            attention_post=None,
            mlp=mlp,
            down=mlp.c_proj,
            mlp_norm=block.ln_2,
            mlp_post=None,
        )

    def final(self, model: Any) -> "tuple[nn.Module | None, nn.Module]":
        return model.transformer.ln_f, model.lm_head

    def weight(self, module: Any) -> "Tensor":
        weight: Tensor = module.weight
        return weight.T if hasattr(module, "nf") else weight

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        made: Tensor = mlp.act(project(mlp.c_fc))
        return made


FAMILY = GPT2()
