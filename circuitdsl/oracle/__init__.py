"""The slow, obviously right executor that the fast engine is judged by.

Prompt by prompt and unit by unit, with the model's own modules; it shares no numerics with the engine.
"""

from circuitdsl.oracle.evaluate import evaluate

__all__ = ["evaluate"]
