"""How well a score tells two classes of prompts apart, and whether it is better than with the labels permuted."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.measure import AucOf, PermutedOf
from circuitdsl.borders.verdict import Estimate
from circuitdsl.statistics.analyses import Analysis, untestable
from circuitdsl.statistics.proportions import clopper_pearson
from circuitdsl.statistics.samples import Sample
from circuitdsl.statistics.tails import BetaTails, student_quantile

PERMUTATIONS = 999
FEWEST_WAYS = 20
"""Ways to permute labels from which a p-value of 0.05 is possible."""


class Auc(NamedTuple):
    """The area, each prompt's influence on it [N] (their mean is 0), the size of the smaller class, Satterthwaite's degrees of freedom."""

    area: float
    influence: np.ndarray
    smaller: int
    degrees: float


def auc(score: np.ndarray, positive: np.ndarray) -> Auc | None:
    """The area under the ROC curve with DeLong's structural components (DeLong et al. 1988); None if a class is missing.

    A positive prompt's component is the share of negatives with a lower score, ties by half; a negative one's likewise. A prompt's
    influence is its component's distance from the area over its class's share of the prompts, so that the variance of the mean
    of the influences is DeLong's, and that over strata or clusters is its cluster-robust form (Obuchowski 1997).
    """
    from scipy.stats import rankdata

    is_positive = positive > 0.5
    ones = int(is_positive.sum())
    zeros = len(score) - ones
    if not ones or not zeros:
        return None
    ranks = rankdata(score)
    components = np.empty(len(score))
    components[is_positive] = (ranks[is_positive] - rankdata(score[is_positive])) / zeros
    components[~is_positive] = 1 - (ranks[~is_positive] - rankdata(score[~is_positive])) / ones
    area = float(components[is_positive].mean())
    shares = np.where(is_positive, ones, zeros) / len(score)
    parts = [components[mine].var() / max(1, size - 1) for mine, size in ((is_positive, ones), (~is_positive, zeros))]
    below = sum(part**2 / max(1, size - 1) for part, size in zip(parts, (ones, zeros), strict=True))
    degrees = max(1.0, sum(parts) ** 2 / below) if below else float(len(score) - 2)
    return Auc(area, (components - area) / shares, min(ones, zeros), degrees)


def analyse_auc(estimand: AucOf, columns: Mapping[str, np.ndarray], sample: Sample, confidence: float) -> Analysis:
    """An area with the interval of a share of so many prompts as have its variance.

    An area A has at most the variance A(1 − A)/m, m the size of the smaller class (Birnbaum & Klose 1957), so it is worth at least m
    prompts, and A(1 − A) over DeLong's variance where that is more, less for few degrees of freedom (Korn & Graubard 1998). Exact
    binomial tails on that many have an error where all scores are in order and DeLong's variance is 0. Clusters may be worth less, and
    where they all agree they are worth no more than one prompt each.
    """
    found = auc(columns[estimand.score], columns[estimand.positive])
    if found is None:
        return untestable(Estimate(value=None, n=sample.n), "all prompts that are judged are of one class")
    clustered = sample.kind == "clusters" and sample.units < sample.n
    area, least = found.area, float(min(found.smaller, sample.units))
    variance = float(sample.variance(found.influence))
    worth = area * (1 - area) / variance if variance > 0 else least
    degrees = float(sample.degrees(found.influence)) if clustered else found.degrees
    tail = (1 + confidence) / 2
    worth *= (student_quantile(tail, sample.n - 1) / student_quantile(tail, degrees)) ** 2
    worth = min(worth if clustered else max(worth, least), float(sample.n))
    low, high = clopper_pearson(area * worth, worth, confidence)
    estimate = Estimate(
        value=area,
        low=low,
        high=high,
        standard_error=math.sqrt(area * (1 - area) / worth),
        n=sample.n,
        method=f"area under the ROC curve, DeLong's variance, binomial tails ({worth:.3g} prompts' worth), {sample.method}",
    )
    return Analysis(estimate, BetaTails(area * worth, worth), units=sample.units)


def analyse_permuted(estimand: PermutedOf, columns: Mapping[str, np.ndarray], sample: Sample) -> Analysis:
    """p = (1 + #{permutations that fit as well}) / (B + 1), never 0 (Phipson & Smyth 2010). It is no claim's number: it has no tails.

    Labels are permuted within templates. Where each template has one label, such permutations change nothing: then whole templates change
    their labels, if there are enough ways to.
    """
    found, label = columns[estimand.found], columns[estimand.label]
    random = np.random.default_rng(estimand.seed)
    groups = [np.arange(sample.n)] if sample.units == sample.n == len(sample.sizes) else _groups(sample.codes)
    if len(groups) > 1 and all(np.ptp(label[group]) == 0 for group in groups):
        of_groups = np.array([label[group[0]] for group in groups])
        ways = _arrangements(of_groups)
        if 1 < ways < FEWEST_WAYS:
            reason = (
                f"each of {len(groups)} {sample.of} has one label, and there are no more than {ways:.0f} ways to permute whole {sample.of}"
            )
            return untestable(Estimate(value=None, n=sample.n), reason)
        labels = random.permuted(np.tile(of_groups, (PERMUTATIONS, 1)), axis=1)[:, sample.codes]
        within = f" among {sample.of}"
    else:
        labels = np.tile(label, (PERMUTATIONS, 1))
        for group in groups:
            labels[:, group] = random.permuted(labels[:, group], axis=1)
        within = "" if len(groups) == 1 else f" within {sample.of}"
    fit = _rank_sum if estimand.auc else _share
    as_good = int((fit(found, labels) >= fit(found, label[None]) - 1e-9).sum())
    value = (1 + as_good) / (PERMUTATIONS + 1)
    method = f"{PERMUTATIONS} permutations of the labels{within}, p = (1 + as good) / (permutations + 1)"
    return Analysis(Estimate(value=value, n=sample.n, method=method))


def _arrangements(labels: np.ndarray) -> float:
    """How many different orders these have: n! over the factorials of how often each occurs."""
    counts = np.unique(labels, return_counts=True)[1].tolist()
    log = math.lgamma(len(labels) + 1) - sum(math.lgamma(count + 1) for count in counts)
    return math.inf if log > 50 else round(math.exp(log))


def _share(found: np.ndarray, labels: np.ndarray) -> np.ndarray:
    shares: np.ndarray = (found == labels).mean(axis=1)
    return shares


def _rank_sum(found: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What the area grows with, as the sizes of the classes stay."""
    from scipy.stats import rankdata

    return labels @ rankdata(found)


def _groups(codes: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(codes == code) for code in range(int(codes.max()) + 1)]
