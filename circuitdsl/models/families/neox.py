"""GPT-NeoX and Pythia: attention and MLP of a layer in parallel or in sequence, partial rotary, q, k and v interleaved head by head."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family, ProjectNeurons, rotary

if TYPE_CHECKING:
    from torch import Tensor, nn


class NeoX(Family):
    name = "neox"
    defaults = {
        "gpt_neox": {
            "vocab_size": 50432,
            "hidden_size": 6144,
            "intermediate_size": 24576,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "max_position_embeddings": 2048,
            "use_parallel_residual": True,
        }
    }

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        c = self.settings(config)
        heads = c["num_attention_heads"]
        return ModelShape(
            name=name,
            family=self.name,
            layers=c["num_hidden_layers"],
            heads=heads,
            kv_heads=heads,
            width=c["hidden_size"],
            head_width=c["hidden_size"] // heads,
            mlp_width=c["intermediate_size"],
            vocabulary=c["vocab_size"],
            context=c["max_position_embeddings"],
            parallel=c["use_parallel_residual"],
        )

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        import torch

        attention, mlp = block.attention, block.mlp
        features = torch.arange(3 * shape.width).view(shape.heads, 3, shape.head_width)
        q, k, v = (Projection(attention.query_key_value, features[:, i].flatten()) for i in range(3))
        return LayerParts(
            attention=attention,
            q=q,
            k=k,
            v=v,
            output=attention.dense,
            attention_norm=block.input_layernorm,
            attention_post=None,
            mlp=mlp,
            down=mlp.dense_4h_to_h,
            mlp_norm=block.post_attention_layernorm,
            mlp_post=None,
        )

    def final(self, model: Any) -> "tuple[nn.Module | None, nn.Module]":
        return model.gpt_neox.final_layer_norm, model.lm_head

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        return rotary(body, projected, positions)

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        made: Tensor = mlp.act(project(mlp.dense_h_to_4h))
        return made


FAMILY = NeoX()
