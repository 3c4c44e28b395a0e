"""OLMo 2: no norm before attention or MLP but one after each, and q and k norms that span the heads of a layer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.families.llama import Llama

if TYPE_CHECKING:
    from torch import Tensor


class OLMo2(Llama):
    name = "olmo2"
    defaults = {
        "olmo2": {
            "vocab_size": 50304,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        }
    }
    norm_spans_heads = True

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        return replace(super().shape(config, name), post_norm=True)

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        attention, mlp = block.self_attn, block.mlp
        return LayerParts(
            attention=attention,
            q=Projection(attention.q_proj),
            k=Projection(attention.k_proj),
            v=Projection(attention.v_proj),
            output=attention.o_proj,
            attention_norm=None,
            attention_post=block.post_attention_layernorm,
            mlp=mlp,
            down=mlp.down_proj,
            mlp_norm=None,
            mlp_post=block.post_feedforward_layernorm,
        )

    def head_norm(self, attention: Any, port: str, projected: "Tensor") -> "Tensor":
        norms = {"q": attention.q_norm, "k": attention.k_norm}
        normed: Tensor = norms[port](projected) if port in norms else projected
        return normed


FAMILY = OLMo2()
