"""A `Plan` and a loaded model to numbers."""

from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute

__all__ = ["Captures", "execute"]
