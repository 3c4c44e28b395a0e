"""What `explain` says about the codes of this stage."""

from circuitdsl.borders.codes import Code

CODES: dict[str, Code] = {}
