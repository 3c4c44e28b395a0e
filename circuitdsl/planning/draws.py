"""Every random choice of a run, made beforehand: who is whose donor.

A draw depends on (seed, distribution, draw's name, row) alone, so neither the order of claims, nor chunks, nor machines change it.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import CircError, Diagnostic, Span
from circuitdsl.borders.values import Gather


def uniform(seed: int, distribution: str, draw: str, row: int, n: int) -> int:
    """A number below `n`, each equally likely to 2⁻²⁵⁶, from the hash of the key."""
    key = "\0".join((str(seed), distribution, draw, str(row))).encode()
    return int.from_bytes(hashlib.sha256(key).digest()) * n >> 256


def donors(world: Gather, measured: Distribution, pool: Distribution, rows: Iterable[int], seed: int, itself: bool) -> np.ndarray:
    """For each of the measured `rows` a row of `pool` in the same layout; -1 for rows that are not asked for.

    With `itself` rows of the pool are the measured rows, and a row is never its own donor.

    Raises CircError C501 where the pool has no such row.
    """
    found = np.full(len(measured), -1, dtype=np.int64)
    alike = pool.rows_by_layout()
    place = {row: index for same in alike.values() for index, row in enumerate(same)}
    for row in rows:
        candidates = alike.get(measured.prompts[row].layout, ())
        n = len(candidates) - itself
        if n < 1:
            prompt = measured.prompts[row]
            message = f"`{pool.name}` has no {'other ' if itself else ''}prompt in the layout of row {row}: “{prompt.text}”"
            raise CircError([Diagnostic("C501", message, Span(), hint="ask for more prompts, or use a paired counterfactual")])
        index = uniform(seed, pool.name, world.draw, row, n)
        found[row] = candidates[index + (itself and index >= place[row])]
    return found
