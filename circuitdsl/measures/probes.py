"""Linear probes, fitted on some prompts and read on others; and the control task that says what a probe can memorise."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CONTROLS = 10
"""Random labellings of the control task; what they give is averaged."""


@dataclass(frozen=True)
class Probe:
    """`predict` takes vectors [N, d] to classes [N]; `score`, to numbers [N] that are higher for the second of two classes."""

    predict: Callable[[np.ndarray], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]


def available() -> bool:
    """Whether scikit-learn is installed."""
    from importlib.util import find_spec

    return find_spec("sklearn") is not None


def fit(vectors: np.ndarray, labels: np.ndarray) -> Probe:
    """Logistic regression on standardised vectors [N, d] with an L2 penalty (C = 1), nothing tuned. Of one class, that class always."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if (labels == labels[0]).all():
        return Probe(lambda some: np.full(len(some), labels[0]), lambda some: np.zeros(len(some)))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty makes the optimum unique; the last digits do not matter
        model.fit(vectors, labels)
    return Probe(model.predict, model.decision_function)


def commonest(labels: np.ndarray) -> int:
    """The class that a guess without looking says; the first of equals."""
    classes, counts = np.unique(labels, return_counts=True)
    return int(classes[np.argmax(counts)])


def control_labels(types: np.ndarray, labels: np.ndarray, key: str) -> list[dict[int, int]]:
    """For each labelling: every type's label, drawn from the labels [N] as they are distributed (Hewitt & Liang 2019, section 2).

    A type's draw depends on the key, the labelling and the type alone, so prompts that are not here have the same one.
    """
    ordered = np.sort(labels)

    def label(number: int, kind: int) -> int:
        digest = hashlib.sha256(f"control/{key}/{number}/{kind}".encode()).digest()
        return int(ordered[int.from_bytes(digest[:8], "little") % len(ordered)])

    return [{int(kind): label(number, int(kind)) for kind in np.unique(types)} for number in range(CONTROLS)]
