"""OPT and Galactica: learned positions, layer norm, and MLPs that are two bare linear layers in the block."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family, ProjectNeurons

if TYPE_CHECKING:
    from torch import Tensor, nn


class OPT(Family):
    name = "opt"
    defaults = {
        "opt": {
            "vocab_size": 50272,
            "hidden_size": 768,
            "ffn_dim": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 2048,
            "do_layer_norm_before": True,
        }
    }

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        if not config["do_layer_norm_before"]:
            return "its norms come after each sum, on the stream itself (`do_layer_norm_before` is false, as in OPT-350m)"
        if config.get("word_embed_proj_dim", config["hidden_size"]) != config["hidden_size"]:
            return "its embedding has another width than its stream (`word_embed_proj_dim`)"
        return None

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
            mlp_width=c["ffn_dim"],
            vocabulary=c["vocab_size"],
            context=c["max_position_embeddings"],
        )

    def blocks(self, body: Any) -> "Sequence[nn.Module]":
        found: Sequence[nn.Module] = body.decoder.layers
        return found

    def parts(self, block: Any, shape: ModelShape) -> LayerParts:
        from torch import nn

        attention = block.self_attn
        return LayerParts(
            attention=attention,
            q=Projection(attention.q_proj),
            k=Projection(attention.k_proj),
            v=Projection(attention.v_proj),
            output=attention.out_proj,
            attention_norm=block.self_attn_layer_norm,
            attention_post=None,
            mlp=nn.Sequential(block.fc1, block.activation_fn, block.fc2),
            down=block.fc2,
            mlp_norm=block.final_layer_norm,
            mlp_post=None,
        )

    def final(self, model: Any) -> "tuple[nn.Module | None, nn.Module]":
        return model.model.decoder.final_layer_norm, model.lm_head

    def activations(self, mlp: Any, project: ProjectNeurons) -> "Tensor":
        first, activation, _ = mlp
        activated: Tensor = activation(project(first))
        return activated


FAMILY = OPT()
