"""From a syntax tree to a checked hypothesis: the order in which the parts of a file are looked at."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.hypothesis import Claim, Hypothesis, ModelName, Settings
from circuitdsl.borders.measure import Measure
from circuitdsl.borders.prompts import Tokenizer
from circuitdsl.borders.source import CircError, Diagnostic, Severity, Span
from circuitdsl.borders.units import ModelShape
from circuitdsl.prompts import PromptSpace, build
from circuitdsl.resolve.claims import ClaimResolver, about_circuit
from circuitdsl.resolve.edges import EdgeResolver
from circuitdsl.resolve.found_on import check_found_on, evidence_files
from circuitdsl.resolve.graph import check_paths, check_positions
from circuitdsl.resolve.names import NameKind, Scope, slot_declarations
from circuitdsl.resolve.nodes import NodeResolver, used_nodes
from circuitdsl.resolve.options import OptionResolver
from circuitdsl.resolve.paths import PathResolver
from circuitdsl.resolve.positions import PositionResolver
from circuitdsl.resolve.program import Parse, Program, assemble
from circuitdsl.resolve.settings import Stated, plain_name, settings_in_force, stated_settings
from circuitdsl.resolve.split import split
from circuitdsl.resolve.whole_file import check_donors, check_said_once, check_unused, named_model

S = TypeVar("S", bound=doc.Syntax)
DEFAULTS = Settings()


def model_name(document: doc.Document, parse: Parse | None = None) -> ModelName:
    """The model that the file, or a file it uses, names. Raises CircError if none does, or two differ."""
    problems = Diagnostics()
    program = assemble(document, parse, problems)
    found = named_model(program, problems)
    if found is None or problems.failed:
        raise _failure(program, problems)
    return found


def stated_size(document: doc.Document, parse: Parse | None = None) -> dict[str, int]:
    """`prompts` and `seed` as the file, or a file it uses, states them, else the defaults; wrong values count as not stated."""
    problems = Diagnostics()
    program = assemble(document, parse, problems)
    stated = stated_settings([one for one in program.statements if isinstance(one, doc.SettingsStatement)], {}, problems)
    return {name: stated.get(name, getattr(DEFAULTS, name)) for name in ("prompts", "seed")}


def resolve(
    document: doc.Document,
    shape: ModelShape,
    tokenizer: Tokenizer | None,
    measures: Mapping[str, Measure],
    flags: Mapping[str, Any] | None = None,
    *,
    parse: Parse | None = None,
) -> Hypothesis:
    """The file as a hypothesis about a model of this shape, all names resolved and everything checked that needs no weights.

    Reads only files that the document names, inside its folder. `flags` win over `settings` (and `model` over the file's);
    `parse` is needed for `use`. Without a tokenizer tokens are stand-ins, and what depends on them is not checked.
    Raises CircError with every error of the file and of those it uses, sorted by place; warnings are in the hypothesis.
    """
    return _Resolution(document, shape, tokenizer, measures, dict(flags or {}), parse).run()


class _Resolution:
    def __init__(
        self,
        document: doc.Document,
        shape: ModelShape,
        tokenizer: Tokenizer | None,
        measures: Mapping[str, Measure],
        flags: Mapping[str, Any],
        parse: Parse | None,
    ):
        self.problems = Diagnostics()
        self.program = assemble(document, parse, self.problems)
        self.shape, self.tokenizer, self.measures, self.flags = shape, tokenizer, measures, flags
        self.scope = Scope(self.problems)

    def run(self) -> Hypothesis:
        program, problems, scope = self.program, self.problems, self.scope
        model = named_model(program, problems, self.flags.get("model"))
        circuit = check_said_once(program, problems)
        shown = model.name.rsplit("/", 1)[-1] if model else self.shape.name
        statements, definitions = self._declare()
        stated = stated_settings(self._all(doc.SettingsStatement), self.flags, problems)
        space = self._prompts(statements, stated)
        claims = self._all(doc.ClaimsStatement)
        measurements = any(claim.comparison is None or self._searches(claim) for one in claims for claim in one.claims)
        settings = settings_in_force(stated, space.distributions, scope, measurements, problems)
        positions = PositionResolver(space, scope, self.tokenizer, self._measured(space, claims), problems)
        nodes = NodeResolver(definitions, self.shape, shown, scope, problems)
        nodes.resolve(positions)
        edge_statements = self._all(doc.EdgesStatement)
        edges = EdgeResolver(nodes, self.shape, shown, positions, problems)
        edges.resolve(edge_statements)
        if edge_statements and edges.complete and not nodes.broken:
            check_paths(nodes.leaves, edges.found, problems)
        if edges.complete and not nodes.broken:
            check_positions(edges.found, positions.layouts, problems)
        paths = PathResolver(program, nodes, self.shape, shown, positions, problems)
        options = OptionResolver(space, scope, nodes, positions, settings, problems)
        found = ClaimResolver(program, self.measures, space, scope, paths, options, bool(edge_statements), problems).resolve(claims)
        check_donors(found, settings, space, problems)
        self._check_metrics(space, found)
        default = space.distributions.get(space.default)
        exploring, verifying = split(default, settings.explore or 0, settings.seed) if default else ((), ())
        self._check_rows(space, settings.explore or 0, found, (exploring, verifying))
        evidence = self._check_found_on(stated, space, found, verifying, model.name if model else self.shape.name)
        if problems.failed or model is None:
            raise _failure(program, problems)
        self._check_looks(space, found)
        check_unused(program, scope, space, found, problems)
        used = {name for edge in edges.found for name in (edge.sender, edge.receiver)} | paths.named
        return Hypothesis(
            title=circuit.title.value if circuit else (program.source.path.stem if program.source.path else ""),
            description=circuit.description.value if circuit and circuit.description else "",
            citations=tuple(text.value for cite in self._all(doc.CiteStatement) for text in cite.references),
            model=model,
            shape=self.shape,
            distributions=space.distributions,
            default=space.default,
            metrics=space.metrics,
            features=space.features,
            nodes=used_nodes(nodes.found, used),
            edges=tuple(edges.found),
            claims=found,
            settings=settings,
            exploring=exploring,
            verifying=verifying,
            source=program.source,
            files=program.files if len(program.files) > 1 else (),
            data=self._data(evidence),
            all_edges=any(one.all for one in edge_statements),
            warnings=tuple(_placed(program, problems)),
        )

    def _check_found_on(
        self, stated: Stated, space: PromptSpace, claims: Sequence[Claim], verifying: Sequence[int], model: str
    ) -> tuple[str, ...]:
        """Names of the evidence files that the hypothesis was found on."""
        names, source = stated.get("found_on", ()), self.program.source
        if not names or space.default not in space.distributions:
            return ()
        measured = {claim.measured for claim in claims if claim.comparison is not None}
        judged = [(one, row) for one in measured for row in verifying if row < len(space.distributions[one])]
        with self.problems.going_on():
            span = stated.spans.get("found_on", Span())
            found = evidence_files(source.folder, names, source.path.stem if source.path else "", span, self.problems)
            check_found_on(found, span, source.folder, judged, space.distributions, model, self.problems)
            return found
        return ()

    def _data(self, evidence: tuple[str, ...]) -> tuple[str, ...]:
        read = [
            one.file.value
            for one in self.program.statements
            if isinstance(one, doc.VocabStatement | doc.PromptsStatement) and one.file is not None
        ]
        return tuple(dict.fromkeys([*read, *evidence]))

    def _all(self, kind: type[S]) -> list[S]:
        return [one for one in self.program.statements if isinstance(one, kind)]

    def _searches(self, claim: doc.ClaimLine) -> bool:
        """Whether something is chosen for a claim by looking, on prompts that its verdict must not see."""
        measure = self.measures.get(claim.measure.text)
        if measure is None:
            return False
        options = measure.options
        return measure.signature.searches or any(one.name.text in options and options[one.name.text].searches for one in claim.options)

    def _declare(
        self,
    ) -> tuple[list[doc.VocabStatement | doc.PromptsStatement | doc.FeatureStatement | doc.MetricStatement], list[doc.NodeDef]]:
        """Puts every declaration into the namespace; a node that is declared a second time is dropped."""
        statements: list[doc.VocabStatement | doc.PromptsStatement | doc.FeatureStatement | doc.MetricStatement] = []
        definitions: list[doc.NodeDef] = []
        kinds: dict[type, NameKind] = {
            doc.VocabStatement: "vocabulary",
            doc.PromptsStatement: "prompts",
            doc.MetricStatement: "metric",
            doc.FeatureStatement: "feature",
        }
        for statement in self.program.statements:
            if isinstance(statement, doc.VocabStatement | doc.PromptsStatement | doc.MetricStatement | doc.FeatureStatement):
                self.scope.declare(kinds[type(statement)], statement.name)
                statements.append(statement)
            if isinstance(statement, doc.PromptsStatement):
                for name in slot_declarations(statement):
                    self.scope.declare("slot", name)
            elif isinstance(statement, doc.NodesStatement):
                definitions += [one for one in statement.definitions if self.scope.declare("node", one.name)]
        return statements, definitions

    def _prompts(
        self, statements: Sequence[doc.VocabStatement | doc.PromptsStatement | doc.FeatureStatement | doc.MetricStatement], stated: Stated
    ) -> PromptSpace:
        space = build(
            statements,
            self.tokenizer,
            count=stated.get("prompts", 256),
            seed=stated.get("seed", 0),
            bos=stated.get("bos", None),
            folder=self.program.source.folder,
            source=self.program.source,
            exact=stated.get("answers", "spaced") == "exact",
            leave_out=stated.get("unequal", "refuse") == "leave_out",
        )
        for found in space.diagnostics:
            self.problems.add(found)
        measuring = next((one for one in self._all(doc.ClaimsStatement) if one.claims), None)
        if measuring is not None and not self._all(doc.PromptsStatement):
            self.problems.error("C106", "the file has no prompts to measure on", measuring.span, "add `prompts clean { … }`")
        if space.errors and any(isinstance(one, doc.PromptsStatement) and one.file for one in statements):
            self.scope.uncertain = {"prompts", "slot"}
        for name in space.distributions:
            self.scope.add("prompts", name)
        for slots in space.slots.values():
            for slot in slots:
                self.scope.add("slot", slot.partition(".")[0])
        return space

    def _measured(self, space: PromptSpace, statements: Sequence[doc.ClaimsStatement]) -> list[str]:
        """Distributions that the circuit is run on: the default one, and those after `on =` in claims about the circuit."""
        named = [space.default]
        for claim in (claim for one in statements for claim in one.claims):
            words = {option.name.text: name.text for option in claim.options if (name := plain_name(option.value)) is not None}
            measure = self.measures.get(claim.measure.text)
            if measure is not None and about_circuit(measure, words) and "on" in words:
                named.append(words["on"])
        return list(dict.fromkeys(named))

    def _written(self) -> dict[str, doc.ClaimLine]:
        """ClaimResolver as they stand in the file, by label."""
        return {claim.label.text: claim for one in self._all(doc.ClaimsStatement) for claim in one.claims}

    def _check_metrics(self, space: PromptSpace, claims: Sequence[Claim]) -> None:
        """A metric reads what some prompts have; a claim must measure it on those."""
        written = self._written()
        for claim in claims:
            measured, metric = claim.measured, space.metrics.get(claim.metric or "")
            if metric is not None and measured in metric.lacking:
                message = f"`{metric.name}` cannot be measured on `{measured}`: {metric.lacking[measured]}"
                self.problems.error("C331", message, written[claim.label].label.span, "declare what it reads, or measure on other prompts")

    def _check_looks(self, space: PromptSpace, claims: Sequence[Claim]) -> None:
        """Warns of attention from a query to keys that all come later: a slip, which would read as a finding."""
        written = self._written()
        for claim in claims:
            options = claim.options.named()
            query, key = options.get("query"), options.get("key")
            if not (query and key and self.shape.causal):
                continue
            layouts = space.distributions[claim.measured].rows_by_layout()
            if all(min(layout.positions(key)) > max(layout.positions(query)) for layout in layouts):
                looks, later = (", ".join(map(str, roles)) for roles in (query, key))
                message = f"`{looks}` cannot attend to `{later}`, which comes later in every prompt: the attention is 0"
                span = written[claim.label].label.span
                self.problems.warning("W039", message, span, "`query` is the position that looks, `key` the one that is looked at")

    def _check_rows(self, space: PromptSpace, share: float, claims: Sequence[Claim], parts: tuple[Sequence[int], Sequence[int]]) -> None:
        """Reports the first claim whose prompts are all in the other part, or too few to be looked at and to be scored on."""
        written = self._written()
        for claim in claims:
            measured = claim.measured
            distribution = space.distributions.get(measured)
            if not distribution:
                continue
            exploring, verifying = ([row for row in part if row < len(distribution)] for part in parts)
            measures, searches = claim.comparison is None, self._searches(written[claim.label])
            most = max(len({*rows} & {*exploring}) for rows in distribution.rows_by_layout().values())
            if (measures or searches) and not exploring:
                missing = "exploring"
            elif not measures and not verifying:
                missing = "verifying"
            elif measures and searches and most < 2:
                missing = "scoring what is chosen on the others"
            else:
                continue
            which = "" if measured == space.default else f" of `{measured}`"
            hint = "measurements and searches use the exploring part of the prompts, verdicts the rest: `settings { explore = 0.5 }`"
            message = f"no prompts{which} are left for {missing}: {len(distribution)} in all, `explore` is {share:g}"
            self.problems.error("C328", message, written[claim.label].label.span, hint)
            break


def _placed(program: Program, problems: Diagnostics) -> list[Diagnostic]:
    """Everything found, in the order of the files and their texts."""
    order = {id(source): index for index, (_, source) in enumerate(program.files)}
    placed = [program.place(one) for one in problems.found]
    return sorted(placed, key=lambda one: (order.get(id(one.source), len(order)), one.span, one.code))


def _failure(program: Program, problems: Diagnostics) -> CircError:
    """Errors first, then warnings; each in the order of the text."""
    return CircError(sorted(_placed(program, problems), key=lambda one: one.severity is Severity.WARNING))
