"""Values of the algebra on one measured prompt, by the definitions of docs/semantics.md and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Prompt
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Unit, WriteGroup
from circuitdsl.borders.values import Base, Draw, Gather, Linear, Mean, Mix, Override, Recomputed, Run, Value, World, Zero
from circuitdsl.oracle.modules import Modules, PlainRun


@dataclass(frozen=True)
class MeasuredPrompt:
    """The prompt that a number is about: a row of the distribution that has the labels."""

    distribution: str
    row: int
    prompt: Prompt


@dataclass
class Evaluator:
    """Evaluates values prompt by prompt. Plain runs, what units wrote in them, and values are remembered; nothing else is shared."""

    modules: Modules
    hypothesis: Hypothesis
    draws: Mapping[str | Draw, np.ndarray]
    _runs: dict[tuple[int, ...], PlainRun] = field(default_factory=dict)
    _written: dict[tuple[tuple[int, ...], Unit], Tensor] = field(default_factory=dict)
    _means: dict[tuple[World, Unit, Layout | int], Tensor] = field(default_factory=dict)
    _values: dict[tuple[int, str, int], tuple[Tensor, Tensor | None]] = field(default_factory=dict)
    _parts: dict[tuple[int, Unit], Value] = field(default_factory=dict)
    _reads: dict[tuple[WriteGroup, World, int, str, int], Tensor] = field(default_factory=dict)
    _kept: list[Value | Mix | None] = field(default_factory=list)

    def value(self, value: Value, at: MeasuredPrompt) -> Tensor:
        """A contribution [1, T, d], or logits [T, V]."""
        return self._evaluated(value, at)[0]

    def pattern(self, value: Value, at: MeasuredPrompt) -> Tensor:
        """[T, T]: the attention pattern of a head's value, queries by keys; that of a base world is its own reads' pattern."""
        if isinstance(value, Base):
            value = Recomputed(value.unit, value.world, tuple((port, None) for port in value.unit.ports))
        pattern = self._evaluated(value, at)[1]
        if pattern is None:
            raise ValueError(f"{value.unit} has no attention pattern")
        return pattern

    def _evaluated(self, value: Value, at: MeasuredPrompt) -> tuple[Tensor, Tensor | None]:
        key = (id(value), at.distribution, at.row)
        if key not in self._values:
            match value:
                case Base():
                    self._values[key] = (self.base(value.world, value.unit, at), None)
                case Linear():
                    self._values[key] = (self._sum(value, at), None)
                case Recomputed():
                    self._values[key] = self._recompute(value, at)
            self._kept.append(value)
        return self._values[key]

    def _sum(self, value: Linear, at: MeasuredPrompt) -> Tensor:
        """Σ weight · P · x, [1, T, d]."""
        total = torch.zeros_like(self._run(at.prompt.tokens).embed)
        for share in value.shares:
            part = self.value(share.value, at)
            if share.subspace is not None:
                rows = torch.as_tensor(self.hypothesis.subspaces[share.subspace.name]).to(part)
                part = sum((part @ row)[..., None] * row for row in rows)
            total = total + share.weight * part
        return total

    # --- base worlds

    def base(self, world: World, unit: Unit, at: MeasuredPrompt) -> Tensor:
        """[1, T, d]: what the unit contributes in a base world."""
        match world:
            case Zero():
                return torch.zeros_like(self._run(at.prompt.tokens).embed)
            case Mean(distribution):
                by_length = self.hypothesis.settings.align == "absolute"
                key = (world, unit, len(at.prompt.tokens) if by_length else at.prompt.layout)
                if key not in self._means:
                    pool = self.hypothesis.distributions[distribution].prompts
                    same_length = [p for p in pool if len(p.tokens) == len(at.prompt.tokens)]
                    alike = same_length if by_length else [p for p in pool if p.layout == at.prompt.layout]
                    if not alike:
                        raise ValueError(f"{distribution} has no prompt to average for row {at.row} of {at.distribution}")
                    self._means[key] = torch.stack([self._wrote(p.tokens, unit) for p in alike]).mean(0)
                return self._means[key]
            case Run(distribution):
                return self._of_prompt(self.hypothesis.distributions[distribution].prompts[at.row], unit, at)
            case Gather(distribution, draw):
                donor = int(self.draws[draw][at.row])
                if donor < 0:
                    raise ValueError(f"row {at.row} has no donor in the draw {draw!r}")
                return self._of_prompt(self.hypothesis.distributions[distribution].prompts[donor], unit, at)

    def _of_prompt(self, prompt: Prompt, unit: Unit, at: MeasuredPrompt) -> Tensor:
        if len(prompt.tokens) != len(at.prompt.tokens):
            raise ValueError(f"a donor of row {at.row} of {at.distribution} has another length")
        return self._wrote(prompt.tokens, unit)

    def _wrote(self, tokens: tuple[int, ...], unit: Unit) -> Tensor:
        """[1, T, d]: what the unit contributed in the plain run of a prompt."""
        key = (tokens, unit)
        if key not in self._written:
            self._written[key] = self.modules.contribution(self._run(tokens), unit)
        return self._written[key]

    def _run(self, tokens: tuple[int, ...]) -> PlainRun:
        if tokens not in self._runs:
            self._runs[tokens] = self.modules.run(tokens)
        return self._runs[tokens]

    # --- recomputation

    def _recompute(self, value: Recomputed, at: MeasuredPrompt) -> tuple[Tensor, Tensor | None]:
        unit, reader = value.unit, value.unit.group
        if unit == EMBED:
            return self.base(value.background, unit, at), None
        scale_from = None if value.frozen is None else self.read(unit, value.frozen, None, at)
        streams = {port: self.read(unit, value.background, mix, at) for port, mix in value.mixes}
        normalised = {port: self.modules.norm(reader, stream, scale_from) for port, stream in streams.items()}
        if unit == LOGITS:
            return self.modules.logits(at.prompt.tokens, normalised["in"]), None
        if unit.kind == "head":
            arguments = self._run(at.prompt.tokens).arguments[unit.layer]
            return self.modules.head(unit, normalised["q"], normalised["k"], normalised["v"], arguments)
        return self.modules.mlp(unit, normalised["in"]), None

    def read(self, reader: Unit, background: World, mix: Mix | None, at: MeasuredPrompt) -> Tensor:
        """[1, T, d]: constants + Σ_g post_g(c_g + Σ x_u), over the groups g and their units u that write before the reader.

        It depends on the reader by its group alone: what writes before one head of a layer writes before all of them.
        """
        key = (reader.group, background, id(mix), at.distribution, at.row)
        if key not in self._reads:
            self._reads[key] = self._read(reader, background, _overrides(mix), at)
            self._kept.append(mix)
        return self._reads[key]

    def _read(self, reader: Unit, background: World, overrides: list[Override], at: MeasuredPrompt) -> Tensor:
        shape = self.modules.shape
        for override in overrides:
            if not shape.reads(reader, override.unit):
                raise ValueError(f"{override.unit} does not write before {reader} reads")
        total = torch.zeros_like(self._run(at.prompt.tokens).embed)
        for group, units in _groups(shape.units(), reader, shape.reads).items():
            here = [self._mixed(unit, background, overrides, at) for unit in units]
            total = total + self.modules.post(group, self.modules.constant(group) + torch.stack(here).sum(0))
        return total

    def _mixed(self, unit: Unit, background: World, overrides: list[Override], at: MeasuredPrompt) -> Tensor:
        """x_u [1, T, d], with an MLP's overridden neurons in place of the ones that are in the value that holds at a position."""
        own, parts = [o for o in overrides if o.unit == unit], [o for o in overrides if o.unit.whole == unit]
        if not own and not parts:
            return self.base(background, unit, at)
        out = self.base(background, unit, at).clone()
        holds: list[Value] = [Base(background, unit)] * out.shape[1]
        for override, positions in self._placed(own, at):
            out[:, positions] = self.value(override.value, at)[:, positions]
            for position in positions:
                holds[position] = override.value
        for part in dict.fromkeys(o.unit for o in parts):
            for override, positions in self._placed([o for o in parts if o.unit == part], at):
                for position in positions:
                    held = self.value(self._part(holds[position], part), at)[:, position]
                    out[:, position] += self.value(override.value, at)[:, position] - held
        return out

    def _part(self, value: Value, neuron: Unit) -> Value:
        key = (id(value), neuron)
        if key not in self._parts:
            self._parts[key] = _part(value, neuron)
            self._kept.append(value)
        return self._parts[key]

    def _layout(self, on: Draw | None, at: MeasuredPrompt) -> Layout:
        """Where roles are looked up: on the measured prompt, or on its donor."""
        if on is None:
            return at.prompt.layout
        return self.hypothesis.distributions[on.pool].prompts[int(self.draws[on][at.row])].layout

    def _placed(self, overrides: list[Override], at: MeasuredPrompt) -> list[tuple[Override, list[int]]]:
        """One unit's overrides with the positions where each holds: named roles win over an override at every position."""
        taken: set[int] = set()
        placed = []
        for override in sorted(overrides, key=lambda o: o.roles is None):
            positions = set(self._layout(override.on, at).positions(override.roles))
            if override.roles is not None and positions & taken:
                raise ValueError(f"two overrides of {override.unit} overlap")
            placed.append((override, sorted(positions - taken)))
            taken |= positions
        if sum(o.roles is None for o in overrides) > 1:
            raise ValueError(f"two overrides of {overrides[0].unit} at every position")
        return placed


def _overrides(mix: Mix | None) -> list[Override]:
    return [] if mix is None else [*_overrides(mix.before), *mix.overrides]


def _groups(units: Iterable[Unit], reader: Unit, reads: Callable[[Unit, Unit], bool]) -> dict[WriteGroup, list[Unit]]:
    groups: dict[WriteGroup, list[Unit]] = {}
    for unit in units:
        if reads(reader, unit):
            groups.setdefault(unit.group, []).append(unit)
    return groups


def _part(value: Value, neuron: Unit) -> Value:
    """That neuron's part of an MLP's value: the same value of the neuron alone."""
    if isinstance(value, Base):
        return Base(value.world, neuron)
    if isinstance(value, Linear):
        return Linear(neuron, tuple(replace(share, value=_part(share.value, neuron)) for share in value.shares))
    return Recomputed(neuron, value.background, value.mixes, value.frozen)
