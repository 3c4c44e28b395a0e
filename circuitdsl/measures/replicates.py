"""Donors drawn at random are redrawn: a claim is lowered once a replicate, and its columns are put side by side."""

from collections.abc import Sequence
from dataclasses import replace

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Lowered, Measure, RankOf, Search
from circuitdsl.borders.values import Algebra, Draw, Gather, worlds

REPLICATES = 3


def lower_redrawn(
    measure: Measure, claim: Claim, hypothesis: Hypothesis, algebra: Algebra, replicates: int = REPLICATES
) -> Lowered | Search:
    """The claim with `replicates` independent draws of its donors; as it is where it draws none, or does so by itself.

    A rank among random circuits takes one draw, the same for all of them.
    """
    first = measure.lower(claim, hypothesis, algebra)
    if isinstance(first, Lowered) and (first.replicates or any(isinstance(member.estimand, RankOf) for member in first.members)):
        return first
    if not draws_donors(first):
        return first
    versions = [first]
    for number in range(2, replicates + 1):
        versions.append(measure.lower(claim, replace(hypothesis, replicate=number), algebra))
        if digests(versions[-1]) == digests(first):
            return first
    return redrawn(versions)


def draws_donors(lowered: Lowered | Search) -> bool:
    """Whether a value in it has rows that are drawn at random, for one replicate of several; scrubbing has draws of its own."""
    values = (value for readout in lowered.readouts.values() for value in readout.values)
    return any(isinstance(world, Gather) and not isinstance(world.draw, Draw) for world in worlds(values))


def digests(lowered: Lowered | Search) -> list[str]:
    return [readout.digest for readout in lowered.readouts.values()]


def redrawn(versions: Sequence[Lowered | Search]) -> Lowered | Search:
    """Versions that differ in their draws alone. What is chosen by looking is chosen on the first, and the same in all."""
    first = versions[0]
    if isinstance(first, Search):
        searches = [version for version in versions if isinstance(version, Search)]
        return Search(first.readouts, lambda columns: redrawn([search.then(columns) for search in searches]))
    readouts, replicates = {}, {}
    for name, readout in first.readouts.items():
        again = [version.readouts[name] for version in versions]
        if all(one.digest == readout.digest for one in again):
            readouts[name] = readout
            continue
        replicates[name] = tuple(f"{name}, draw {number}" for number in range(1, len(again) + 1))
        readouts |= dict(zip(replicates[name], again, strict=True))
    conditions = {**first.conditions, "draws of donors": str(len(versions))} if replicates else first.conditions
    return replace(first, readouts=readouts, replicates=replicates, conditions=conditions)
