"""The command line. Commands import what they need when they run, so that help and checks stay fast."""

from circuitdsl.cli.app import main

__all__ = ["main"]
