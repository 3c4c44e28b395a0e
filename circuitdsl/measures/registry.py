"""The one list of measures. Third parties add theirs under the entry point group `circuitdsl.measures`."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from circuitdsl.borders.measure import Measure
from circuitdsl.measures.attention import ATTENTION
from circuitdsl.measures.behaviour import ACCURACY, TOP1, VALUE
from circuitdsl.measures.circuits import FAITHFULNESS, MINIMALITY_SINGLE
from circuitdsl.measures.completeness import COMPLEMENT, COMPLETENESS, MINIMALITY
from circuitdsl.measures.decodable import DECODABLE, DECODABLE_SELECTIVITY
from circuitdsl.measures.effects import EFFECT
from circuitdsl.measures.interchange import INTERCHANGE
from circuitdsl.measures.ranks import RANK_AMONG_RANDOM
from circuitdsl.measures.scrub import SCRUB

BUILT_IN = (
    VALUE,
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


def measures() -> Mapping[str, Measure]:
    """Name to measure. A third party's may not take a built-in name."""
    found = {measure.name: measure for measure in BUILT_IN}
    for entry in entry_points(group="circuitdsl.measures"):
        measure = entry.load()
        if isinstance(measure, Measure) and measure.name not in found:
            found[measure.name] = measure
    return found
