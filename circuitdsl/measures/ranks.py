"""`rank_among_random`: whether the circuit does better than circuits drawn at random."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Link
from circuitdsl.borders.measure import (
    Estimand,
    Lowered,
    Measure,
    Member,
    NumberRange,
    RankOf,
    RatioOf,
    Signature,
    difference,
    draws_needed,
)
from circuitdsl.borders.options import option
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.borders.watches import Rival, Rivals
from circuitdsl.measures.circuit_options import CircuitOptions
from circuitdsl.measures.faithfulness import CircuitRuns, links_of
from circuitdsl.measures.nulls import NoSuchCircuit, Null, all_circuits, heads_of, random_circuits

RIVALS = 5
"""Smaller, and disjoint, random circuits that are run beside those of the null, for a warning."""
FEWEST = 59
"""Random circuits where the claim has no bound to tell how many are needed: enough for 0.05 at 95 %."""
MOST = 10_000
"""Random circuits that a claim may ask for: each is a run of its own."""


@dataclass(frozen=True, kw_only=True)
class RankOptions(CircuitOptions):
    match: Null = option(
        "word",
        "layer",
        help="layer: heads of the same layers; size: heads anywhere, edges in order; swap: one head exchanged; "
        "disjoint: heads outside the circuit; inflated: the circuit with a disjoint one added",
    )
    draws: float | None = option("number", help="how many, at most 10,000; default: the fewest that can decide the claim")


def _draws(claim: Claim[RankOptions], hypothesis: Hypothesis) -> int:
    given = claim.options.draws
    if given is not None:
        if not (1 <= given <= MOST and given == int(given)):
            message = f"`draws` is a whole number from 1 to {MOST:,}"
            raise _refused(claim, hypothesis, message, "leave it out for the fewest that can decide")
        return int(given)
    if claim.comparison is None or not 0 < claim.comparison.value < 1:
        return FEWEST
    judged = max(1, sum(one.comparison is not None for one in hypothesis.claims))
    needed = draws_needed(claim.comparison.value, hypothesis.settings.confidence, judged)
    if needed > MOST:
        message = f"{needed:,} random circuits are the fewest that could decide this, and {MOST:,} the most that are drawn"
        raise _refused(claim, hypothesis, message, "claim a share that is less extreme, such as 0.01")
    return max(FEWEST, needed)


def _refused(claim: Claim[RankOptions], hypothesis: Hypothesis, message: str, hint: str) -> CircError:
    return refusal("C375", message, claim.span, hint, source=hypothesis.source)


def _fixed(options: RankOptions, hypothesis: Hypothesis) -> frozenset[Unit]:
    """Heads that no random circuit moves: those kept live, those knocked out."""
    return frozenset(place.unit for name in (*(options.keep or ()), *(options.without or ())) for place in hypothesis.nodes[name].places)


def _check(claim: Claim[RankOptions], hypothesis: Hypothesis) -> None:
    """That the number of draws is one, and that there is a random circuit at all."""
    _draws(claim, hypothesis)
    _all_circuits(claim, hypothesis, most=1)


def _all_circuits(claim: Claim[RankOptions], hypothesis: Hypothesis, most: int) -> list[tuple[Link, ...]] | None:
    links, fixed = links_of(claim.options, hypothesis), _fixed(claim.options, hypothesis)
    try:
        if not heads_of(links, fixed):
            raise NoSuchCircuit("the circuit has no heads that could be elsewhere")
        return all_circuits(claim.options.match, links, hypothesis.shape, most, fixed)
    except NoSuchCircuit as error:
        message = f"there is no random circuit to compare with: {error}"
        raise refusal("C372", message, claim.span, "state another null with `match =`", source=hypothesis.source) from None


def _lower_rank(claim: Claim[RankOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    runs = CircuitRuns(claim, hypothesis, algebra)
    null, fixed = claim.options.match, _fixed(claim.options, hypothesis)
    draws = _draws(claim, hypothesis)
    everything = _all_circuits(claim, hypothesis, most=draws)
    circuits = everything or random_circuits(null, runs.links, hypothesis.shape, draws, hypothesis.settings.seed, fixed)
    readouts = {"F(C)": runs.readout(runs.circuit), "F(M)": runs.readout(runs.model), "F(∅)": runs.readout(runs.empty)}
    whole = difference("F(M)", "F(∅)")
    among = []
    for number, links in enumerate(circuits, 1):
        name = f"F(random {number})"
        readouts[name] = runs.readout(runs.of_links(links))
        among.append(RatioOf(difference(name, "F(∅)"), whole))
    own = RatioOf(difference("F(C)", "F(∅)"), whole)
    beside: dict[str, Estimand] = {"faithfulness": own}
    drawn = f"all {len(circuits)}" if everything else str(len(circuits))
    conditions = runs.conditions | {"match": null, "draws": drawn}
    others = []
    for kind, number, links in _rivals(runs.links, hypothesis, fixed):
        name = f"F({kind} {number})"
        readouts[name] = runs.readout(runs.of_links(links))
        others.append(Rival(RatioOf(difference(name, "F(∅)"), whole), len(links), kind == "disjoint"))
    watches = (*runs.watches(), Rivals(own, len(runs.links), tuple(others)))
    return Lowered(
        readouts, (Member(claim.label, RankOf(own, tuple(among), everything=everything is not None), beside),), conditions, watches=watches
    )


def _rivals(links: tuple[Link, ...], hypothesis: Hypothesis, fixed: frozenset[Unit]) -> Iterator[tuple[str, int, tuple[Link, ...]]]:
    """A few disjoint random circuits, where there are any, and a few smaller ones: of the same layers, half of the heads left out."""
    shape, seed = hypothesis.shape, hypothesis.settings.seed
    with suppress(NoSuchCircuit):
        for number, found in enumerate(random_circuits("disjoint", links, shape, RIVALS, seed, fixed), 1):
            yield "disjoint", number, found
    for number, found in enumerate(random_circuits("smaller", links, shape, RIVALS, seed, fixed), 1):
        yield "smaller", number, found


RANK_AMONG_RANDOM = Measure(
    name="rank_among_random",
    summary="share of random circuits that are at least as faithful as this one",
    formula="(1 + #{random circuits with abs(1 - faithfulness) at most C's}) / (B + 1)",
    unit="share of random circuits",
    range=NumberRange(0, 1, above=True, says="small is special"),
    source="Shi et al. 2024 (arXiv 2410.13032), sufficiency; decided by Clopper-Pearson on the share",
    baseline="the stated null: which circuits are drawn",
    signature=Signature(
        subject="metric",
        options=RankOptions,
    ),
    lower=_lower_rank,
    check=_check,
    example="rank_among_random(logit_diff, draws = 20)",
    costly=True,
    details=(
        "A random circuit keeps the graph, the MLPs, the ports and the positions, and puts the heads elsewhere. Each is "
        "another than the circuit and than the others. Where a null allows no more than would be drawn, all of them are taken: the share "
        "is then known, and with B of them the rank is never below 1 / (B + 1)."
    ),
)
