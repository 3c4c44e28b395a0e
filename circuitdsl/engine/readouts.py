"""Numbers of readouts. M variants, B prompts, W items of a fold, V vocabulary. Results are float64.

`of_logits` and `of_attention` have a function for each type of readout. Only the tokens that a readout names are
unembedded where it needs no more.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Pick, SpanLoss
from circuitdsl.borders.readouts import (
    AnswerBeats,
    AttentionMoved,
    AttentionReadout,
    AttentionWeight,
    KLDivergence,
    LogitsReadout,
    MetricBeyond,
    MetricValue,
    SameArgmax,
    Top1,
    answer_ids,
)
from circuitdsl.borders.steps import LOGITS_AT_ONCE


class Reads:
    """Normalised reads [M, B, P, d] at token positions `at`, for the measured `rows`; logits are made at the positions asked for."""

    def __init__(self, adapter: Adapter, reads: Tensor, at: tuple[int, ...], rows: np.ndarray, named: np.ndarray | None = None):
        self.adapter, self.reads, self.rows, self.end = adapter, reads, rows, max(at)
        self._place = np.zeros(max(at) + 1, dtype=np.int64)
        self._place[list(at)] = np.arange(len(at))
        self._named = named  # ids of the only tokens that are needed, in order; None: the whole vocabulary
        self._logits: dict[bytes, Tensor] = {}
        self._normalised: dict[bytes, Tensor] = {}

    def variants(self, some: slice) -> "Reads":
        kept = Reads.__new__(Reads)
        kept.__dict__.update(self.__dict__, reads=self.reads[some], _logits={}, _normalised={})
        return kept

    def tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, device=self.reads.device)

    def logits(self, positions: np.ndarray) -> Tensor:
        """[M, B, V], or [M, B, named], at token positions [B]."""
        key = positions.tobytes()
        if key not in self._logits:
            place = self._place[positions]
            if (place == place[0]).all():
                reads = self.reads[:, :, int(place[0])]
            else:
                reads = self.reads[:, torch.arange(len(place), device=self.reads.device), self.tensor(place)]
            self._logits[key] = self.adapter.logits(reads, None if self._named is None else self.tensor(self._named))
        return self._logits[key]

    def logprobs(self, positions: np.ndarray) -> Tensor:
        """[M, B, V] in nats, at least in float32."""
        key = positions.tobytes()
        if key not in self._normalised:
            logits = self.logits(positions)
            self._normalised[key] = (logits if logits.dtype is torch.float64 else logits.float()).log_softmax(-1)
        return self._normalised[key]

    def pick(self, kind: str, ids: np.ndarray, positions: np.ndarray) -> Tensor:
        """[M, B] or [M, B, W] of tokens `ids` [B] or [B, W]; what stands for -1 is to be masked."""
        ids = np.maximum(ids, 0)
        if self._named is not None:
            ids = np.searchsorted(self._named, ids).clip(max=len(self._named) - 1)
        scores = self.logits(positions) if kind == "logit" else self.logprobs(positions)
        wanted = self.tensor(ids.reshape(len(ids), -1)).expand(len(scores), -1, -1)
        found = scores.gather(-1, wanted).double()
        found = found.exp() if kind == "prob" else found
        return found.squeeze(-1) if ids.ndim == 1 else found


# ---------------------------------------------------------------- of logits


@singledispatch
def of_logits(readout: LogitsReadout, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    """[M, B], or [1, B] where all variants have one number. `reference` [1, …] reads what the readout compares with."""
    raise TypeError(f"not a readout of logits: {readout!r}")


@of_logits.register
def _(readout: MetricValue, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    return of_metric(hypothesis.metrics[readout.metric].bound[readout.labels], reads, reference)


@of_logits.register
def _(readout: MetricBeyond, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    found = of_metric(hypothesis.metrics[readout.metric].bound[readout.labels], reads, reference)
    beyond = found < readout.threshold if readout.below else found > readout.threshold
    return beyond.double().masked_fill(found.isnan(), torch.nan)  # what is no number is neither


@of_logits.register
def _(readout: AnswerBeats, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    at = readout.position(hypothesis.metrics, reads.rows, reads.end)
    answers, wrong = answer_ids(hypothesis.distributions[readout.labels], reads.rows)
    right = reads.pick("logit", answers, at)
    others = reads.pick("logit", wrong, at).masked_fill(reads.tensor(wrong < 0), -torch.inf)
    return (right.unsqueeze(-1) > others).all(-1).double()


@of_logits.register
def _(readout: Top1, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    at = readout.position(hypothesis.metrics, reads.rows, reads.end)
    answers, _ = answer_ids(hypothesis.distributions[readout.labels], reads.rows)
    logits = reads.logits(at)
    right = logits.gather(-1, reads.tensor(answers).expand(len(logits), -1).unsqueeze(-1))
    return ((logits >= right).sum(-1) == 1).double()  # itself alone


@of_logits.register
def _(readout: KLDivergence, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    assert reference is not None
    return kl(reference, reads, readout.position(hypothesis.metrics, reads.rows, reads.end))


@of_logits.register
def _(readout: SameArgmax, reads: Reads, reference: Reads | None, hypothesis: Hypothesis) -> Tensor:
    assert reference is not None
    at = readout.position(hypothesis.metrics, reads.rows, reads.end)
    return (reads.logits(at).argmax(-1) == reference.logits(at).argmax(-1)).double()


def of_metric(expression: Expression, reads: Reads, model: Reads | None) -> Tensor:
    """[M, B] of a bound expression; inside a fold [M, B, W]. `model` [1, …] reads the model's own run."""
    match expression:
        case Constant(value):
            return torch.full((len(reads.reads), len(reads.rows)), value, dtype=torch.float64, device=reads.reads.device)
        case Pick(kind, ids, positions):
            return reads.pick(kind, ids[reads.rows], positions[reads.rows])
        case Arithmetic(operator, left, right):
            return _arithmetic(operator, of_metric(left, reads, model), of_metric(right, reads, model))
        case FoldOver(how, body, mask):
            return _fold(how, of_metric(body, reads, model), reads.tensor(mask[reads.rows]))
        case SpanLoss(targets, positions, mask):
            return _span_loss(targets[reads.rows], positions[reads.rows], mask[reads.rows], reads)
        case Divergence(positions):
            assert model is not None
            return kl(model, reads, positions[reads.rows])
    raise TypeError(f"not an expression: {expression!r}")


def _arithmetic(operator: str, left: Tensor, right: Tensor) -> Tensor:
    if left.dim() != right.dim():
        left, right = (one if one.dim() == 3 else one.unsqueeze(-1) for one in (left, right))
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / right


def _fold(how: str, body: Tensor, mask: Tensor) -> Tensor:
    if body.dim() == 2:
        body = body.unsqueeze(-1)
    body = body.expand(*body.shape[:2], mask.shape[-1])
    if how == "max":
        return body.masked_fill(~mask, -torch.inf).amax(-1)
    summed = body.masked_fill(~mask, 0).sum(-1)
    return summed if how == "sum" else summed / mask.sum(-1)


def _span_loss(targets: np.ndarray, positions: np.ndarray, mask: np.ndarray, reads: Reads) -> Tensor:
    summed = torch.zeros(len(reads.reads), len(reads.rows), dtype=torch.float64, device=reads.reads.device)
    where = np.where(mask, positions, positions[mask][0] if mask.any() else 0)
    for column in np.flatnonzero(mask.any(0)):  # one position after another: logits of the vocabulary are large
        once = reads.variants(slice(None))
        losses = once.pick("logprob", targets[:, column], where[:, column])
        summed -= losses.masked_fill(~reads.tensor(mask[:, column]), 0)
    return summed / reads.tensor(mask.sum(1))


def kl(reference: Reads, reads: Reads, positions: np.ndarray) -> Tensor:
    """KL(reference ‖ reads) [M, B] in nats at positions [B]."""
    p, q = reference.logprobs(positions), reads.logprobs(positions)
    return (p.exp() * (p - q)).sum(-1).double()


def in_slices(numbers: Callable[[Reads], Tensor], reads: Reads, vocabulary: int) -> Tensor:
    """[M, B], so few variants at once that the vocabulary's logits stay within the limit."""
    size = max(1, LOGITS_AT_ONCE // (vocabulary * max(1, len(reads.rows))))
    if len(reads.reads) <= size:
        return numbers(reads)
    return torch.cat([numbers(reads.variants(slice(start, start + size))) for start in range(0, len(reads.reads), size)])


# ---------------------------------------------------------------- of attention


@singledispatch
def of_attention(readout: AttentionReadout, patterns: Sequence[Tensor], keys: Sequence[int]) -> Tensor:
    """[B] from the pattern [B, Q, T] of each of the readout's heads at its query positions.

    A pattern may end early: keys beyond it have no weight. `keys` are the positions that the readout names.
    """
    raise TypeError(f"not a readout of attention: {readout!r}")


@of_attention.register
def _(readout: AttentionWeight, patterns: Sequence[Tensor], keys: Sequence[int]) -> Tensor:
    [weights] = patterns
    return weights[..., [key for key in keys if key < weights.shape[-1]]].sum(-1).mean(-1)


@of_attention.register
def _(readout: AttentionMoved, patterns: Sequence[Tensor], keys: Sequence[int]) -> Tensor:
    few, many = sorted(patterns, key=lambda one: one.shape[-1])
    apart = (many[..., : few.shape[-1]] - few).abs().sum(-1) + many[..., few.shape[-1] :].sum(-1)
    return apart.mean(-1) / 2
