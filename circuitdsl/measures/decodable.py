"""`decodable`: whether a linear probe reads a slot or feature off what a node writes, or off what it reads."""

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Measure, NumberRange, Search, Signature
from circuitdsl.borders.values import Algebra
from circuitdsl.measures.probe_options import DecodableOptions, ProbeOptions


def _lower(claim: Claim[ProbeOptions], hypothesis: Hypothesis, algebra: Algebra) -> Search:
    from circuitdsl.measures.probe_task import decode  # numpy is slow to load, and `check` needs none

    return decode(claim, hypothesis, algebra)


def _check(claim: Claim[ProbeOptions], hypothesis: Hypothesis) -> None:
    """That the labels, the control task and the vectors are there."""
    from circuitdsl.measures.probe_task import ProbeTask

    ProbeTask(claim, hypothesis, Algebra())


_DETAILS = (
    "The probe is a logistic regression on standardised vectors (L2 penalty, C = 1, nothing tuned), fitted on the exploring part of the "
    "prompts and scored on the rest. A node's vector is the sum of what its units write in the plain run, each averaged over its "
    "positions. Beside it stand the share of the commonest class, the p-value under permuted labels, and the control task: each type has "
    "a label drawn at random, and selectivity is the accuracy less the control's."
)

DECODABLE = Measure(
    name="decodable",
    summary="how well a linear probe reads a slot or feature off what a node writes, on prompts that it was not fitted on",
    formula="share of held-out prompts on which the probe's class is right; or the area under its ROC curve",
    unit="share of prompts, or area",
    range=NumberRange(0, 1),
    source="Alain & Bengio 2016 (arXiv 1610.01644), linear probes; control tasks: Hewitt & Liang 2019 (arXiv 1909.03368)",
    baseline="the commonest class, permuted labels, and the control task, beside it",
    signature=Signature(
        subject="node",
        slots=1,
        features=True,
        searches=True,
        options=DecodableOptions,
    ),
    lower=_lower,
    check=_check,
    example="decodable(late, A) >= 0.5",
    details=_DETAILS,
)

DECODABLE_SELECTIVITY = Measure(
    name="decodable.selectivity",
    summary="how much better a linear probe reads a slot or feature than labels that mean nothing",
    formula="accuracy on held-out prompts - accuracy on the control task",
    unit="share of prompts",
    range=NumberRange(-1, 1),
    source="Hewitt & Liang 2019 (arXiv 1909.03368), section 2",
    baseline="the control task: every type has a label drawn at random",
    signature=Signature(subject="node", slots=1, features=True, searches=True, options=ProbeOptions),
    lower=_lower,
    check=_check,
    example="decodable.selectivity(each late, B, of = input) >= 0",
    details=_DETAILS,
)
