"""Settings: the file's, overridden by those of the command line."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.hypothesis import Ablation, Settings
from circuitdsl.borders.source import Span
from circuitdsl.resolve.names import Scope, suggestion

SettingOrigin = Literal["default", "file", "flag"]
ABLATIONS = ("resample", "mean", "zero")


@dataclass(frozen=True, slots=True)
class SettingKind:
    """What a setting takes: words to say it in, and a test of the plain value; what it is for, and what it is if it is not said."""

    wanted: str
    test: Callable[[Any], bool]
    help: str
    default: str


def _whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value == int(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


KNOWN: Mapping[str, SettingKind] = {
    "prompts": SettingKind(
        "a whole number from 1 to 1,000,000",
        lambda value: _whole(value) and 1 <= value <= 1_000_000,
        "how many different prompts are drawn",
        "256",
    ),
    "seed": SettingKind(
        "a whole number from 0 to 4294967295",
        lambda value: _whole(value) and 0 <= value < 2**32,
        "the seed of every draw",
        "0",
    ),
    "confidence": SettingKind(
        "a number between 0.5 and 1, such as 0.95",
        lambda value: _number(value) and 0.5 < value < 1,
        "confidence of the intervals; verdicts err with at most the rest",
        "0.95",
    ),
    "explore": SettingKind(
        "a share of the prompts, from 0 to 1",
        lambda value: _number(value) and 0 <= value <= 1,
        "share of the prompts that measurements and searches look at; verdicts rest on the others",
        "0.5 if the file has any of these, else 0",
    ),
    "subset": SettingKind(
        "a whole number from 1 to 1,000,000",
        lambda value: _whole(value) and 1 <= value <= 1_000_000,
        "on how many prompts random circuits, `completeness` and `minimality` are measured, templates in proportion",
        "all prompts",
    ),
    "bos": SettingKind(
        "`true` or `false`",
        lambda value: isinstance(value, bool),
        "whether prompts begin with the model's beginning-of-sequence token",
        "as its tokenizer does",
    ),
    "answers": SettingKind(
        "`spaced` or `exact`",
        lambda value: value in ("spaced", "exact"),
        "whether answers of templates get the space that the model's own text would have before them, or follow as they are written",
        "spaced",
    ),
    "unequal": SettingKind(
        "`refuse` or `leave_out`",
        lambda value: value in ("refuse", "leave_out"),
        "what is done with pairs of a data file whose prompt and counterfactual have different numbers of tokens",
        "refuse",
    ),
    "align": SettingKind(
        "`layout` or `absolute`",
        lambda value: value in ("layout", "absolute"),
        "which prompts may exchange values: those with the same template and token counts of all slots, or those of the same length",
        "layout",
    ),
    "norm": SettingKind(
        "`live` or `frozen`",
        lambda value: value in ("live", "frozen"),
        "scales of the norms that readers apply: of what they read, or of the clean run",
        "live",
    ),
    "found_on": SettingKind(
        'evidence files, such as `"sweep.evidence.json"` or `("a.evidence.json", "b.evidence.json")`, or folders with some',
        lambda value: isinstance(value, tuple) and all(isinstance(one, str) and one for one in value),
        "what the hypothesis was found on: prompts that were looked at there may give no verdict here",
        "nothing",
    ),
    "ablate": SettingKind(
        "`resample(NAME)`, `mean(NAME)` or `zero`, NAME the name of prompts",
        lambda value: isinstance(value, Ablation),
        "what everything outside the circuit is set to",
        "none: claims that need one say so",
    ),
}
OWN_FIELDS = ("prompts", "seed", "confidence", "explore", "subset", "bos", "align", "ablate")


@dataclass(slots=True)
class Stated:
    """Plain values with who set them and where."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, SettingOrigin] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    names: dict[str, doc.Name] = field(default_factory=dict)
    """The name of prompts in an ablation, to be looked up once prompts are known."""

    def get(self, name: str, default: Any) -> Any:
        return self.values.get(name, default)


def stated_settings(statements: Sequence[doc.SettingsStatement], flags: Mapping[str, Any], problems: Diagnostics) -> Stated:
    """Everything that is set, each value checked by itself. Settings are said once, so the first statement counts."""
    stated = Stated()
    for statement in statements[:1]:
        for option in statement.options:
            with problems.going_on():
                _state(option, stated, problems)
    for name, value in flags.items():
        if value is None or name == "model":
            continue
        with problems.going_on():
            _flag(name, value, stated, problems)
    return stated


def settings_in_force(stated: Stated, distributions: Mapping[str, Any], scope: Scope, looking: bool, problems: Diagnostics) -> Settings:
    """The settings, the ablation's prompts looked up, `explore` filled in."""
    values = dict(stated.values)
    if "ablate" in stated.names:
        with problems.going_on():
            scope.find(stated.names["ablate"], "prompts")
    elif (ablate := values.get("ablate")) is not None and ablate.distribution and ablate.distribution not in distributions:
        values.pop("ablate")
        with problems.going_on():
            _unknown_prompts(ablate.distribution, scope, problems)
    if values.get("explore") is None:
        values["explore"] = 0.5 if looking else 0.0
    extra = {name: value for name, value in values.items() if name not in OWN_FIELDS}
    own = {name: value for name, value in values.items() if name in OWN_FIELDS}
    origins = {name: stated.origins.get(name, "default") for name in KNOWN}
    return Settings(**own, extra=extra, origins=origins)


def ablation_of(value: object, problems: Diagnostics) -> tuple[Ablation, doc.Name | None]:
    """`resample(abc)`, `mean(abc)` or `zero`, its prompts not looked up yet."""
    name = value.function if isinstance(value, doc.Apply) else plain_name(value)
    span = getattr(value, "span", Span())
    if name is None:
        raise problems.error("C303", "this is not an ablation", span, f"write {KNOWN['ablate'].wanted}")
    if name.text not in ABLATIONS:
        raise problems.error("C303", f"there is no ablation `{name.text}`", span, suggestion(name.text, ABLATIONS))
    arguments = value.arguments if isinstance(value, doc.Apply) else ()
    if name.text == "zero":
        if arguments:
            raise problems.error("C303", "`zero` takes no prompts", span, "write `zero`")
        return Ablation("zero"), None
    if len(arguments) != 1:
        hint = f"write `{name.text}(NAME)`, NAME the name of prompts"
        raise problems.error("C303", f"`{name.text}` takes the name of prompts", span, hint)
    return Ablation(name.text, arguments[0].text), arguments[0]  # type: ignore[arg-type]


def plain_name(value: object) -> doc.Name | None:
    """The name that an option's value is, however the parser took it: a name, a bare place, or a bare position."""
    if isinstance(value, doc.Name):
        return value
    if isinstance(value, doc.Endpoint) and isinstance(value.target, doc.Name):
        return value.target if value.port is None and value.positions is None and not value.each else None
    if isinstance(value, doc.PositionRef) and not value.shift and value.index is None:
        return value.slot.name if value.slot.field is None and value.slot.occurrence is None else None
    return None


def _state(option: doc.Option, stated: Stated, problems: Diagnostics) -> None:
    name = option.name.text
    if name not in KNOWN:
        raise problems.error("C301", f"there is no setting `{name}`", option.name.span, suggestion(name, KNOWN))
    if name in stated.spans:
        labels = ((stated.spans[name], "first set here"),)
        raise problems.error("C304", f"`{name}` is set twice", option.name.span, labels=labels)
    stated.spans[name], stated.origins[name] = option.name.span, "file"
    if name == "ablate":
        stated.values[name], prompts = ablation_of(option.value, problems)
        if prompts is not None:
            stated.names[name] = prompts
    else:
        value = _plain(option.value)
        if not KNOWN[name].test(value):
            span = getattr(option.value, "span", option.span)
            raise problems.error("C302", f"`{name}` takes {KNOWN[name].wanted}", span, _percent(name, option.value))
        stated.values[name] = int(value) if name in ("prompts", "seed", "subset") else value


def _flag(name: str, value: Any, stated: Stated, problems: Diagnostics) -> None:
    if name not in KNOWN:
        raise problems.flag("C301", f"there is no setting `{name}`", suggestion(name, KNOWN))
    if name == "ablate" and isinstance(value, str):
        kind, _, inner = value.removesuffix(")").partition("(")
        value = Ablation(kind, inner or None) if kind in ABLATIONS and bool(inner) == (kind != "zero") else value  # type: ignore[arg-type]
    if not KNOWN[name].test(value):
        raise problems.flag("C302", f"--{name} takes {KNOWN[name].wanted}")
    stated.values[name], stated.origins[name] = value, "flag"
    stated.names.pop(name, None)


def _plain(value: object) -> Any:
    if isinstance(value, doc.Number):
        return value.value
    if isinstance(value, doc.Text):
        return (value.value,)
    if isinstance(value, tuple) and all(isinstance(one, doc.Text) for one in value):
        return tuple(one.value for one in value)
    name = plain_name(value)
    if name is None:
        return None
    return {"true": True, "false": False}.get(name.text, name.text)


def _percent(name: str, value: object) -> str:
    if name in ("confidence", "explore") and isinstance(value, doc.Number) and 1 < value.value <= 100:
        return f"did you mean {value.value / 100:g}?"
    return ""


def _unknown_prompts(name: str, scope: Scope, problems: Diagnostics) -> None:
    if name in scope.declared and scope.declared[name].kind == "prompts":
        return
    raise problems.flag("C111", f"--ablate: there are no prompts `{name}`", suggestion(name, scope.names("prompts")))
