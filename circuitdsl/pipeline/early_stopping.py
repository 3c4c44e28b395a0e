"""Runs that may stop early (`verify --sequential`): prompts are measured in blocks, and claims judged after each.

Only claims whose numbers have bounds that were known beforehand are judged so: shares of prompts, and attention. The others are
judged at the end, on all prompts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.measure import Lowered, MeanOf, ProportionOf
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.verdict import ClaimVerdict, Question
from circuitdsl.pipeline.judging import judge
from circuitdsl.pipeline.measuring import Numbers

if TYPE_CHECKING:
    from circuitdsl.borders.measured import MeasuredClaim
    from circuitdsl.statistics import Blocks

MeasureClaims = Callable[[Sequence["MeasuredClaim"]], Numbers]

AT_LEAST = 16
"""Prompts measured between two looks, at least."""
LATE = "{}, so it is judged at the end, on all prompts"
UNBOUNDED = "its numbers have no bounds that were known beforehand"
CLUSTERED = "its prompts are a sample of templates, which no bet on single prompts knows of"


@dataclass(frozen=True)
class Stopped:
    """Claims on the prompts that were measured, their verdicts and numbers, in the order in which they were asked."""

    asked: "tuple[MeasuredClaim, ...]"
    verdicts: tuple[ClaimVerdict, ...]
    numbers: Numbers


def bounds(lowered: Lowered) -> dict[str, tuple[float, float]]:
    """Bounds of the columns that have them whatever the model, as their readouts say."""
    return {name: readout.bounds for name, readout in lowered.readouts.items() if readout.bounds is not None}


def bounded(one: "MeasuredClaim") -> bool:
    """Whether a claim can be judged while prompts are still coming."""
    known = bounds(one.lowered)

    def has_bounds(estimand: object) -> bool:
        match estimand:
            case ProportionOf(of):
                return of in known
            case MeanOf(of):
                return all(name in known for name, _ in of.terms)
        return False

    return one.claim.comparison is not None and not one.lowered.replicates and all(has_bounds(m.estimand) for m in one.lowered.members)


def judge_early(
    hypothesis: Hypothesis, asked: "Sequence[MeasuredClaim]", figure: "Sequence[MeasuredClaim]", run: MeasureClaims
) -> "tuple[tuple[MeasuredClaim, ...], tuple[MeasuredClaim, ...], tuple[ClaimVerdict, ...], Numbers]":
    """Claims with known bounds block by block, the others at the end, on all prompts; each kind has its share of α.

    Claims about prompts of so many templates that these are a sample come at the end as well, like those about clusters that the data
    name and about texts that stand there more than once: bets are on prompts of fixed templates.

    The figure too is of all prompts then, else of those that the first claim about them came to. Claims, figure, verdicts, numbers.
    """
    from circuitdsl.statistics import grouped

    def clustered(one: "MeasuredClaim") -> bool:
        found = hypothesis.distributions[one.measured]
        labels = np.array([found.prompts[row].cluster for row in one.rows])
        groups = grouped(labels, found.clusters_named, np.array(found.units(one.rows)))
        return len(one.rows) > 1 and (groups is None or (groups.kind == "clusters" and groups.units < groups.n))

    soon = [number for number, one in enumerate(asked) if bounded(one) and not clustered(one)]
    late = [number for number in range(len(asked)) if number not in soon]
    judged = sum(one.claim.comparison is not None for one in asked)
    stopped = measure_early(hypothesis, [asked[number] for number in soon], run, judged)
    rest = [asked[number] for number in late]
    if not rest:
        seen = {early.measured: early.rows for early in reversed(stopped.asked)}
        figure = [replace(one, rows=seen[one.measured], whole=False) if one.measured in seen else one for one in figure]
    numbers = {digest: dict(column) for digest, column in stopped.numbers.items()}
    for digest, column in run([*rest, *figure]).items() if rest or figure else ():
        numbers.setdefault(digest, {}).update(column)
    share = (judged - len(soon)) / judged if judged > len(soon) else 1.0
    late_verdicts = [
        verdict.model_copy(
            update={"warnings": (*verdict.warnings, CodedWarning("W062", LATE.format(CLUSTERED if bounded(one) else UNBOUNDED)))}
        )
        if one.claim.comparison
        else verdict
        for one, verdict in zip(rest, judge(hypothesis, rest, numbers, share), strict=True)
    ]
    found = dict(zip(soon, zip(stopped.asked, stopped.verdicts, strict=True), strict=True))
    found |= dict(zip(late, zip(rest, late_verdicts, strict=True), strict=True))
    in_order = [found[number] for number in range(len(asked))]
    return tuple(one for one, _ in in_order), tuple(figure), tuple(verdict for _, verdict in in_order), numbers


def measure_early(hypothesis: Hypothesis, asked: "Sequence[MeasuredClaim]", measure: MeasureClaims, judged: int) -> Stopped:
    """Measures bounded claims block by block until all are decided or prompts are used up; one look after each.

    Blocks hold the same number of prompts of each layout. Claims of one distribution share theirs, and stop together; their verdicts
    are those of the last look, where e-BH corrects for their number; a claim's reason says when it was first decided. The claims of
    each distribution have the part of α that is theirs among the `judged` claims of the file.
    """
    found: dict[int, tuple[MeasuredClaim, ClaimVerdict]] = {}
    numbers: Numbers = {}
    for rows in dict.fromkeys((one.measured, one.rows) for one in asked):
        mine = [number for number, one in enumerate(asked) if (one.measured, one.rows) == rows]
        stopped = _one_distribution(hypothesis, [asked[number] for number in mine], measure, numbers, len(mine) / judged)
        found |= dict(zip(mine, stopped, strict=True))
    return Stopped(tuple(found[n][0] for n in sorted(found)), tuple(found[n][1] for n in sorted(found)), numbers)


def _one_distribution(
    hypothesis: Hypothesis, asked: "Sequence[MeasuredClaim]", measure: MeasureClaims, numbers: Numbers, share: float
) -> "list[tuple[MeasuredClaim, ClaimVerdict]]":
    from circuitdsl.statistics import all_decided, balanced_blocks, judge_sequentially

    prompts = hypothesis.distributions[asked[0].measured].prompts
    rows = asked[0].rows
    layouts = list(dict.fromkeys(prompts[row].layout for row in rows))
    blocks = balanced_blocks(np.array([layouts.index(prompts[row].layout) for row in rows]), hypothesis.settings.seed)
    step = -(-AT_LEAST // blocks.rows.shape[1])
    decided: dict[int, int] = {}
    known = {name: bound for one in asked for name, bound in bounds(one.lowered).items()}
    verdicts: tuple[ClaimVerdict, ...] = ()
    count, sofar = 0, list(asked)
    while count < len(blocks.rows):
        new = tuple(rows[place] for place in blocks.rows[count : count + step].ravel())
        count = min(count + step, len(blocks.rows))
        for digest, column in measure([replace(one, rows=new) for one in asked]).items():
            numbers.setdefault(digest, {}).update(column)
        seen = blocks.first(count)
        sofar = [replace(one, rows=tuple(rows[place] for place in seen.rows.ravel()), whole=False) for one in asked]
        verdicts = _look(
            sofar, _in_order(seen), known, numbers, partial(judge_sequentially, confidence=hypothesis.settings.confidence, share=share)
        )
        for number, verdict in enumerate(verdicts):
            if verdict.outcome in ("supported", "refuted"):
                decided.setdefault(number, seen.rows.size)
            else:
                decided.pop(number, None)
        if all_decided(verdicts):
            break
    return [
        (one, _told(verdict, decided.get(number), len(rows))) for number, (one, verdict) in enumerate(zip(sofar, verdicts, strict=True))
    ]


def _in_order(blocks: "Blocks") -> "Blocks":
    """The same blocks of rows that stand in the order of the blocks."""
    return type(blocks)(np.arange(blocks.rows.size).reshape(blocks.rows.shape), blocks.weights)


def _look(
    asked: "Sequence[MeasuredClaim]",
    blocks: "Blocks",
    known: Mapping[str, tuple[float, float]],
    numbers: Numbers,
    judge: Callable[..., tuple[ClaimVerdict, ...]],
) -> tuple[ClaimVerdict, ...]:
    questions = [
        Question(one.claim.label, one.claim.comparison, one.lowered.members, one.columns(numbers), np.zeros(len(one.rows))) for one in asked
    ]
    return judge(questions, blocks, bounds=known)


def _told(verdict: ClaimVerdict, prompts: int | None, every: int) -> ClaimVerdict:
    said = f"decided at {prompts} of {every} prompts" if prompts else f"undecided after all blocks of {every} prompts"
    members = tuple(
        member.model_copy(update={"reason": said if len(verdict.members) == 1 and not member.reason else member.reason})
        for member in verdict.members
    )
    reason = f"{verdict.reason}; {said}" if verdict.reason else said
    return verdict.model_copy(update={"reason": reason, "members": members})
