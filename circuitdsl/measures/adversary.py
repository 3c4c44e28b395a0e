"""The adversary: which grouping of what a hypothesis leaves out lowers its score most.

What a call leaves out comes from one prompt, `rest`, so what is left out and cancels still cancels. Splitting it into groups with
prompts of their own is as much within the hypothesis, which says nothing of it. The search is greedy, on prompts that the verdict
does not see: at each step the split, of those tried, that lowers the score most, as long as that is more than chance.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Hypothesis, Place
from circuitdsl.borders.kinds import IN_LAYERS
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.units import EMBED, Unit
from circuitdsl.measures.redrawn_columns import DrawnColumns
from circuitdsl.measures.scrub_runs import DrawGroup, SharedDraw, delivered, permutation

if TYPE_CHECKING:
    import numpy as np

    from circuitdsl.measures.scrub_claim import Scrubs

STEPS = 3
"""Splits at the most: a grouping of more than a few parts is hard to say in words."""
LEAST = 2
"""Standard errors by which a split has to lower the number, so that what is found is more than chance."""
NOISE = 1e-6
"""Share of the largest number that rounding can make."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups with prompts of their own; what is in none of them shares one."""

    apart: tuple[SharedDraw, ...]

    def __str__(self) -> str:
        return " | ".join([*(one.name for one in self.apart), "the rest"])


def against(runs: "Scrubs", candidates: float, then: Callable[[Grouping | None, str], Lowered]) -> Lowered | Search:
    """Looks for a grouping, and goes on with it and what was tried, in words; with none where no split lowers the score.

    Raises CircError C387 for a number of candidates that is none.
    """
    if candidates < 1 or candidates != int(candidates):
        hint = "`adversary = 8` tries eight groupings at each step"
        message = "`adversary` is how many groupings are tried at each step: a whole number, at least 1"
        raise refusal("C387", message, runs.claim.span, hint, source=runs.hypothesis.source)
    left = left_out(runs.hypothesis, runs.scrubbing().incoming)
    parts = natural_parts(runs.hypothesis, left)

    def look(base: Grouping, best: "np.ndarray | None", step: int, tried: int) -> Lowered | Search:
        """`best` are the numbers a prompt [N] under the grouping so far."""
        every = splits(base, parts, left)
        chosen = every
        if len(every) > candidates:
            order = permutation(len(every), f"{runs.hypothesis.settings.seed}/adversary/{base}")
            chosen = [every[number] for number in sorted(order[: int(candidates)])]
        if not chosen:
            return end(base, step, tried)
        columns = DrawnColumns(runs.measured, runs.claim.metric_name)
        columns.add("F(M)", [runs.model])
        columns.add("F(base)", [runs.base(0)])
        for grouping in chosen if best is not None else [base, *chosen]:
            columns.add(str(grouping), runs.draws(apart=grouping.apart))

        def choose(found: "Mapping[str, np.ndarray]") -> Lowered | Search:
            import numpy as np

            def numbers(grouping: Grouping) -> "np.ndarray":
                names = columns.replicates.get(str(grouping), (str(grouping),))
                return np.asarray(np.mean([found[name] for name in names], axis=0))

            side = 1 if found["F(M)"].mean() >= found["F(base)"].mean() else -1
            before = numbers(base) if best is None else best
            lowered = {one: side * (before - numbers(one)) for one in chosen}
            found_best = max(chosen, key=lambda one: float(lowered[one].mean()))
            by = lowered[found_best]
            if by.mean() <= LEAST * by.std() / math.sqrt(len(by)) + NOISE * np.abs(before).max():
                return end(base, step, tried + len(chosen))
            if step + 1 == STEPS:
                return end(found_best, step + 1, tried + len(chosen))
            return look(found_best, numbers(found_best), step + 1, tried + len(chosen))

        return Search(columns.readouts, choose)

    def end(found: Grouping, steps: int, tried: int) -> Lowered:
        said = f"{tried} groupings tried on other prompts, at most {int(candidates)} a step"
        return then(found, f"{found}; {said}") if steps else then(None, f"no split lowers the score; {said}")

    return look(Grouping(runs.sampling.apart), None, 0, 0)


def left_out(hypothesis: Hypothesis, incoming: Mapping[Place, tuple[DrawGroup, ...]]) -> tuple[Unit, ...]:
    """Units that some node of the hypothesis reads and no edge delivers there, whole or in part."""
    found: dict[Unit, None] = {}
    for place, groups in incoming.items():
        whole = {(link.sender.unit, link.port) for group in groups for link in group.links if delivered(link) is None}
        for unit in hypothesis.shape.units():
            if hypothesis.shape.reads(place.unit, unit) and any((unit, port) not in whole for port in place.unit.ports):
                found[unit] = None
    return tuple(sorted(found, key=lambda unit: unit.key))


def natural_parts(hypothesis: Hypothesis, left: tuple[Unit, ...]) -> dict[str, frozenset[Unit]]:
    """Sets of units that have a name: kinds, declared nodes by name, layers, and each unit; the first name of equal sets counts.

    In an order that the file's does not change: it says which splits are tried, and a group's name keys its draws.
    """
    named = {
        **{spec.nouns: [unit for unit in left if unit.spec is spec] for spec in IN_LAYERS},
        **{name: [unit for unit in node.units if unit in left] for name, node in sorted(hypothesis.nodes.items()) if not node.members},
        **{f"layer {layer}": [unit for unit in left if unit.layer == layer and unit != EMBED] for layer in range(hypothesis.shape.layers)},
        **{str(unit): [unit] for unit in left},
    }
    found: dict[frozenset[Unit], str] = {}
    for name, units in named.items():
        if units:
            found.setdefault(frozenset(units), name)
    return {name: units for units, name in found.items()}


def splits(base: Grouping, parts: Mapping[str, frozenset[Unit]], left: tuple[Unit, ...]) -> list[Grouping]:
    """Every way to take one part of a group out of it, each different grouping once."""
    taken = {place.unit for one in base.apart for place in one.places}
    found: dict[frozenset[frozenset[Unit]], Grouping] = {}
    rest = frozenset(left) - taken
    for name, units in parts.items():
        if (inside := units & rest) and inside != rest:
            said = name if inside == units else f"what is left of {name}"
            _add(found, (*base.apart, SharedDraw(said, tuple(Place(unit, "") for unit in _sorted(inside)))), left)
        for one in base.apart:
            mine = frozenset(place.unit for place in one.places)
            if (inside := units & mine) and inside != mine:
                said = name if inside == units else f"{name} of {one.name}"
                others = tuple(other for other in base.apart if other is not one)
                parts_of_it = ((f"{one.name} less {name}", mine - inside), (said, inside))
                _add(found, (*others, *(SharedDraw(part, _of(one.places, some)) for part, some in parts_of_it)), left)
    return list(found.values())


def _add(found: dict[frozenset[frozenset[Unit]], Grouping], apart: tuple[SharedDraw, ...], left: tuple[Unit, ...]) -> None:
    groups = [frozenset(place.unit for place in one.places) for one in apart]
    groups.append(frozenset(left).difference(*groups))
    found.setdefault(frozenset(groups), Grouping(apart))


def _of(places: tuple[Place, ...], units: frozenset[Unit]) -> tuple[Place, ...]:
    """A stated group may have positions, and its parts keep them."""
    return tuple(place for unit in _sorted(units) for place in places if place.unit == unit)


def _sorted(units: frozenset[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: unit.key)
