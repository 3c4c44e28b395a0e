"""Which columns of the unembedding readouts of logits need: those of the tokens that they name, or the whole vocabulary's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.plan import Measure
from circuitdsl.borders.prompts import Divergence, Metric, Pick, leaves


class Looked(NamedTuple):
    """Tokens whose logits a measured readout takes, at how many positions of a prompt at once, and whether it needs their probabilities."""

    columns: int
    places: int
    probabilities: bool


def whole_vocabulary(kind: str, metric: Metric | None, labels: str) -> bool:
    """Whether a readout compares or normalises over every token; else the columns of the tokens that it names are enough."""
    if kind == "metric" and metric is not None:
        return metric.whole(labels)
    return kind != "beats"


def looked(step: Measure, rows: Sequence[int], metrics: Mapping[str, Metric], vocabulary: int) -> Looked:
    """What a step looks at on the rows."""
    metric = metrics[step.metric or ""] if step.kind == "metric" else None
    if metric is None:
        return Looked(vocabulary if step.whole else 2 * len(rows), 1, step.kind == "kl")
    named = list(leaves(metric.bound[step.labels]))
    places = max(1, len({leaf.positions.tobytes() for leaf in named if isinstance(leaf, Pick | Divergence)}))
    if step.whole:
        return Looked(vocabulary, places, True)
    picks = [leaf.ids[list(rows)].ravel() for leaf in named if isinstance(leaf, Pick)]
    return Looked(len(np.unique(np.concatenate(picks))) if picks else 1, places, False)
