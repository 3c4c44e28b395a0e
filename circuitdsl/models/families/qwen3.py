"""Qwen 3: the Llama layout with a norm for the queries and keys of each head."""

from typing import TYPE_CHECKING, Any

from circuitdsl.models.families.llama import Llama

if TYPE_CHECKING:
    from torch import Tensor


class Qwen3(Llama):
    name = "qwen3"
    defaults = {
        "qwen3": {
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 22016,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "head_dim": 128,
            "max_position_embeddings": 32768,
        }
    }

    windowed = frozenset({"qwen3"})

    def head_norm(self, attention: Any, port: str, projected: "Tensor") -> "Tensor":
        norms = {"q": attention.q_norm, "k": attention.k_norm}
        normed: Tensor = norms[port](projected) if port in norms else projected
        return normed


FAMILY = Qwen3()
