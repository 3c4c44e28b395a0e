"""Which prompts are looked at while exploring, and which verdicts are judged on."""

import hashlib

from circuitdsl.borders.prompts import Distribution


def split(distribution: Distribution, share: float, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Row numbers for exploring and for verifying, each layout divided in the same proportion.

    A row's place in the draw depends on (seed, distribution, row) alone, so nothing else in a file changes it.
    Prompts of the same text are on the same side: as one unit they take the place of the first of them.
    Layouts with a fraction of a row left over give it in the order of those fractions, so the whole share is met.
    """
    total = round(share * len(distribution))
    quotas: list[tuple[float, bytes, list[int], int]] = []
    alike: dict[tuple[int, ...], list[int]] = {}
    for row, prompt in enumerate(distribution.prompts):
        alike.setdefault(prompt.tokens, []).append(row)
    first = {rows[0]: rows for rows in alike.values()}
    for members in distribution.rows_by_layout().values():
        rows = [row for row in members if row in first]
        if not rows:
            continue
        ordered = sorted(rows, key=lambda row: _key(seed, distribution.name, row))
        exact = total * sum(len(first[row]) for row in rows) / len(distribution)
        quotas.append((exact - int(exact), _key(seed, distribution.name, ordered[0]), ordered, int(exact)))
    missing = total - sum(quota for _, _, _, quota in quotas)
    quotas.sort(key=lambda one: (-one[0], one[1]))
    exploring: list[int] = []
    for index, (_, _, ordered, quota) in enumerate(quotas):
        room = quota + (index < missing)
        for row in ordered:
            if len(first[row]) <= room:
                exploring += first[row]
                room -= len(first[row])
    chosen = set(exploring)
    return tuple(sorted(chosen)), tuple(row for row in range(len(distribution)) if row not in chosen)


def _key(seed: int, distribution: str, row: int) -> bytes:
    return hashlib.sha256(f"{seed}\0explore\0{distribution}\0{row}".encode()).digest()
