"""`python -m circuitdsl` does what `circuitdsl` does."""

from circuitdsl.cli import main

main()
