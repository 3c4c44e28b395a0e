"""Gemma 3, text models: Gemma 2's norms without its softcaps, norms of queries and keys, and two rotary bases by the kind of layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circuitdsl.models.families.gemma2 import Gemma2
from circuitdsl.models.family import rotary

if TYPE_CHECKING:
    from torch import Tensor


class Gemma3(Gemma2):
    name = "gemma3"
    defaults = {
        "gemma3_text": {
            "vocab_size": 262208,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "max_position_embeddings": 131072,
        }
    }
    windowed = frozenset({"gemma3_text"})

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        return "its attention looks ahead (`use_bidirectional_attention`)" if config.get("use_bidirectional_attention") else None

    def head_norm(self, attention: Any, port: str, projected: "Tensor") -> "Tensor":
        norms = {"q": attention.q_norm, "k": attention.k_norm}
        normed: Tensor = norms[port](projected) if port in norms else projected
        return normed

    def rotate(self, body: Any, layer: int, projected: "Tensor", positions: "Tensor") -> "Tensor":
        return rotary(body, projected, positions, body.config.layer_types[layer])


FAMILY = Gemma3()
