"""The texts of `explain`: every code of every stage, every measure of the registry."""

import difflib
import re
import runpy
import textwrap
from importlib.resources import files
from typing import TYPE_CHECKING

from circuitdsl.borders.codes import Code

if TYPE_CHECKING:
    from circuitdsl.borders.measure import Measure

_STAGES = ("language", "resolve", "prompts", "models", "measures", "planning", "engine", "statistics", "figures", "reports", "cli")


def codes() -> dict[str, Code]:
    """Every code of the program. The tables are read without their packages, which would bring in all that they work with."""
    found: dict[str, Code] = {}
    for stage in _STAGES:
        found |= runpy.run_path(str(files("circuitdsl") / stage / "codes.py"))["CODES"]
    return dict(sorted(found.items()))


def measures() -> "dict[str, Measure]":
    """Every measure by its name."""
    from circuitdsl.measures import measures as registry

    return dict(registry())


def explanation(name: str) -> str | None:
    """The page of a code or measure; None if there is none of that name."""
    if re.fullmatch(r"[CcWw]\d+", name):
        code = codes().get(name.upper())
        return f"{name.upper()}: {code.title}\n\n{_wrapped(code.text)}" if code else None
    measure = measures().get(name)
    if measure is not None:
        return _page(measure)
    variants = [_page(found) for other, found in measures().items() if other.startswith(f"{name}.")]
    return "\n\n".join(variants) or None


def catalogue() -> str:
    """One line each."""
    lines = ["measures"]
    lines += [f"  {measure.name:<20} {measure.summary}" for measure in measures().values()]
    lines += ["", "codes"]
    lines += [f"  {name}  {code.title}" for name, code in codes().items()]
    return "\n".join(lines)


def nearest(name: str) -> str:
    """What was likely meant."""
    close = difflib.get_close_matches(name, [*codes(), *measures()], n=1)
    return f"; did you mean `{close[0]}`?" if close else "; `circuitdsl explain` lists them"


def _page(measure: "Measure") -> str:
    fields = {
        "formula": measure.formula,
        "unit": measure.unit,
        "range": measure.range,
        "baseline": measure.baseline,
        "source": measure.source,
        "version": str(measure.version),
    }
    lines = [f"{measure.name}: {measure.summary}", ""]
    for name, text in fields.items():
        if text:
            lines.append(textwrap.fill(text, 100, initial_indent=f"{name:<10}", subsequent_indent=" " * 10))
    if measure.details:
        lines += ["", _wrapped(measure.details)]
    takes = {"metric": "a metric", "path": "a path", "node": "a node, or `each NODE`"}[measure.signature.subject]
    lines += ["", f"takes     {takes}" + (f", each {'|'.join(measure.signature.each)}" if measure.signature.each else "")]
    for name, option in measure.signature.options.items():
        words = f" ({' | '.join(option.words)})" if option.words else ""
        default = f"; default {option.default}" if option.default is not None else ""
        lines.append(
            textwrap.fill(
                f"{name} = {option.kind}{words}: {option.help}{default}", 100, initial_indent=" " * 10, subsequent_indent=" " * 14
            )
        )
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 100) for part in text.split("\n\n"))
