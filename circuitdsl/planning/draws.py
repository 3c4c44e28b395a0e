"""Every random choice of a run, made beforehand: who is whose donor.

A draw depends on (seed, distribution, draw's name, row) alone, so neither the order of claims, nor chunks, nor machines change it.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.units import Align, Layout
from circuitdsl.borders.values import Draw, Gather

_COMMON: dict[Align, str] = {"layout": "layout", "absolute": "length"}
"""What a donor has in common with its row."""
MOST_ORDERS = 50_000


def uniform(seed: int, distribution: str, draw: str, row: int, n: int) -> int:
    """A number below `n`, each equally likely to 2⁻²⁵⁶, from the hash of the key."""
    return below(start(seed, distribution, draw), str(row).encode(), n)


def start(seed: int, distribution: str, draw: str) -> bytes:
    """What the keys of a draw's rows have in common: a plan may make a million of them."""
    return "\0".join((str(seed), distribution, draw, "")).encode()


def below(start: bytes, row: bytes, n: int) -> int:
    return int.from_bytes(hashlib.sha256(start + row).digest()) * n >> 256


def order(seed: int, distribution: str, draw: str, row: int, n: int) -> np.ndarray:
    """The numbers below `n` in random order: sorted by 64 bits each of the SHAKE-256 stream of the key."""
    key = "\0".join((str(seed), distribution, draw, str(row))).encode()
    return np.argsort(np.frombuffer(hashlib.shake_256(key).digest(8 * n), dtype="<u8"), kind="stable")


class Tape:
    """The draws of causal scrubbing on some measured rows, each made once, those that others are given first."""

    def __init__(self, hypothesis: Hypothesis, rows: Sequence[int], seed: int):
        self._hypothesis, self._rows, self._seed = hypothesis, np.asarray(rows, dtype=np.int64), seed
        self._keys = [str(row).encode() for row in self._rows.tolist()]
        self._layouts: dict[str, list[tuple[int, Layout | int]]] = {}
        self._made: dict[Draw, np.ndarray] = {}
        self._align = hypothesis.settings.align
        self._orders: dict[tuple[str, str, int], np.ndarray] = {}
        self._alike: dict[tuple[str, str | None], dict[tuple[Layout | int, int], list[int]]] = {}

    def rows(self, draw: Draw) -> np.ndarray:
        """For every row of `draw.on` the donor's row in `draw.pool`; -1 for rows that nothing measures.

        Raises CircError C505 where no row of the pool agrees on the feature.
        """
        chain: list[Draw] = []
        link: Draw | None = draw
        while link is not None and link not in self._made:
            chain.append(link)
            link = link.given
        for one in reversed(chain):
            self._made[one] = self._draw(one)
        return self._made[draw]

    def _draw(self, draw: Draw) -> np.ndarray:
        measured, layouts = self._hypothesis.distributions[draw.on].prompts, self._layouts_of(draw.on)
        given = self._rows if draw.given is None else self._made[draw.given][self._rows]
        classes = self._classes(draw.on if draw.given is None else draw.given.pool, draw.feature)
        alike = self._candidates(draw.pool, draw.feature)
        found = np.full(len(measured), -1, dtype=np.int64)
        starts: dict[str, bytes] = {}
        kept: dict[tuple[int, int], list[int]] = {}
        for row, key, (number, layout), reference in zip(self._rows.tolist(), self._keys, layouts, given.tolist(), strict=True):
            value = 0 if classes is None else classes[reference]
            same = kept.get((number, value)) or kept.setdefault((number, value), alike.get((layout, value), []))
            if not same:
                message = f"`{draw.pool}` has no prompt that agrees on `{draw.feature}` with row {row} and has its {_COMMON[self._align]}"
                message = f"{message}: “{measured[row].text}”"
                raise refusal("C505", message, hint="draw from the measured prompts, or from more of them")
            path = f"{draw.path}={value}" if draw.shared else draw.path
            if draw.slot is None:
                if path not in starts:
                    starts[path] = start(self._seed, draw.pool, path)
                found[row] = same[below(starts[path], key, len(same))]
            else:
                turn, place = divmod(draw.slot, len(same))
                found[row] = same[self._order(draw.pool, f"{path}/{turn}", row, len(same))[place]]
        return found

    def _layouts_of(self, measured: str) -> list[tuple[int, Layout | int]]:
        """What each row's donors have in common with it, and its number among them."""
        if measured not in self._layouts:
            prompts, numbers = self._hypothesis.distributions[measured].prompts, dict[Layout | int, int]()
            common = [prompts[row].layout.alike(self._align) for row in self._rows.tolist()]
            self._layouts[measured] = [(numbers.setdefault(one, len(numbers)), one) for one in common]
        return self._layouts[measured]

    def _order(self, pool: str, path: str, row: int, n: int) -> np.ndarray:
        """A random order of `n`, from the hash of the key. The latest are kept, since many slots ask for one."""
        key = (pool, path, row)
        if key not in self._orders:
            if len(self._orders) >= MOST_ORDERS:
                self._orders.clear()
            self._orders[key] = order(self._seed, pool, path, row, n)
        return self._orders[key]

    def _classes(self, distribution: str, feature: str | None) -> tuple[int, ...] | None:
        return None if feature is None else self._hypothesis.features[feature][distribution]

    def _candidates(self, pool: str, feature: str | None) -> dict[tuple[Layout | int, int], list[int]]:
        """RowGroup of the pool by layout (or length) and class."""
        if (pool, feature) not in self._alike:
            classes = self._classes(pool, feature)
            found: dict[tuple[Layout | int, int], list[int]] = {}
            for row, prompt in enumerate(self._hypothesis.distributions[pool].prompts):
                found.setdefault((prompt.layout.alike(self._align), 0 if classes is None else classes[row]), []).append(row)
            self._alike[pool, feature] = found
        return self._alike[pool, feature]


def donors(
    world: Gather, measured: Distribution, pool: Distribution, rows: Iterable[int], seed: int, itself: bool, align: Align = "layout"
) -> np.ndarray:
    """For each of the measured `rows` a row of `pool` in the same layout (or length); -1 for rows that are not asked for.

    With `itself` rows of the pool are the measured rows, and a row is never its own donor.

    Raises CircError C501 where the pool has no such row.
    """
    assert isinstance(world.draw, str), "a draw of causal scrubbing is on a tape"
    found = np.full(len(measured), -1, dtype=np.int64)
    alike = pool.rows_alike(align)
    place = {row: index for same in alike.values() for index, row in enumerate(same)}
    for row in rows:
        candidates = alike.get(measured.prompts[row].layout.alike(align), ())
        n = len(candidates) - itself
        if n < 1:
            prompt = measured.prompts[row]
            message = f"`{pool.name}` has no {'other ' if itself else ''}prompt in the {_COMMON[align]} of row {row}: “{prompt.text}”"
            hint = "ask for more prompts, or use a paired counterfactual; `second = no` leaves a second ablation out"
            raise refusal("C501", message, hint=hint)
        index = uniform(seed, pool.name, world.draw, row, n)
        found[row] = candidates[index + (itself and index >= place[row])]
    return found
