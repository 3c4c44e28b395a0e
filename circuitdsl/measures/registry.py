"""The one list of measures. Third parties add theirs under the entry point group `circuitdsl.measures`."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from circuitdsl.borders.measure import Measure
from circuitdsl.measures.attention import ATTENTION
from circuitdsl.measures.behaviour import ACCURACY, SHARE, TOP1, VALUE
from circuitdsl.measures.completeness import COMPLEMENT, COMPLETENESS, MINIMALITY
from circuitdsl.measures.decodable import DECODABLE, DECODABLE_SELECTIVITY
from circuitdsl.measures.effects import EFFECT
from circuitdsl.measures.faithfulness import FAITHFULNESS, MINIMALITY_SINGLE
from circuitdsl.measures.interchange import INTERCHANGE
from circuitdsl.measures.ranks import RANK_AMONG_RANDOM
from circuitdsl.measures.scrub import SCRUB

BUILT_IN = (
    VALUE,
    SHARE,
    ACCURACY,
    TOP1,
    FAITHFULNESS,
    COMPLETENESS,
    MINIMALITY,
    MINIMALITY_SINGLE,
    COMPLEMENT,
    RANK_AMONG_RANDOM,
    SCRUB,
    INTERCHANGE,
    EFFECT,
    ATTENTION,
    DECODABLE,
    DECODABLE_SELECTIVITY,
)


class Registry(Mapping[str, Measure]):
    """Name to measure. Those of third parties are looked for only once a name is not built in, or all are asked for: going through
    what is installed takes as long as reading a file. They may not take a built-in name."""

    def __init__(self) -> None:
        self._own = {measure.name: measure for measure in BUILT_IN}

    @cached_property
    def _all(self) -> dict[str, Measure]:
        from importlib.metadata import entry_points

        loaded = (entry.load() for entry in entry_points(group="circuitdsl.measures"))
        return {measure.name: measure for measure in loaded if isinstance(measure, Measure)} | self._own

    def __getitem__(self, name: str) -> Measure:
        return self._own[name] if name in self._own else self._all[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._all if name not in self._own)

    def __len__(self) -> int:
        return len(self._all)


def measures() -> Registry:
    """Every measure there is, by its name."""
    return Registry()
