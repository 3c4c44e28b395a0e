"""What figures are drawn of: a hypothesis, the evidence of a run, the tree of a scrub claim."""

from pathlib import Path
from typing import TYPE_CHECKING

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.flags import Flags
from circuitdsl.pipeline.reading import read, resolve

if TYPE_CHECKING:
    from circuitdsl.borders.evidence import GraphRecord
    from circuitdsl.borders.tree import TreeRecord


def graph_of(path: Path, flags: Flags) -> "GraphRecord":
    """The graph of a `.circ` file, nothing tested, or of the evidence of a run."""
    from circuitdsl.reports.files import read_evidence
    from circuitdsl.reports.graph import graph_record

    if path.suffix == ".json":
        return read_evidence(path).graph
    return graph_record(resolve(read(path), flags))


def tree_of(path: Path, flags: Flags, label: str, row: int | None = None) -> "TreeRecord":
    """The tree of calls of a scrub claim for one row of the measured prompts (default: the first that verdicts rest on).

    Its donors are those that `verify` takes; no weights are loaded. Raises CircError C384 where there is no such claim or row.
    """
    from circuitdsl.measures.scrub_tree import tree
    from circuitdsl.planning.draws import Tape
    from circuitdsl.reports.tree import tree_record

    hypothesis = resolve(read(path), flags)
    claims = {claim.label: claim for claim in hypothesis.claims if claim.measure == "scrub"}
    if label not in claims:
        hint = f"its scrub claims are {', '.join(f'`{name}`' for name in claims)}" if claims else "it has no scrub claim"
        raise refusal("C384", f"no scrub claim of {path} is called `{label}`", hint=hint)
    claim = claims[label]
    measured = claim.measured
    rows = len(hypothesis.distributions[measured])
    chosen = [*hypothesis.rows(measured, "verifying"), *hypothesis.rows(measured, "exploring")][0] if row is None else row
    if not 0 <= chosen < rows:
        raise refusal("C384", f"`{measured}` has no row {chosen}", hint=f"its rows are 0 to {rows - 1}")
    found = tree(claim, hypothesis)
    tape = Tape(hypothesis, [chosen], hypothesis.settings.seed)
    drawn = {call.draw: int(tape.rows(call.draw)[chosen]) for call in found.calls if call.draw is not None}
    return tree_record(hypothesis, claim, found, (measured, chosen), drawn)
