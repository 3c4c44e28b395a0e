"""Toys: small attention models written by hand, for ground truths that can be worked out on paper. The modules are in `models/toy.py`."""

from circuitdsl.borders.adapter import LayerParts, Projection
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.family import Family


class Toy(Family):
    name = "toy"
    words_as_tokens = True
    defaults = {"circuitdsl_toy": {"mlp_width": 0, "attention": "softmax", "scaling": 1.0, "causal": True, "activation": "relu"}}

    def shape(self, config, name=""):
        c = self.settings(config)
        return ModelShape(
            name=name,
            family=self.name,
            layers=c["layers"],
            heads=c["heads"],
            kv_heads=c["heads"],
            width=c["width"],
            head_width=c["head_width"],
            mlp_width=c["mlp_width"],
            vocabulary=c["vocabulary"],
            context=c["context"],
            mlps=c["mlp_width"] > 0,
            causal=c["causal"],
        )

    def load(self, folder, config):
        from circuitdsl.models.toy import read_toy

        return read_toy(folder, self.settings(config))

    def body(self, model):
        return model.body

    def blocks(self, body):
        return body.blocks

    def parts(self, block, shape):
        attention, mlp = block.attention, block.mlp
        return LayerParts(
            attention=attention,
            q=Projection(attention.q),
            k=Projection(attention.k),
            v=Projection(attention.v),
            output=attention.output,
            attention_norm=None,
            attention_post=None,
            mlp=mlp,
            down=mlp.down if mlp is not None else None,
            mlp_norm=None,
            mlp_post=None,
        )

    def cache(self):
        from circuitdsl.models.toy import ToyCache

        return ToyCache()

    def final(self, model):
        return None, model.unembed

    def pattern(self, config, scores):
        from circuitdsl.models.toy import hard

        return hard(scores) if config.attention == "hard" else None

    def activations(self, mlp, project):
        return mlp.activate(project(mlp.up))


FAMILY = Toy()
