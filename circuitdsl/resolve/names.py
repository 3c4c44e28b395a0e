"""The one namespace of a file: nodes, slots, vocabularies, prompts, metrics and features."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.source import Span

NameKind = Literal["node", "slot", "vocabulary", "prompts", "metric", "feature"]

ARTICLES: Mapping[NameKind, str] = {
    "node": "a node",
    "slot": "a slot",
    "vocabulary": "a vocabulary",
    "prompts": "prompts",
    "metric": "a metric",
    "feature": "a feature",
}
RESERVED = {
    "embed": "the unit that writes the token embedding",
    "logits": "the unit that reads the final stream",
    "END": "the last token",
    "template": "the feature that tells templates apart",
}


@dataclass(frozen=True, slots=True)
class Declared:
    kind: NameKind
    name: str
    span: Span


class Scope:
    """What each name stands for. Names are declared once; the first declaration counts and later ones are reported."""

    def __init__(self, problems: Diagnostics):
        self._problems = problems
        self.declared: dict[str, Declared] = {}
        self.uncertain: set[NameKind] = set()
        """Kinds of which not every name is known, because a data file could not be read: nothing is said of unknown ones."""
        self._clashing: set[str] = set()

    def declare(self, kind: NameKind, name: doc.Name) -> bool:
        """Whether the name is free. Reports a node's clash with anything; clashes of the others are the prompts' to report."""
        if kind == "node" and name.text in RESERVED:
            self._problems.error("C113", f"`{name.text}` already means {RESERVED[name.text]}", name.span, "choose another name")
            return False
        first = self.declared.setdefault(name.text, Declared(kind, name.text, name.span))
        if first.span == name.span and first.kind == kind:
            return True
        if "node" in (kind, first.kind):
            self._clash(name.text, name.span, kind, first)
        return False

    def add(self, kind: NameKind, name: str) -> None:
        """A name that a data file brings along."""
        first = self.declared.setdefault(name, Declared(kind, name, Span()))
        if first.kind == "node" and name not in self._clashing:
            self._clashing.add(name)
            brought = f"the prompts bring along {ARTICLES[kind]} of this name"
            self._problems.error("C110", f"`{name}` cannot be a node: {brought}", first.span, "choose another name")

    def _clash(self, name: str, span: Span, kind: NameKind, first: Declared) -> None:
        self._clashing.add(name)
        labels = ((first.span, "first declared here"),)
        if first.kind == kind:
            self._problems.error("C110", f"`{name}` is declared twice", span, labels=labels)
        else:
            hint = "nodes, slots, vocabularies, prompts, metrics and features share one set of names"
            self._problems.error("C110", f"`{name}` is already the name of {ARTICLES[first.kind]}", span, hint, labels)

    def find(self, name: doc.Name, *kinds: NameKind, what: str = "", also: Sequence[str] = ()) -> Declared:
        """The declaration, of one of the kinds; else reports. `also` are special words that could have been meant."""
        wanted = what or " or ".join(ARTICLES[kind] for kind in kinds)
        found = self.declared.get(name.text)
        if found is None and self.uncertain.intersection(kinds):
            raise Reported
        if found is None:
            candidates = [one.name for one in self.declared.values() if one.kind in kinds] + list(also)
            there = (
                "there are no prompts" if kinds == ("prompts",) else f"there is no {wanted.replace('a ', '', 1).replace(' or a ', ' or ')}"
            )
            raise self._problems.error("C111", f"{there} `{name.text}`", name.span, suggestion(name.text, candidates))
        if found.kind not in kinds and name.text in self._clashing:
            raise Reported
        if found.kind not in kinds:
            labels = ((found.span, "declared here"),) if found.span != Span() else ()
            raise self._problems.error("C112", f"`{name.text}` is {ARTICLES[found.kind]}, not {wanted}", name.span, labels=labels)
        return found

    def names(self, *kinds: NameKind) -> list[str]:
        return [one.name for one in self.declared.values() if one.kind in kinds]


def suggestion(word: str, candidates: Iterable[str]) -> str:
    """`did you mean …?`, or the candidates themselves where they are few, or nothing."""
    candidates = list(dict.fromkeys(candidates))
    lower = {one.lower(): one for one in reversed(candidates)}
    near = difflib.get_close_matches(word.lower(), lower, n=2, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(f'`{lower[one]}`' for one in near)}?"
    if 0 < len(candidates) <= 16:
        return f"known: {', '.join(f'`{one}`' for one in candidates)}"
    return ""


def slot_declarations(prompts: doc.PromptsStatement) -> Iterator[doc.Name]:
    """Names of slots where prompts give them a value."""
    for item in prompts.items:
        if isinstance(item, doc.DrawItem):
            yield from item.slots
        elif isinstance(item, doc.AssignItem):
            yield item.slot.name


def mentioned(node: Any) -> Iterator[str]:
    """Every name that is used somewhere in a tree; the names that it declares, and those of options and measures, left out."""
    if isinstance(node, doc.Name):
        yield node.text
    elif isinstance(node, tuple):
        for one in node:
            yield from mentioned(one)
    elif isinstance(node, doc.Syntax):
        own = {
            doc.ClaimLine: ("label", "measure"),
            doc.Option: ("name",),
            doc.CallExpr: ("function",),
            doc.FoldExpr: ("function", "variable"),
        }
        declaring = isinstance(node, doc.VocabStatement | doc.PromptsStatement | doc.FeatureStatement | doc.MetricStatement | doc.NodeDef)
        skipped = ("name",) if declaring else own.get(type(node), ())
        for one in fields(node):
            if one.name not in skipped:
                yield from mentioned(getattr(node, one.name))
