"""RowGroup put together where every position that matters is the same number, so that one list of steps serves them all."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.units import Align, Layout, Role
from circuitdsl.borders.values import Draw, Mean, Run, World
from circuitdsl.planning.dependencies import Dependencies, PlacedRole

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RowGroup:
    """RowGroup of a space in one length, with the positions of every role that occurs, and the requests that need them."""

    rows: tuple[int, ...]
    length: int
    positions: Mapping[PlacedRole, int]
    """Role, and whose layout it stands in → bits of its positions."""
    requests: tuple[int, ...]


def space(name: str, distributions: Mapping[str, Distribution]) -> str:
    """The distribution at the root of the pairings: rows of all distributions of one space belong together."""
    paired = distributions[name].paired
    while paired is not None:
        name, paired = paired, distributions[paired].paired
    return name


def check_rows(
    measured: str, rows: Iterable[int], worlds: Iterable[World], distributions: Mapping[str, Distribution], align: Align = "layout"
) -> None:
    """That runs beside the measured rows are paired with them in one layout, and that means have something to average.

    Raises CircError C503 for the means. A run that is not paired is a mistake of the measure that asks for it.
    """
    own = distributions[measured]
    rows = tuple(rows)
    for world in worlds:
        if isinstance(world, Run) and world.distribution != measured:
            other = distributions[world.distribution]
            if space(other.name, distributions) != space(measured, distributions) or max(rows, default=-1) >= len(other):
                raise ValueError(f"`{other.name}` is not paired with `{measured}`: their rows cannot stand side by side")
            for row in rows:
                if other.prompts[row].layout != own.prompts[row].layout:
                    texts = f"“{own.prompts[row].text}” and “{other.prompts[row].text}”"
                    raise ValueError(f"row {row} of `{measured}` and of `{other.name}` differ in layout: {texts}")
        elif isinstance(world, Mean):
            alike = distributions[world.distribution].rows_alike(align)
            for row in rows:
                if own.prompts[row].layout.alike(align) not in alike:
                    common = "layout" if align == "layout" else "length"
                    where = f"the {common} of row {row} of `{measured}`: “{own.prompts[row].text}”"
                    message = f"`{world.distribution}` has no prompt in {where}"
                    hint = "average over prompts of the same templates, or over more of them; `second = no` leaves a second ablation out"
                    raise refusal("C503", message, hint=hint)


def group_rows(
    requests: tuple[Request, ...],
    chosen: Iterable[int],
    measured: Distribution,
    reached: Dependencies,
    distributions: Mapping[str, Distribution],
    draws: Mapping[str | Draw, np.ndarray],
) -> list[RowGroup]:
    """RowGroup of one space by length, positions of roles, and the requests (numbers in `chosen`) that ask for them.

    A role that is resolved on a draw stands where the draw's row of `draws` has it.
    """
    wanted: dict[int, list[int]] = {}
    for number in chosen:
        for row in dict.fromkeys(requests[number].rows):
            wanted.setdefault(row, []).append(number)
    roles = tuple(reached.roles)
    known: dict[tuple[Layout, Role], int] = {}

    def at(row: int) -> tuple[int, ...]:
        found = []
        for role, on in roles:
            layout = measured.prompts[row].layout if on is None else distributions[on.pool].prompts[draws[on][row]].layout
            if (layout, role) not in known:
                known[layout, role] = _bits(layout.positions((role,)))
            found.append(known[layout, role])
        return tuple(found)

    return [
        RowGroup(rows, length, dict(zip(roles, signature, strict=True)), numbers)
        for length, some in by_length(wanted, measured).items()
        for (signature, numbers), rows in alike(some, lambda row: (at(row), tuple(wanted[row]))).items()
    ]


def by_length(rows: Iterable[int], measured: Distribution) -> dict[int, list[int]]:
    """RowGroup sorted by their prompts' length in tokens, so that none is filled up."""
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (measured.prompts[row].layout.length, row)):
        found.setdefault(measured.prompts[row].layout.length, []).append(row)
    return found


def alike(rows: Iterable[int], signature: Callable[[int], Key]) -> dict[Key, tuple[int, ...]]:
    """RowGroup that one list of steps serves."""
    found: dict[Key, list[int]] = {}
    for row in rows:
        found.setdefault(signature(row), []).append(row)
    return {one: tuple(same) for one, same in found.items()}


def _bits(positions: Iterable[int]) -> int:
    return sum(1 << position for position in set(positions))
