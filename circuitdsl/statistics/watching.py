"""Warnings from what a claim's measure asked to be watched (`borders.watches`)."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from circuitdsl.borders.measure import Estimand, RatioOf
from circuitdsl.borders.verdict import Outcome, Question
from circuitdsl.borders.watches import (
    Backup,
    BankBias,
    Donors,
    EmptyCircuit,
    Guesses,
    Joined,
    Mechanism,
    Regrouped,
    Rivals,
    SecondAblation,
)
from circuitdsl.statistics.analyses import combine
from circuitdsl.statistics.cautions import (
    Caution,
    backed_up,
    empty_not_chance,
    few_donors,
    guesses,
    random_as_good,
    shared_mechanism,
    verdict_flips,
)
from circuitdsl.statistics.fieller import analyse_ratio, analyse_spread
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.scrubbed import biased_banks, joined_differs, regrouped_lower

PValues = tuple[float, float]
Again = Callable[[RatioOf], PValues]
"""`(p_support, p_refute)` of the claim's comparison for another ratio."""


def watched(
    question: Question, sample: Sample, judged: Sequence[tuple[Estimand, PValues]], again: Again, confidence: float
) -> Iterator[Caution]:
    """`judged` are the claim's estimands with their p-values. Columns [N], or [R, N] where donors were redrawn."""
    columns = question.columns
    for watch in question.watches:
        found: Caution | None = None
        match watch:
            case EmptyCircuit(empty, model, chance):
                found = empty_not_chance(_plain(columns[empty]), _plain(columns[model]), sample, chance, confidence)
            case Mechanism(moved):
                found = shared_mechanism({head: columns[name] for head, name in moved.items()})
            case Rivals(of, size, others):
                ratios = np.array([_ratio(rival.ratio, columns) for rival in others])
                sizes, disjoint = np.array([rival.size for rival in others]), np.array([rival.disjoint for rival in others])
                found = random_as_good(_ratio(of, columns), ratios, size, sizes, disjoint) if others else None
            case Backup(node, alone, without_backup, least):
                found = backed_up(node, alone, without_backup, columns, sample, least, confidence)
            case SecondAblation(first, second, ratio) if question.comparison is not None and len(judged) == 1:
                outcomes = {first: _outcome(judged[0][1], confidence), second: _outcome(again(ratio), confidence)}
                found = verdict_flips(outcomes)
            case Donors(counts):
                found = few_donors(counts)
            case Guesses(probe, permuted, selectivity):
                yield from guesses(probe, permuted, selectivity, columns, sample, confidence)
            case BankBias(slots, bias):
                score = analyse_ratio(bias.second, columns, sample, confidence).estimate
                found = biased_banks(slots, analyse_spread(bias, columns, sample, confidence).estimate, score)
            case Joined(features, how, spread):
                found = joined_differs(features, how, analyse_spread(spread, columns, sample, confidence).estimate)
            case Regrouped(grouping, spread):
                found = regrouped_lower(grouping, analyse_spread(spread, columns, sample, confidence).estimate)
        if found is not None:
            yield found


def _outcome(p: PValues, confidence: float) -> Outcome:
    level = (1 - confidence) / 2
    return "supported" if p[0] <= level else "refuted" if p[1] <= level else "inconclusive"


def _plain(column: np.ndarray) -> np.ndarray:
    return np.atleast_2d(column).mean(axis=0)


def _ratio(of: RatioOf, columns) -> float:
    """Of means; infinitely far from anything where the mean below the line is 0."""
    above, below = (float(combine(part, columns).mean()) for part in (of.numerator, of.denominator))
    return above / below if below else float("inf")
