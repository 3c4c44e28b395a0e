"""Claims: measures and their arguments, comparisons, labels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.hypothesis import Claim, Comparison, Path
from circuitdsl.borders.kinds import KINDS
from circuitdsl.borders.measure import Measure
from circuitdsl.borders.source import Span
from circuitdsl.prompts import PromptSpace
from circuitdsl.resolve.names import Scope, suggestion
from circuitdsl.resolve.options import OptionResolver
from circuitdsl.resolve.paths import PathResolver
from circuitdsl.resolve.program import Program
from circuitdsl.resolve.settings import plain_name

SUBJECTS = {"metric": "a metric", "path": "a path, such as `A -> B`", "node": "a node"}


class ClaimResolver:
    def __init__(
        self,
        program: Program,
        measures: Mapping[str, Measure],
        space: PromptSpace,
        scope: Scope,
        paths: PathResolver,
        options: OptionResolver,
        edges: bool,
        problems: Diagnostics,
    ):
        self._program, self._measures, self._space, self._scope = program, measures, space, scope
        self._paths, self._options, self._edges, self._problems = paths, options, edges, problems

    def resolve(self, statements: Sequence[doc.ClaimsStatement]) -> tuple[Claim, ...]:
        labels: dict[str, Span] = {}
        found: list[Claim] = []
        for statement in statements:
            for claim in statement.claims:
                label = claim.label
                if label.text in labels:
                    first = ((labels[label.text], "first here"),)
                    self._problems.error("C320", f"there are two claims `{label.text}`", label.span, labels=first)
                labels.setdefault(label.text, label.span)
                with self._problems.going_on():
                    found.append(self._claim(claim))
        return tuple(found)

    def _claim(self, claim: doc.ClaimLine) -> Claim:
        measure = self._measure(claim.measure)
        stated = next((option for option in claim.options if option.name.text == "on"), None)
        named = plain_name(stated.value) if stated is not None else None
        measured = (named.text if named is not None else self._space.default,)
        failure: Reported | None = None
        metric: str | None = None
        paths: tuple[Path, ...] = ()
        slots: tuple[str, ...] = ()
        options: Mapping[str, Any] = {}
        comparison = None
        try:
            metric, paths, slots = self._arguments(claim, measure, measured)
        except Reported as reported:
            failure = reported
        try:
            options = self._options.resolve(claim, measure, measured)
        except Reported as reported:
            failure = reported
        try:
            self._each(claim, measure)
        except Reported as reported:
            failure = reported
        try:
            comparison = self._comparison(claim, measure)
        except Reported as reported:
            failure = reported
        if failure is not None:
            raise failure
        self._needs(claim, measure, options, measured[0])
        text = self._program.text(Span(claim.measure.span.start, claim.span.end))
        metric = metric or next((options[name] for name, spec in measure.options.items() if spec.kind == "metric"), None)
        each = cast(Literal["unit", "node", "edge"] | None, claim.each)  # the parser gives no other
        chosen = measure.options_of({name: value for name, value in options.items() if name != "on"})
        return Claim(
            claim.label.text,
            measure.name,
            text,
            metric,
            paths,
            slots,
            each,
            chosen,
            comparison,
            claim.warn,
            claim.span,
            measured=options["on"] or self._space.default,
        )

    def _measure(self, name: doc.Name) -> Measure:
        found = self._measures.get(name.text)
        if found is not None:
            return found
        variants = sorted(one for one in self._measures if one.startswith(f"{name.text}."))
        if variants:
            listed = ", ".join(f"`{one}`" for one in variants)
            message = f"`{name.text}` stands for several statistics; say which"
            raise self._problems.error("C311", message, name.span, listed)
        hint = suggestion(name.text, self._measures) or "`circuitdsl explain` lists the measures"
        raise self._problems.error("C310", f"there is no measure `{name.text}`", name.span, hint)

    def _arguments(
        self, claim: doc.ClaimLine, measure: Measure, measured: Sequence[str]
    ) -> tuple[str | None, tuple[Path, ...], tuple[str, ...]]:
        signature = measure.signature
        wanted = SUBJECTS[signature.subject] + (f" and {signature.slots} slots" if signature.slots > 1 else " and a slot" * signature.slots)
        count = 1 + signature.slots
        if len(claim.arguments) != count:
            span = claim.arguments[count].span if len(claim.arguments) > count else claim.measure.span
            raise self._problems.error("C312", f"`{measure.name}` takes {wanted}", span, self._count_hint(claim, measure, count))
        subject, *others = claim.arguments
        slots: list[str] = []
        failure: Reported | None = None
        for other in others:
            try:
                slots.append(self._slot(other, measure))
            except Reported as reported:
                failure = reported
        metric: str | None = None
        paths: tuple[Path, ...] = ()
        if signature.subject == "metric":
            metric = self._metric(subject, measure)
        else:
            if signature.subject == "path" and not subject.arrows:
                raise self._problems.error("C312", f"`{measure.name}` takes {wanted}", subject.span, "write an arrow and where it leads")
            if signature.subject == "node" and subject.arrows:
                raise self._problems.error("C312", f"`{measure.name}` takes {wanted}, not a path", subject.span)
            paths = (self._paths.resolve(subject, measured),)
            self._kinds(paths[0], subject, measure)
        if failure is not None:
            raise failure
        return metric, paths, tuple(slots)

    def _kinds(self, path: Path, written: doc.PathExpr, measure: Measure) -> None:
        kinds = measure.signature.kinds
        other = next((place.unit for place in path.start if kinds and place.unit.kind not in kinds), None)
        if other is not None:
            wanted = " or ".join(KINDS[kind].nouns for kind in kinds)
            raise self._problems.error("C330", f"`{measure.name}` is of {wanted}, and {other} is none", written.span)

    def _count_hint(self, claim: doc.ClaimLine, measure: Measure, count: int) -> str:
        """An argument too many is mostly an option without its name."""
        given = len(claim.arguments)
        if measure.signature.subject == "path" and given > count and not claim.arguments[0].arrows and claim.arguments[given - 1].arrows:
            return "what is patched together is a group of nodes, or units in parentheses: `(heads 9.6, mlps 3) -> …`"
        if given <= count or claim.arguments[count].arrows:
            return f"{given} arguments are given"
        place = claim.arguments[count].places[0]
        target = place.target
        if place.each and isinstance(target, doc.Name) and (word := target.text.removesuffix("s")) in measure.signature.each:
            return f"write `each {word}`"
        found = self._scope.declared.get(target.text) if isinstance(target, doc.Name) else None
        kinds = {"prompts": "distribution", "metric": "metric", "node": "nodes"}
        fitting = [name for name, spec in measure.options.items() if found and spec.kind == kinds.get(found.kind)]
        if found is None or not fitting:
            return f"{given} arguments are given; those after the first are options with a name, such as `on = clean`"
        return f"options have names: write {' or '.join(f'`{name} = {found.name}`' for name in fitting[:3])}"

    def _metric(self, path: doc.PathExpr, measure: Measure) -> str:
        place = path.places[0]
        if path.arrows or not isinstance(place.target, doc.Name) or place.each or place.port or place.positions:
            raise self._problems.error("C312", f"`{measure.name}` takes a metric", path.span, self._metrics_hint())
        return self._options.metric(place.target)

    def _metrics_hint(self) -> str:
        metrics = self._scope.names("metric")
        return f"known: {', '.join(f'`{one}`' for one in metrics)}" if metrics else "the file declares none"

    def _slot(self, path: doc.PathExpr, measure: Measure) -> str:
        place = path.places[0]
        if path.arrows or not isinstance(place.target, doc.Name) or place.each or place.positions:
            raise self._problems.error("C312", f"the other arguments of `{measure.name}` are slots", path.span)
        field = doc.Name(place.port, span=place.span) if place.port else None
        return self._options.variable(doc.SlotRef(place.target, field, span=place.span), measure.signature.features)

    def _each(self, claim: doc.ClaimLine, measure: Measure) -> None:
        allowed = measure.signature.each
        members = any(place.each for path in claim.arguments for place in path.places)
        if claim.each is None:
            if measure.signature.needs_each and not members:
                ways = " or ".join(f"`each {one}`" for one in allowed) or "`each` before its node"
                raise self._problems.error("C318", f"`{measure.name}` is about single members", claim.measure.span, f"add {ways}")
            return
        if claim.each not in allowed:
            ways = " or ".join(f"`each {one}`" for one in allowed)
            hint = f"it takes {ways}" if allowed else "put `each` before a node instead" * (measure.signature.subject != "metric")
            raise self._problems.error("C318", f"`{measure.name}` cannot go through `each {claim.each}`", claim.measure.span, hint)
        if members:
            raise self._problems.error("C319", "`each` is said twice", claim.measure.span, "one claim goes through one kind of member")

    def _comparison(self, claim: doc.ClaimLine, measure: Measure) -> Comparison | None:
        stated = claim.comparison
        if stated is None:
            return None
        value, margin = stated.value.value, stated.margin.value if stated.margin is not None else None
        if margin is not None and margin <= 0:
            raise self._problems.error("C321", "a margin is above 0", stated.span, "say how far from the value still counts as equal")
        self._check_range(value, stated, measure)
        comparison = Comparison(stated.operator, value, margin)  # type: ignore[arg-type]
        if (holds := measure.range.decides(comparison)) is not None:
            message = f"`{measure.name}` is {measure.range.numbers}: this {'holds' if holds else 'fails'} whatever is measured"
            self._problems.warning("W075", message, stated.span, "claim a bound that a measurement could miss" if holds else "")
        return comparison

    def _check_range(self, value: float, stated: doc.ComparisonExpr, measure: Measure) -> None:
        """A bound outside what a measure can be decides the claim before anything is measured."""
        low, high = measure.range.low, measure.range.high
        if low <= value <= high:
            return
        hint = f"did you mean {value / 100:g}?" if (low, high) == (0, 1) and 2 <= value <= 100 else ""
        lies = f"lies between {low:g} and {high:g}" if high < math.inf else f"is never below {low:g}"
        raise self._problems.error("C323", f"`{measure.name}` {lies}", stated.value.span, hint)

    def _needs(self, claim: doc.ClaimLine, measure: Measure, options: Mapping[str, object], measured: str) -> None:
        distribution = self._space.distributions.get(measured)
        if distribution is None:
            return
        if measure.signature.needs_answers and distribution.prompts and all(one.answer is None for one in distribution.prompts):
            hint = f"add `answer SLOT wrong SLOT` to `prompts {measured}`"
            message = f"`{measure.name}` needs answers, and the prompts of `{measured}` have none"
            raise self._problems.error("C326", message, claim.measure.span, hint)
        if about_circuit(measure, options) and not self._edges:
            message = f"`{measure.name}` is about the circuit, and the file states no edges"
            raise self._problems.error("C329", message, claim.measure.span, "add `edges { … }`")


def about_circuit(measure: Measure, options: Mapping[str, object]) -> bool:
    """Whether a claim is about the circuit's run, rather than the model's own or a path: it takes a metric and an ablation."""
    signature = measure.signature
    of = measure.options.get("of")
    subject = options.get("of", of.default) if of is not None else "circuit"
    return signature.subject == "metric" and "ablate" in measure.options and subject == "circuit"
