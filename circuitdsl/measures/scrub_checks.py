"""What stands beside a scrub score so that it is not believed too easily: rows, readouts, and what is watched.

Each function adds its columns and gives its rows by name with what is to be watched.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from circuitdsl.borders.hypothesis import Link, Place
from circuitdsl.borders.measure import BoundedOf, Combination, Estimand, RatioOf, SpreadOf
from circuitdsl.borders.values import Draw, Gather
from circuitdsl.borders.watches import BankBias, Joined, Regrouped, Watch
from circuitdsl.measures.adversary import Grouping
from circuitdsl.measures.circuit_watches import attention_moved
from circuitdsl.measures.redrawn_columns import DrawnColumns
from circuitdsl.measures.scrub_runs import DrawGroup

if TYPE_CHECKING:
    from circuitdsl.measures.scrub_claim import Scrubs

RowsAndWatches = tuple[Mapping[str, Estimand], tuple[Watch, ...]]


def bounded(runs: "Scrubs", columns: DrawnColumns) -> tuple[RatioOf | BoundedOf, RowsAndWatches]:
    """The claim's score; from banks, with what they are off by bounded by banks of half the size (measures/banks.py).

    Half the size goes for the baseline as well, where that is made of banks. Where many draws give the reference itself, with what they
    hide bounded too.
    """
    score, itself = runs.score("F(scrub)"), runs.itself()
    if not runs.banks:
        return BoundedOf(score, itself=itself) if itself else score, ({}, ())
    slots, half = runs.sampling.banks, runs.sampling.banks // 2
    numbers = range(runs.replicates, 2 * runs.replicates)
    halved = {"F(scrub)": f"F(scrub), banks of {half}"}
    columns.add(halved["F(scrub)"], [runs.scrubbed(number, banks=half) for number in numbers])
    if runs.baseline == "unconditional":
        halved["F(base)"] = f"F(base), banks of {half}"
        columns.add(halved["F(base)"], [runs.base(number, banks=half) for number in numbers])

    def at_half(of: Combination) -> Combination:
        return Combination(tuple((halved.get(name, name), weight) for name, weight in of.terms))

    def extrapolated(of: Combination) -> Combination:
        """Each column of banks as twice itself less that of half the size."""
        twice = [(name, 2 * weight if name in halved else weight) for name, weight in of.terms]
        return Combination((*twice, *((halved[name], -weight) for name, weight in of.terms if name in halved)))

    other, beyond = (RatioOf(change(score.numerator), change(score.denominator), banks=True) for change in (at_half, extrapolated))
    bias = SpreadOf(other, score)
    return BoundedOf(score, other, beyond, slots, itself), ({f"bias of banks of {slots}": bias}, (BankBias(slots, bias),))


def together_or_apart(runs: "Scrubs", columns: DrawnColumns) -> RowsAndWatches:
    """The score with what carries one feature for one reader drawn once, and with every unit drawn for itself, where that differs.

    Errors that go together cancel if they are drawn apart. The prompts for what is left out are the same as in the claim's own.
    """
    rows: dict[str, Estimand] = {}
    watches: list[Watch] = []
    if runs.sampling.kind == "shared":  # one donor for each feature already
        return rows, ()
    stated = runs.scrubbing().incoming
    for joint, how in (("together", "drawn together"), ("apart", "drawn apart")):
        features = _differing(stated, runs.scrubbing(joint=joint).incoming)
        if not features:
            continue
        said, name = ", ".join(features), f"F(scrub), {how}"
        columns.add(name, runs.draws(joint=joint))
        own, other = runs.score("F(scrub)"), runs.score(name)
        rows[f"score, {said} {how}"] = other
        watches.append(Joined(said, how, SpreadOf(own, other)))
    return rows, tuple(watches)


def _differing(stated: Mapping[Place, tuple[DrawGroup, ...]], other: Mapping[Place, tuple[DrawGroup, ...]]) -> tuple[str, ...]:
    """Features that some reader's senders draw together in one and apart in the other."""
    found = {}
    for place, groups in stated.items():
        mine, theirs = _partition(groups), _partition(other[place])
        found.update(dict.fromkeys(feature for feature, links in (mine ^ theirs) if feature))
    return tuple(sorted(found))


def _partition(groups: tuple[DrawGroup, ...]) -> set[tuple[str, frozenset[Link]]]:
    drawn: dict[tuple[str, str], set[Link]] = {}
    for group in groups:
        drawn.setdefault((group.carries or "", group.drawn), set()).update(group.links)
    return {(feature, frozenset(links)) for (feature, _), links in drawn.items()}


def adversary_found(runs: "Scrubs", columns: DrawnColumns, grouping: Grouping | None) -> RowsAndWatches:
    """The score with what is left out drawn in the groups that lowered it most on other prompts."""
    if grouping is None:
        return {}, ()
    name = "F(scrub), adversary's grouping"
    columns.add(name, runs.draws(apart=grouping.apart))
    own, other = runs.score("F(scrub)"), runs.score(name)
    spread = SpreadOf(own, other)
    return {f"score, left out in groups: {grouping}": other, "lowered by": spread}, (Regrouped(str(grouping), spread),)


def mechanism_kept(runs: "Scrubs", columns: DrawnColumns) -> tuple[Watch, ...]:
    """How far heads attend elsewhere on prompts of the kind that stands in for what is left out.

    Heads that carry something are asked; where none does, all of the hypothesis.
    """
    ends = {place for link in runs.links for place in (link.sender, link.receiver)}
    carrying = {place for place in ends if runs.hypothesis.nodes[place.node].carries}
    draw = Draw(runs.measured, runs.sampling.pool, "0:attention")
    readouts, watches = attention_moved(runs.algebra, carrying or ends, Gather(runs.sampling.pool, draw), runs.measured)
    columns.readouts.update(readouts)
    return watches
