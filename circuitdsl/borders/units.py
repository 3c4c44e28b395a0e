"""Units of a transformer, where tokens stand, and the shape of a model: all that can be said without weights."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from circuitdsl.borders.kinds import GROUPS, KINDS, GroupKind, Kind, KindSpec, Port

Align = Literal["layout", "absolute"]
"""Which prompts may exchange values: those of one layout, or all of one length."""

_ENDS = {"embed": -1, "logits": 1 << 30}
"""Where the ends of a model come among its layers."""
_KIND_ORDER = {kind: order for order, kind in enumerate(KINDS)}
_GROUP_ORDER = {group: order for order, group in enumerate(GROUPS)}


@dataclass(frozen=True, slots=True)
class Unit:
    """What reads the residual stream and writes to it. `index` is a part's number in its layer, such as a head's or a neuron's."""

    kind: Kind
    layer: int = 0
    index: int = 0
    key: tuple[int, int, int] = field(init=False, repr=False, compare=False)
    """Sorts units in the order of the architecture: embed first, logits last."""
    group: "WriteGroup" = field(init=False, repr=False, compare=False)
    """The write group it belongs to (docs/semantics.md, section 1)."""
    _hash: int = field(init=False, repr=False, compare=False)
    """These three are made once: lowering sorts and looks up the units of thousands of circuits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (_ENDS.get(self.kind, self.layer), _KIND_ORDER[self.kind], self.index))
        object.__setattr__(self, "group", _group(self.layer, KINDS[self.kind].group))
        object.__setattr__(self, "_hash", hash((self.kind, self.layer, self.index)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def spec(self) -> KindSpec:
        """What the table of kinds says of it."""
        return KINDS[self.kind]

    @property
    def ports(self) -> tuple[Port, ...]:
        """Where it reads: a head through q, k and v, `embed` nowhere, the others through one port."""
        return KINDS[self.kind].ports

    @property
    def whole(self) -> "Unit | None":
        """The unit that it is a part of: a neuron's MLP. None for what is no part of another unit."""
        whole = KINDS[self.kind].whole
        return None if whole is None else Unit(whole, self.layer)

    def __lt__(self, other: "Unit") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        """As reports write it: `head 9.6`, `mlp 3`, `neuron 5.123`, `embed`."""
        spec = KINDS[self.kind]
        if not spec.in_layers:
            return self.kind
        return f"{self.kind} {self.layer}.{self.index}" if spec.numbered else f"{self.kind} {self.layer}"


def read_unit(text: str) -> Unit | None:
    """The unit that `str` writes so; None for any other text."""
    kind, _, address = text.partition(" ")
    spec = KINDS.get(kind)  # type: ignore[call-overload]
    if spec is None or bool(address) != spec.in_layers:
        return None
    numbers = address.split(".") if address else []
    if not all(number.isdecimal() for number in numbers) or len(numbers) != spec.in_layers + spec.numbered:
        return None
    return Unit(spec.kind, *map(int, numbers))


@dataclass(frozen=True, slots=True)
class WriteGroup:
    """Units whose contributions are summed before a post-norm, if the family has one."""

    layer: int
    kind: GroupKind

    key: tuple[int, int] = field(init=False, repr=False, compare=False)
    """Sorts groups in the order of the architecture."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (_ENDS.get(self.kind, self.layer), _GROUP_ORDER[self.kind]))


@cache
def _group(layer: int, kind: GroupKind) -> WriteGroup:
    return WriteGroup(layer, kind)


EMBED, LOGITS = Unit("embed"), Unit("logits")


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
    """A norm after each write group's sum (Gemma 2 and 3, OLMo 2 and 3)."""
    causal: bool = True
    """False for a toy whose attention sees later positions too."""
    gated: bool = False
    """MLPs have a third projection, whose activation multiplies the neurons (Llama and its kin)."""

    def count(self, kind: Kind) -> int:
        """How many units of a kind each layer has; of `embed` and `logits`, how many the model has."""
        return KINDS[kind].count(self)

    def width_of(self, kind: Kind) -> int:
        """How many numbers tell what a unit of a kind writes at a position, before its group's output projection."""
        return KINDS[kind].width(self)

    def units(self, kind: Kind | None = None, layer: int | None = None) -> Iterator[Unit]:
        """Units in the order of the architecture: of one kind, or all but parts of other units (neurons). `layer`: of that one alone."""
        specs = [spec for spec in KINDS.values() if kind == spec.kind or (kind is None and spec.whole is None)]
        if layer is None and EMBED.spec in specs:
            yield EMBED
        for number in range(self.layers) if layer is None else (layer,):
            for spec in specs:
                if spec.in_layers:
                    yield from (Unit(spec.kind, number, index) for index in range(spec.count(self)))
        if layer is None and LOGITS.spec in specs:
            yield LOGITS

    def reads(self, reader: Unit, sender: Unit) -> bool:
        """Whether `sender` writes before `reader` reads: the architecture's own order."""
        first, then = sender.group.key, reader.group.key
        return first < then and (first[0] < then[0] or not self.parallel)


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
