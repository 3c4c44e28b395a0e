"""What a file claims, all names resolved: units at positions, edges, features, prompts, metrics, claims, settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from circuitdsl.borders.kinds import Port
from circuitdsl.borders.options import Options, OptionsType
from circuitdsl.borders.prompts import Distribution, Metric
from circuitdsl.borders.source import Diagnostic, Source, Span
from circuitdsl.borders.units import EMBED, LOGITS, Align, Layout, ModelShape, Roles, Unit

if TYPE_CHECKING:
    import numpy as np

PromptPart = Literal["exploring", "verifying"]
"""Measurements and searches look at the exploring part of the prompts, verdicts rest on the verifying one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A unit at its positions within a named node: a node of docs/semantics.md, section 2. Two places of one unit never overlap."""

    unit: Unit
    node: str
    roles: Roles = None
    _hash: int = field(init=False, repr=False, compare=False)
    """Made once: a place is looked up for every link that it is an end of."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.unit, self.node, self.roles)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Link:
    """One edge between places: `sender`'s value, at `roles` (the sender's own unless the file says otherwise), into one port."""

    sender: Place
    receiver: Place
    port: Port
    roles: Roles = None


@dataclass(frozen=True, slots=True)
class Node:
    """A named node: places, or, for a group, the names of its members. `embed` and `logits` are nodes too."""

    name: str
    places: tuple[Place, ...]
    members: tuple[str, ...] = ()
    carries: str | None = None
    together: bool = False
    unconnected: bool = False
    span: Span = field(default=Span(), compare=False)

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(dict.fromkeys(place.unit for place in self.places))


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge as written, node to node and port, with the links it stands for. `port` None: every port of the receiver."""

    sender: str
    receiver: str
    port: Port | None
    links: tuple[Link, ...]
    roles: Roles = None
    span: Span = field(default=Span(), compare=False)

    @property
    def label(self) -> str:
        at = f" @ {', '.join(map(str, self.roles))}" if self.roles else ""
        return f"{self.sender}{at} -> {self.receiver}" + (f".{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Ablation:
    """What units outside the circuit are set to. `str()` gives it as written: `resample(abc)`, `mean(abc)`, `zero`.

    `resample` takes the row's own partner in a paired distribution, else a donor of the same layout drawn at random, never
    the row itself; `mean` averages contributions by template and layout. Under `align = absolute` both go by length.
    """

    kind: Literal["resample", "mean", "zero"]
    distribution: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}({self.distribution})" if self.distribution else self.kind


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path. `places` are where it arrives, through `port` (None: all); `kind` is direct, all routes, or through."""

    kind: Literal["direct", "all", "through"]
    places: tuple[Place, ...]
    port: Port | None = None
    through: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """`start` and the steps after it; no step for a plain node. `each` tells at which place (0 is the start) members are taken."""

    text: str
    start: tuple[Place, ...]
    steps: tuple[Step, ...] = ()
    each: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`>= value`, …, or `= value +- margin` with operator `=`."""

    operator: Literal[">=", ">", "<=", "<", "="]
    value: float
    margin: float | None = None

    def __str__(self) -> str:
        return f"{self.operator} {self.value:g}" + (f" +- {self.margin:g}" if self.margin is not None else "")


@dataclass(frozen=True, slots=True)
class Claim(Generic[OptionsType]):
    """One claim, or without `comparison` a measurement. `options` are those of its measure, defaults filled in.

    Option values are resolved: Roles for positions, node names for nodes, Ablation, distribution names, numbers, texts.
    """

    label: str
    measure: str
    text: str
    metric: str | None = None
    paths: tuple[Path, ...] = ()
    slots: tuple[str, ...] = ()
    """Slots named after the subject, as `interchange(node, S2)` does."""
    each: Literal["unit", "node", "edge"] | None = None
    options: OptionsType = cast(OptionsType, Options())  # noqa: RUF009
    comparison: Comparison | None = None
    warn: bool = False
    span: Span = field(default=Span(), compare=False)
    measured: str = field(kw_only=True)
    """The distribution whose rows are measured, with its labels."""

    @property
    def metric_name(self) -> str:
        """The metric of a claim that has to have one."""
        assert self.metric is not None, f"`{self.measure}` takes a metric"
        return self.metric


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings in force, with the flags of the command line already applied."""

    prompts: int = 256
    seed: int = 0
    ablate: Ablation | None = None
    confidence: float = 0.95
    explore: float | None = None
    """Share of the prompts kept for measurements; None: 0.5 if the file has measurements, else 0."""
    bos: bool | None = None
    """None: as the model's own tokenizer does it."""
    align: Align = "layout"
    subset: int | None = None
    """How many prompts of their part costly measures take; None: all."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, Literal["default", "file", "flag"]] = field(default_factory=dict)
    """Who set each of them, by name."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """The model as the file names it, and where it was found."""

    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """A whole file, resolved and checked. `exploring` and `verifying` are row numbers of the default distribution."""

    title: str
    description: str
    citations: tuple[str, ...]
    model: ModelName
    shape: ModelShape
    distributions: Mapping[str, Distribution]
    default: str
    metrics: Mapping[str, Metric]
    features: Mapping[str, Mapping[str, tuple[int, ...]]]
    """Feature name, then distribution, to the integer class of each row."""
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    claims: tuple[Claim, ...]
    settings: Settings
    exploring: tuple[int, ...]
    verifying: tuple[int, ...]
    source: Source
    files: tuple[tuple[int, Source], ...] = ()
    """Where files are used: each, the main one first, with where its text begins in that of `source`, which has them one after another."""
    data: tuple[str, ...] = ()
    """Names, in the file's folder, of the files that values, prompts, and what was looked at, are read from."""
    all_edges: bool = False
    subspaces: Mapping[str, "np.ndarray"] = field(default_factory=dict)
    """Orthonormal rows [k, d] by name; P = rowsᵀ rows projects a contribution onto their span."""
    replicate: int = 1
    """Which set of donors is drawn, where donors are drawn at random."""
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link of the circuit, each once."""
        return tuple(dict.fromkeys(link for edge in self.edges for link in edge.links))

    def rows(self, measured: str, part: PromptPart) -> tuple[int, ...]:
        """Row numbers of a part. A distribution that is not paired with the default one is cut at the same numbers."""
        rows = self.exploring if part == "exploring" else self.verifying
        return tuple(row for row in rows if row < len(self.distributions[measured]))

    def divided(self, claim: Claim, measured: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """For a claim that has to look before it is scored: the rows that it looks at, and those that it is scored on.

        They are the exploring and the verifying part. A measurement must not see the verifying one, and is not scored on what it
        looked at either: it has the two halves of the exploring part, each layout cut in two.
        """
        exploring = self.rows(measured, "exploring")
        if claim.comparison is not None:
            return exploring, self.rows(measured, "verifying")
        kept = set(exploring)
        first = {
            row for rows in self.distributions[measured].rows_by_layout().values() for row in [row for row in rows if row in kept][::2]
        }
        return tuple(row for row in exploring if row in first), tuple(row for row in exploring if row not in first)

    def some(self, rows: tuple[int, ...], measured: str, most: int | None) -> tuple[int, ...]:
        """At most so many of the rows, each layout in its proportion: by their place among the rows of their layout. None: all."""
        if most is None or most >= len(rows):
            return rows
        alike: dict[Layout, list[int]] = {}
        for row in rows:
            alike.setdefault(self.distributions[measured].prompts[row].layout, []).append(row)
        placed = sorted(((place + 0.5) / len(same), row) for same in alike.values() for place, row in enumerate(same))
        return tuple(sorted(row for _, row in placed[:most]))

    def places(self) -> Iterator[Place]:
        """Places of the declared nodes, each once, in the order of the architecture; `embed` and `logits` left out."""
        every = {place for node in self.nodes.values() for place in node.places if place.unit not in (EMBED, LOGITS)}
        return iter(sorted(every, key=lambda place: (place.unit.key, place.node)))
