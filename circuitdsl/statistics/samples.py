"""How prompts hang together: fixed strata below ten templates, clusters from ten up, or clusters that the data name.

Prompts of one template are not independent. With few templates nothing can be said about templates in general, so they are
strata and the answer speaks of these only; with ten or more they are a sample of templates, and the variance between them counts.
Clusters that the data name are a sample at any number. Prompts that the model cannot tell apart are one cluster.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

FEWEST_CLUSTERS = 10
_ONE = {"templates": "template", "named clusters": "cluster", "different texts": "text"}


@dataclass(frozen=True, eq=False)
class Sample:
    """N prompts in groups. `codes` [N] numbers the strata or clusters from 0; `templates` counts the labels as they came, `of` says what
    they are.

    As strata, templates with a single prompt share one stratum (collapsed strata: the variance is then too large, never too
    small); a lone one joins the smallest other stratum.
    """

    kind: Literal["strata", "clusters"]
    codes: np.ndarray
    templates: int
    of: Literal["templates", "named clusters", "different texts"] = "templates"

    @property
    def n(self) -> int:
        return len(self.codes)

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.bincount(self.codes)

    @property
    def units(self) -> int:
        """How many independent things there are: prompts within strata, or clusters."""
        return len(self.sizes) if self.kind == "clusters" else self.n

    @property
    def method(self) -> str:
        """Words for the report: what was taken as independent, and what the answer speaks of."""
        if self.templates == self.n:
            return f"{self.n} independent prompts"
        if self.kind == "clusters":
            return (
                f"{self.templates} clusters that the data name"
                if self.of == "named clusters"
                else f"{self.templates} {self.of} as clusters"
            )
        return "1 template" if self.templates == 1 else f"{self.templates} templates as fixed strata"

    def variance(self, values: np.ndarray) -> np.ndarray:
        """Variance of the mean of [..., N] over prompts, [...]. Needs two prompts.

        Strata: Σ (n_h/n)² s_h²/n_h. Clusters: the CR2 sandwich of an intercept, Σ_g (Σ_{i∈g} (y_i − ȳ))² / (1 − n_g/n) / n²
        (Bell & McCaffrey 2002), which is s²/n when every prompt is a cluster of its own.
        """
        found: np.ndarray = (self.between(values) if self.kind == "clusters" else self._within(values)).sum(axis=-1)
        return found

    def third_cumulant(self, values: np.ndarray) -> float:
        """Of the mean of [N], by k-statistics within strata or of clusters' residual totals; 0 for fewer than three."""
        if self.kind == "clusters":
            totals = np.bincount(self.codes, values - values.mean())
            groups = len(totals)
            return float((totals**3).sum()) / self.n**3 * groups**2 / ((groups - 1) * (groups - 2)) if groups > 2 else 0.0
        within = values - (np.bincount(self.codes, values) / self.sizes)[self.codes]
        cubes, sizes = np.bincount(self.codes, within**3), self.sizes
        few = sizes < 3
        parts = sizes**2 * cubes / np.where(few, 1, (sizes - 1) * (sizes - 2))
        return float(parts[~few].sum()) / self.n**3

    def spread(self, values: np.ndarray) -> float:
        """The largest difference of two of the [N] within a stratum, or of two clusters' means: what the variance is made of."""
        if self.kind == "clusters":
            return float(np.ptp(np.bincount(self.codes, values) / self.sizes))
        return float(max(np.ptp(values[self.codes == code]) for code in range(len(self.sizes))))

    def alike(self, values: np.ndarray, tolerance: float) -> int:
        """How many independent things say so, where all are alike: those of the smallest stratum where strata differ."""
        return self.units if self.kind == "clusters" or np.ptp(values) <= tolerance else int(self.sizes.min())

    def agreement(self, what: str, values: np.ndarray, tolerance: float) -> str:
        """In words, where all are alike."""
        if np.ptp(values) <= tolerance:
            return f"the same {what} on every prompt"
        return f"the same {what} in every {_ONE[self.of]}" if self.kind == "clusters" else f"the same {what} on every prompt of a template"

    def between(self, values: np.ndarray) -> np.ndarray:
        """Each cluster's part of the variance of the mean, [..., G]."""
        residuals = values - values.mean(axis=-1, keepdims=True)
        if len(self.sizes) == self.n:
            totals = residuals
        else:
            order, starts = self._order
            totals = np.add.reduceat(residuals[..., order], starts, axis=-1)
        shares = self.sizes / self.n if len(self.sizes) < self.n else 1 / self.n
        found: np.ndarray = totals**2 / (1 - shares) / self.n**2
        return found

    def _within(self, values: np.ndarray) -> np.ndarray:
        """Each stratum's part of the variance of the mean, [..., H]."""
        parts = [values[..., self.codes == code].var(axis=-1, ddof=1) * size for code, size in enumerate(self.sizes)]
        return np.stack(parts, axis=-1) / self.n**2

    @cached_property
    def _cluster_degrees(self) -> float:
        """(tr Γ)² / tr Γ², Γ [G, G] the covariance of the adjusted residual totals; its entries depend on the two sizes only."""
        sizes, counts = np.unique(self.sizes, return_counts=True)
        weights = sizes / np.sqrt(1 - sizes / self.n)
        shared = np.outer(weights, weights) * ((self.sizes**2).sum() / self.n**2 - np.add.outer(sizes, sizes) / self.n)
        own, diagonal = weights**2, np.diagonal(shared)
        trace = (counts * (own + diagonal)).sum()
        squares = (counts * (own**2 + 2 * own * diagonal)).sum() + counts @ shared**2 @ counts
        return max(1.0, float(trace**2 / squares))

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        return np.argsort(self.codes, kind="stable"), np.cumsum(self.sizes) - self.sizes

    def degrees(self, values: np.ndarray) -> np.ndarray:
        """Satterthwaite's degrees of freedom of `variance(values)`, [...], at least 1.

        Strata: (Σ a_h)² / Σ a_h²/(n_h − 1), a_h the parts. Clusters: Bell and McCaffrey's, for prompts that agree within a
        cluster: G − 1 for equal clusters, fewer for unequal ones, whatever the values.
        """
        shape = values.shape[:-1]
        if self.kind == "clusters":
            return np.full(shape, self._cluster_degrees)
        parts = self._within(values)
        total, spread = parts.sum(axis=-1) ** 2, (parts**2 / (self.sizes - 1)).sum(axis=-1)
        plain = float(self.n - len(self.sizes))
        found: np.ndarray = np.maximum(1.0, np.divide(total, spread, out=np.full(shape, plain), where=spread > 0))
        return found


def grouped(labels: np.ndarray, named: bool = False, units: np.ndarray | None = None) -> Sample | None:
    """`sample`, or None where there are fewer than two independent units: nothing can be said about others then."""
    if len(labels) < 2 or (named and len(np.unique(labels)) < 2) or (units is not None and len(np.unique(units)) < 2):
        return None
    return sample(labels, named, units)


def sample(labels: np.ndarray, named: bool = False, units: np.ndarray | None = None) -> Sample:
    """Groups prompts [N] by their template labels, or by clusters that the data name.

    Prompts of one number in `units` [N] are one unit: below ten templates, where some are alike, these units are the clusters.
    Raises ValueError below two prompts.
    """
    if len(labels) < 2:
        raise ValueError("a sample has at least two prompts")
    _, codes = np.unique(labels, return_inverse=True)
    codes = codes.reshape(-1)
    templates = int(codes.max()) + 1
    if named:
        return Sample("clusters", codes, templates, "named clusters")
    if templates >= FEWEST_CLUSTERS:
        return Sample("clusters", codes, templates)
    if units is not None and (texts := len(np.unique(units))) < len(units):
        return Sample("clusters", np.unique(units, return_inverse=True)[1].reshape(-1), texts, "different texts")
    sizes = np.bincount(codes)
    alone = sizes == 1
    if alone.sum() == 1 and templates > 1:
        alone[np.argmin(np.where(alone, np.inf, sizes))] = True
    merged = np.where(alone[codes], templates, codes)
    return Sample("strata", np.unique(merged, return_inverse=True)[1].reshape(-1), templates)


def bootstrap_weights(these: Sample, draws: int, seed: int) -> np.ndarray:
    """How often each prompt occurs in each of `draws` resamples, [draws, N], rows summing to about N.

    Clusters: templates first, then prompts within each template drawn. Strata: prompts within each stratum.
    """
    random = np.random.default_rng(seed)
    if len(these.sizes) in (1, these.n):
        return _drawn(random, draws, these.n)
    weights = np.zeros((draws, these.n))
    groups = len(these.sizes)
    times = random.multinomial(groups, np.full(groups, 1 / groups), size=draws) if these.kind == "clusters" else None
    for code, size in enumerate(these.sizes):
        within = random.multinomial(times[:, code] * size, np.full(size, 1 / size)) if times is not None else _drawn(random, draws, size)
        weights[:, these.codes == code] = within
    return weights


def _drawn(random: np.random.Generator, draws: int, n: int) -> np.ndarray:
    """How often each of n occurs in n draws with replacement, [draws, n]."""
    picked = random.integers(0, n, (draws, n)) + np.arange(draws)[:, None] * n
    return np.bincount(picked.ravel(), minlength=draws * n).reshape(draws, n).astype(float)
