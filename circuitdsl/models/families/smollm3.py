"""SmolLM3: the Llama layout, without rotary embedding in some layers (by default every fourth), which may have a sliding window."""

from typing import TYPE_CHECKING, Any

from circuitdsl.models.families.llama import Llama

if TYPE_CHECKING:
    from torch import Tensor


class SmolLM3(Llama):
    name = "smollm3"
    defaults = {
        "smollm3": {
            "vocab_size": 128256,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "max_position_embeddings": 32768,
        }
    }
    windowed = frozenset({"smollm3"})

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        return super().rotate(body, layer, projected, positions) if body.config.no_rope_layers[layer] else projected


FAMILY = SmolLM3()
