"""Numbers → verdicts."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Distribution, expression_range

if TYPE_CHECKING:
    from circuitdsl.borders.measure import Lowered
    from circuitdsl.borders.measured import MeasuredClaim
    from circuitdsl.borders.readouts import Readout
    from circuitdsl.borders.verdict import ClaimVerdict


def judge(
    hypothesis: Hypothesis, asked: "Sequence[MeasuredClaim]", numbers: Mapping[str, Mapping[int, float]], share: float = 1.0
) -> "tuple[ClaimVerdict, ...]":
    """Columns to verdicts, corrected over these claims, which have a share of what all verdicts of the file may err."""
    import numpy as np

    from circuitdsl.borders.verdict import Question
    from circuitdsl.statistics import judge as judge_questions

    questions = []
    for one in asked:
        distribution = hypothesis.distributions[one.measured]
        clusters = np.array([distribution.prompts[row].cluster for row in one.rows])
        classes = {name: np.array([named[row] for row in one.rows]) for name, named in one.lowered.classes.items()}
        columns = one.columns(numbers)
        everything = all_there_are(distribution, one.rows)
        ranges = ranges_of(hypothesis, one.lowered)
        questions.append(
            Question(
                one.claim.label,
                one.claim.comparison,
                one.lowered.members,
                columns,
                clusters,
                classes,
                one.lowered.watches,
                distribution.clusters_named,
                np.array(distribution.units(one.rows)),
                ranges,
                everything,
            )
        )
    verdicts = judge_questions(questions, confidence=hypothesis.settings.confidence, seed=hypothesis.settings.seed, share=share)
    return tuple(
        verdict.model_copy(update={"warnings": (*one.lowered.warnings, *verdict.warnings)})
        for one, verdict in zip(asked, verdicts, strict=True)
    )


def all_there_are(distribution: Distribution, rows: Sequence[int]) -> bool:
    """Whether these rows are all prompts that the distribution's declaration could give."""
    return distribution.available == len(set(rows)) == len(distribution)


def ranges_of(hypothesis: Hypothesis, lowered: "Lowered") -> dict[str, tuple[float, float]]:
    """The least and the greatest number of each column that has such, whatever the model; one of the two may be infinite."""

    from circuitdsl.borders.readouts import KLDivergence, MetricValue

    def of(readout: "Readout") -> tuple[float, float]:
        if isinstance(readout, MetricValue) and readout.bounds is None:
            return expression_range(hypothesis.metrics[readout.metric].bound[readout.labels])
        return (0.0, math.inf) if isinstance(readout, KLDivergence) else readout.bounds or (-math.inf, math.inf)

    found = {name: of(readout) for name, readout in lowered.readouts.items() if not readout.vector}
    if lowered.scored is not None:
        found |= lowered.scored.ranges
    for name, redrawn in lowered.replicates.items():
        found[name] = found[redrawn[0]]
    return {name: ends for name, ends in found.items() if any(map(math.isfinite, ends))}
