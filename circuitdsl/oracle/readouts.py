"""A readout's number for one row, plainly in numpy. Logits are [T, V] in float64."""

import math
from functools import singledispatch
from typing import Any

import numpy as np
from torch import Tensor

from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Pick, SpanLoss
from circuitdsl.borders.readouts import (
    AnswerBeats,
    AttentionMoved,
    AttentionWeight,
    InputVector,
    KLDivergence,
    LogitsReadout,
    MetricBeyond,
    MetricValue,
    OutputVector,
    Readout,
    SameArgmax,
    Top1,
)
from circuitdsl.borders.units import LOGITS
from circuitdsl.borders.values import Recomputed, Run, Value
from circuitdsl.oracle.evaluator import Evaluator, MeasuredPrompt


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in nats."""
    shifted: np.ndarray = logits - logits.max(-1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found


def kl(reference: np.ndarray, other: np.ndarray) -> float:
    """KL(reference ‖ other) of two rows of logits [V], in nats."""
    p, q = log_softmax(reference), log_softmax(other)
    return float(sum(np.exp(p) * (p - q)))


def metric(expression: Expression, row: int, logits: np.ndarray, model: np.ndarray) -> Any:
    """The value of a bound expression on its row; `model` are the model's own logits on that row. Inside a fold [W], else a number."""
    match expression:
        case Constant(value):
            return value
        case Pick(kind, ids, positions):
            at = logits[positions[row]]
            column = at if kind == "logit" else log_softmax(at) if kind == "logprob" else np.exp(log_softmax(at))
            return column[ids[row]]
        case Arithmetic(operator, left, right):
            first, second = metric(left, row, logits, model), metric(right, row, logits, model)
            match operator:
                case "+":
                    return first + second
                case "-":
                    return first - second
                case "*":
                    return first * second
                case "/":
                    return first / second
        case FoldOver(how, body, mask):
            items = np.broadcast_to(metric(body, row, logits, model), mask[row].shape)[mask[row]]
            if how == "sum":
                return float(sum(items))
            return float(max(items)) if how == "max" else float(sum(items) / len(items))
        case SpanLoss(targets, positions, mask):
            losses = [
                -log_softmax(logits[position])[target]
                for target, position, counts in zip(targets[row], positions[row], mask[row], strict=True)
                if counts
            ]
            return float(sum(losses) / len(losses))
        case Divergence(positions):
            return kl(model[positions[row]], logits[positions[row]])


# ---------------------------------------------------------------- one function a readout


@singledispatch
def number(readout: Readout, at: MeasuredPrompt, evaluator: Evaluator) -> float | np.ndarray:
    """A readout's number, or vector [d], for the prompt."""
    raise TypeError(f"not a readout: {readout!r}")


@number.register
def _(readout: MetricValue, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    return _metric(readout, at, evaluator)


@number.register
def _(readout: MetricBeyond, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    found = _metric(readout, at, evaluator)
    if math.isnan(found):
        return found
    return float(found < readout.threshold) if readout.below else float(found > readout.threshold)


def _metric(readout: MetricValue, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    expression = evaluator.hypothesis.metrics[readout.metric].bound[readout.labels]
    logits = _array(evaluator.value(readout.value, at))
    own = Recomputed(LOGITS, Run(readout.labels), (("in", None),))
    model = _array(evaluator.value(own, at)) if _needs_model(expression) else logits
    return float(metric(expression, at.row, logits, model))


@number.register
def _(readout: AnswerBeats, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    logits = _next_token(readout, readout.value, at, evaluator)
    return float(all(logits[at.prompt.answer] > logits[wrong] for wrong in at.prompt.wrong))


@number.register
def _(readout: Top1, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    logits = _next_token(readout, readout.value, at, evaluator)
    return float(all(one < logits[at.prompt.answer] for token, one in enumerate(logits) if token != at.prompt.answer))


@number.register
def _(readout: KLDivergence, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    return kl(*(_next_token(readout, value, at, evaluator) for value in (readout.reference, readout.value)))


@number.register
def _(readout: SameArgmax, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    here, there = (_next_token(readout, value, at, evaluator) for value in (readout.value, readout.reference))
    return float(int(here.argmax()) == int(there.argmax()))


@number.register
def _(readout: AttentionWeight, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    queries, keys = (at.prompt.layout.positions(roles) for roles in (readout.query, readout.key))
    pattern = _array(evaluator.pattern(readout.value, at))
    weights = [sum(pattern[q, k] for k in keys) for q in queries]
    return float(sum(weights) / len(weights))


@number.register
def _(readout: AttentionMoved, at: MeasuredPrompt, evaluator: Evaluator) -> float:
    here, there = (_array(evaluator.pattern(value, at)) for value in (readout.value, readout.reference))
    return float(np.mean([np.abs(here[q] - there[q]).sum() / 2 for q in at.prompt.layout.positions(readout.query)]))


@number.register
def _(readout: OutputVector, at: MeasuredPrompt, evaluator: Evaluator) -> np.ndarray:
    written = _array(evaluator.value(readout.value, at)[0])
    return np.asarray(written[list(at.prompt.layout.positions(readout.at))].mean(0))


@number.register
def _(readout: InputVector, at: MeasuredPrompt, evaluator: Evaluator) -> np.ndarray:
    stream = _array(evaluator.read(readout.value.unit, readout.value.world, None, at)[0])
    return np.asarray(stream[list(at.prompt.layout.positions(readout.at))].mean(0))


def _next_token(readout: LogitsReadout, value: Value, at: MeasuredPrompt, evaluator: Evaluator) -> np.ndarray:
    """Logits [V] of a value where the readout's metric looks."""
    assert readout.metric is not None
    position = evaluator.hypothesis.metrics[readout.metric].positions[readout.labels][at.row]
    return np.asarray(_array(evaluator.value(value, at))[position])


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.double().cpu().numpy()


def _needs_model(expression: Expression) -> bool:
    match expression:
        case Arithmetic(_, left, right):
            return _needs_model(left) or _needs_model(right)
        case FoldOver(_, body, _):
            return _needs_model(body)
    return isinstance(expression, Divergence)
