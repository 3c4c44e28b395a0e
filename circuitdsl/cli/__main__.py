"""`python -m circuitdsl.cli` does what `circuitdsl` does."""

from circuitdsl.cli import main

main()
