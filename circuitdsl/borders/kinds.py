"""The kinds of units that a transformer is taken apart into: one table, which every stage asks instead of knowing kinds by name.

What reads and writes together is a *write group*: its contributions are summed before a post-norm. A group is one unit (an MLP), is
made of numbered parts (the heads of an attention), or is both: a unit whose parts are units as well (the neurons of an MLP).
A new kind is an entry of `KINDS` and its word in `grammar/circ.lark`; what a model computes for it is in its adapter, the engine and
the oracle.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from circuitdsl.borders.units import ModelShape

Kind = Literal["embed", "head", "mlp", "neuron", "logits"]
GroupKind = Literal["embed", "attention", "mlp", "logits"]
Port = Literal["q", "k", "v", "in"]

PORTS: tuple[Port, ...] = get_args(Port)
OWN_POSITION: frozenset[Port] = frozenset({"q", "in"})
"""Ports through which a unit reads at its own position alone; through the others it reads there and before."""
WRITTEN_PORTS: tuple[Port, ...] = tuple(port for port in PORTS if port != "in")
"""Ports that a file can name: where a unit has one only, it is not written."""

GROUPS: Mapping[GroupKind, str] = {
    "embed": "the embedding",
    "attention": "the attention",
    "mlp": "the MLP",
    "logits": "the logits",
}
"""Write groups in the order of the architecture: the first and the last once in a model, the others in each layer."""


@dataclass(frozen=True, slots=True)
class UnitStyle:
    """How figures show units of a kind. Texts are formats of `layer` and, for parts, `index`; of a run also of `last`."""

    shape: Literal["capsule", "rectangle", "hexagon"]
    labels: Mapping[str, str]
    """A label for each style of `circuitdsl draw --labels`."""
    run: str
    """A run: consecutive parts of a layer, or consecutive layers."""
    id: str
    """Of the element in an SVG: letters, digits and `_`."""
    margin: int = 8
    """Points beside the label."""


@dataclass(frozen=True, slots=True)
class KindSpec:
    """All that is said of a kind of units. `noun` stands in messages, `plural` in files; the ends of a model have no plural."""

    kind: Kind
    group: GroupKind
    ports: tuple[Port, ...]
    """Where it reads the stream."""
    noun: str
    count: "Callable[[ModelShape], int]"
    """How many there are in each layer; for the ends of a model, in the model."""
    width: "Callable[[ModelShape], int]"
    """Numbers at each position that tell what one writes: its contribution before the group's output projection."""
    plural: str = ""
    mistaken: tuple[str, ...] = ()
    """Words of other notations for it, in small letters: an error says which word is meant."""
    numbered: bool = False
    """A part of its write group, with a number in its layer; False: the group is this one unit."""
    whole: Kind | None = None
    """For parts of a unit: that unit's kind. They are not among a model's units unless they are asked for."""
    drawing: UnitStyle | None = None

    @property
    def article(self) -> str:
        return "an" if self.noun[0] in "aeioM" else "a"

    @property
    def nouns(self) -> str:
        return f"{self.noun}s"

    @property
    def attends(self) -> bool:
        """Whether it has an attention pattern: keys are matched with its queries."""
        return "k" in self.ports

    @property
    def exchangeable(self) -> bool:
        """Whether others of its layer can stand in for one: parts of a group that is no unit itself, all of them alike."""
        return self.numbered and self.whole is None

    @property
    def in_layers(self) -> bool:
        """False for the ends of a model."""
        return bool(self.plural)


_TABLE = (
    KindSpec("embed", "embed", (), "embedding", lambda shape: 1, lambda shape: shape.width),
    KindSpec(
        kind="head",
        group="attention",
        ports=("q", "k", "v"),
        noun="head",
        plural="heads",
        mistaken=("attn", "attention", "a", "h"),
        numbered=True,
        count=lambda shape: shape.heads,
        width=lambda shape: shape.head_width,
        drawing=UnitStyle(
            shape="capsule",
            labels={"9.6": "{layer}.{index}", "L9H6": "L{layer}H{index}", "a9.h6": "a{layer}.h{index}"},
            run="{layer}.{index}..{layer}.{last}",
            id="a{layer}_{index}",
        ),
    ),
    KindSpec(
        kind="mlp",
        group="mlp",
        ports=("in",),
        noun="MLP",
        plural="mlps",
        mistaken=("ffn", "m"),
        count=lambda shape: int(shape.mlps),
        width=lambda shape: shape.width,
        drawing=UnitStyle(
            shape="rectangle",
            labels={"9.6": "mlp {layer}", "L9H6": "L{layer} MLP", "a9.h6": "m{layer}"},
            run="mlps {layer}..{last}",
            id="m{layer}",
        ),
    ),
    KindSpec(
        kind="neuron",
        group="mlp",
        ports=("in",),
        noun="neuron",
        plural="neurons",
        numbered=True,
        whole="mlp",
        count=lambda shape: shape.mlp_width if shape.mlps else 0,
        width=lambda shape: 1,
        drawing=UnitStyle(
            shape="hexagon",
            labels={"9.6": "n {layer}.{index}", "L9H6": "n {layer}.{index}", "a9.h6": "n {layer}.{index}"},
            run="n {layer}.{index}..{layer}.{last}",
            id="n{layer}_{index}",
            margin=10,
        ),
    ),
    KindSpec("logits", "logits", ("in",), "logits", lambda shape: 1, lambda shape: shape.width),
)

KINDS: Mapping[Kind, KindSpec] = {spec.kind: spec for spec in sorted(_TABLE, key=lambda spec: list(GROUPS).index(spec.group))}
"""Every kind, in the order of the architecture: a unit before its parts."""
IN_LAYERS: tuple[KindSpec, ...] = tuple(spec for spec in KINDS.values() if spec.in_layers)
"""The kinds that files can name by number."""
