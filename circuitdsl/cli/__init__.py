"""The command line. Commands import what they need when they run, so that help and checks stay fast."""

from circuitdsl.cli.program import main

__all__ = ["main"]
