"""The graph of a circuit as a figure for a paper: one model of positions, and writers for SVG, PDF, PNG and DOT."""

from circuitdsl.figures.drawing import FORMATS, default_layout, draw, draw_tree

__all__ = ["FORMATS", "default_layout", "draw", "draw_tree"]
