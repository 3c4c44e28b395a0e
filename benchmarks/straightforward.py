"""Causal scrubbing as the published implementations do it: one pass of the whole model for each node of the sampled tree."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.setting import TOKENS
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.units import EMBED, LOGITS, Unit
from circuitdsl.borders.values import Base, Gather, Mix, Override, Recomputed, Run, Value, World


class Straightforward:
    """One full forward pass of the model for every node of the tree."""

    def __init__(self, gpt2: Any, file: Hypothesis, draws: Mapping[Any, np.ndarray]):
        self.model, self.file, self.draws = gpt2, file, draws
        self.tokens = torch.tensor([prompt.tokens for prompt in file.distributions["clean"].prompts])
        self.passes = 0

    def rows(self, world: World) -> torch.Tensor:
        if isinstance(world, Gather):
            return self.tokens[torch.as_tensor(self.draws[world.draw])]
        assert isinstance(world, Run)
        return self.tokens

    def write(self, unit: Unit, heads: torch.Tensor) -> torch.Tensor:
        """[B, T, d] of one head, from its layer's weighted values [B, T, H·h]."""
        width = self.file.shape.head_width
        mine = slice(unit.index * width, (unit.index + 1) * width)
        return heads[..., mine] @ self.model.transformer.h[unit.layer].attn.c_proj.weight[mine]

    def embed(self, world: World) -> torch.Tensor:
        body = self.model.transformer
        return body.wte(self.rows(world)) + body.wpe(torch.arange(TOKENS))

    def value(self, value: Value) -> torch.Tensor:
        if isinstance(value, Base):
            assert value.unit == EMBED
            return self.embed(value.world)
        below = {port: [(o, self.value(o.value)) for o in overrides(mix)] for port, mix in value.mixes}
        return self.run(value, below)

    def run(self, value: Recomputed, below: Mapping[str, list[tuple[Override, torch.Tensor]]]) -> torch.Tensor:
        """The pass over the background's prompts with what is read exchanged: the unit's write, or the logits."""
        self.passes += 1
        body, kept, hooks = self.model.transformer, {}, []
        layout = self.file.distributions["clean"].prompts[0].layout
        embed = self.embed(value.background)

        def changes(port: str) -> torch.Tensor:
            change = torch.zeros_like(embed)
            for override, new in below[port]:
                at = list(layout.positions(override.roles))
                old = embed if override.unit == EMBED else self.write(override.unit, kept[override.unit.layer])
                change[:, at] += (new - old)[:, at]
            return change

        for layer, block in enumerate(body.h):
            hooks.append(block.attn.c_proj.register_forward_pre_hook(lambda _, given, layer=layer: kept.update({layer: given[0]})))
        if value.unit == LOGITS:
            hooks.append(body.ln_f.register_forward_pre_hook(lambda _, given: (given[0] + changes("in"),)))
        else:
            block = body.h[value.unit.layer]
            hooks.append(block.ln_1.register_forward_pre_hook(lambda _, given: kept.update(stream=given[0])))

            def ports(module: Any, _: Any, out: torch.Tensor) -> torch.Tensor:
                parts = []
                for port, part in zip("qkv", out.split(out.shape[-1] // 3, -1), strict=True):
                    if below[port]:
                        read = torch.nn.functional.layer_norm(kept["stream"] + changes(port), block.ln_1.normalized_shape)
                        whole = torch.addmm(module.bias, (read * block.ln_1.weight + block.ln_1.bias).flatten(0, 1), module.weight)
                        part = whole.view_as(out).split(part.shape[-1], -1)["qkv".index(port)]
                    parts.append(part)
                return torch.cat(parts, -1)

            hooks.append(block.attn.c_attn.register_forward_hook(ports))
        try:
            logits = self.model(self.rows(value.background)).logits
        finally:
            for hook in hooks:
                hook.remove()
        return logits if value.unit == LOGITS else self.write(value.unit, kept[value.unit.layer])


def overrides(mix: Mix | None) -> list[Override]:
    return [] if mix is None else [*overrides(mix.before), *mix.overrides]
