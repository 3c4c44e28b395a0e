"""`--sequential`: verdicts that may be looked at after every block of prompts, and are right whenever one stops."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import Combination, Estimand, MeanOf, ProportionOf, RatioOf, column
from circuitdsl.borders.verdict import ClaimVerdict, Estimate, MemberVerdict, Outcome, Question
from circuitdsl.statistics.betting import confidence_sequence, wealth_above, wealth_below
from circuitdsl.statistics.blocks import Blocks
from circuitdsl.statistics.families import e_bh
from circuitdsl.statistics.fieller import fold
from circuitdsl.statistics.verdicts import claim_outcome

Bounds = Mapping[str, tuple[float, float]]
"""The clip of each column, fixed before anything was measured. Columns of 0 and 1 need none."""

CERTAIN = float(np.exp(700.0))


def judge_sequentially(
    questions: Sequence[Question], blocks: Blocks, *, bounds: Bounds, confidence: float, share: float = 1.0
) -> tuple[ClaimVerdict, ...]:
    """Verdicts from the blocks measured so far. Columns [N]; only rows of the blocks are read.

    Columns are clipped to their bounds, and the answer is about the clipped numbers, on these templates in their shares. Evidence
    of support is an e-value against "the claim is false"; e-BH over the claims at level α says which are supported, and likewise
    which are refuted. Whenever one stops, and however claims depend on each other, the expected shares of wrong ones among the
    supported and among the refuted add up to at most α: of m claims s are false, and e-BH keeps the first at α s/m (Wang & Ramdas
    2022), the second at α (m − s)/m, as each claim can be wrong in one direction only. For a claim of several members the e-value of
    support is the smallest, the e-value of refutation the mean. A claim with a column without bounds is not testable this way.

    Where other claims of the file are judged apart, these have a `share` of α. **Families whose shares add up to 1 keep the guarantee
    together**, whether e-BH judges them or Holm, and whenever each stops: with V wrong ones of R supported in a family, the wrong
    share of all is ΣV / ΣR ≤ Σ V/R, e-BH keeps the expectations of V/R, both directions together, at its share of α, and so does
    Holm, which keeps the chance of V > 0 in either direction there (families.py).
    """
    judged = [question for question in questions if question.comparison is not None]
    evidence = [[_evidence(member.estimand, question, blocks, bounds) for member in question.members] for question in judged]
    level = share * (1 - confidence)
    support = e_bh([min((e.support for e in members), default=0.0) for members in evidence], level)
    refute = e_bh([float(np.mean([e.refute for e in members])) if members else 0.0 for members in evidence], level)
    decisions = iter(zip(evidence, support.tolist(), refute.tolist(), strict=True))
    return tuple(
        _measured(question, blocks, bounds, confidence)
        if question.comparison is None
        else _judged(question, blocks, bounds, confidence, level, len(judged), *next(decisions))
        for question in questions
    )


def all_decided(verdicts: Sequence[ClaimVerdict]) -> bool:
    """Whether a run can stop: no claim is inconclusive any more (one that cannot be tested never will be)."""
    return all(verdict.outcome != "inconclusive" for verdict in verdicts)


class _Evidence(NamedTuple):
    """E-values against "the claim is false" and "the claim is true", and whether there is anything to bet on."""

    support: float
    refute: float
    testable: bool = True


class _Form(NamedTuple):
    """Block means [T] of a combination of clipped columns, and between which numbers they must lie."""

    means: np.ndarray
    low: float
    high: float

    @property
    def unit(self) -> np.ndarray:
        """Rescaled to [0, 1]; a form that cannot vary stays at 1/2."""
        width = self.high - self.low
        return (self.means - self.low) / width if width > 0 else np.full(len(self.means), 0.5)

    def above(self, theta: float) -> float:
        """E-value against "the mean is at most θ"."""
        return float(wealth_above(self.unit, self._scaled(theta))[-1])

    def below(self, theta: float) -> float:
        return float(wealth_below(self.unit, self._scaled(theta))[-1])

    def interval(self, confidence: float) -> tuple[float, float]:
        low, high = confidence_sequence(self.unit, confidence)
        width = self.high - self.low
        return self.low + width * float(low[-1]), self.low + width * float(high[-1])

    def _scaled(self, theta: float) -> float:
        return (theta - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def _form(of: Combination, question: Question, blocks: Blocks, bounds: Bounds) -> _Form:
    """Raises KeyError with the name of a column that has no bounds."""
    weights: dict[str, float] = {}
    for name, weight in of.terms:
        weights[name] = weights.get(name, 0.0) + weight
    values, ends = np.zeros(len(question.clusters)), []
    for name, weight in weights.items():
        low, high = bounds[name]
        values = values + weight * np.clip(question.columns[name], low, high)
        ends.append(sorted((weight * low, weight * high)))
    return _Form(blocks.means(values), sum(end[0] for end in ends), sum(end[1] for end in ends))


Bet = Callable[[float], float]


def _bets(estimand: Estimand, question: Question, blocks: Blocks, bounds: Bounds) -> tuple[Bet, Bet]:
    """`above(θ)` and `below(θ)`: e-values against "at most θ" and "at least θ". Raises KeyError where there are no bounds."""
    match estimand:
        case ProportionOf():
            form = _form(column(estimand.of), question, blocks, {estimand.of: (0.0, 1.0)})
            return form.above, form.below
        case MeanOf():
            form = _form(estimand.of, question, blocks, bounds)
            return form.above, form.below
        case RatioOf():
            return _ratio_bets(estimand, question, blocks, bounds)
    raise KeyError("a rank")


def _ratio_bets(estimand: RatioOf, question: Question, blocks: Blocks, bounds: Bounds) -> tuple[Bet, Bet]:
    """The sign of numerator − θ·denominator, and the sign of the denominator, both have to be bet on.

    For either sign of the denominator one of the two summands is an e-value and the other at most one against a false statement,
    so half their sum is one.
    """
    denominator = _form(estimand.denominator, question, blocks, bounds)
    positive, negative = denominator.above(0.0), denominator.below(0.0)

    def against(theta: float) -> _Form:
        rest = tuple((name, -theta * weight) for name, weight in estimand.denominator.terms)
        return _form(Combination(estimand.numerator.terms + rest), question, blocks, bounds)

    def above(theta: float) -> float:
        form = against(theta)
        return (min(form.above(0.0), positive) + min(form.below(0.0), negative)) / 2

    def below(theta: float) -> float:
        form = against(theta)
        return (min(form.below(0.0), positive) + min(form.above(0.0), negative)) / 2

    if not estimand.absolute:
        return above, below
    return (
        lambda theta: (above(theta) + below(-theta)) / 2 if theta >= 0 else CERTAIN,
        lambda theta: min(above(-theta), below(theta)) if theta >= 0 else 0.0,
    )


def _evidence(estimand: Estimand, question: Question, blocks: Blocks, bounds: Bounds) -> _Evidence:
    comparison: Comparison | None = question.comparison
    assert comparison is not None
    try:
        above, below = _bets(estimand, question, blocks, bounds)
    except KeyError:
        return _Evidence(0.0, 0.0, False)
    match comparison.operator:
        case ">=" | ">":
            return _Evidence(above(comparison.value), below(comparison.value))
        case "<=" | "<":
            return _Evidence(below(comparison.value), above(comparison.value))
    low, high = comparison.value - (comparison.margin or 0.0), comparison.value + (comparison.margin or 0.0)
    return _Evidence(min(above(low), below(high)), (above(high) + below(low)) / 2)


def _estimate(estimand: Estimand, question: Question, blocks: Blocks, bounds: Bounds, confidence: float) -> Estimate:
    """With a confidence sequence; of a ratio, from those of its two parts, each at 1 − α/2."""
    n, method = blocks.rows.size, f"betting confidence sequence, {len(blocks.rows)} balanced blocks, columns clipped beforehand"
    try:
        match estimand:
            case ProportionOf():
                form = _form(column(estimand.of), question, blocks, {estimand.of: (0.0, 1.0)})
            case MeanOf():
                form = _form(estimand.of, question, blocks, bounds)
            case RatioOf():
                return _ratio_estimate(estimand, question, blocks, bounds, confidence).model_copy(update={"n": n, "method": method})
            case _:
                return Estimate(value=None, n=n, note="a rank among random circuits cannot be judged sequentially")
    except KeyError as missing:
        return Estimate(value=None, n=n, note=f"{missing.args[0]} has no bounds, so nothing can be bet on it")
    low, high = form.interval(confidence)
    return Estimate(value=float(form.means.mean()), low=low, high=high, n=n, method=method)


def _ratio_estimate(estimand: RatioOf, question: Question, blocks: Blocks, bounds: Bounds, confidence: float) -> Estimate:
    above, below = (_form(of, question, blocks, bounds) for of in (estimand.numerator, estimand.denominator))
    mean = float(below.means.mean())
    ratio = float(above.means.mean()) / mean if mean else None
    ratio = abs(ratio) if estimand.absolute and ratio is not None else ratio
    halved = (1 + confidence) / 2
    tops, bottoms = above.interval(halved), below.interval(halved)
    if bottoms[0] <= 0 <= bottoms[1]:
        return Estimate(value=ratio, note=f"unbounded: the denominator {estimand.denominator} may still be 0")
    corners = [top / bottom for top in tops for bottom in bottoms]
    low, high = fold(min(corners), max(corners)) if estimand.absolute else (min(corners), max(corners))
    return Estimate(value=ratio, low=low, high=high)


def _measured(question: Question, blocks: Blocks, bounds: Bounds, confidence: float) -> ClaimVerdict:
    estimates = [_estimate(member.estimand, question, blocks, bounds, confidence) for member in question.members]
    members = tuple(
        MemberVerdict(
            label=member.label, about=member.about, outcome="not testable" if estimate.value is None else "measured", estimate=estimate
        )
        for member, estimate in zip(question.members, estimates, strict=True)
    )
    outcome, reason = claim_outcome(members)
    return ClaimVerdict(label=question.label, outcome=outcome, members=members, reason=reason)


def _judged(
    question: Question,
    blocks: Blocks,
    bounds: Bounds,
    confidence: float,
    level: float,
    claims: int,
    evidence: Sequence[_Evidence],
    supported: bool,
    refuted: bool,
) -> ClaimVerdict:
    """Members of a refuted claim are refuted by e-BH among themselves, or else the one with the most evidence is.

    Of a claim that is not supported a member is if it would be as the only supported one of as many `claims`.
    """
    failing = e_bh([e.refute for e in evidence], level)
    if refuted and not failing.any():
        failing[int(np.argmax([e.refute for e in evidence]))] = True
    members = []
    for member, found, fails in zip(question.members, evidence, failing, strict=True):
        outcome: Outcome = "inconclusive"
        if not found.testable:
            outcome = "not testable"
        elif supported or (len(evidence) > 1 and found.support >= claims / level):
            outcome = "supported"
        elif refuted and fails:
            outcome = "refuted"
        estimate = _estimate(member.estimand, question, blocks, bounds, confidence)
        members.append(
            MemberVerdict(
                label=member.label,
                about=member.about,
                outcome=outcome,
                estimate=estimate,
                p_support=1 / max(1.0, found.support) if found.testable else None,
                p_refute=1 / max(1.0, found.refute) if found.testable else None,
                reason=estimate.note if outcome == "not testable" else "",
            )
        )
    outcome, reason = claim_outcome(members)
    if outcome == "supported" and not supported:
        outcome, reason = "inconclusive", "supported member by member, but not after the correction for the number of claims"
    return ClaimVerdict(label=question.label, outcome=outcome, members=tuple(members), reason=reason)
