"""Numbers → verdicts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from circuitdsl.borders.hypothesis import Hypothesis

if TYPE_CHECKING:
    from circuitdsl.borders.measured import MeasuredClaim
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
            )
        )
    verdicts = judge_questions(questions, confidence=hypothesis.settings.confidence, seed=hypothesis.settings.seed, share=share)
    return tuple(
        verdict.model_copy(update={"warnings": (*one.lowered.warnings, *verdict.warnings)})
        for one, verdict in zip(asked, verdicts, strict=True)
    )
