"""Named options of claims, each by its kind in the measure's signature."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.hypothesis import Settings
from circuitdsl.borders.measure import Measure
from circuitdsl.borders.options import OptionSpec
from circuitdsl.borders.source import Span
from circuitdsl.prompts import PromptSpace
from circuitdsl.resolve.names import Scope, suggestion
from circuitdsl.resolve.nodes import SPECIAL, NodeResolver
from circuitdsl.resolve.positions import PositionResolver, written_slot
from circuitdsl.resolve.settings import ablation_of, plain_name

WANTED: Mapping[str, str] = {
    "ablation": "an ablation: `resample(NAME)`, `mean(NAME)` or `zero`",
    "distribution": "the name of prompts",
    "metric": "the name of a metric",
    "role": "a position, such as `END` or a slot",
    "node": "the name of a node",
    "nodes": "the name of a node, or several: `(a, b)`",
    "word": "a word",
    "number": "a number",
    "slot": "the name of a slot",
    "feature": "the name of a feature or slot",
}


class OptionResolver:
    def __init__(
        self, space: PromptSpace, scope: Scope, nodes: NodeResolver, positions: PositionResolver, settings: Settings, problems: Diagnostics
    ):
        self._space, self._scope, self._nodes = space, scope, nodes
        self._positions, self._settings, self._problems = positions, settings, problems

    def resolve(self, claim: doc.ClaimLine, measure: Measure, measured: Sequence[str]) -> dict[str, Any]:
        """Every option of the signature, defaults filled in. All mistakes are reported before the claim is given up."""
        given, wrong = self._given(claim, measure)
        found: dict[str, Any] = {}
        for name, spec in measure.options.items():
            try:
                if name in given:
                    found[name] = self._value(given[name], spec, measured)
                elif name not in wrong:
                    found[name] = self._default(name, spec)
            except Reported:
                wrong.add(name)
        self._complete(claim, measure, found, wrong)
        if wrong:
            raise Reported
        return found

    def _given(self, claim: doc.ClaimLine, measure: Measure) -> tuple[dict[str, doc.Option], set[str]]:
        given: dict[str, doc.Option] = {}
        wrong: set[str] = set()
        known = measure.options
        for option in claim.options:
            name = option.name.text
            with self._problems.going_on():
                if name not in known:
                    wrong.add(name)
                    hint = suggestion(name, known) or ("" if known else "it has none")
                    raise self._problems.error("C313", f"`{measure.name}` has no option `{name}`", option.name.span, hint)
                if name in given:
                    wrong.add(name)
                    labels = ((given[name].span, "first here"),)
                    raise self._problems.error("C317", f"`{name}` is given twice", option.name.span, labels=labels)
                given[name] = option
        return given, wrong

    def _default(self, name: str, spec: OptionSpec) -> Any:
        if spec.kind == "word" and self._settings.extra.get(name) in spec.words:
            return self._settings.extra[name]
        if spec.kind == "metric" and spec.default is None:
            return next(iter(self._space.metrics), None)
        if spec.kind == "role" and isinstance(spec.default, str):
            return self._positions.default(spec.default)
        return spec.default

    def _complete(self, claim: doc.ClaimLine, measure: Measure, found: dict[str, Any], wrong: set[str]) -> None:
        """Fills in the settings' ablation, and reports what is required and not there."""
        for name, spec in measure.options.items():
            if name in wrong or found.get(name) is not None:
                continue
            with self._problems.going_on():
                if spec.kind == "ablation":
                    found[name] = self._settings.ablate
                    needed = found.get("of") == "circuit" or (spec.required and found.get("of") != "model")
                    if found[name] is not None or not needed:
                        continue
                    wrong.add(name)
                    if self._settings.origins.get("ablate") == "default":
                        hint = (
                            "say so in the claim or in `settings`: `ablate = resample(NAME)`, `mean(NAME)` or `zero`; there is no default"
                        )
                        message = f"`{measure.name}` needs to know what everything outside the circuit is set to"
                        raise self._problems.error("C316", message, claim.measure.span, hint)
                elif spec.kind == "metric":
                    wrong.add(name)
                    if not self._scope.names("metric"):
                        raise self._problems.error(
                            "C324", f"`{measure.name}` needs a metric, and the file declares none", claim.measure.span
                        )
                elif spec.required:
                    wrong.add(name)
                    message = f"`{measure.name}` needs `{name} = …`: {spec.help or WANTED[spec.kind]}"
                    raise self._problems.error("C315", message, claim.measure.span)

    def _value(self, option: doc.Option, spec: OptionSpec, measured: Sequence[str]) -> Any:
        readers: Mapping[str, Callable[[], Any]] = {
            "ablation": lambda: self._ablation(option),
            "distribution": lambda: self._declared(option, "distribution"),
            "metric": lambda: self._declared(option, "metric"),
            "role": lambda: self._roles(option, measured),
            "node": lambda: self._node(self._name(option, "node")),
            "nodes": lambda: self._several(option),
            "word": lambda: self._word(option, spec),
            "number": lambda: self._number(option),
            "slot": lambda: self._slot(option, "slot"),
            "feature": lambda: self._slot(option, "feature"),
        }
        return readers[spec.kind]()

    def _wrong(self, option: doc.Option, kind: str, hint: str = "") -> Reported:
        return self._problems.error("C314", f"`{option.name.text}` takes {WANTED[kind]}", _span(option), hint)

    def _name(self, option: doc.Option, kind: str) -> doc.Name:
        name = plain_name(option.value)
        if name is None:
            hint = "give the units a node of their own, and name it here" if kind in ("node", "nodes") else ""
            raise self._wrong(option, kind, hint)
        return name

    def _ablation(self, option: doc.Option) -> Any:
        ablation, prompts = ablation_of(option.value, self._problems)
        if prompts is not None:
            self.distribution(prompts)
        return ablation

    def distribution(self, name: doc.Name) -> str:
        self._scope.find(name, "prompts")
        if name.text not in self._space.distributions:
            raise Reported
        return name.text

    def metric(self, name: doc.Name) -> str:
        self._scope.find(name, "metric")
        if name.text not in self._space.metrics:
            raise Reported
        return name.text

    def _declared(self, option: doc.Option, kind: str) -> str:
        name = self._name(option, kind)
        return self.distribution(name) if kind == "distribution" else self.metric(name)

    def _roles(self, option: doc.Option, measured: Sequence[str]) -> Any:
        values = option.value if isinstance(option.value, tuple) else (option.value,)
        refs = [_position(value) for value in values]
        if any(ref is None for ref in refs):
            raise self._wrong(option, "role")
        return self._positions.roles([ref for ref in refs if ref is not None], measured)

    def _node(self, name: doc.Name) -> str:
        return self._nodes.node(name).name

    def _several(self, option: doc.Option) -> tuple[str, ...]:
        values = option.value if isinstance(option.value, tuple) else (option.value,)
        names = [plain_name(value) for value in values]
        if any(name is None for name in names):
            raise self._wrong(option, "nodes", "give the units a node of their own, and name it here")
        for name in names:
            if name is not None and name.text in SPECIAL:
                raise self._wrong(option, "nodes", f"`{name.text}` is always there")
        return tuple(self._node(name) for name in names if name is not None)

    def _word(self, option: doc.Option, spec: OptionSpec) -> str:
        name = plain_name(option.value)
        if name is None or name.text not in spec.words:
            words = " or ".join(f"`{word}`" for word in spec.words)
            hint = suggestion(name.text, spec.words) if name is not None else ""
            hint = hint if hint.startswith("did") else ""
            raise self._problems.error("C314", f"`{option.name.text}` takes {words}", _span(option), hint)
        return name.text

    def _number(self, option: doc.Option) -> float:
        if not isinstance(option.value, doc.Number) or not math.isfinite(option.value.value):
            raise self._wrong(option, "number")
        return option.value.value

    def _slot(self, option: doc.Option, kind: str) -> str:
        ref = _position(option.value)
        if ref is None or ref.shift or ref.index is not None:
            raise self._wrong(option, kind)
        return self.variable(ref.slot, kind == "feature")

    def variable(self, slot: doc.SlotRef, feature: bool = False) -> str:
        """A slot (or feature) by name. Reports an unknown one."""
        if not (feature and slot.name.text == "template"):
            self._scope.find(slot.name, "slot", *(("feature",) if feature else ()))
        return written_slot(slot)


def _position(value: object) -> doc.PositionRef | None:
    if isinstance(value, doc.PositionRef):
        return value
    if isinstance(value, doc.Endpoint) and isinstance(value.target, doc.Name) and value.positions is None and not value.each:
        field = doc.Name(value.port, span=value.span) if value.port else None
        return doc.PositionRef(doc.SlotRef(value.target, field, span=value.span), span=value.span)
    if isinstance(value, doc.Name):
        return doc.PositionRef(doc.SlotRef(value, span=value.span), span=value.span)
    return None


def _span(option: doc.Option) -> Span:
    value = option.value
    if isinstance(value, tuple):
        return value[0].span.to(value[-1].span)
    return value.span
