"""Many numbers at once in text: the largest and the smallest in rank, and a map of layers by heads."""

import re
from collections.abc import Sequence

from circuitdsl.borders.verdict import MemberVerdict
from circuitdsl.reports.numbers import estimate, interval, number

RANKED = 8
"""Members shown at each end of the ranking."""


ROUNDING = 1e-5
"""Where no number is larger than this share of the background's, all of them are rounding, and a map would show only that."""


def lines(members: Sequence[MemberVerdict], width: int) -> list[str]:
    """Lines of at most `width` columns: a ranking by size, then the map if the members are heads."""
    return [*ranking(members), *heat_map(members, width)]


def ranking(members: Sequence[MemberVerdict]) -> list[str]:
    """Members with the lowest and the highest numbers, all of them if there are few."""
    known = sorted((m for m in members if m.estimate.value is not None), key=lambda m: -(m.estimate.value or 0.0))
    missing = len(members) - len(known)
    few = len(known) <= 2 * RANKED
    shown = known if few else [*known[:RANKED], *known[-RANKED:]]
    names = max((len(m.label) for m in shown), default=0)
    values = max((len(estimate(m.estimate)) for m in shown), default=0)
    out = [f"{m.label:<{names}}  {estimate(m.estimate):>{values}}  {interval(m.estimate)}".rstrip() for m in shown]
    if not few:
        out.insert(RANKED, f"… {len(known) - 2 * RANKED} between …")
    return out + ([f"{missing} without a number"] if missing else [])


def heat_map(members: Sequence[MemberVerdict], width: int) -> list[str]:
    """Layers downward, heads across; each digit is a number's size in ninths of the largest, with its sign. Empty if there is no map.

    Layers without any digit are left out.
    """
    found = {}
    for member in members:
        place = re.fullmatch(r"(?:head )?(\d+)\.(\d+)", member.about or member.label) or re.fullmatch(
            r"(?:head )?(\d+)\.(\d+)", member.label
        )
        if place and member.estimate.value is not None:
            found[int(place[1]), int(place[2])] = member.estimate.value
    if len(found) < 12 or len(found) < len(members) / 2:
        return []
    heads, largest = 1 + max(head for _, head in found), max(map(abs, found.values()))
    cell = max(2, len(str(heads - 1))) + 1
    background = max((abs(m.beside["background"].value or 0.0) for m in members if "background" in m.beside), default=0.0)
    if 6 + cell * heads > width or largest <= ROUNDING * background or not largest:
        return []
    rows = []
    for layer in range(1 + max(layer for layer, _ in found)):
        cells = [_cell(found.get((layer, head)), largest) for head in range(heads)]
        if any(c[-1:].isdigit() for c in cells):
            rows.append(f"{layer:>5} " + "".join(f"{c:>{cell}}" for c in cells))
    title = f"layer × head, in ninths of {number(largest)}; · is below a half; layers with only · are left out"
    return ["", title, " " * 6 + "".join(f"{head:>{cell}}" for head in range(heads)), *rows]


def _cell(value: float | None, largest: float) -> str:
    if value is None:
        return ""
    ninths = round(9 * abs(value) / largest)
    return "·" if ninths == 0 else f"{'−' if value < 0 else '+'}{ninths}"
