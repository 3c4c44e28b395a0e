"""Measures: what a claim can be about. Each lowers a claim to values and says which statistic of them is meant."""

from circuitdsl.measures.registry import measures

__all__ = ["measures"]
