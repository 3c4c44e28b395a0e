"""`settings { found_on = "sweep.evidence.json" }`: verdicts are not given on prompts that the hypothesis was found on."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from circuitdsl.borders import document as doc
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import Span
from circuitdsl.resolve.problems import Problems
from circuitdsl.resolve.program import inside

HINT = (
    "keep `prompts`, `seed` and `explore` of that run, if it looked at its exploring part alone; another `seed` draws other prompts "
    "where there are far more than are drawn; or use other values"
)


def looked_at(folder: Path, name: str, span: Span, problems: Problems) -> frozenset[str]:
    """Digests of the prompts that a run looked at, from its evidence, which is only read. Reports a file that does not say."""
    path = inside(folder, doc.Text(name, span=span), problems)
    try:
        found = json.loads(path.read_bytes())["looked_at"]
        if not (found and isinstance(found, list) and all(isinstance(one, str) for one in found)):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        hint = "`circuitdsl verify` writes such files; one of an earlier version does not say it: verify again"
        raise problems.error("C340", f"`{name}` does not say which prompts were looked at", span, hint) from None
    return frozenset(found)


def check_found_on(
    name: str, span: Span, folder: Path, judged: Iterable[tuple[str, int]], distributions: Mapping[str, Distribution], problems: Problems
) -> None:
    """`judged` are the distributions and rows that verdicts rest on. Reports those that were looked at before."""
    looked = looked_at(folder, name, span, problems)
    prompts = {distributions[where].prompts[row].digest for where, row in judged}
    if seen := len(prompts & looked):
        message = f"{seen} of the {len(prompts)} prompts that give verdicts were looked at in `{name}`"
        raise problems.error("C341", message, span, HINT)
