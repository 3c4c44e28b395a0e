"""The Llama layout: Llama, Mistral, Qwen 2, SmolLM. Grouped queries, rotary positions, RMS norm, gated MLP, perhaps a sliding window."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family, ProjectNeurons, rotary

if TYPE_CHECKING:
    from torch import Tensor


class Llama(Family):
    name = "llama"
    defaults = {
        "llama": {
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        },
        "mistral": {
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
        },
        "qwen2": {
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 22016,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 32768,
        },
    }

    windowed: frozenset[str] = frozenset({"mistral", "qwen2"})
    """Types of models that look back through a window. The others ignore such a setting, which converted models may still have."""

    def shape(self, config: Mapping[str, Any], name: str = "") -> ModelShape:
        c = self.settings(config)
        heads = c["num_attention_heads"]
        return ModelShape(
            name=name,
            family=self.name,
            layers=c["num_hidden_layers"],
            heads=heads,
            kv_heads=c.get("num_key_value_heads", heads),
            width=c["hidden_size"],
            head_width=c.get("head_dim", c["hidden_size"] // heads),
            mlp_width=c["intermediate_size"],
            vocabulary=c["vocab_size"],
            context=c["max_position_embeddings"],
            gated=True,
        )

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        attention, mlp = block.self_attn, block.mlp
        return LayerParts(
            attention=attention,
            q=Projection(attention.q_proj),
            k=Projection(attention.k_proj),
            v=Projection(attention.v_proj),
            output=attention.o_proj,
            attention_norm=block.input_layernorm,
            attention_post=None,
            mlp=mlp,
            down=mlp.down_proj,
            mlp_norm=block.post_attention_layernorm,
            mlp_post=None,
        )

    def window(self, config: Any, layer: int) -> int | None:
        if config.model_type not in self.windowed:
            return None
        window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
        return window if kinds is None or kinds[layer] == "sliding_attention" else None

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        return rotary(body, projected, positions)

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        gate: Tensor = mlp.act_fn(project(mlp.gate_proj))
        return gate * project(mlp.up_proj)


FAMILY = Llama()
