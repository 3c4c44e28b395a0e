"""What a `prompts` statement declares, checked: templates, slots and where their values come from, answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.source import Span
from circuitdsl.prompts.mistakes import listed, similar
from circuitdsl.prompts.template import Hole, Template, parse_template
from circuitdsl.prompts.vocabulary import Vocabulary

RESERVED = frozenset({"END", "template", "answer", "wrong", "embed", "logits"})
MOST_TOKENS = 100_000

Filler = tuple[str, ...] | tuple[int, ...]
"""What fills a slot: the texts of a vocabulary's entry, or the token ids of a block."""
Values = Mapping[str, Filler]
"""By slot; a single occurrence that was changed on its own has a key such as `block:2` beside it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`vocabulary` is None for blocks of random `tokens`, and for slots whose text is only ever assigned."""

    vocabulary: Vocabulary | None = None
    tokens: int | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return self.vocabulary.fields if self.vocabulary else ()


@dataclass(frozen=True, slots=True)
class Reference:
    """One value: a slot, perhaps one of its fields, perhaps at one occurrence. `part` picks a token of it."""

    slot: str
    field: str | None = None
    occurrence: int | None = None
    part: str = "first"

    @property
    def label(self) -> str:
        return f"{self.slot}.{self.field}" if self.field else self.slot

    @property
    def key(self) -> str:
        return f"{self.label}:{self.occurrence}" if self.occurrence else self.slot


@dataclass(frozen=True, slots=True)
class Drawing:
    """Slots that are drawn together: in a first sample, or drawn anew in a counterfactual (then `keys` may be occurrences)."""

    keys: tuple[str, ...]
    slot: Slot
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    key: str
    value: Reference | Template


@dataclass(frozen=True, slots=True)
class Answers:
    answer: Reference | Template
    wrong: tuple[Reference | Template, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `prompts` statement. `assignments` of a first sample are definitions: sorted so that each comes after what it needs."""

    name: str
    span: Span
    templates: tuple[Template, ...]
    slots: Mapping[str, Slot]
    draws: tuple[Drawing, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    answers: Answers | None = None
    own_answers: bool = True
    base: "Declaration | None" = None
    file: doc.Text | None = None
    follows: tuple[Assignment, ...] = ()
    """Definitions that still hold here: a slot defined by others follows them until it is redrawn or assigned itself."""

    @property
    def root(self) -> "Declaration":
        return self.base.root if self.base else self

    def read(self, values: Values, place: Reference | Hole) -> str | tuple[int, ...]:
        """What stands in a slot or field: text, or the ids of a block. An occurrence may have been changed on its own."""
        found = values.get(f"{place.label}:{place.occurrence}", values[place.slot]) if place.occurrence else values[place.slot]
        slot = self.slots[place.slot]
        if slot.tokens:
            return cast("tuple[int, ...]", found)
        return str(found[slot.fields.index(place.field) if place.field else 0])

    def pieces(self, template: Template, values: Values) -> "list[tuple[str | Hole, str | tuple[int, ...]]]":
        return [(piece, piece if isinstance(piece, str) else self.read(values, piece)) for piece in template.pieces]

    def evaluate(self, values: Values, assignment: Assignment) -> Filler:
        """The right side of an assignment."""
        value = assignment.value
        if isinstance(value, Template):
            return ("".join(str(content) for _, content in self.pieces(value, values)),)
        if value.field:
            return (str(self.read(values, value)),)
        return values.get(value.key, values[value.slot])


@dataclass(slots=True)
class Declarer:
    """Reads one statement. `declared` holds the declarations so far, by name; None for those with errors."""

    vocabularies: Mapping[str, Vocabulary | None]
    declared: Mapping[str, Declaration | None]
    findings: Diagnostics
    slots: dict[str, Slot] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def read(self, statement: doc.PromptsStatement) -> Declaration | None:
        before = self.findings.errors
        declaration: Declaration | None
        if statement.file:
            declaration = self._from_file(statement)
        elif statement.base:
            declaration = self._derived(statement)
        else:
            declaration = self._first(statement)
        return declaration if self.findings.errors == before else None

    # ------------------------------------------------------------ the three forms

    def _from_file(self, statement: doc.PromptsStatement) -> Declaration:
        for item in statement.items:
            self.findings.error("C213", "prompts from a file take everything from it: nothing else can be said here", item.span)
        return Declaration(statement.name.text, statement.name.span, (), {}, file=statement.file)

    def _first(self, statement: doc.PromptsStatement) -> Declaration | None:
        draws, assigns, answers, texts = _sorted_items(statement)
        for item in statement.items:
            if isinstance(item, doc.RedrawItem):
                self.findings.error(
                    "C213", "`redraw` is for prompts made from others", item.span, "write `prompts NAME from clean { redraw … }`"
                )
        drawings = self._drawings(draws)
        defined = self._definitions(assigns)
        templates = tuple(self._template(text) for text in texts)
        if not templates:
            self.findings.error(
                "C214", f"prompts `{statement.name.text}` have no template", statement.name.span, 'write one in quotes: "When {A} …"'
            )
        found = self._answers(answers)
        if drawings is None or defined is None:
            return None
        return Declaration(statement.name.text, statement.name.span, templates, dict(self.slots), drawings, defined, found, follows=defined)

    def _derived(self, statement: doc.PromptsStatement) -> Declaration | None:
        assert statement.base is not None
        name = statement.base.text
        if name not in self.declared:
            hint = similar(name, self.declared) or "prompts are made from others that stand before them in the file"
            self.findings.error("C211", f"there are no prompts `{name}`", statement.base.span, hint)
            return None
        base = self.declared[name]
        if base is None:
            return None
        self.slots = dict(base.slots)
        draws, assigns, answers, texts = _sorted_items(statement)
        for text in texts:
            hint = f"write prompts of their own, without `from {name}`, for another template"
            self.findings.error("C213", "prompts made from others keep their templates", text.span, hint)
        redraws = [item for item in statement.items if isinstance(item, doc.RedrawItem)]
        if base.root.file:
            for item in [*draws, *redraws, *assigns]:
                message = f"`{name}` comes from a file: its text cannot be changed here"
                self.findings.error("C213", message, item.span, "put the counterfactuals into the file")
            own = self._answers(answers)
            return Declaration(statement.name.text, statement.name.span, (), base.slots, answers=own, base=base)
        drawings = self._drawings(draws) or ()
        drawings += tuple(drawing for item in redraws for drawing in self._redrawn(item, base))
        assignments = tuple(found for item in assigns if (found := self._assignment(item)))
        touched = [key for drawing in drawings for key in drawing.keys] + [found.key for found in assignments]
        for key in {key for key in touched if touched.count(key) > 1}:
            self.findings.error("C215", f"`{key}` is given a value twice in `{statement.name.text}`", statement.name.span)
        if not statement.items:
            self.findings.warning("W023", f"`{statement.name.text}` changes nothing in `{name}`", statement.name.span)
        own = self._answers(answers)
        return Declaration(
            statement.name.text,
            statement.name.span,
            base.templates,
            dict(self.slots),
            drawings,
            assignments,
            own or base.answers,
            own is not None,
            base,
            follows=tuple(found for found in base.follows if found.key not in touched),
        )

    # ------------------------------------------------------------ draws

    def _drawings(self, draws: Sequence[doc.DrawItem]) -> tuple[Drawing, ...] | None:
        drawings = []
        for draw in draws:
            slot = self._kind(draw)
            for name in draw.slots:
                if self._taken(name):
                    continue
                if slot is None:
                    self.broken.add(name.text)
                else:
                    self.slots[name.text] = slot
            if slot is None:
                continue
            self._enough(slot, len(draw.slots), draw)
            drawings.append(Drawing(tuple(name.text for name in draw.slots), slot, draw.distinct))
        return None if self.broken else tuple(drawings)

    def _kind(self, draw: doc.DrawItem) -> Slot | None:
        if draw.vocab is None:
            tokens = draw.tokens or 0
            if not 1 <= tokens <= MOST_TOKENS:
                self.findings.error("C217", f"a block of {tokens} tokens: it needs 1 to {MOST_TOKENS:,}", draw.span)
                return None
            return Slot(tokens=tokens)
        name = draw.vocab.text
        if name not in self.vocabularies:
            self.findings.error("C210", f"there is no vocabulary `{name}`", draw.vocab.span, similar(name, self.vocabularies))
            return None
        found = self.vocabularies[name]
        return Slot(found) if found else None

    def _enough(self, slot: Slot, wanted: int, item: doc.DrawItem | doc.RedrawItem) -> None:
        if item.distinct and slot.vocabulary and wanted > (size := len(slot.vocabulary.entries)):
            self.findings.error("C216", f"{wanted} distinct values are asked of `{slot.vocabulary.name}`, which has {size}", item.span)

    def _redrawn(self, redraw: doc.RedrawItem, base: Declaration) -> Iterator[Drawing]:
        """Redrawn slots by kind, since distinct means: among the values of one vocabulary."""
        kinds: dict[Slot, list[str]] = {}
        for ref in redraw.slots:
            found = self.reference(ref, fields_needed=False)
            if found is None:
                continue
            slot = self.slots[found.slot]
            if found.field and not found.occurrence:
                self.findings.error("C218", f"a field cannot be redrawn alone: redraw `{found.slot}`", ref.span)
            elif slot.vocabulary is None and slot.tokens is None:
                self.findings.error("C218", f"`{found.slot}` has no vocabulary to be redrawn from", ref.span, "assign it: `NAME = …`")
            else:
                kinds.setdefault(slot, []).append(found.key)
        for slot, keys in kinds.items():
            self._enough(slot, len(keys), redraw)
            yield Drawing(tuple(keys), slot, redraw.distinct)

    # ------------------------------------------------------------ assignments

    def _definitions(self, assigns: Sequence[doc.AssignItem]) -> tuple[Assignment, ...] | None:
        """Assignments of a first sample, in an order in which each can be computed."""
        waiting = []
        for item in assigns:
            if item.slot.field or item.slot.occurrence:
                self.findings.error("C218", "here a whole slot is defined, without field or occurrence", item.slot.span)
            elif not self._taken(item.slot.name):
                waiting.append(item)
                self.broken.add(item.slot.name.text)
        done: list[Assignment] = []
        while waiting:
            names = {item.slot.name.text for item in waiting}
            ready = [item for item in waiting if names.isdisjoint(_needs(item.value))]
            if not ready:
                message = f"{listed(sorted(names))} are defined by each other"
                self.findings.error("C219", message, waiting[0].span, "one of them has to be drawn: `NAME in VOCABULARY`")
                return None
            for item in ready:
                waiting.remove(item)
                if found := self._assignment(item):
                    self.broken.discard(found.key)
                    done.append(found)
        return tuple(done)

    def _assignment(self, item: doc.AssignItem) -> Assignment | None:
        name = item.slot.name.text
        value = self.value(item.value, whole=True)
        if value is None:
            return None
        kind = Slot() if isinstance(value, Template) or value.field else self.slots[value.slot]
        before = self.slots.get(name)
        if before is None:
            if name not in self.broken:
                self.findings.error("C212", f"there is no slot `{name}` here", item.slot.span, similar(name, self.slots))
                return None
            self.slots[name] = kind
            return Assignment(name, value)
        target = self.reference(item.slot, fields_needed=False)
        if target is None:
            return None
        if target.field and not target.occurrence:
            self.findings.error("C218", f"a field cannot be assigned alone: assign `{name}`", item.slot.span)
        elif before.tokens != kind.tokens or before.fields != kind.fields:
            what = "a block of tokens" if before.tokens or kind.tokens else "a value with fields"
            self.findings.error("C218", f"the two sides of `=` do not fit: one is {what}", item.span)
        return Assignment(target.key, value)

    def _taken(self, name: doc.Name) -> bool:
        if name.text in RESERVED:
            self.findings.error("C209", f"`{name.text}` has a meaning of its own: choose another name for this slot", name.span)
            self.broken.add(name.text)
        elif name.text in self.slots or name.text in self.broken:
            self.findings.error("C215", f"slot `{name.text}` is declared twice", name.span)
        else:
            return False
        return True

    # ------------------------------------------------------------ values

    def value(self, value: doc.SlotRef | doc.Text, whole: bool = False) -> Reference | Template | None:
        if isinstance(value, doc.Text):
            return self._template(value)
        return self.reference(value, fields_needed=not whole)

    def reference(self, ref: doc.SlotRef, fields_needed: bool = True, in_template: bool = False) -> Reference | None:
        """A slot that is known here. `.first` and `.last` pick a token, unless they are fields."""
        name = ref.name.text
        if name not in self.slots:
            if name not in self.broken:
                hint = similar(name, self.slots)
                if in_template:
                    declared = f"say what it is: `{name} in VOCABULARY` or `{name} = …`"
                    hint = f"{hint} Or {declared}" if hint else declared
                self.findings.error("C212", f"there is no slot `{name}` here", ref.name.span, hint)
            return None
        fields, chosen, part = self.slots[name].fields, ref.field.text if ref.field else "", "first"
        if chosen in ("first", "last") and chosen not in fields:
            chosen, part = "", chosen
        if chosen and chosen not in fields:
            hint = similar(chosen, fields) or (f"its fields are {listed(fields)}" if fields else f"`{name}` has no fields")
            self.findings.error("C206", f"slot `{name}` has no field `{chosen}`", ref.span, hint)
            return None
        if fields and not chosen and fields_needed:
            self.findings.error("C206", f"which field of `{name}` is meant?", ref.span, f"its fields are {listed(fields)}")
            return None
        return Reference(name, chosen or None, ref.occurrence, part)

    def _template(self, text: doc.Text) -> Template:
        template = parse_template(text.value, lambda message, hint: self.findings.error("C220", message, text.span, hint))
        for hole in template.holes:
            span = self._hole_span(text, hole)
            name = doc.Name(hole.slot, span=span)
            field_name = doc.Name(hole.field, span=span) if hole.field else None
            if hole.field in ("first", "last") and hole.field not in self.slots.get(hole.slot, Slot()).fields:
                self.findings.error("C220", f"`{{{hole.label}}}`: a template takes the whole slot, not one of its tokens", span)
            else:
                self.reference(doc.SlotRef(name, field_name, span=span), in_template=True)
        return template

    def _hole_span(self, text: doc.Text, hole: Hole) -> Span:
        """Where the first hole of this name stands in the file; the whole text if that cannot be told (escapes, other files)."""
        source = self.findings.source
        written = source.text[text.span.start : text.span.end] if source else ""
        pattern = r"(?<!\{)\{\s*" + r"\s*\.\s*".join(map(re.escape, hole.label.split("."))) + r"\s*\}"
        found = re.search(pattern, written)
        return Span(text.span.start + found.start(), text.span.start + found.end()) if found else text.span

    def _answers(self, items: Sequence[doc.AnswerItem]) -> Answers | None:
        for extra in items[1:]:
            self.findings.error("C215", "the answer is given twice", extra.span, labels=((items[0].span, "first given here"),))
        if not items:
            return None
        answer = self.value(items[0].answer)
        wrong = [self.value(value) for value in items[0].wrong]
        if answer is None or None in wrong:
            return None
        return Answers(answer, tuple(value for value in wrong if value is not None), items[0].span)


def _sorted_items(
    statement: doc.PromptsStatement,
) -> tuple[list[doc.DrawItem], list[doc.AssignItem], list[doc.AnswerItem], list[doc.Text]]:
    draws = [item for item in statement.items if isinstance(item, doc.DrawItem)]
    assigns = [item for item in statement.items if isinstance(item, doc.AssignItem)]
    answers = [item for item in statement.items if isinstance(item, doc.AnswerItem)]
    return draws, assigns, answers, [item for item in statement.items if isinstance(item, doc.Text)]


def _needs(value: doc.SlotRef | doc.Text) -> set[str]:
    if isinstance(value, doc.SlotRef):
        return {value.name.text}
    return {hole.slot for hole in parse_template(value.value, lambda message, hint: None).holes}
