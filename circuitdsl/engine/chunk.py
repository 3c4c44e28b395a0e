"""The steps of a plan on one chunk of prompts. Each method is a line of docs/semantics.md, sections 1 and 2."""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.kinds import Kind
from circuitdsl.borders.steps import (
    Addend,
    Attend,
    Combine,
    Normalise,
    PatternReadout,
    Placement,
    PlanStep,
    Project,
    Projected,
    ReadLogits,
    ReadVector,
    Sum,
    Transform,
    Write,
    WriteChange,
)
from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import Subspace
from circuitdsl.engine import attention, readouts
from circuitdsl.engine.indexing import Indexing
from circuitdsl.engine.worlds import Views


@dataclass
class Chunk:
    """Registers while the steps run: B prompts, the measured `rows`. `numbers` collects [B] for each readout, `vectors` [B, d]."""

    adapter: Adapter
    hypothesis: Hypothesis
    rows: np.ndarray
    worlds: Views
    indexing: Indexing
    registers: dict[int, Tensor] = field(default_factory=dict)
    numbers: dict[str, Tensor] = field(default_factory=dict)
    vectors: dict[str, Tensor] = field(default_factory=dict)
    patterns: dict[str, dict[int, Tensor]] = field(default_factory=dict)
    """Patterns [B, queries, keys] of a readout of several heads, by their places, until all are there."""

    def run(self, step: PlanStep) -> None:
        match step:
            case Normalise():
                self.registers[step.out] = self.normalise(step)
            case Project():
                self.registers[step.out] = self.project(step)
            case Attend():
                self.registers[step.out] = self.attend(step)
            case Transform():
                self.registers[step.out] = self.transform(step)
            case Combine():
                self.registers[step.out] = self.combine(step)
            case Write():
                self.registers[step.out] = self.write(step)
            case Sum():
                self.registers[step.out] = self.sum(step.parts, step.variants, None, len(step.positions))
            case ReadLogits():
                self.read_logits(step)
            case ReadVector():
                self.vectors[step.readout.digest] = self.read_vector(step)

    # --- reads

    def normalise(self, step: Normalise) -> Tensor:
        """norm(R^b + what the overrides change) [M, B, P, d]; with `frozen` at the scale of that world's own read."""
        read = self.worlds.of(step.backgrounds).read(step.reader, step.positions)
        stream = self.sum(step.parts, step.variants, read, len(step.positions))
        scale = None if step.frozen is None else self.worlds.of((step.frozen,)).read(step.reader, step.positions).expand_as(stream)
        return self.adapter.norm(step.reader, stream, scale)

    def sum(self, parts: tuple[Addend, ...], variants: int, start: Tensor | None, positions: int) -> Tensor:
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
            self.indexing.add(out, part.to_variants, part.to_positions, self.take(part))
        return out

    def take(self, part: Addend) -> Tensor:
        return self.indexing.take(self.registers[part.register], part.variants, None, part.positions)

    # --- units

    def project(self, step: Project) -> Tensor:
        projected = self.adapter.project(step.layer, step.port, self.registers[step.read], step.heads)
        if step.port == "v":
            return projected
        rotated = self.adapter.rotate(step.layer, projected.flatten(0, 1), self.indexing.tensor(step.positions))
        return torch.unflatten(rotated, 0, projected.shape[:2])

    def attend(self, step: Attend) -> Tensor:
        """Weighted values [M, B, P, n, h]."""
        q = self.projected(step.q)
        k, v = self.keys(step, step.k, "k"), self.keys(step, step.v, "v")
        weighted, pattern = attention.attend(self.adapter, self.indexing, step.layer, q, k, v, self.indexing.tensor(step.positions))
        for one in step.patterns:
            self.read_attention(one, pattern[one.variant, :, one.head][:, list(one.queries)].double())
        return weighted

    def read_attention(self, asked: PatternReadout, weights: Tensor) -> None:
        digest = asked.readout.digest
        kept = self.patterns.setdefault(digest, {})
        kept[asked.place] = weights
        if len(kept) == len(asked.readout.values):
            del self.patterns[digest]
            self.numbers[digest] = readouts.of_attention(asked.readout, [kept[place] for place in sorted(kept)], asked.keys)

    def projected(self, source: Projected) -> Tensor:
        return self.indexing.take(self.registers[source.register], source.variants, None, source.positions, source.heads)

    def keys(self, step: Attend, source: Projected | None, port: str) -> attention.KeysOrValues:
        """Keys or values of `length` positions: the background's, with what is read anew in their place."""
        if source is not None and source.at == tuple(range(step.length)):
            keys = self.projected(source)
        else:
            keys = self.worlds.of(step.backgrounds).keys(step.layer, step.heads, step.length, port)
            if source is not None:
                new = self.projected(source)
                if len(new) > len(keys):
                    return attention.KeysOrValues(keys[0], new, source.at)
                keys = keys.clone()
                self.indexing.put(keys, None, source.at, None, new)
        return attention.KeysOrValues(keys[0]) if len(keys) == 1 else attention.KeysOrValues(None, keys)

    def transform(self, step: Transform) -> Tensor:
        read = self.registers[step.read]
        if step.neurons is not None:
            return self.adapter.neurons(step.layer, read, step.neurons)
        return self.adapter.mlp(step.layer, read)

    # --- writes

    def combine(self, step: Combine) -> Tensor:
        """Σ weight · P · x [M, B, P, d], each x a whole contribution to the stream."""
        out: Tensor | None = None
        for share in step.shares:
            part = self.placed(step.group, share.kind, share.taken)
            if share.kind is not None:
                part = self.to_stream(step.group, share.kind, (share.member,), part)
            if share.subspace is not None:
                rows = self.subspace(share.subspace)
                part = F.linear(F.linear(part, rows), rows.T)
            if out is None:
                out = part.new_zeros(step.variants, part.shape[1], len(step.positions), part.shape[3])
            self.indexing.add(out, None, share.taken.to_positions, share.weight * part.expand(step.variants, *part.shape[1:]))
        assert out is not None
        return out

    def subspace(self, subspace: Subspace) -> Tensor:
        """[k, d], orthonormal rows."""
        return torch.as_tensor(self.hypothesis.subspaces[subspace.name], dtype=self.adapter.dtype, device=self.adapter.device)

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
        if step.added or step.removed:
            changed = changed.clone()
        for sign, parts in ((1, step.added), (-1, step.removed)):
            for part in parts:
                self.indexing.add(changed, part.to_variants, part.to_positions, sign * self.take(part))
        if not self.adapter.shape.post_norm:
            return changed
        total = self.worlds.of(step.backgrounds).total(step.group, step.positions)
        return self.adapter.post(step.group, total + changed) - self.adapter.post(step.group, total)

    def contributions(self, step: Write, change: WriteChange, placements: tuple[Placement, ...]) -> Tensor:
        """The background's contributions with the placed ones in their place: [M, B, P, n, h], [M, B, P, n] or [M, B, P, d]."""
        if len(placements) == 1:
            only = placements[0]
            if only.to_variants is None and only.to_positions is None and only.to_members is None:
                return self.placed(step.group, change.kind, only)
        out = self.worlds.of(step.backgrounds).contribution(step.group, change.kind, change.members, step.positions)
        if not placements:
            return out
        out = out.expand(step.variants, *out.shape[1:]).clone()
        for placement in placements:
            new = self.placed(step.group, change.kind, placement)
            self.indexing.put(out, placement.to_variants, placement.to_positions, placement.to_members, new)
        return out

    def placed(self, group: WriteGroup, kind: Kind | None, placement: Placement) -> Tensor:
        if placement.worlds:
            assert kind is not None and placement.positions is not None and placement.members is not None
            return self.worlds.of(placement.worlds).contribution(group, kind, placement.members, placement.positions)
        assert placement.register is not None
        return self.indexing.take(self.registers[placement.register], placement.variants, None, placement.positions, placement.members)

    def to_stream(self, group: WriteGroup, kind: str, members: tuple[int, ...], contributions: Tensor) -> Tensor:
        if kind == "head":
            return self.adapter.write(group.layer, contributions, members)
        if kind == "neuron":
            return self.adapter.write_neurons(group.layer, contributions, members)
        return contributions

    # --- readouts

    def read_vector(self, step: ReadVector) -> Tensor:
        """[B, d]"""
        world, unit = self.worlds.of((step.world,)), step.readout.value.unit
        if step.readout.output:
            written = world.contribution(unit.group, unit.kind, (unit.index,), step.positions)
            found = self.to_stream(unit.group, unit.kind, (unit.index,), written)
        else:
            found = world.read(unit.group, step.positions)
        return found[0].double().mean(1)

    def read_logits(self, step: ReadLogits) -> None:
        readout, hypothesis = step.readouts[0], self.hypothesis
        named = None if step.whole else readout.tokens(hypothesis.metrics, hypothesis.distributions[readout.labels], self.rows)
        read = self.indexing.take(self.registers[step.read], step.variants)
        reads = readouts.Reads(self.adapter, read, step.positions, self.rows, named)
        reference = None
        if step.reference is not None:
            register, variant = step.reference
            other = self.registers[register][variant : variant + 1]
            reference = readouts.Reads(self.adapter, other, step.reference_positions, self.rows)
        vocabulary = self.adapter.shape.vocabulary if named is None else len(named)
        found = readouts.in_slices(lambda some: readouts.of_logits(readout, some, reference, hypothesis), reads, vocabulary)
        digests = (one.digest for one in step.readouts)
        self.numbers.update(zip(digests, found.expand(len(step.readouts), -1), strict=True))
