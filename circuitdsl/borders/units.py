"""Units of a transformer, where tokens stand, and the shape of a model: all that can be said without weights."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["embed", "head", "mlp", "neuron", "logits"]
Port = Literal["q", "k", "v", "in"]
Align = Literal["layout", "absolute"]
"""Which prompts may exchange values: those of one layout, or all of one length."""

_ORDER = {"embed": 0, "head": 1, "mlp": 2, "neuron": 2, "logits": 3}


@dataclass(frozen=True, slots=True)
class Unit:
    """What reads the residual stream and writes to it. `index` is the head's or neuron's number in its layer."""

    kind: Kind
    layer: int = 0
    index: int = 0

    @property
    def ports(self) -> tuple[Port, ...]:
        """Where it reads: a head through q, k and v, `embed` nowhere, the others through one port."""
        if self.kind == "head":
            return ("q", "k", "v")
        return () if self.kind == "embed" else ("in",)

    @property
    def group(self) -> "WriteGroup":
        """The write group it belongs to (semantics.md: the heads of a layer, or its MLP with its neurons)."""
        kind = "attention" if self.kind == "head" else "mlp" if self.kind == "neuron" else self.kind
        return WriteGroup(self.layer, kind)

    @property
    def key(self) -> tuple[int, int, str, int]:
        """Sorts units in the order of the architecture: embed first, logits last."""
        layer = {"embed": -1, "logits": 1 << 30}.get(self.kind, self.layer)
        return layer, _ORDER[self.kind], self.kind, self.index

    def __lt__(self, other: "Unit") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        """As the language writes it: `head 9.6`, `mlp 3`, `neuron 5.123`, `embed`."""
        if self.kind in ("embed", "logits"):
            return self.kind
        return f"{self.kind} {self.layer}" + ("" if self.kind == "mlp" else f".{self.index}")


EMBED, LOGITS = Unit("embed"), Unit("logits")


@dataclass(frozen=True, slots=True)
class WriteGroup:
    """Units whose contributions are summed before a post-norm, if the family has one."""

    layer: int
    kind: Literal["embed", "attention", "mlp", "logits"]

    @property
    def key(self) -> tuple[int, int]:
        order = {"embed": (-1, 0), "attention": (self.layer, 1), "mlp": (self.layer, 2), "logits": (1 << 30, 3)}
        return order[self.kind]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Everything that a configuration alone tells about a model. Widths are in features, counts in pieces."""

    name: str
    family: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    mlp_width: int
    vocabulary: int
    context: int
    parallel: bool = False
    """The MLP reads the same stream as the attention of its layer, and so does not see it (GPT-NeoX, Pythia)."""
    mlps: bool = True
    """False for attention-only models."""
    post_norm: bool = False
    """A norm after each write group's sum (Gemma 2 and 3, OLMo 2)."""
    causal: bool = True
    """False for a toy whose attention sees later positions too."""

    def units(self, kind: Kind | None = None) -> Iterator[Unit]:
        """Units in the order of the architecture, neurons left out."""
        every = [EMBED]
        for layer in range(self.layers):
            every += [Unit("head", layer, index) for index in range(self.heads)]
            every += [Unit("mlp", layer)] if self.mlps else []
        return (unit for unit in [*every, LOGITS] if kind in (None, unit.kind))

    def reads(self, reader: Unit, sender: Unit) -> bool:
        """Whether `sender` writes before `reader` reads: the architecture's own order."""
        if sender.kind == "logits" or reader.kind == "embed":
            return False
        if sender.kind == "embed" or reader.kind == "logits":
            return True
        if sender.layer != reader.layer:
            return sender.layer < reader.layer
        return not self.parallel and sender.kind == "head" and reader.kind in ("mlp", "neuron")


@dataclass(frozen=True, slots=True)
class Role:
    """Token positions by name, resolved on a layout. `text` is how the file writes it and does not count in comparisons.

    `slot` is a slot's name or `END`. `part` says which of the slot's tokens: the last (the default of an ordinary slot), the
    first, all of them (the default of a block of tokens), or an inclusive range of them. `shift` is added to each.
    """

    slot: str
    occurrence: int = 1
    part: Literal["last", "first", "all"] | tuple[int, int] = "last"
    shift: int = 0
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text or self.slot


Roles = tuple[Role, ...] | None
"""Positions of a node; None means every position."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Template, length in tokens (BOS counted), and the token span `[start, end)` of every occurrence of every slot."""

    template: int
    length: int
    spans: tuple[tuple[tuple[str, int], tuple[int, int]], ...] = ()

    def alike(self, align: Align) -> "Layout | int":
        """What prompts that may exchange values have in common: the layout, or under `absolute` its length in tokens."""
        return self if align == "layout" else self.length

    def span(self, slot: str, occurrence: int = 1) -> tuple[int, int]:
        """Token span `[start, end)`. Raises KeyError if this layout has no such occurrence."""
        if slot == "END":
            return self.length - 1, self.length
        return dict(self.spans)[slot, occurrence]

    def positions(self, roles: Roles) -> tuple[int, ...]:
        """Sorted token positions, each once. Raises KeyError for a slot, IndexError for a place that is not there."""
        if roles is None:
            return tuple(range(self.length))
        found: set[int] = set()
        for role in roles:
            start, end = self.span(role.slot, role.occurrence)
            if role.part == "last":
                start = end - 1
            elif role.part == "first":
                end = start + 1
            elif isinstance(role.part, tuple):
                low, high = role.part
                if start + high >= end:
                    raise IndexError(f"{role} has {end - start} tokens")
                start, end = start + low, start + high + 1
            found.update(range(start + role.shift, end + role.shift))
        if found and not (0 <= min(found) and max(found) < self.length):
            raise IndexError(f"{', '.join(map(str, roles))} is outside the prompt's {self.length} tokens")
        return tuple(sorted(found))
