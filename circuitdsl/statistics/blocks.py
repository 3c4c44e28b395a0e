"""Layout-balanced blocks of prompts: the unit of betting when a run may stop early."""

from typing import NamedTuple

import numpy as np


class Blocks(NamedTuple):
    """`rows` [T, S] are row numbers, each row in at most one block; `weights` [S] are the same for every block and sum to 1.

    The weighted mean of a block has the same expectation in every block: each layout's mean, weighted by its share of all rows.
    """

    rows: np.ndarray
    weights: np.ndarray

    def first(self, count: int) -> "Blocks":
        return Blocks(self.rows[:count], self.weights)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Of a column [N], the blocks' weighted means [T]."""
        found: np.ndarray = values[self.rows] @ self.weights
        return found


def balanced_blocks(layouts: np.ndarray, seed: int, rare: int = 8) -> Blocks:
    """Every block has the same number of rows of each layout [N], drawn without replacement in an order that the seed fixes.

    Layouts with fewer than `rare` rows are one layout together, and join the smallest other if they are still fewer; there are
    as many blocks as the smallest layout has rows, and what is left over of the larger ones is in no block.
    """
    _, codes, sizes = np.unique(layouts, return_inverse=True, return_counts=True)
    codes, few = codes.reshape(-1), sizes < rare
    if few.any():
        together, others = int(sizes[few].sum()), np.where(few, np.iinfo(int).max, sizes)
        home = int(np.argmin(others)) if together < rare and not few.all() else len(sizes)
        codes = np.where(few[codes], home, codes)
    random = np.random.default_rng(seed)
    groups = [random.permutation(np.flatnonzero(codes == code)) for code in np.unique(codes)]
    count = min(len(group) for group in groups)
    each = [len(group) // count for group in groups]
    rows = np.concatenate([group[: count * size].reshape(count, size) for group, size in zip(groups, each, strict=True)], axis=1)
    shares = [len(group) / len(codes) / size for group, size in zip(groups, each, strict=True)]
    return Blocks(rows, np.repeat(shares, each))
