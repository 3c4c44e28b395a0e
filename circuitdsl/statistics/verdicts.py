"""The judge: questions with their columns in, verdicts out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import AucOf, BoundedOf, Estimand, MeanOf, PermutedOf, ProportionOf, RankOf, RatioOf, SpreadOf
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.verdict import ClaimVerdict, Estimate, MemberVerdict, Outcome, Question
from circuitdsl.statistics.analyses import NOTHING, Analysis, Known, joined, untestable
from circuitdsl.statistics.bounded import analyse_bounded, what_would_decide_bounded
from circuitdsl.statistics.classification import analyse_auc, analyse_permuted
from circuitdsl.statistics.deciding import prompts_to_decide, why_undecided
from circuitdsl.statistics.families import all_hold, both_ways, holm, some_fails
from circuitdsl.statistics.fieller import analyse_ratio, analyse_spread
from circuitdsl.statistics.intervals import analyse_mean
from circuitdsl.statistics.proportions import analyse_proportion
from circuitdsl.statistics.ranks import count_as_good, rank_analysis, what_would_decide_rank, whole_rank_analysis, why_whole_undecided
from circuitdsl.statistics.samples import Sample, bootstrap_weights, grouped
from circuitdsl.statistics.tails import exact_p_values, p_values
from circuitdsl.statistics.watches import PValuesOf, few_draws, of_member, watched

RESAMPLES = 999
MOST_WEIGHTS = 20_000_000


def judge(questions: Sequence[Question], *, confidence: float, seed: int, share: float = 1.0) -> tuple[ClaimVerdict, ...]:
    """Verdicts of the claims of a file, in the order of the questions. Pure: the same columns and seed give the same answer.

    With confidence 1 − α, a claim is *supported* (*refuted*) when its p-value in that direction, corrected over the claims, is at most α.
    Then, however the claims depend on each other, **all verdicts of the file are right with probability at least 1 − α**: what p-values
    are multiplied by, and why, says `families.both_ways`. A claim that is alone in its file has each direction at α, so its verdict
    agrees with the interval at confidence 1 − 2α; printed intervals are two-sided at 1 − α.

    A claim of several members is true if all are: its p-value of support is the largest, its p-value of refutation the smallest
    after Holm among the members. A member is supported or refuted when its own p-value (of refutation: after Holm among the
    members) times what the claim's was multiplied by is at most α; so a claim is supported exactly when all members are, and
    refuted exactly when some are.

    Where other claims of the file are judged apart, these have a `share` of α: every multiplier is divided by it.

    Claims that turn out not testable stay in the family with p = 1; measurements are in no family. Intervals are unadjusted.
    """
    examined = [_examine(question, confidence) for question in questions]
    claims = [one for one in examined if one.question.comparison is not None]
    support = [all_hold([p for p, _ in one.p_values]) for one in claims]
    refute = [some_fails([p for _, p in one.p_values]) for one in claims]
    factors = iter(zip((both_ways(support) / share).tolist(), (both_ways(refute) / share).tolist(), strict=True))
    level = 1 - confidence
    verdicts = (_conclude(one, (1.0, 1.0) if one.question.comparison is None else next(factors), level) for one in examined)
    warned = _warnings(examined, confidence, seed)
    return tuple(verdict.model_copy(update={"warnings": said}) for verdict, said in zip(verdicts, warned, strict=True))


class _Examined(NamedTuple):
    """A question with an analysis and `(p_support, p_refute)` for each member; (1, 1) where nothing can be tested."""

    question: Question
    sample: Sample | None
    analyses: tuple[Analysis, ...]
    beside: tuple[Mapping[str, Estimate], ...]
    p_values: tuple[tuple[float, float], ...]


def analyse(
    estimand: Estimand, columns: Mapping[str, np.ndarray], these: Sample | None, confidence: float, known: Known = NOTHING
) -> Analysis:
    """Estimate, interval and tails of one number; not testable below two prompts, or where a column is not finite."""
    names = _columns_of(estimand)
    broken = [name for name in names if not np.isfinite(columns[name]).all()]
    if these is None or broken:
        n = these.n if these else int(np.shape(columns[names[0]])[-1])
        few = f"{n} prompts of one text or one named cluster" if n > 1 else f"{n} prompt{'s' * (n != 1)}"
        reason = f"{broken[0]} is not a finite number on every prompt" if broken else f"{few}: at least two are needed"
        value = float(np.mean(columns[names[0]])) if n and not broken and not isinstance(estimand, RatioOf) and len(names) == 1 else None
        return untestable(Estimate(value=value, n=n), reason)
    match estimand:
        case MeanOf():
            return analyse_mean(estimand, columns, these, confidence, known)
        case ProportionOf():
            return analyse_proportion(estimand, columns, these, confidence)
        case RatioOf():
            return analyse_ratio(estimand, columns, these, confidence, known)
        case BoundedOf():
            return analyse_bounded(estimand, columns, these, confidence, known)
        case SpreadOf():
            return analyse_spread(estimand, columns, these, confidence, known)
        case AucOf():
            return analyse_auc(estimand, columns, these, confidence)
        case PermutedOf():
            return analyse_permuted(estimand, columns, these)
        case RankOf():
            own = analyse_ratio(estimand.of, columns, these, confidence)
            if own.tails is None or not estimand.among:
                return untestable(own.estimate, own.reason or "there is no random circuit to compare with", own.prompts)
            as_good, circuits = count_as_good(estimand, columns), len(estimand.among)
            return whole_rank_analysis(as_good, circuits) if estimand.everything else rank_analysis(as_good, circuits, confidence)


def _columns_of(estimand: Estimand) -> list[str]:
    match estimand:
        case ProportionOf():
            return [estimand.of]
        case MeanOf():
            return [name for name, _ in estimand.of.terms]
        case RatioOf():
            return [name for of in (estimand.numerator, estimand.denominator) for name, _ in of.terms]
        case BoundedOf():
            return [name for ratio in estimand.ratios for name in _columns_of(ratio)]
        case SpreadOf():
            return [name for ratio in (estimand.first, estimand.second) for name in _columns_of(ratio)]
        case AucOf():
            return [estimand.score, estimand.positive]
        case PermutedOf():
            return [estimand.found, estimand.label]
        case RankOf():
            return [name for ratio in (estimand.of, *estimand.among) for name in _columns_of(ratio)]


def _examine(question: Question, confidence: float) -> _Examined:
    these = grouped(np.asarray(question.clusters), question.named, question.units)
    known = known_of(question)
    found = tuple(analyse(member.estimand, question.columns, these, confidence, known) for member in question.members)
    beside = tuple(
        {name: analyse(estimand, question.columns, these, confidence, known).estimate for name, estimand in member.beside.items()}
        | dict(lowest_classes(member.estimand, question, confidence))
        for member in question.members
    )
    return _Examined(question, these, found, beside, tuple(_p_values(one, question.comparison) for one in found))


def known_of(question: Question) -> Known:
    return Known(question.ranges, question.everything)


def lowest_classes(estimand: Estimand, question: Question, confidence: float) -> Iterator[tuple[str, Estimate]]:
    """For each feature the class of prompts that has the lowest number, and how many classes there are."""
    for feature, classes in question.classes.items():
        found: dict[str, Estimate] = {}
        for value in np.unique(classes).tolist():
            kept = classes == value
            columns = {name: column[..., kept] for name, column in question.columns.items()}
            units = None if question.units is None else question.units[kept]
            these = grouped(np.asarray(question.clusters)[kept], question.named, units)
            estimate = analyse(estimand, columns, these, confidence, known_of(question)).estimate
            if estimate.value is not None:
                found[value] = estimate
        if found:
            lowest = min(found, key=lambda value: found[value].value or 0.0)
            yield f"lowest of {len(found)} {feature}: {lowest}", found[lowest]


def _p_values(analysis: Analysis, comparison: Comparison | None) -> tuple[float, float]:
    if analysis.tails is None or comparison is None or analysis.estimate.value is None:
        return 1.0, 1.0
    if analysis.exact and analysis.obstacle:
        return 1.0, 1.0
    if analysis.exact:
        return exact_p_values(analysis.estimate.value, comparison, analysis.tolerance, analysis.units)
    return p_values(analysis.tails, comparison)


def _conclude(one: _Examined, factors: tuple[float, float], level: float) -> ClaimVerdict:
    """`factors` are what the claim's p-values of support and of refutation are multiplied by, to be read against `level`."""
    comparison = one.question.comparison
    within = holm([p_refute for _, p_refute in one.p_values])
    members = tuple(
        _member(one, number, (p_support * factors[0], float(within[number]) * factors[1]), factors, level)
        for number, (p_support, _) in enumerate(one.p_values)
    )
    outcome, reason = claim_outcome(members)
    if comparison is None:
        return ClaimVerdict(label=one.question.label, outcome=outcome, members=members, reason=reason)
    adjusted = min(
        all_hold([p for p, _ in one.p_values]) * factors[0],
        some_fails([p for _, p in one.p_values]) * factors[1],
    )
    return ClaimVerdict(label=one.question.label, outcome=outcome, members=members, p_adjusted=min(1.0, adjusted), reason=reason)


def _member(one: _Examined, number: int, adjusted: tuple[float, float], factors: tuple[float, float], level: float) -> MemberVerdict:
    member, analysis, comparison = one.question.members[number], one.analyses[number], one.question.comparison
    plain = MemberVerdict(
        label=member.label,
        about=member.about,
        outcome="not testable" if analysis.tails is None else "measured",
        estimate=analysis.estimate,
        beside=dict(one.beside[number]),
        reason=analysis.reason,
        prompts_to_decide=None if comparison is None else analysis.prompts,
    )
    if comparison is None or analysis.tails is None or one.sample is None:
        return plain
    p_support, p_refute = one.p_values[number]
    supported, refuted = adjusted
    outcome: Outcome = "supported" if supported <= level else "refuted" if refuted <= level else "inconclusive"
    prompts, reason = None, ""
    if outcome == "inconclusive":
        factor = factors[0] if supported <= refuted else factors[1] * len(one.p_values)
        if isinstance(member.estimand, RankOf):
            as_good = count_as_good(member.estimand, one.question.columns)
            circuits = len(member.estimand.among)
            sampled = what_would_decide_rank(as_good, circuits, comparison, level / factor)
            reason = why_whole_undecided(as_good, circuits) if member.estimand.everything else sampled
        elif isinstance(member.estimand, BoundedOf):
            plain_ratio = analyse_ratio(member.estimand.of, one.question.columns, one.sample, 1 - level)
            reason = what_would_decide_bounded(analysis.estimate, plain_ratio.estimate, comparison, member.estimand)
        elif analysis.exact and analysis.obstacle:
            reason = analysis.obstacle
        else:
            wanted = prompts_to_decide(analysis.estimate, comparison, level / factor, analysis.tails)
            prompts = None if one.question.everything else wanted
            said = why_undecided(analysis.estimate, comparison, wanted, one.sample, one.question.everything)
            reason = joined(analysis.obstacle, said)
    judged = {
        "outcome": outcome,
        "p_support": p_support,
        "p_refute": p_refute,
        "p_adjusted": min(1.0, *adjusted),
        "reason": reason,
        "prompts_to_decide": prompts,
    }
    return plain.model_copy(update=judged)


def claim_outcome(members: Sequence[MemberVerdict]) -> tuple[Outcome, str]:
    """The claim's outcome from its members', and why, in words."""
    if not members:
        return "not testable", "there is nothing that it speaks of"
    outcomes = [member.outcome for member in members]
    if len(members) == 1:
        return members[0].outcome, members[0].reason
    if "refuted" in outcomes:
        return "refuted", f"refuted for {_listed(members, 'refuted')}"
    if "inconclusive" in outcomes:
        return "inconclusive", f"undecided for {_listed(members, 'inconclusive')}"
    if "not testable" in outcomes:
        outcome: Outcome = "measured" if "measured" in outcomes else "not testable"
        return outcome, f"not testable for {_listed(members, 'not testable')}"
    return outcomes[0], ""


def _warnings(examined: Sequence[_Examined], confidence: float, seed: int) -> Iterator[tuple[CodedWarning, ...]]:
    """Of each question. Resamples are drawn once for each way of clustering the prompts, so no claim depends on another."""
    resamples: dict[bytes, np.ndarray] = {}
    for one in examined:
        said: list[CodedWarning] = []
        if one.question.comparison is not None and one.sample is not None:
            key = one.sample.kind.encode() + one.sample.codes.tobytes()
            if key not in resamples:
                draws = min(RESAMPLES, max(RESAMPLES // 5, MOST_WEIGHTS // one.sample.n))
                resamples[key] = bootstrap_weights(one.sample, draws, seed)
            for member, analysis in zip(one.question.members, one.analyses, strict=True):
                if analysis.tails is None:
                    continue
                columns, comparison = one.question.columns, one.question.comparison
                found = list(of_member(member.estimand, columns, one.sample, resamples[key], confidence, comparison))
                if isinstance(member.estimand, RankOf):
                    found += filter(None, [few_draws(len(member.estimand.among), comparison.value, confidence, member.estimand.everything)])
                named = f"{member.label}: " if len(one.analyses) > 1 else ""
                said += [CodedWarning(warning.code, named + warning.message) for warning in found]
        if one.sample is not None:
            compared = [(member.estimand, p) for member, p in zip(one.question.members, one.p_values, strict=True)]
            again = _again(one, confidence)
            said += watched(one.question, one.sample, compared, again, confidence)
        yield tuple(dict.fromkeys(said))


def _again(one: _Examined, confidence: float) -> PValuesOf:
    """What the claim's bound would say of another ratio of its columns, by its p-values alone."""

    def p_values_of(ratio: RatioOf) -> tuple[float, float]:
        analysis = analyse(ratio, one.question.columns, one.sample, confidence, known_of(one.question))
        return _p_values(analysis, one.question.comparison)

    return p_values_of


def _listed(members: Sequence[MemberVerdict], outcome: Outcome, most: int = 5) -> str:
    named = [member.label for member in members if member.outcome == outcome]
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return f"{len(named)} of {len(members)}: {', '.join(named[:most])}{more}"
