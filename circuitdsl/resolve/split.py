"""Which prompts are looked at while exploring, and which verdicts are judged on."""

import hashlib

from circuitdsl.borders.prompts import Distribution


def split(distribution: Distribution, share: float, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Row numbers for exploring and for verifying, each layout divided in the same proportion.

    A row's place in the draw depends on (seed, distribution, row) alone, so nothing else in a file changes it.
    Layouts with a fraction of a row left over give it in the order of those fractions, so the whole share is met.
    """
    total = round(share * len(distribution))
    quotas: list[tuple[float, bytes, list[int], int]] = []
    for rows in distribution.rows_by_layout().values():
        ordered = sorted(rows, key=lambda row: _key(seed, distribution.name, row))
        exact = total * len(rows) / len(distribution)
        quotas.append((exact - int(exact), _key(seed, distribution.name, ordered[0]), ordered, int(exact)))
    missing = total - sum(quota for _, _, _, quota in quotas)
    quotas.sort(key=lambda one: (-one[0], one[1]))
    exploring: list[int] = []
    for index, (_, _, members, quota) in enumerate(quotas):
        exploring += members[: quota + (index < missing)]
    chosen = set(exploring)
    return tuple(sorted(chosen)), tuple(row for row in range(len(distribution)) if row not in chosen)


def _key(seed: int, distribution: str, row: int) -> bytes:
    return hashlib.sha256(f"{seed}\0explore\0{distribution}\0{row}".encode()).digest()
