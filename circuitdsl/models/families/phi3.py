"""Phi-3 and Phi-4: the Llama layout with one projection for q, k and v and one for an MLP's gate and up; rotary perhaps in part."""

from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.families.llama import Llama
from circuitdsl.models.family import ProjectNeurons

if TYPE_CHECKING:
    from torch import Tensor


class Phi3(Llama):
    name = "phi3"
    defaults = {
        "phi3": {
            "vocab_size": 32064,
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 4096,
        }
    }
    windowed = frozenset({"phi3"})

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        import torch

        attention, mlp = block.self_attn, block.mlp
        sizes = [heads * shape.head_width for heads in (shape.heads, shape.kv_heads, shape.kv_heads)]
        q, k, v = (Projection(attention.qkv_proj, features) for features in torch.split(torch.arange(sum(sizes)), sizes))
        return LayerParts(
            attention=attention,
            q=q,
            k=k,
            v=v,
            output=attention.o_proj,
            attention_norm=block.input_layernorm,
            attention_post=None,
            mlp=mlp,
            down=mlp.down_proj,
            mlp_norm=block.post_attention_layernorm,
            mlp_post=None,
        )

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        import torch

        gate, up = (Projection(mlp.gate_up_proj, half) for half in torch.arange(mlp.gate_up_proj.out_features).chunk(2))
        activated: Tensor = mlp.activation_fn(project(gate))
        return project(up) * activated


FAMILY = Phi3()
