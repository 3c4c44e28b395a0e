"""Names, units, positions, edges and claims of a syntax tree looked up and checked: the hypothesis. No weights, no torch."""

from circuitdsl.resolve.codes import CODES
from circuitdsl.resolve.resolver import model_name, resolve, stated_size

__all__ = ["CODES", "model_name", "resolve", "stated_size"]
