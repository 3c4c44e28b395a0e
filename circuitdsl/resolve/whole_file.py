"""Rules about a file as a whole: what it says once, what it says for nothing, and whether its donors exist."""

from collections.abc import Iterator, Sequence

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.hypothesis import Ablation, Claim, ModelName, Settings
from circuitdsl.borders.source import Span
from circuitdsl.prompts import PromptSpace
from circuitdsl.resolve.names import ARTICLES, Scope, mentioned
from circuitdsl.resolve.program import Program


def named_model(program: Program, problems: Diagnostics, flag: str | None = None) -> ModelName | None:
    """The file's model, or the command line's instead. Two statements must agree."""
    found = [one for one in program.statements if isinstance(one, doc.ModelStatement)]
    for one in found[1:]:
        if (one.name, one.revision) != (found[0].name, found[0].revision):
            labels = ((found[0].span, "the first model"),)
            problems.error("C104", "there are two models", one.span, "one file is about one model", labels)
    if flag is not None:
        return ModelName(flag)
    if not found:
        hint = 'add `model "NAME"`: a Hub id, a folder, or a GGUF file'
        if not program.statements:
            hint = "no statement is in it; `circuitdsl init my.circ` writes a file to start from"
        problems.error("C105", "the file names no model", Span(), hint)
        return None
    return ModelName(found[0].name.value, found[0].revision.value if found[0].revision else None)


def check_said_once(program: Program, problems: Diagnostics) -> doc.CircuitStatement | None:
    """The title of the main file. `circuit` and `settings` are said once; the title of a used file does not count."""
    circuits = [one for one in program.statements if isinstance(one, doc.CircuitStatement)]
    own = [one for one in circuits if program.is_main(one.span)]
    for name, found in (("circuit", own), ("settings", [one for one in program.statements if isinstance(one, doc.SettingsStatement)])):
        for one in found[1:]:
            problems.error("C104", f"`{name}` is said twice", one.span, labels=((found[0].span, "first here"),))
    return next(iter([*own, *circuits]), None)


def check_unused(program: Program, scope: Scope, space: PromptSpace, claims: Sequence[Claim], problems: Diagnostics) -> None:
    """Warns of declarations of the main file that nothing uses. Used files may offer more than is wanted."""
    used = {name for statement in program.statements for name in mentioned(statement)}
    every = any(isinstance(one, doc.EdgesStatement) and one.all for one in program.statements) or "*" in used
    used |= {claim.metric for claim in claims if claim.metric} | {space.default}
    for found in scope.declared.values():
        if found.kind == "slot" or found.name in used or found.span == Span() or not program.is_main(found.span):
            continue
        if found.kind == "node" and every:
            continue
        if found.kind == "prompts" and found.name not in space.distributions:
            continue
        problems.warning("W030", f"`{found.name}` is {ARTICLES[found.kind]} that nothing uses", found.span)


def check_donors(claims: Sequence[Claim], settings: Settings, space: PromptSpace, problems: Diagnostics) -> None:
    """Donors from prompts that are not paired must exist in every layout (or length) that they are put into."""
    common = "layout" if settings.align == "layout" else "length"
    for claim in claims:
        measured = claim.measured
        for name, drawn in _donors(claim):
            rows, donors = space.distributions.get(measured), space.distributions.get(name)
            if rows is None or donors is None or (not drawn and name == measured) or (name != measured and _paired(name, measured, space)):
                continue
            there = donors.rows_alike(settings.align)
            needed = 2 if name == measured and drawn else 1
            for alike, needing in rows.rows_alike(settings.align).items():
                if len(there.get(alike, ())) < needed:
                    prompt = rows.prompts[needing[0]].text
                    many = f"{len(needing)} prompt{'s' * (len(needing) > 1)}"
                    none, new = ("no other", "NAME") if name == measured else ("none", name)
                    message = f"`{name}` has no donor for {many} of `{measured}`: {none} has the same {common}"
                    derived = f"derive the prompts (`prompts {new} from {measured} {{ … }}`), or draw more"
                    hint = f"one of them: {prompt}; {derived}"
                    problems.error("C327", message, claim.span, hint)
                    break


def _donors(claim: Claim) -> Iterator[tuple[str, bool]]:
    """Distributions that give values to measured rows, and whether a row may not be its own donor."""
    options = claim.options.named()
    for name, value in options.items():
        if isinstance(value, Ablation) and value.distribution and options.get("of") != "model":
            yield value.distribution, value.kind == "resample"
        elif name in ("from", "into") and isinstance(value, str):
            yield value, False


def _paired(first: str, second: str, space: PromptSpace) -> bool:
    def root(name: str) -> str:
        seen = {name}
        while (paired := space.distributions[name].paired) and paired not in seen and paired in space.distributions:
            name = paired
            seen.add(name)
        return name

    return root(first) == root(second)
