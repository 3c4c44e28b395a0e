"""What a measure is: documentation, a signature for the checker, and two pure functions for the pipeline.

A measure is lowered to readouts (per-prompt numbers of values) and estimands (what statistic of those columns is meant).
Numbers are made by the engine, verdicts by statistics; a measure does neither.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal

from circuitdsl.borders.kinds import Kind
from circuitdsl.borders.options import OptionSpec, OptionsType, made, option_specs

if TYPE_CHECKING:
    import numpy as np

    from circuitdsl.borders.hypothesis import Claim, Comparison, Hypothesis
    from circuitdsl.borders.readouts import Readout
    from circuitdsl.borders.source import CodedWarning
    from circuitdsl.borders.values import Algebra
    from circuitdsl.borders.watches import Watch


@dataclass(frozen=True, slots=True)
class Signature(Generic[OptionsType]):
    """What a measure takes: its first argument (`metric`, `path` of at least one arrow, `node`), then perhaps slots, then options."""

    subject: Literal["metric", "path", "node"]
    options: type[OptionsType]
    each: tuple[Literal["unit", "node", "edge"], ...] = ()
    needs_answers: bool = False
    slots: int = 0
    features: bool = False
    """True if a feature may stand where a slot may."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of units that the subject, or the start of a path, may have; empty: any."""
    needs_each: bool = False
    """True if the measure only makes sense per member (`minimality.single`)."""
    searches: bool = False
    """True if something is chosen on part of the prompts and judged on the rest; the file then keeps prompts for exploring."""


# ---------------------------------------------------------------- estimands: a statistic of columns of per-prompt numbers


@dataclass(frozen=True, slots=True)
class Combination:
    """A per-prompt linear combination of columns: `{"C": 1, "empty": -1}` as pairs."""

    terms: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return " ".join(f"{'+' if w > 0 else '-'} {name}" for name, w in self.terms).removeprefix("+ ")


def column(name: str) -> Combination:
    return Combination(((name, 1.0),))


def difference(first: str, second: str) -> Combination:
    return Combination(((first, 1.0), (second, -1.0)))


@dataclass(frozen=True, slots=True)
class MeanOf:
    """Mean over prompts; with `absolute`, of each prompt's absolute value, its replicates averaged before.

    `banks`: each replicate has something drawn for all its prompts at once, so what differs between replicates counts as well.
    """

    of: Combination
    absolute: bool = False
    banks: bool = False


@dataclass(frozen=True, slots=True)
class ProportionOf:
    """Share of prompts whose 0/1 column is 1; exact binomial."""

    of: str


@dataclass(frozen=True, slots=True)
class RatioOf:
    """Ratio of means over the same prompts, never the mean of ratios; with `absolute`, of absolute means.

    Not testable if the denominator's interval contains 0. `banks` as in `MeanOf`.
    """

    numerator: Combination
    denominator: Combination
    absolute: bool = False
    banks: bool = False


def without_itself(ratio: RatioOf, share: float) -> RatioOf:
    """(ratio − share)/(1 − share): what is left of a ratio if such a share of the draws had counted as 1."""
    rest = tuple((name, -share * weight) for name, weight in ratio.denominator.terms)
    below = Combination(tuple((name, (1 - share) * weight) for name, weight in ratio.denominator.terms))
    return RatioOf(Combination(ratio.numerator.terms + rest), below, ratio.absolute, ratio.banks)


@dataclass(frozen=True, slots=True)
class BoundedOf:
    """A ratio `of` whose bias is bounded: the truth lies between it and others, as far as can be told (statistics/bounded.py).

    Of banks of so many `slots`, `half` is the same from banks of half the size, and `extrapolated` twice the columns of `of` less those
    of `half`: where twice the slots are off by half as much or less, the truth is between them (measures/banks.py). `itself` is the
    share of draws that give the reference itself, which leave everything as it is.
    """

    of: RatioOf
    half: RatioOf | None = None
    extrapolated: RatioOf | None = None
    slots: int = 0
    itself: float = 0.0

    @property
    def ratios(self) -> tuple[RatioOf, ...]:
        found = tuple(ratio for ratio in (self.of, self.half, self.extrapolated) if ratio is not None)
        return found + tuple(without_itself(ratio, self.itself) for ratio in found) if self.itself else found


@dataclass(frozen=True, slots=True)
class RankOf:
    """Share of the random circuits `among` whose ratio is at most as far from `target` as the circuit's own, `of`.

    `everything`: they are all that there are, not a sample.
    """

    of: RatioOf
    among: tuple[RatioOf, ...]
    target: float = 1.0
    everything: bool = False


@dataclass(frozen=True, slots=True)
class SpreadOf:
    """How far apart two ratios of means over the same prompts are: `first` − `second`."""

    first: RatioOf
    second: RatioOf


@dataclass(frozen=True, slots=True)
class AucOf:
    """Area under the ROC curve: how often `score` is higher on a prompt whose 0/1 column `positive` is 1 than on one where it is 0."""

    score: str
    positive: str


@dataclass(frozen=True, slots=True)
class PermutedOf:
    """Permutation p-value: how often column `found` fits `label` as well when the labels are permuted among the prompts.

    Fit is the share of prompts on which the two are equal or, with `auc`, the area under the curve. Labels stay within their template;
    where each template has one label, whole templates change theirs.
    """

    found: str
    label: str
    auc: bool = False
    seed: int = 0


def draws_needed(theta: float, confidence: float, claims: int = 1) -> int:
    """The fewest random circuits with which `rank <= theta` can be supported: when none of them is as good as the circuit.

    Clopper and Pearson's upper bound after 0 of B at the one-sided level α is 1 − α^(1/B), so B = ⌈ln α / ln(1 − θ)⌉: 59 for 0.05 and
    299 for 0.01 at 95 %. `claims` allows for the most that the correction over a file of so many claims can ask, 2(claims − 1) times.
    Raises ValueError unless 0 < theta < 1.
    """
    if not 0 < theta < 1:
        raise ValueError("a share that random circuits could decide lies strictly between 0 and 1")
    strictest = 2 * (claims - 1) if claims > 1 else 1
    return math.ceil(math.log((1 - confidence) / strictest) / math.log1p(-theta))


Estimand = MeanOf | ProportionOf | RatioOf | BoundedOf | RankOf | SpreadOf | AucOf | PermutedOf


@dataclass(frozen=True, slots=True)
class Member:
    """One number that a claim is about: the only one, or one of `each`. `beside` are reported with it and not judged."""

    label: str
    estimand: Estimand
    beside: Mapping[str, Estimand] = field(default_factory=dict)
    about: str = ""
    """What in the graph it speaks of: a unit, a node, or an edge's label; the figure marks it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Columns that are made of vectors by what was fitted on other prompts.

    `columns` takes row numbers [N] and the vectors [N, d] by the names of their readouts, and gives columns [N] by name.
    `digest` tells apart what was fitted; `ranges` are the least and the greatest number of columns that have bounds.
    """

    digest: str
    columns: "Callable[[Sequence[int], Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]"
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A claim as readouts (one column each) and members. Columns are shared between claims by content."""

    readouts: Mapping[str, "Readout"]
    members: tuple[Member, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)
    """What the answer holds under, for the report: ablation, direction, positions, norm, …"""
    replicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A column [R, N] for the estimands, by name, and the R readouts that it is made of: the same number with donors redrawn."""
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Feature, then the name of the class that each row of the measured distribution has: members are reported by class too."""
    scored: Scored | None = None
    notes: tuple[str, ...] = ()
    """What `plan` should say of it: sizes, and why it is done so."""
    warnings: "tuple[CodedWarning, ...]" = ()
    """What can be seen before anything is measured."""
    watches: "tuple[Watch, ...]" = ()
    """What warnings are made of once it has been measured."""


@dataclass(frozen=True, slots=True)
class Search:
    """A claim that has to look before it can be lowered: readouts, measured on prompts that the verdict does not see, and what follows.

    `then` gets their columns [N] (vectors [N, d]) and is pure; it may look again.
    """

    readouts: Mapping[str, "Readout"]
    then: "Callable[[Mapping[str, np.ndarray]], Lowered | Search]"


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers that a measure can be, `low` and `high` among them unless `above`: then `low` is not. `says` is what some of them mean."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    says: str = ""

    @property
    def numbers(self) -> str:
        low, high = f"{self.low:g}", f"{self.high:g}"
        if math.isfinite(self.high):
            return f"above {low}, up to {high}" if self.above else f"{low} to {high}"
        return f"{low} and up" if math.isfinite(self.low) else "any number"

    def __str__(self) -> str:
        return f"{self.numbers}; {self.says}" if self.says else self.numbers

    def decides(self, comparison: "Comparison") -> bool | None:
        """Whether a claim holds, or fails, for every number in the range; None where that depends on the number."""
        bound, margin = comparison.value, comparison.margin or 0.0
        match comparison.operator:
            case ">=":
                holds, fails = self.low >= bound, self.high < bound
            case ">":
                holds, fails = self.low > bound or (self.above and self.low == bound), self.high <= bound
            case "<=":
                holds, fails = self.high <= bound, self.low > bound or (self.above and self.low == bound)
            case "<":
                holds, fails = self.high < bound, self.low >= bound
            case _:
                holds = bound - margin <= self.low and self.high <= bound + margin
                fails = bound + margin < self.low or self.high < bound - margin or (self.above and bound + margin == self.low)
        return True if holds else False if fails else None


@dataclass(frozen=True, slots=True)
class Measure(Generic[OptionsType]):
    """An entry of the registry. `circuitdsl explain NAME` prints the texts.

    `example` is a claim as a file states it, about `embed`, `logits`, a metric `logit_diff`, prompts `clean` with the slots `A` and `B`,
    their counterfactual `corrupted`, which has another `A`, and the nodes `early` and `late`, of heads that are connected.
    """

    name: str
    summary: str
    formula: str
    unit: str
    range: NumberRange
    source: str
    signature: Signature[OptionsType]
    lower: "Callable[[Claim[OptionsType], Hypothesis, Algebra], Lowered | Search]"
    example: str
    check: "Callable[[Claim[OptionsType], Hypothesis], None] | None" = None
    """Raises CircError for a claim that cannot be lowered, where that is seen at once: `check` asks it, and lowers nothing."""
    baseline: str = ""
    version: int = 1
    details: str = ""
    costly: bool = False
    """Takes many values a prompt: with `settings { subset = N }` it is measured on N prompts of its part."""

    @property
    def options(self) -> Mapping[str, OptionSpec]:
        """What each option takes, by its name in the language, `on` last."""
        return option_specs(self.signature.options)

    def options_of(self, values: Mapping[str, Any]) -> OptionsType:
        """The options with these values, by their names in the language; the others have their defaults."""
        return made(self.signature.options, values)


__all__ = [
    "AucOf",
    "BoundedOf",
    "Combination",
    "Estimand",
    "Lowered",
    "MeanOf",
    "Measure",
    "Member",
    "NumberRange",
    "PermutedOf",
    "ProportionOf",
    "RankOf",
    "RatioOf",
    "Scored",
    "Search",
    "Signature",
    "SpreadOf",
    "column",
    "difference",
    "draws_needed",
]
