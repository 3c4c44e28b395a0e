"""OLMo 3: OLMo 2 with a sliding window in three of four layers, and rotary embedding by the kind of layer."""

from typing import TYPE_CHECKING, Any

from circuitdsl.models.families.olmo2 import OLMo2
from circuitdsl.models.family import rotary

if TYPE_CHECKING:
    from torch import Tensor


class OLMo3(OLMo2):
    name = "olmo3"
    defaults = {
        "olmo3": {
            "vocab_size": 50304,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        }
    }
    windowed = frozenset({"olmo3"})

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        return rotary(body, projected, positions, body.config.layer_types[layer])


FAMILY = OLMo3()
