"""Rows put together where every position that matters is the same number, so that one list of steps serves them all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import CircError, Diagnostic, Span
from circuitdsl.borders.units import Layout, Role
from circuitdsl.borders.values import Mean, Run, World
from circuitdsl.planning.reach import Reached


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a space in one length, with the positions of every role that occurs, and the requests that need them."""

    rows: tuple[int, ...]
    length: int
    positions: Mapping[Role, int]
    """Role → bits of its positions."""
    requests: tuple[int, ...]


def space(name: str, distributions: Mapping[str, Distribution]) -> str:
    """The distribution at the root of the pairings: rows of all distributions of one space belong together."""
    paired = distributions[name].paired
    while paired is not None:
        name, paired = paired, distributions[paired].paired
    return name


def check_rows(measured: str, rows: Iterable[int], worlds: Iterable[World], distributions: Mapping[str, Distribution]) -> None:
    """That runs beside the measured rows are paired with them in one layout, and that means have something to average.

    Raises CircError C502, C503 or C504.
    """
    own = distributions[measured]
    rows = tuple(rows)
    for world in worlds:
        if isinstance(world, Run) and world.distribution != measured:
            other = distributions[world.distribution]
            if space(other.name, distributions) != space(measured, distributions) or max(rows, default=-1) >= len(other):
                _refuse("C504", f"`{other.name}` is not paired with `{measured}`: their rows cannot stand side by side")
            for row in rows:
                if other.prompts[row].layout != own.prompts[row].layout:
                    texts = f"“{own.prompts[row].text}” and “{other.prompts[row].text}”"
                    _refuse("C502", f"row {row} of `{measured}` and of `{other.name}` differ in layout: {texts}")
        elif isinstance(world, Mean):
            alike = distributions[world.distribution].rows_by_layout()
            for row in rows:
                if own.prompts[row].layout not in alike:
                    layout = f"the layout of row {row} of `{measured}`: “{own.prompts[row].text}”"
                    _refuse("C503", f"`{world.distribution}` has no prompt in {layout}")


def group_rows(requests: tuple[Request, ...], chosen: Iterable[int], measured: Distribution, reached: Reached) -> list[Rows]:
    """Rows of one space by length, positions of roles, and the requests (numbers in `chosen`) that ask for them."""
    wanted: dict[int, list[int]] = {}
    for number in chosen:
        for row in dict.fromkeys(requests[number].rows):
            wanted.setdefault(row, []).append(number)
    roles = tuple(reached.roles)
    signatures: dict[Layout, tuple[int, ...]] = {}
    grouped: dict[tuple, list[int]] = {}
    for row in sorted(wanted):
        layout = measured.prompts[row].layout
        if layout not in signatures:
            signatures[layout] = tuple(_bits(layout.positions((role,))) for role in roles)
        grouped.setdefault((layout.length, signatures[layout], tuple(wanted[row])), []).append(row)
    return [
        Rows(tuple(rows), length, dict(zip(roles, signature, strict=True)), numbers)
        for (length, signature, numbers), rows in grouped.items()
    ]


def _bits(positions: Iterable[int]) -> int:
    return sum(1 << position for position in set(positions))


def _refuse(code: str, message: str) -> None:
    raise CircError([Diagnostic(code, message, Span())])
