"""Gemma 2: norms before and after attention and MLP, softcaps on scores and logits, scaled embedding, some layers with a window."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.families.llama import Llama

if TYPE_CHECKING:
    from torch import Tensor


class Gemma2(Llama):
    name = "gemma2"
    defaults = {
        "gemma2": {
            "vocab_size": 256000,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "max_position_embeddings": 8192,
        }
    }

    windowed = frozenset({"gemma2"})

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
            attention_norm=block.input_layernorm,
            attention_post=block.post_attention_layernorm,
            mlp=mlp,
            down=mlp.down_proj,
            mlp_norm=block.pre_feedforward_layernorm,
            mlp_post=block.post_feedforward_layernorm,
        )

    def gain(self, norm: Any) -> "Tensor | float":
        gain: Tensor = 1 + norm.weight
        return gain

    def attention_cap(self, config: Any) -> float | None:
        cap: float | None = config.attn_logit_softcapping
        return cap

    def logit_cap(self, config: Any) -> float | None:
        cap: float | None = config.final_logit_softcapping
        return cap


FAMILY = Gemma2()
