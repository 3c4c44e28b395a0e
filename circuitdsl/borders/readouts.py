"""Readouts: what is read off values, one number for each prompt, or a vector. The columns of every claim are made of these.

There are three sources, each with a step of its own in a plan: logits, the attention of heads, and vectors in the residual stream.
A new readout of one of them is a type here, a function in `engine/readouts.py` that computes it, and one in `oracle/readouts.py`.
Everyone else asks a readout for what its base class promises, and names no type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from circuitdsl.borders.prompts import Distribution, Divergence, Expression, Metric, Pick, SpanLoss, leaves
from circuitdsl.borders.units import Role, Roles
from circuitdsl.borders.values import Base, Value, hashed

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Readout:
    """Of `value` (and of other values, which a type names as fields), on the rows of distribution `labels`, whose answers hold.

    - `vector`: whether a prompt has a vector [d] and not a number;
    - `bounds`: of the numbers, whatever the model; None where they have none. Early stopping needs them;
    - `word`: what messages call it;
    - `not_finite`: what may be the cause where a number is not finite, as a question; may be empty.
    """

    vector: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float] | None] = None
    word: ClassVar[str]
    not_finite: ClassVar[str] = ""

    value: Value
    labels: str

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Everything that must be evaluated for it, `value` first."""
        return tuple(each for one in fields(self) if isinstance(each := getattr(self, one.name), Value))

    @cached_property
    def question(self) -> tuple[object, ...]:
        """All of it but the values: readouts of logits that have it in common are computed by one step."""
        several = (getattr(self, one.name) for one in fields(self))
        return (type(self), *(one for one in several if not isinstance(one, Value)))

    @property
    def roles(self) -> tuple[Role, ...]:
        """Positions that it names itself."""
        return ()

    @property
    def name(self) -> str:
        return self.word

    @cached_property
    def digest(self) -> str:
        """Its content: equal readouts have equal digests, in every run."""
        several = (getattr(self, one.name) for one in fields(self))
        return hashed(self.word, *(one.digest if isinstance(one, Value) else repr(one) for one in several))


# ---------------------------------------------------------------- of logits


@dataclass(frozen=True, eq=False)
class LogitsReadout(Readout):
    """A number made of the logits `value`, by default of all tokens at the position where the metric looks (None: at the last)."""

    metric: str | None

    def whole(self, metrics: Mapping[str, Metric]) -> bool:
        """Whether it needs the logits of the whole vocabulary; else the `tokens` that it names are enough."""
        return True

    def tokens(self, metrics: Mapping[str, Metric], labels: Distribution, rows: "np.ndarray") -> "np.ndarray":
        """Ids of the only tokens whose logits it takes on these rows, in order, each once. Asked only where it is not `whole`."""
        raise NotImplementedError

    def normalised(self, metrics: Mapping[str, Metric]) -> bool:
        """Whether it needs probabilities, which are held beside the logits."""
        return False

    def compared(self, metrics: Mapping[str, Metric]) -> bool:
        """Whether it compares with the model's own run on the same row, without naming it as a value."""
        return False

    def position(self, metrics: Mapping[str, Metric], rows: "np.ndarray", end: int) -> "np.ndarray":
        """[N]: the one token position at which it looks on each row; `end` is the prompts' last."""
        import numpy as np

        where = None if self.metric is None else metrics[self.metric].looks_at(self.labels)
        return np.full(len(rows), end) if where is None else where[rows]

    def positions(self, metrics: Mapping[str, Metric], rows: "np.ndarray", end: int) -> set[int]:
        """All token positions at which it looks on any of the rows."""
        return set(self.position(metrics, rows, end).tolist())

    def at_once(self, metrics: Mapping[str, Metric]) -> int:
        """At how many positions of one prompt logits are held at the same time."""
        return 1


@dataclass(frozen=True, eq=False)
class MetricValue(LogitsReadout):
    """The named metric."""

    word = "metric"
    not_finite = "is there a division by zero in the metric?"

    metric: str

    @property
    def name(self) -> str:
        return self.metric

    def _leaves(self, metrics: Mapping[str, Metric]) -> list[Expression]:
        return list(leaves(metrics[self.metric].bound[self.labels]))

    def whole(self, metrics: Mapping[str, Metric]) -> bool:
        return metrics[self.metric].whole(self.labels)

    def tokens(self, metrics: Mapping[str, Metric], labels: Distribution, rows: "np.ndarray") -> "np.ndarray":
        import numpy as np

        picks = [leaf.ids[rows].ravel() for leaf in self._leaves(metrics) if isinstance(leaf, Pick)]
        return _named(picks or [np.zeros(1, dtype=np.int64)])

    def normalised(self, metrics: Mapping[str, Metric]) -> bool:
        return self.whole(metrics)

    def compared(self, metrics: Mapping[str, Metric]) -> bool:
        return any(isinstance(leaf, Divergence) for leaf in self._leaves(metrics))

    def positions(self, metrics: Mapping[str, Metric], rows: "np.ndarray", end: int) -> set[int]:
        found: set[int] = set()
        for leaf in self._leaves(metrics):
            if isinstance(leaf, SpanLoss):
                found.update(leaf.positions[rows][leaf.mask[rows]].tolist())
            elif isinstance(leaf, Pick | Divergence):
                found.update(leaf.positions[rows].tolist())
        return found

    def at_once(self, metrics: Mapping[str, Metric]) -> int:
        several = {leaf.positions.tobytes() for leaf in self._leaves(metrics) if isinstance(leaf, Pick | Divergence)}
        return max(1, len(several))


@dataclass(frozen=True, eq=False)
class MetricBeyond(MetricValue):
    """1 if the named metric is above `threshold`, or with `below` under it, else 0; at the threshold itself it is neither."""

    word = "beyond"
    bounds = (0.0, 1.0)

    threshold: float
    below: bool = False


@dataclass(frozen=True, eq=False)
class AnswerBeats(LogitsReadout):
    """1 if the answer's logit exceeds every wrong answer's, else 0."""

    word = "beats"
    bounds = (0.0, 1.0)

    def whole(self, metrics: Mapping[str, Metric]) -> bool:
        return False

    def tokens(self, metrics: Mapping[str, Metric], labels: Distribution, rows: "np.ndarray") -> "np.ndarray":
        return _named([one.ravel() for one in answer_ids(labels, rows)])


@dataclass(frozen=True, eq=False)
class Top1(LogitsReadout):
    """1 if the answer is more likely than every other token of the vocabulary, else 0: as in `AnswerBeats`, a tie is no win."""

    word = "top1"
    bounds = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class KLDivergence(LogitsReadout):
    """KL(`reference` ‖ `value`) of the next token, in nats."""

    word = "kl"

    reference: Value

    def normalised(self, metrics: Mapping[str, Metric]) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class SameArgmax(LogitsReadout):
    """1 if the most likely token of `value` is that of `reference`, else 0."""

    word = "agrees"
    bounds = (0.0, 1.0)

    reference: Value


# ---------------------------------------------------------------- of attention


@dataclass(frozen=True, eq=False)
class AttentionReadout(Readout):
    """A number made of the attention patterns of its values, which are values of heads, from the positions `query`."""

    query: Roles = field(default=None, kw_only=True)

    @property
    def keys(self) -> Roles:
        """The key positions that it names, if it names some."""
        return None

    @property
    def roles(self) -> tuple[Role, ...]:
        return (*(self.query or ()), *(self.keys or ()))


@dataclass(frozen=True, eq=False)
class AttentionWeight(AttentionReadout):
    """The weight from `query` to `key`, summed over the key's positions and averaged over the query's."""

    word = "attention"
    bounds = (0.0, 1.0)

    key: Roles = field(default=None, kw_only=True)

    @property
    def keys(self) -> Roles:
        return self.key


@dataclass(frozen=True, eq=False)
class AttentionMoved(AttentionReadout):
    """How much of the attention from `query` goes elsewhere in `reference`, another value of the head.

    Half the sum of absolute differences over the keys (0 to 1), averaged over the query's positions.
    """

    word = "moved"
    bounds = (0.0, 1.0)

    reference: Value


# ---------------------------------------------------------------- vectors


@dataclass(frozen=True, eq=False)
class VectorReadout(Readout):
    """A vector [d] of the residual stream in a plain run, averaged over the positions `at`. `value` is a base world's."""

    vector = True
    output: ClassVar[bool]
    """Whether it is what the unit writes; else what it reads."""

    value: Base
    at: Roles = field(default=None, kw_only=True)

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.at or ()


@dataclass(frozen=True, eq=False)
class OutputVector(VectorReadout):
    """What the unit of `value` adds to the stream."""

    word = "written"
    output = True


@dataclass(frozen=True, eq=False)
class InputVector(VectorReadout):
    """The stream that the unit of `value` reads."""

    word = "read"
    output = False


def answer_ids(labels: Distribution, rows: "Sequence[int] | np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Answers [B] and wrong answers [B, W], filled up with -1. Raises ValueError for a prompt without an answer."""
    import numpy as np

    prompts = [labels.prompts[row] for row in rows]
    answers = [prompt.answer for prompt in prompts if prompt.answer is not None]
    if len(answers) < len(prompts):
        missing = next(prompt.text for prompt in prompts if prompt.answer is None)
        raise ValueError(f"no answer is declared for “{missing}”")
    width = max([len(prompt.wrong) for prompt in prompts] + [1])
    wrong = np.full((len(prompts), width), -1, dtype=np.int64)
    for number, prompt in enumerate(prompts):
        wrong[number, : len(prompt.wrong)] = prompt.wrong
    return np.array(answers, dtype=np.int64), wrong


def _named(ids: "Sequence[np.ndarray]") -> "np.ndarray":
    import numpy as np

    return np.unique(np.maximum(np.concatenate(ids), 0))
