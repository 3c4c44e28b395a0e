"""Prompts with their tokens and layouts, and what a metric needs to know about each: token ids at positions."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from circuitdsl.borders.units import Align, Layout

if TYPE_CHECKING:
    import numpy as np


class Encoding(NamedTuple):
    """Token ids and, for each, its half-open range of characters in the text; a special token such as BOS has the empty range (0, 0)."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


class Tokenizer(Protocol):
    """The model's own tokenizer, without torch. `encode` adds BOS exactly as the model's own does, unless told."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def bos_id(self) -> int | None: ...

    @property
    def adds_bos(self) -> bool: ...

    def encode(self, text: str, bos: bool | None = None) -> Encoding: ...

    def decode(self, ids: "tuple[int, ...] | list[int]") -> str: ...

    def piece(self, token: int) -> str:
        """One token as it stands in a text, the space before it included."""
        ...

    def plain_ids(self) -> tuple[int, ...]:
        """Ids of ordinary vocabulary (no special or added tokens), for random token blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row. `values` gives each slot's text (fields as `fact.capital`); `cluster` is the template or the file's own key."""

    text: str
    tokens: tuple[int, ...]
    layout: Layout
    values: Mapping[str, str] = field(default_factory=dict)
    answer: int | None = None
    wrong: tuple[int, ...] = ()
    cluster: str = ""
    unit: int | None = None
    """The same in prompts that the model cannot tell apart: the same tokens, here and in every counterfactual. None: none is alike."""

    @property
    def digest(self) -> str:
        """Names the prompt in evidence: by its text alone, whatever the model and its tokenizer."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Prompts under one name. With `paired`, row i is the counterfactual of row i of that distribution, in the same layout."""

    name: str
    prompts: tuple[Prompt, ...]
    paired: str | None = None
    available: int | None = None
    """How many different prompts the declaration could give, where that is countable and was reached."""
    clusters_named: bool = False
    """Whether the data name clusters, which are then the independent units at any number; else `cluster` is the template."""

    def __len__(self) -> int:
        return len(self.prompts)

    def units(self, rows: Sequence[int]) -> list[int]:
        """A number for each of these rows, the same for prompts that the model cannot tell apart."""
        return [row if (unit := self.prompts[row].unit) is None else unit for row in rows]

    def rows_by_layout(self) -> dict[Layout, tuple[int, ...]]:
        """Row numbers of each layout, in order of first appearance."""
        return {self.prompts[rows[0]].layout: rows for rows in self.rows_alike("layout").values()}

    def rows_alike(self, align: Align) -> dict[Layout | int, tuple[int, ...]]:
        """Rows that may exchange values, by what they have in common (`Layout.alike`), in order of first appearance."""
        rows: dict[Layout | int, list[int]] = {}
        for row, prompt in enumerate(self.prompts):
            rows.setdefault(prompt.layout.alike(align), []).append(row)
        return {common: tuple(found) for common, found in rows.items()}


# ---------------------------------------------------------------- metrics, bound to the rows of one distribution
# N rows, W items of a fold, L positions of a loss. Arrays of a bound metric are read-only by convention.


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """`logit`, `logprob` or `prob` of tokens `ids` [N] or, inside a fold, [N, W] (-1: no such item) at positions [N]."""

    kind: Literal["logit", "logprob", "prob"]
    ids: "np.ndarray"
    positions: "np.ndarray"


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic:
    operator: Literal["+", "-", "*", "/"]
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class FoldOver:
    """`sum`, `mean` or `max` over the items of [N, W] where `mask` [N, W] holds; an empty `sum` is 0, the others are refused."""

    how: Literal["sum", "mean", "max"]
    body: "Expression"
    mask: "np.ndarray"


@dataclass(frozen=True, slots=True, eq=False)
class SpanLoss:
    """Mean over a row's span of minus the log-probability, in nats, of the token that stands there: read one position earlier.

    `targets` and `positions` are [N, L], positions those where the logits are read; `mask` [N, L] marks those that count.
    """

    targets: "np.ndarray"
    positions: "np.ndarray"
    mask: "np.ndarray"


@dataclass(frozen=True, slots=True, eq=False)
class Divergence:
    """KL(M ‖ this run) over the whole vocabulary, in nats, at positions [N]; M is the model on the same rows."""

    positions: "np.ndarray"


Expression = Constant | Pick | Arithmetic | FoldOver | SpanLoss | Divergence


def leaves(expression: Expression) -> Iterator[Constant | Pick | SpanLoss | Divergence]:
    """What an expression is made of, from left to right."""
    match expression:
        case Arithmetic(_, left, right):
            yield from leaves(left)
            yield from leaves(right)
        case FoldOver(_, body, _):
            yield from leaves(body)
        case _:
            yield expression


def expression_range(expression: Expression) -> tuple[float, float]:
    """The least and the greatest number that it can be whatever the logits; infinite where there is no bound. It may be too wide."""
    match expression:
        case Constant(value):
            return value, value
        case Pick("prob", _, _):
            return 0.0, 1.0
        case Pick("logprob", _, _):
            return -math.inf, 0.0
        case SpanLoss() | Divergence():
            return 0.0, math.inf
        case FoldOver(how, body, mask):
            low, high = expression_range(body)
            most = int(mask.sum(axis=-1).max(initial=0)) if how == "sum" else 1
            return min(low, 0.0 if how == "sum" else low) * max(most, 1), max(high, 0.0 if how == "sum" else high) * max(most, 1)
        case Arithmetic(operator, left, right):
            return _arithmetic_range(operator, expression_range(left), expression_range(right))
    return -math.inf, math.inf


def _arithmetic_range(operator: str, left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    if operator == "+":
        return left[0] + right[0], left[1] + right[1]
    if operator == "-":
        return left[0] - right[1], left[1] - right[0]
    if operator == "*" and all(map(math.isfinite, (*left, *right))):
        ends = [one * other for one in left for other in right]
        return min(ends), max(ends)
    if operator == "/" and right[0] == right[1] != 0 and all(map(math.isfinite, left)):
        ends = [one / right[0] for one in left]
        return min(ends), max(ends)
    return -math.inf, math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A named metric. `bound[distribution]` holds its expression with that distribution's own labels."""

    name: str
    text: str
    lower: bool
    bound: Mapping[str, Expression]
    position: str = "END"
    positions: "Mapping[str, np.ndarray]" = field(default_factory=dict)
    """`position` on the rows of each distribution [N]: where "beats", "top1" and "kl" readouts look."""
    lacking: "Mapping[str, str]" = field(default_factory=dict)
    """In words, why it is not bound to the others."""

    def whole(self, labels: str) -> bool:
        """Whether it needs the logits of the whole vocabulary, not only those of the tokens that it names."""
        return any(not (isinstance(x, Constant) or (isinstance(x, Pick) and x.kind == "logit")) for x in leaves(self.bound[labels]))

    def looks_at(self, labels: str) -> "np.ndarray | None":
        """[N]: where its run's answer stands: `positions`, else those of the first logits it reads; None if it reads none."""
        if labels in self.positions:
            return self.positions[labels]
        return next((x.positions for x in leaves(self.bound[labels]) if isinstance(x, Pick | Divergence)), None)
