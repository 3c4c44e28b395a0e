"""From the statements about prompts to a `PromptSpace`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.prompts import Distribution, Tokenizer
from circuitdsl.borders.source import Source, Span
from circuitdsl.prompts.counterfactual import derive
from circuitdsl.prompts.declare import RESERVED, Declaration, Declarer
from circuitdsl.prompts.features import bind_features
from circuitdsl.prompts.labels import Labelling, label
from circuitdsl.prompts.metrics import Metrics
from circuitdsl.prompts.records import sample_file
from circuitdsl.prompts.sample import PromptSample, sample
from circuitdsl.prompts.space import PromptSpace
from circuitdsl.prompts.tokens import Tokens, WordTokenizer
from circuitdsl.prompts.vocabulary import Vocabulary, read_vocabulary

PromptStatement = doc.VocabStatement | doc.PromptsStatement | doc.FeatureStatement | doc.MetricStatement


def build(
    statements: Sequence[PromptStatement],
    tokenizer: Tokenizer | None,
    *,
    count: int,
    seed: int,
    bos: bool | None,
    folder: Path,
    source: Source,
    exact: bool = False,
    leave_out: bool = False,
) -> PromptSpace:
    """Everything the statements declare, `count` prompts a distribution. Never raises for bad input: see `diagnostics`.

    `bos` None: as the tokenizer does it. Without a tokenizer words stand in for tokens, and nothing about tokens is checked.
    `exact`: no space is put before answers of templates. `leave_out`: pairs of data files that are of unequal length are left out.
    Names are checked to be taken once, within the four kinds of statements and their slots.
    """
    findings = Diagnostics(source)
    if bos and tokenizer and tokenizer.bos_id is None:
        findings.error("C241", "`bos = true`, but this model's tokenizer has no BOS token", statements[0].span if statements else Span())
        bos = None
    tokens = Tokens(tokenizer or WordTokenizer(), bos, tokenizer is not None, exact)
    vocabularies = _vocabularies(statements, folder, findings)
    made = _Distributions(tokens, count, seed, folder, findings, vocabularies, leave_out)
    for statement in statements:
        if isinstance(statement, doc.PromptsStatement):
            made.add(statement)
    metrics = {statement.name.text: statement for statement in statements if isinstance(statement, doc.MetricStatement)}
    features = {statement.name.text: statement for statement in statements if isinstance(statement, doc.FeatureStatement)}
    declared = _names(statements, made, findings)
    taken = frozenset([*vocabularies, *made.declared, *metrics])
    binder = Metrics(metrics, features, vocabularies, tokens, taken, source, findings)
    occurrences = {name: _occurrences(found) for name, found in made.labellings.items()}
    return PromptSpace(
        distributions=_with_units({name: found.distribution for name, found in made.labellings.items()}),
        default=made.default if made.default in made.labellings else "",
        metrics=binder.bind(made.labellings) if made.labellings else {},
        features=bind_features(list(features.values()), made.labellings, taken, findings) if made.labellings else {},
        slots={name: _slots(found) | occurrences[name].keys() for name, found in made.labellings.items()},
        blocks=frozenset(name for found in made.labellings.values() for name, slot in found.declaration.slots.items() if slot.tokens),
        occurrences=occurrences,
        declared=declared,
        checked=tokens.checked,
        diagnostics=findings.sorted(),
    )


def _vocabularies(statements: Sequence[PromptStatement], folder: Path, findings: Diagnostics) -> dict[str, Vocabulary | None]:
    found: dict[str, Vocabulary | None] = {}
    for statement in statements:
        if isinstance(statement, doc.VocabStatement) and statement.name.text not in found:
            found[statement.name.text] = read_vocabulary(statement, folder, findings)
    return found


@dataclass(slots=True)
class _Distributions:
    """Declarations and what became of them, in the order of the file."""

    tokens: Tokens
    count: int
    seed: int
    folder: Path
    findings: Diagnostics
    vocabularies: Mapping[str, Vocabulary | None]
    leave_out: bool = False
    declared: dict[str, Declaration | None] = field(default_factory=dict)
    samples: dict[str, PromptSample] = field(default_factory=dict)
    labellings: dict[str, Labelling] = field(default_factory=dict)
    default: str = ""
    slots: dict[str, Span] = field(default_factory=dict)
    """Names of slots, and where each was first declared."""

    def add(self, statement: doc.PromptsStatement) -> None:
        name = statement.name.text
        if name in self.declared:
            return
        if statement.base is None:
            self.default = self.default or name
        for item in statement.items:
            names = item.slots if isinstance(item, doc.DrawItem) else (item.slot.name,) if isinstance(item, doc.AssignItem) else ()
            for slot in names:
                self.slots.setdefault(slot.text, slot.span)
        declaration = Declarer(self.vocabularies, self.declared, self.findings).read(statement)
        self.declared[name] = declaration
        if declaration is None:
            return
        if declaration.file:
            first, second = sample_file(declaration, self.tokens, self.count, self.seed, self.folder, self.findings, self.leave_out)
            self._keep(name, first)
            if second:
                self._keep(second.declaration.name, second)
        elif declaration.base is None:
            self._keep(name, sample(declaration, self.tokens, self.count, self.seed, self.findings))
        elif declaration.base.name in self.samples:
            self._keep(name, derive(declaration, self.samples[declaration.base.name], self.tokens, self.seed, self.findings))

    def _keep(self, name: str, made: PromptSample | None) -> None:
        if made is None:
            return
        if name in self.labellings:
            self.findings.error("C215", f"prompts `{name}` are declared twice", made.declaration.span)
            return
        self.declared[name], self.samples[name] = made.declaration, made
        if labelling := label(made, self.tokens, self.findings):
            self.labellings[name] = labelling


def _names(statements: Sequence[PromptStatement], made: _Distributions, findings: Diagnostics) -> frozenset[str]:
    """All names, each of which may be taken once."""
    first: dict[str, tuple[Span, str]] = {}
    kinds = {
        doc.VocabStatement: "a vocabulary",
        doc.PromptsStatement: "prompts",
        doc.FeatureStatement: "a feature",
        doc.MetricStatement: "a metric",
    }
    named = [(statement.name.text, statement.name.span, kinds[type(statement)]) for statement in statements]
    named += [(name, span, "a slot") for name, span in made.slots.items()]
    for name, span, kind in sorted(named, key=lambda found: found[1]):
        if name in RESERVED and kind != "a slot":
            findings.error("C209", f"`{name}` has a meaning of its own: choose another name", span)
        elif name in first:
            where, other = first[name]
            findings.error(
                "C215",
                f"`{name}` is {kind} here, but {other} elsewhere" if kind != other else f"`{name}` is declared twice",
                span,
                labels=((where, "first declared here"),),
            )
        else:
            first[name] = span, kind
    return frozenset([*first, *made.labellings])


def _with_units(distributions: Mapping[str, Distribution]) -> dict[str, Distribution]:
    """Prompts that the model cannot tell apart get a common number: the same tokens, in the prompt and in all its counterfactuals."""
    found = dict(distributions)
    for root in distributions.values():
        if root.paired is not None:
            continue
        family = [root, *(one for one in distributions.values() if one.paired == root.name)]
        seen = [tuple(one.prompts[row].tokens for one in family) for row in range(len(root))]
        times, first = Counter(seen), {key: row for row, key in reversed(list(enumerate(seen)))}
        if len(times) == len(seen):
            continue
        for one in family:
            prompts = (
                replace(prompt, unit=first[key]) if times[key] > 1 else prompt for prompt, key in zip(one.prompts, seen, strict=True)
            )
            found[one.name] = replace(one, prompts=tuple(prompts))
    return found


def _occurrences(labelling: Labelling) -> dict[str, int]:
    """How often each slot stands in the prompts, at least."""
    counts = [Counter(slot for (slot, _), _ in layout.spans) for layout in labelling.distribution.rows_by_layout()]
    return {slot: min(count[slot] for count in counts) for slot in sorted({slot for count in counts for slot in count})}


def _slots(labelling: Labelling) -> frozenset[str]:
    found = {key.partition(":")[0] for row in labelling.rows[:1] for key in row.prompt.values}
    return frozenset(found | labelling.declaration.slots.keys())
