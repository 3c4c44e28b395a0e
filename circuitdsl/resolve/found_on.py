"""`settings { found_on = ("sweep.evidence.json", "runs") }`: verdicts are not given on prompts that the hypothesis was found on."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import Span
from circuitdsl.resolve.program import inside

HINT = (
    "keep `prompts`, `seed` and `explore` of that run, if it looked at its exploring part alone; another `seed` draws other prompts "
    "where there are far more than are drawn; or use other values"
)


def evidence_files(folder: Path, names: Iterable[str], own: str, span: Span, problems: Diagnostics) -> tuple[str, ...]:
    """Each file once, named from the folder; of folders among the names all evidence in them, but not the hypothesis' own.

    `own` is the name of the hypothesis' file without its ending. Reports what is not there, and a folder without evidence.
    """
    found: dict[str, None] = {}
    for name in names:
        path = inside(folder, doc.Text(name, span=span), problems, folders=True)
        if path.is_file():
            found[name] = None
            continue
        others = [
            one.name for one in sorted(path.glob("*.evidence.json")) if not (path == folder.resolve() and one.name.startswith(f"{own}."))
        ]
        if not others:
            hint = "`circuitdsl verify` writes such files"
            raise problems.error("C340", f"no other file's evidence is in the folder `{name}`", span, hint)
        found |= dict.fromkeys((PurePath(name) / one).as_posix() for one in others)
    return tuple(found)


def looked_at(folder: Path, name: str, span: Span, problems: Diagnostics) -> tuple[frozenset[str], str]:
    """Digests of the prompts that a run looked at, and its model, from its evidence, which is only read.

    Reports a file that does not say the prompts; the model is "" if it does not say that.
    """
    path = inside(folder, doc.Text(name, span=span), problems)
    try:
        evidence = json.loads(path.read_bytes())
        found = evidence["looked_at"]
        if not (found and isinstance(found, list) and all(isinstance(one, str) for one in found)):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        hint = "`circuitdsl verify` writes such files; one of an earlier version does not say it: verify again"
        raise problems.error("C340", f"`{name}` does not say which prompts were looked at", span, hint) from None
    model = evidence.get("model")
    named = model.get("name") if isinstance(model, dict) else None
    return frozenset(found), named if isinstance(named, str) else ""


def check_found_on(
    names: Iterable[str],
    span: Span,
    folder: Path,
    judged: Iterable[tuple[str, int]],
    distributions: Mapping[str, Distribution],
    model: str,
    problems: Diagnostics,
) -> None:
    """`names` are evidence files, and `judged` the distributions and rows that verdicts rest on.

    Reports those that were looked at in any of the files, and other models.
    """
    prompts = {distributions[where].prompts[row].digest for where, row in judged}
    seen: dict[str, set[str]] = {}
    for name in names:
        with problems.going_on():
            looked, other = looked_at(folder, name, span, problems)
            if other and _last(other) != _last(model):
                hint = "name the evidence of the run that the hypothesis was written from, or leave `found_on` out"
                problems.warning("W036", f"`{name}` is about the model `{other}`, this file about `{model}`", span, hint)
            if prompts & looked:
                seen[name] = prompts & looked
    if seen:
        where = f"in `{next(iter(seen))}`" if len(seen) == 1 else ", ".join(f"{len(some)} in `{name}`" for name, some in seen.items())
        message = f"{len(set().union(*seen.values()))} of the {len(prompts)} prompts that give verdicts were looked at"
        raise problems.error("C341", f"{message}{' ' if len(seen) == 1 else ': '}{where}", span, HINT)


def _last(model: str) -> str:
    """A model's name without the folders that lead to it, which differ with where a file stands."""
    return model.rstrip("/").rsplit("/", 1)[-1].lower()
