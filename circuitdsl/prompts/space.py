"""All prompts of a file, tokenised and labelled: what the resolver takes from this stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from circuitdsl.borders.prompts import Distribution, Metric
from circuitdsl.borders.source import Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class PromptSpace:
    """Distributions, metrics and features, with everything that was found wrong on the way.

    A distribution, metric or feature with an error in it is left out. Names of slots are as positions and features write
    them: `S1`, and `fact.country` for a field.
    """

    distributions: dict[str, Distribution]
    default: str
    """The first distribution that has a base of its own, "" if there is none."""
    metrics: dict[str, Metric] = field(default_factory=dict)
    features: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    """Feature, then distribution, to the integer class of each row. Every slot and `template` is a feature too."""
    slots: dict[str, frozenset[str]] = field(default_factory=dict)
    """Distribution to the slots that have a value or a position there."""
    blocks: frozenset[str] = frozenset()
    """Slots that are blocks of random tokens: as a position such a slot means all its tokens, others their last."""
    occurrences: dict[str, dict[str, int]] = field(default_factory=dict)
    """Distribution, then slot, to how often it stands in every prompt there (the smallest count); 0: not in every prompt."""
    declared: frozenset[str] = frozenset()
    """Every name taken here, also by what had an error: vocabularies, slots, prompts, metrics, features."""
    checked: bool = True
    """False without a tokenizer: tokens are stand-ins, one a word, and nothing about tokens was checked."""
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def errors(self) -> list[Diagnostic]:
        return [found for found in self.diagnostics if found.severity is Severity.ERROR]

    @property
    def pairs(self) -> Mapping[str, str]:
        """Paired distributions, to the one that they are the counterfactuals of."""
        return {name: found.paired for name, found in self.distributions.items() if found.paired}
