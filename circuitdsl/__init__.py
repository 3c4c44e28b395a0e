"""Declarative circuit-hypothesis testing: state a circuit and claims about it in a `.circ` file, and check them on the model."""

__version__ = "0.1.0"
