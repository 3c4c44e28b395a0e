"""The steps of a plan on one chunk of prompts. Each method is a line of semantics.md."""

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import (
    Attend,
    Change,
    Collect,
    Measure,
    Normalise,
    Part,
    Placement,
    Project,
    Source,
    Step,
    Sum,
    Transform,
    Write,
)
from circuitdsl.borders.units import WriteGroup
from circuitdsl.engine import attention, metrics
from circuitdsl.engine.places import Places
from circuitdsl.engine.worlds import Views


@dataclass
class Chunk:
    """Registers while the steps run: B prompts, the measured `rows`. `numbers` collects [B] for each readout, `vectors` [B, d]."""

    adapter: Adapter
    hypothesis: Hypothesis
    rows: np.ndarray
    worlds: Views
    places: Places
    registers: dict[int, Tensor] = field(default_factory=dict)
    numbers: dict[str, Tensor] = field(default_factory=dict)
    vectors: dict[str, Tensor] = field(default_factory=dict)
    patterns: dict[str, Tensor] = field(default_factory=dict)
    """The first of two patterns that are compared, [B, queries, keys], until the second is there."""

    def run(self, step: Step) -> None:
        match step:
            case Normalise():
                self.registers[step.out] = self.normalise(step)
            case Project():
                self.registers[step.out] = self.project(step)
            case Attend():
                self.registers[step.out] = self.attend(step)
            case Transform():
                self.registers[step.out] = self.transform(step)
            case Write():
                self.registers[step.out] = self.write(step)
            case Sum():
                self.registers[step.out] = self.sum(step.parts, step.variants, None, len(step.positions))
            case Measure():
                self.measure(step)
            case Collect():
                self.vectors[step.readout] = self.collect(step)

    # --- reads

    def normalise(self, step: Normalise) -> Tensor:
        """norm(R^b + what the overrides change) [M, B, P, d]; with `frozen` at the scale of that world's own read."""
        read = self.worlds.of(step.backgrounds).read(step.reader, step.positions)
        stream = self.sum(step.parts, step.variants, read, len(step.positions))
        scale = None if step.frozen is None else self.worlds.of((step.frozen,)).read(step.reader, step.positions).expand_as(stream)
        return self.adapter.norm(step.reader, stream, scale)

    def sum(self, parts: tuple[Part, ...], variants: int, start: Tensor | None, positions: int) -> Tensor:
        """start [M or 1, B, P, d] plus the parts [M, B, P, d]."""
        whole = [part for part in parts if part.to_variants is None and part.to_positions is None]
        rest = [part for part in parts if part not in whole]
        if whole:
            out = self.take(whole[0])
            if start is not None:
                out = out + start
            elif len(parts) > 1:
                out = out + self.take(whole[1]) if len(whole) > 1 else out.clone()
                whole = whole[1:]
            for part in whole[1:]:
                out += self.take(part)
        elif start is not None:
            out = start.expand(variants, *start.shape[1:])
            out = out.clone() if rest else out
        else:
            like = self.registers[parts[0].register]
            out = like.new_zeros(variants, like.shape[1], positions, like.shape[3])
        for part in rest:
            self.places.add(out, part.to_variants, part.to_positions, self.take(part))
        return out

    def take(self, part: Part) -> Tensor:
        return self.places.take(self.registers[part.register], part.variants, None, part.positions)

    # --- units

    def project(self, step: Project) -> Tensor:
        projected = self.adapter.project(step.layer, step.port, self.registers[step.read], step.heads)
        if step.port == "v":
            return projected
        rotated = self.adapter.rotate(step.layer, projected.flatten(0, 1), self.places.tensor(step.positions))
        return rotated.unflatten(0, projected.shape[:2])

    def attend(self, step: Attend) -> Tensor:
        """Weighted values [M, B, P, n, h]."""
        q = self.source(step.q)
        k, v = self.keys(step, step.k, "k"), self.keys(step, step.v, "v")
        weighted, pattern = attention.attend(self.adapter, self.places, step.layer, q, k, v, self.places.tensor(step.positions))
        for readout in step.patterns:
            weights = pattern[readout.variant, :, readout.head][:, list(readout.queries)].double()
            if readout.keys is None:
                self.compare(readout.readout, weights)
                continue
            keys = [key for key in readout.keys if key < weights.shape[-1]]
            self.numbers[readout.readout] = weights[..., keys].sum(-1).mean(-1)
        return weighted

    def compare(self, readout: str, weights: Tensor) -> None:
        """Half the sum of absolute differences of two patterns; keys that one of the steps does not reach have no weight in it."""
        first = self.patterns.pop(readout, None)
        if first is None:
            self.patterns[readout] = weights
            return
        few, many = sorted((first, weights), key=lambda one: one.shape[-1])
        apart = (many[..., : few.shape[-1]] - few).abs().sum(-1) + many[..., few.shape[-1] :].sum(-1)
        self.numbers[readout] = apart.mean(-1) / 2

    def source(self, source: Source) -> Tensor:
        return self.places.take(self.registers[source.register], source.variants, None, source.positions, source.heads)

    def keys(self, step: Attend, source: Source | None, port: str) -> attention.Keys:
        """Keys or values of `length` positions: the background's, with what is read anew in their place."""
        if source is not None and source.at == tuple(range(step.length)):
            keys = self.source(source)
        else:
            keys = self.worlds.of(step.backgrounds).keys(step.layer, step.heads, step.length, port)
            if source is not None:
                new = self.source(source)
                if len(new) > len(keys):
                    return attention.Keys(keys[0], new, source.at)
                keys = keys.clone()
                self.places.put(keys, None, source.at, None, new)
        return attention.Keys(keys[0]) if len(keys) == 1 else attention.Keys(None, keys)

    def transform(self, step: Transform) -> Tensor:
        read = self.registers[step.read]
        if step.neurons is not None:
            return self.adapter.neurons(step.layer, read, step.neurons)
        return self.adapter.mlp(step.layer, read)

    # --- writes

    def write(self, step: Write) -> Tensor:
        """post(c_g + Σ x_new) − post(c_g + Σ x_background) of a write group; without a post-norm Σ (x_new − x_background)."""
        changed: Tensor | None = None
        for change in step.changes:
            new = self.contributions(step, change, change.placements)
            old = self.contributions(step, change, change.instead)
            difference = self.to_stream(step.group, change.kind, change.members, new - old)
            changed = difference if changed is None else changed + difference
        assert changed is not None
        changed = changed.expand(step.variants, *changed.shape[1:])  # variants that pruning has made equal are computed as one
        if not self.adapter.shape.post_norm:
            return changed
        total = self.worlds.of(step.backgrounds).total(step.group, step.positions)
        return self.adapter.post(step.group, total + changed) - self.adapter.post(step.group, total)

    def contributions(self, step: Write, change: Change, placements: tuple[Placement, ...]) -> Tensor:
        """The background's contributions with the placed ones in their place: [M, B, P, n, h], [M, B, P, n] or [M, B, P, d]."""
        if len(placements) == 1:
            only = placements[0]
            if only.to_variants is None and only.to_positions is None and only.to_members is None:
                return self.placed(step.group, change, only)
        out = self.worlds.of(step.backgrounds).contribution(step.group, change.kind, change.members, step.positions)
        if not placements:
            return out
        out = out.expand(step.variants, *out.shape[1:]).clone()
        for placement in placements:
            new = self.placed(step.group, change, placement)
            self.places.put(out, placement.to_variants, placement.to_positions, placement.to_members, new)
        return out

    def placed(self, group: WriteGroup, change: Change, placement: Placement) -> Tensor:
        if placement.worlds:
            assert placement.positions is not None and placement.members is not None
            return self.worlds.of(placement.worlds).contribution(group, change.kind, placement.members, placement.positions)
        assert placement.register is not None
        return self.places.take(self.registers[placement.register], placement.variants, None, placement.positions, placement.members)

    def to_stream(self, group: WriteGroup, kind: str, members: tuple[int, ...], contributions: Tensor) -> Tensor:
        if kind == "head":
            return self.adapter.write(group.layer, contributions, members)
        if kind == "neuron":
            return self.adapter.write_neurons(group.layer, contributions, members)
        return contributions

    # --- readouts

    def collect(self, step: Collect) -> Tensor:
        """[B, d]"""
        world = self.worlds.of((step.world,))
        if step.member is None:
            found = world.read(step.group, step.positions)
        else:
            written = world.contribution(step.group, step.kind, (step.member,), step.positions)
            found = self.to_stream(step.group, step.kind, (step.member,), written)
        return found[0].double().mean(1)

    def measure(self, step: Measure) -> None:
        labels = self.hypothesis.distributions[step.labels]
        metric = self.hypothesis.metrics[step.metric] if step.metric else None
        named = None if step.whole else metrics.named_tokens(step.kind, metric, labels, self.rows)
        read = self.places.take(self.registers[step.read], step.variants)
        reads = metrics.Reads(self.adapter, read, step.positions, self.rows, named)
        reference = None
        if step.reference is not None:
            register, variant = step.reference
            other = self.registers[register][variant : variant + 1]
            reference = metrics.Reads(self.adapter, other, step.reference_positions, self.rows)

        def numbers(some: metrics.Reads) -> Tensor:
            if step.kind == "metric":
                assert metric is not None
                return metrics.of_metric(metric.bound[step.labels], some, reference)
            where = metric.looks_at(step.labels) if metric else None
            positions = np.full(len(self.rows), max(step.positions)) if where is None else where[self.rows]
            return metrics.of_answers(step.kind, some, labels, positions, reference)

        found = metrics.in_slices(numbers, reads, self.adapter.shape.vocabulary if named is None else len(named))
        self.numbers.update(zip(step.readouts, found.expand(len(step.readouts), -1), strict=True))
