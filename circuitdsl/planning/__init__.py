"""Requests to a `Plan`: small pure passes over values, without torch.

reach → draws → panels → graph (merge, position by position: numbers) → demand → schedule (heads, writes, sums, measures) → cost.
"""

from circuitdsl.planning.plan import plan

__all__ = ["plan"]
