"""Warnings that a careful reader would raise: pure functions from columns to a coded warning or None, and which a claim asks for.

A measure says what is to be watched (`borders.watches`); `watched` warns of it. `of_member` looks at every judged number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from circuitdsl.borders.hypothesis import Comparison
from circuitdsl.borders.measure import BoundedOf, Combination, Estimand, MeanOf, PermutedOf, RatioOf, draws_needed
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.verdict import Estimate, Outcome, Question
from circuitdsl.borders.watches import (
    Backup,
    BankBias,
    DonorCounts,
    EmptyCircuit,
    Guesses,
    Joined,
    Mechanism,
    Regrouped,
    Rivals,
    SecondAblation,
)
from circuitdsl.statistics.analyses import apparent, combine
from circuitdsl.statistics.bounded import analyse_bounded
from circuitdsl.statistics.classification import analyse_permuted
from circuitdsl.statistics.fieller import analyse_ratio, analyse_spread, fieller, paired
from circuitdsl.statistics.intervals import analyse_mean, mean_interval
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.scrubbed import biased_banks, joined_differs, regrouped_lower

FEWEST_DONORS = 20
SELECTIVE = 0.1
"""Selectivity (Hewitt & Liang 2019, who name no bound) below which a probe is warned of, however sure it is."""
LARGE, SMALL = 0.3, 0.02
"""Changes a prompt that are always, and never, worth a word: shares of the mean below the line."""

PValues = tuple[float, float]
PValuesOf = Callable[[RatioOf], PValues]
"""`(p_support, p_refute)` of the claim's comparison for another ratio."""


def empty_not_chance(
    empty: np.ndarray, model: np.ndarray, sample: Sample, chance: float = 0.0, confidence: float = 0.95, share: float = 0.1
) -> CodedWarning | None:
    """F(∅) [N] is surely off `chance`, by more than `share` of what the model [N] has above chance."""
    mean, _, half = mean_interval(empty, sample, confidence)
    distance, scale = abs(float(mean) - chance), abs(float(model.mean()) - chance)
    if distance <= float(half) or distance <= share * scale:
        return None
    return CodedWarning(
        "W050", f"the empty circuit's F is {float(mean):.3g} where chance is {chance:g} and the model has {model.mean():.3g}"
    )


def shared_mechanism(changes: Mapping[str, np.ndarray], least: float = 0.05) -> CodedWarning | None:
    """`changes[head]` [N] is how much of the head's attention (0 to 1) moves when the clean prompt is exchanged for its donor."""
    means = {head: float(np.mean(change)) for head, change in changes.items()}
    if not means or max(means.values()) >= least:
        return None
    return CodedWarning(
        "W051", f"the circuit's heads attend alike on clean prompts and donors: at most {max(means.values()):.2f} of it moves"
    )


def above_one(estimate: Estimate) -> CodedWarning | None:
    """A faithfulness, or another share of the model's own behaviour, whose whole interval lies above 1."""
    low, _ = apparent(estimate)
    if low is None or estimate.value is None or low <= 1 + 1e-6:
        return None
    return CodedWarning(
        "W052", f"{estimate.value:.3g} is above 1: the circuit does more than the model, so something that holds it back is left out"
    )


def large_changes(comparison: Comparison | None) -> float:
    """From what size changes a prompt are worth a word, as a share of the mean below the line: half of the claim's own margin."""
    if comparison is None or comparison.margin is None:
        return LARGE
    return min(LARGE, max(SMALL, comparison.margin / 2))


def changes_cancel(changes: np.ndarray, scale: float, large: float = LARGE, share: float = 0.25) -> CodedWarning | None:
    """Changes a prompt [N] that are `large` against `scale` (the mean below the line), but whose mean is not large against them."""
    size, net = float(np.abs(changes).mean()), abs(float(changes.mean()))
    if size < large * abs(scale) or net > share * size:
        return None
    return CodedWarning(
        "W053", f"prompts change by {size:.3g} on average, up and down, but only by {net:.3g} in the mean: the changes cancel"
    )


def random_as_good(
    own: float, random: np.ndarray, size: int, sizes: np.ndarray, disjoint: np.ndarray, target: float = 1.0
) -> CodedWarning | None:
    """`own` ratio of a circuit of `size`, `random` [B] ratios of circuits of `sizes` [B] that are `disjoint` [B] from it or not."""
    rivals = (np.abs(target - random) <= abs(target - own)) & ((sizes < size) | disjoint)
    if not rivals.any():
        return None
    best = np.flatnonzero(rivals)[np.argmin(np.abs(target - random[rivals]))]
    kind = "disjoint" if disjoint[best] else "smaller"
    return CodedWarning(
        "W054", f"a {kind} random circuit ({int(sizes[best])} edges, the circuit {size}) scores as well: {random[best]:.3g} to {own:.3g}"
    )


def backed_up(
    node: str, alone: RatioOf, without_backup: RatioOf, columns: Mapping[str, np.ndarray], sample: Sample, least: float, confidence: float
) -> CodedWarning | None:
    """Leaving out `node` matters less than `least` by itself, but more once its backup is gone, both beyond their intervals."""
    first, second = (analyse_ratio(of, columns, sample, confidence).estimate for of in (alone, without_backup))
    (_, high), (low, _) = apparent(first), apparent(second)
    if high is None or low is None or high >= least or low <= least:
        return None
    return CodedWarning("W055", f"{node} is not needed alone ({first.value:.3g}) but is once its backup is gone ({second.value:.3g})")


def verdict_flips(outcomes: Mapping[str, Outcome]) -> CodedWarning | None:
    """`outcomes` by ablation: supported under one and refuted under another."""
    supported = [ablation for ablation, outcome in outcomes.items() if outcome == "supported"]
    refuted = [ablation for ablation, outcome in outcomes.items() if outcome == "refuted"]
    if not supported or not refuted:
        return None
    return CodedWarning("W056", f"supported under {', '.join(supported)}, but refuted under {', '.join(refuted)}")


def few_donors(counts: Mapping[str, int], least: int = FEWEST_DONORS) -> CodedWarning | None:
    """`counts` of donors by layout or class of a feature."""
    few = {name: count for name, count in counts.items() if count < least}
    if not few:
        return None
    name = min(few, key=few.__getitem__)
    return CodedWarning("W057", f"{len(few)} of {len(counts)} classes have fewer than {least} donors; {name} has {few[name]}")


def guesses(
    probe: str, permuted: PermutedOf, selectivity: MeanOf | None, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float
) -> Iterator[CodedWarning]:
    """A probe whose fit could be chance, and one that is little better at its labels than at labels without meaning."""
    p = analyse_permuted(permuted, columns, sample).estimate.value
    if p is not None and p > 1 - confidence:
        yield CodedWarning("W060", f"{probe} is decoded no better than permuted labels would be (p = {p:.2g})")
    if selectivity is not None:
        found = analyse_mean(selectivity, columns, sample, confidence).estimate
        value = None if found.value is None else round(found.value, 9) + 0.0  # a mean of shares may miss 0 by rounding
        if value is not None and value < SELECTIVE:
            right, control = (
                sum(abs(weight) * float(columns[name].mean()) for name, weight in selectivity.of.terms if (weight > 0) == above)
                for above in (True, False)
            )
            message = f"{probe}'s probe is right on {right:.2f} of its labels and on {control:.2f} of labels drawn at random"
            yield CodedWarning("W061", f"{message}: selectivity {value:.2g}, below {SELECTIVE:g}")


def few_draws(draws: int, theta: float, confidence: float, everything: bool = False) -> CodedWarning | None:
    """So few random circuits that `rank <= theta` could not be supported, were the circuit better than all of them.

    `everything`: there are no others.
    """
    if everything:
        least = 1 / (draws + 1)
        said = (
            f"the null has {draws} other circuit{'s' * (draws != 1)}: a rank of {least:.2g} is the least, and at most {theta:g} is claimed"
        )
        return CodedWarning("W058", said) if 0 < theta < least else None
    if not 0 < theta < 1 or draws >= (needed := draws_needed(theta, confidence)):
        return None
    return CodedWarning("W058", f"{draws} random circuits cannot support a share of at most {theta:g}; {needed} could")


def bootstrap_disagrees(
    plain: tuple[float, float],
    weights: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray | None,
    confidence: float,
    share: float = 0.15,
) -> CodedWarning | None:
    """The middle of the `plain` interval, without skewness, lies further from the percentile bootstrap's than `share` of the half-width.

    The middle, since the bootstrap over few templates is wider or narrower for reasons of its own, but off centre only if the
    mean is far from normal.

    `weights` [draws, N] say how often each prompt occurs in each resample; columns are [N], `denominator` None for a mean.
    """
    if plain[1] <= plain[0]:
        return None
    below = weights @ denominator if denominator is not None else weights.sum(axis=1)
    low, high = np.quantile((weights @ numerator) / below, [(1 - confidence) / 2, (1 + confidence) / 2])
    apart = abs(low + high - plain[0] - plain[1]) / (plain[1] - plain[0])
    if apart <= share:
        return None
    shown = f"Student's [{plain[0]:.3g}, {plain[1]:.3g}]"
    return CodedWarning("W059", f"the bootstrap's interval [{low:.3g}, {high:.3g}] is not {shown}: a few prompts weigh heavily")


def of_member(
    estimand: Estimand,
    columns: Mapping[str, np.ndarray],
    sample: Sample,
    weights: np.ndarray,
    confidence: float,
    comparison: Comparison | None = None,
) -> tuple[CodedWarning, ...]:
    """What the columns of one judged number alone give reason to say; `weights` as in `bootstrap_disagrees`."""
    below: np.ndarray | None = None
    large = large_changes(comparison)
    match estimand:
        case BoundedOf(of):
            whole = analyse_bounded(estimand, columns, sample, confidence).estimate
            said = of_member(of, columns, sample, weights, confidence, comparison)
            return tuple(warning for warning in said if warning.code != "W052" or above_one(whole))
        case RatioOf():
            analysis = analyse_ratio(replace(estimand, absolute=False), columns, sample, confidence)
            above, below = _per_prompt(estimand.numerator, columns), _per_prompt(estimand.denominator, columns)
            changes = above if estimand.absolute else above - below
            found = [changes_cancel(changes, float(below.mean()), large), None if estimand.absolute else above_one(analysis.estimate)]
        case MeanOf():
            analysis = analyse_mean(estimand, columns, sample, confidence)
            above = _per_prompt(estimand.of, columns)
            taken_off = [float(np.abs(columns[name]).mean()) for name, weight in estimand.of.terms if weight < 0]
            found = [changes_cancel(above, sum(taken_off)) if taken_off else None]
        case _:
            return ()
    if analysis.tails is None:
        return ()
    if analysis.estimate.standard_error and not estimand.banks:
        found.append(bootstrap_disagrees(_plain_interval(above, below, sample, confidence), weights, above, below, confidence))
    return tuple(warning for warning in found if warning is not None)


def _plain_interval(above: np.ndarray, below: np.ndarray | None, sample: Sample, confidence: float) -> tuple[float, float]:
    """Student's, or Fieller's, as if nothing were skewed; empty where it is unbounded."""
    if below is None:
        mean, _, half = mean_interval(above, sample, confidence)
        return float(mean - half), float(mean + half)
    low, high = fieller(paired(above, below, sample)._replace(third=0.0), confidence)
    return (low, high) if low is not None and high is not None else (0.0, 0.0)


def _per_prompt(of: Combination, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """[N], averaged over replicates where there are some."""
    found: np.ndarray = np.atleast_2d(combine(of, columns)).mean(axis=0)
    return found


def watched(
    question: Question, sample: Sample, judged: Sequence[tuple[Estimand, PValues]], again: PValuesOf, confidence: float
) -> Iterator[CodedWarning]:
    """`judged` are the claim's estimands with their p-values. Columns [N], or [R, N] where donors were redrawn."""
    columns = question.columns
    for watch in question.watches:
        found: CodedWarning | None = None
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
            case DonorCounts(counts):
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
    level = 1 - confidence
    return "supported" if p[0] <= level else "refuted" if p[1] <= level else "inconclusive"


def _plain(column: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.atleast_2d(column).mean(axis=0)
    return found


def _ratio(of: RatioOf, columns: Mapping[str, np.ndarray]) -> float:
    """Of means; infinitely far from anything where the mean below the line is 0."""
    above, below = (float(combine(part, columns).mean()) for part in (of.numerator, of.denominator))
    return above / below if below else float("inf")
