"""A readout's number for one row, plainly in numpy. Logits are [T, V] in float64."""

from typing import Any

import numpy as np

from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Pick, Prompt, SpanLoss


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in nats."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


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


def beats(prompt: Prompt, at: np.ndarray) -> float:
    """1 if the answer's logit exceeds every wrong answer's."""
    return float(all(at[prompt.answer] > at[wrong] for wrong in prompt.wrong))


def top1(prompt: Prompt, at: np.ndarray) -> float:
    """1 if the answer is the argmax."""
    return float(int(at.argmax()) == prompt.answer)


def agrees(reference: np.ndarray, other: np.ndarray) -> float:
    """1 if the argmax is the same."""
    return float(int(reference.argmax()) == int(other.argmax()))
