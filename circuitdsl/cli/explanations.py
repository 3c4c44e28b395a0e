"""The texts of `explain`: every code of every stage, every measure of the registry, every setting; and the pages made of them."""

import difflib
import re
import runpy
import textwrap
from importlib.resources import files
from typing import TYPE_CHECKING

from circuitdsl.borders.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from circuitdsl.borders.measure import Measure, Signature
    from circuitdsl.resolve.settings import SettingKind

_STAGES = ("language", "resolve", "prompts", "models", "measures", "planning", "engine", "statistics", "figures", "reports", "cli")

_TAKES = {"metric": "a metric", "path": "a path", "node": "a node, or `each NODE`"}
_PREFACE = """# Measures

What claims may ask for. `circuitdsl explain NAME` prints the same. F(…) is the mean of the metric: F(M) of the model, F(C) of the
circuit with everything else ablated, F(∅) of the model with everything ablated. How claims are written is in
[the language](language.md)."""
ABLATIONS = {
    "resample": "its value on the paired prompt of the prompts named",
    "mean": "its mean over the prompts named that have the same layout",
    "zero": "the value zero",
}


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
    """The page of a code, a measure, a setting or an ablation; None if there is none of that name."""
    if re.fullmatch(r"[CcWw]\d+", name):
        code = codes().get(name.upper())
        return f"{name.upper()}: {code.title}\n\n{_wrapped(code.text)}" if code else None
    measure = measures().get(name)
    if measure is not None:
        return _page(measure)
    setting = _settings().get(name)
    if setting is not None:
        return f"setting {name}: {setting.help}\n\ntakes     {setting.wanted}\ndefault   {setting.default}"
    if name == "settings":
        return "\n\n".join(explanation(one) or "" for one in _settings())
    if name in ABLATIONS:
        where = "It stands in `settings { ablate = … }`, or is the option `ablate` of a claim."
        return f"{name}: an ablation; everything outside the circuit has {ABLATIONS[name]}\n\n{where}"
    variants = [_page(found) for other, found in measures().items() if other.startswith(f"{name}.")]
    return "\n\n".join(variants) or None


def catalogue() -> str:
    """One line each."""
    lines = ["measures"]
    lines += [f"  {measure.name:<20} {measure.summary}" for measure in measures().values()]
    lines += ["", "settings"]
    lines += [f"  {name:<20} {setting.help}" for name, setting in _settings().items()]
    lines += ["", "codes"]
    lines += [f"  {name}  {code.title}" for name, code in codes().items()]
    return "\n".join(lines)


def nearest(name: str) -> str:
    """What was likely meant."""
    close = difflib.get_close_matches(name, [*codes(), *measures(), *_settings(), *ABLATIONS], n=1)
    return f"; did you mean `{close[0]}`?" if close else "; `circuitdsl explain` lists them"


def settings_table() -> str:
    """The settings as a table in Markdown, for docs/language.md."""
    rows = [f"| `{name}` | {setting.wanted} | {setting.help} | {setting.default} |" for name, setting in _settings().items()]
    return "\n".join(["| setting | takes | says | default |", "|---|---|---|---|", *rows])


def measures_page() -> str:
    """docs/measures.md: the built-in measures, as the registry has them."""
    from circuitdsl.measures.registry import BUILT_IN

    return "\n\n".join([_PREFACE, *map(_section, BUILT_IN)]) + "\n"


def _section(measure: "Measure") -> str:
    signature = measure.signature
    each = f"; `each {'`, `each '.join(signature.each)}`" if signature.each else ""
    facts = {
        "takes": _takes(signature) + each,
        "formula": f"`{measure.formula}`",
        "unit": measure.unit,
        "range": str(measure.range),
        "baseline": measure.baseline,
        "source": measure.source,
        "example": f"`{measure.example}`",
    }
    lines = [f"## {measure.name}", "", f"{measure.summary[0].upper()}{measure.summary[1:]}.", ""]
    lines += [f"- {name}: {' '.join(text.split())}" for name, text in facts.items() if text]
    if measure.details:
        lines += ["", " ".join(measure.details.split())]
    lines += ["", "| option | takes | says |", "|---|---|---|"]
    for name, option in measure.options.items():
        kind = " or ".join(f"`{word}`" for word in option.words) or option.kind
        needed = "; required" if option.required and option.kind != "ablation" else ""
        default = f"; default `{option.default}`" if option.default is not None else ""
        lines.append(f"| `{name}` | {kind} | {option.help}{default}{needed} |")
    return "\n".join(lines)


def _takes(signature: "Signature") -> str:
    slot = "a slot or feature" if signature.features else "a slot"
    return _TAKES[signature.subject] + f"; then {slot}" * signature.slots


def _settings() -> "Mapping[str, SettingKind]":
    from circuitdsl.resolve.settings import KNOWN

    return KNOWN


def _page(measure: "Measure") -> str:
    fields = {
        "formula": measure.formula,
        "unit": measure.unit,
        "range": str(measure.range),
        "baseline": measure.baseline,
        "source": measure.source,
        "example": measure.example,
        "version": str(measure.version),
    }
    lines = [f"{measure.name}: {measure.summary}", ""]
    for name, text in fields.items():
        if text:
            lines.append(textwrap.fill(text, 100, initial_indent=f"{name:<10}", subsequent_indent=" " * 10))
    if measure.details:
        lines += ["", _wrapped(measure.details)]
    lines += [
        "",
        f"takes     {_takes(measure.signature)}" + (f", each {'|'.join(measure.signature.each)}" if measure.signature.each else ""),
    ]
    for name, option in measure.options.items():
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
