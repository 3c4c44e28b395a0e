"""Which tokens a metric's `logit(…)` speaks of, row by row and item by item of a fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from circuitdsl.borders import document as doc
from circuitdsl.prompts import targets
from circuitdsl.prompts.declare import Slot
from circuitdsl.prompts.labels import MOST_VALUES, Labelled, Labelling
from circuitdsl.prompts.mistakes import Lacking, Mistake, listed, similar
from circuitdsl.prompts.roles import token_index
from circuitdsl.prompts.targets import Target, Trouble
from circuitdsl.prompts.template import Template, parse_template
from circuitdsl.prompts.tokens import Tokens
from circuitdsl.prompts.vocabulary import VocabularyEntry

if TYPE_CHECKING:
    import numpy as np

    from circuitdsl.prompts.conditions import ValueColumn


@dataclass(frozen=True, slots=True)
class Items:
    """What a fold goes through: a vocabulary's entries, the same for every row, or each row's wrong answers."""

    variable: str
    entries: tuple[VocabularyEntry, ...] = ()
    fields: tuple[str, ...] = ()
    wrong: bool = False


@dataclass(slots=True)
class Lookup:
    """Token ids on one distribution, N rows; within a fold over `items`, W of them. Raises Mistake for what has no token.

    Only folds need numpy, and import it: a file without them is checked in less time than that takes.
    """

    labelling: Labelling
    tokens: Tokens
    taken: frozenset[str]
    items: Items | None = None
    warnings: list[Mistake] = field(default_factory=list)

    @property
    def rows(self) -> Sequence[Labelled]:
        return self.labelling.rows

    @property
    def name(self) -> str:
        return self.labelling.distribution.name

    @property
    def width(self) -> int:
        assert self.items is not None
        return max((len(row.wrong) for row in self.rows), default=0) if self.items.wrong else len(self.items.entries)

    def column(self, ref: doc.SlotRef) -> "ValueColumn":
        """The fold's variable as a column: [1, W], or [N, W] over the wrong answers."""
        import numpy as np

        from circuitdsl.prompts.conditions import ValueColumn, are_integers

        assert self.items is not None
        if self.items.wrong:
            data = np.full((len(self.rows), self.width), "", dtype=object)
            for number, row in enumerate(self.rows):
                data[number, : len(row.wrong)] = row.wrong
            integers = are_integers([text for row in self.rows for text in row.wrong])
            return ValueColumn("text", np.where(data == "", "0", data) if integers else data, integers)
        values = [self._field(entry, ref) for entry in self.items.entries]
        data = np.empty((1, len(values)), dtype=object)
        data[0, :] = values
        return ValueColumn("text", data, are_integers(values))

    def _field(self, entry: VocabularyEntry, ref: doc.SlotRef) -> str:
        assert self.items is not None
        fields = self.items.fields
        if not fields and not ref.field:
            return entry[0]
        if ref.field is None or ref.field.text not in fields:
            hint = f"its fields are {', '.join(fields)}" if fields else "its vocabulary has no fields"
            raise Mistake("C206", ref.span, f"which field of `{self.items.variable}` is meant?", hint)
        return entry[fields.index(ref.field.text)]

    # ------------------------------------------------------------ token ids

    def ids(self, node: doc.CallExpr) -> "list[int] | np.ndarray":
        """The tokens that a call speaks of: [N], or [N, W] within a fold, −1 for items without a token."""
        ids = self._ids(node)
        if self.items is None or not isinstance(ids, list):
            return ids
        import numpy as np

        return np.repeat(np.array(ids, dtype=np.int64)[:, None], self.width, axis=1)

    def _ids(self, node: doc.CallExpr) -> "list[int] | np.ndarray":
        argument = node.argument
        match argument:
            case None:
                raise Mistake("C233", node.span, f"`{node.function.text}` of what?", "name a slot, `answer`, `wrong`, or a text in quotes")
            case doc.TextExpr():
                self._no_value(node)
                return self._spelled(argument.text, node)
            case doc.PositionRef():
                self._no_value(node)
                return [row.prompt.tokens[at] for row, at in zip(self.rows, token_index(self.labelling, argument), strict=True)]
        assert isinstance(argument, doc.SlotExpr)
        ref, name = argument.slot, argument.slot.name.text
        if node.value is not None:
            return self._instead(ref, node.value, node)
        if self.items and name == self.items.variable:
            return self._item(ref, node)
        if name in ("answer", "wrong"):
            return self._labels(name, ref, node)
        self._known(ref)
        found = self._reference(ref)
        return self._gather([targets.own(row.row, *found) for row in self.rows], node, name)

    def _no_value(self, node: doc.CallExpr) -> None:
        if node.value is not None:
            raise Mistake("C233", node.value.span, "only a slot can be given another value: `prob(YY = y)`")

    def _labels(self, name: str, ref: doc.SlotRef, node: doc.CallExpr) -> list[int]:
        if not self.rows or self.rows[0].answer is None or (name == "wrong" and not any(row.wrong for row in self.rows)):
            what = "wrong answers" if name == "wrong" else "answer"
            raise Lacking("C236", ref.span, f"`{self.name}` has no {what}", "declare it in the prompts: `answer A wrong B`")
        if name == "answer":
            return [cast(int, row.prompt.answer) for row in self.rows]
        if any(len(row.wrong) != 1 for row in self.rows):
            hint = f"say which: `max({node.function.text}(w) for w in wrong)`, or `mean`"
            raise Mistake("C236", ref.span, f"prompts of `{self.name}` have several wrong answers, or none", hint)
        return [row.prompt.wrong[0] for row in self.rows]

    def _item(self, ref: doc.SlotRef, node: doc.CallExpr) -> "np.ndarray":
        """The fold's variable: a wrong answer's token, or the token that an entry would have after the prompt."""
        import numpy as np

        assert self.items is not None
        if self.items.wrong:
            ids = np.full((len(self.rows), self.width), -1, dtype=np.int64)
            for number, row in enumerate(self.rows):
                ids[number, : len(row.prompt.wrong)] = row.prompt.wrong
            return ids
        values = [self._field(entry, ref) for entry in self.items.entries]
        return self._table([self.tokens.ending(row.row.placed) for row in self.rows], values, self._after, node)

    def _after(self, ending: str, value: str) -> Target | Trouble:
        return targets.after(self.tokens, ending, value)

    def _instead(self, ref: doc.SlotRef, value: doc.SlotExpr | doc.TextExpr, node: doc.CallExpr) -> "list[int] | np.ndarray":
        """`prob(YY = y)`: the token that a slot would have with another value."""
        self._known(ref)
        label, occurrence, part = self._reference(ref)
        around = [targets.contexts(self.tokens, row.row, label, occurrence) for row in self.rows]
        if not self.tokens.checked:  # where words stand in for tokens, a token's number gives no place in the text
            around = [
                [("", "")] if one == "absent" and targets.places(row.row, label, occurrence) else one
                for one, row in zip(around, self.rows, strict=True)
            ]
        if trouble := next((one for one in around if isinstance(one, str)), None):
            raise _trouble(trouble, label, node, around.count(trouble), len(around), self.name)
        keys = [tuple(one) for one in around if not isinstance(one, str)]

        def find(key: tuple[tuple[str, str], ...], text: str) -> Target | Trouble:
            return targets.instead(self.tokens, list(key), text, part)

        if isinstance(value, doc.SlotExpr) and self.items and value.slot.name.text == self.items.variable and not self.items.wrong:
            return self._table(keys, [self._field(entry, value.slot) for entry in self.items.entries], find, node)
        if isinstance(value, doc.SlotExpr) and self.items and value.slot.name.text == self.items.variable:
            column = self.column(value.slot).data
            found = [[find(key, text) if text else "absent" for text in texts] for key, texts in zip(keys, column, strict=True)]
            return self._items(self._gather([one for line in found for one in line], node, label, absent=True))
        if isinstance(value, doc.TextExpr):
            texts = self._expanded(value.text)
        else:
            self._known(value.slot, text=True)
            texts = [self._value(row, value.slot) for row in self.rows]
        return self._gather([find(key, text) for key, text in zip(keys, texts, strict=True)], node, label)

    def _table(
        self, keys: Sequence[object], values: Sequence[str], find: Callable[..., Target | Trouble], node: doc.CallExpr
    ) -> "np.ndarray":
        """Tokens of all values on all rows [N, W]: found once for each different key. Values without a token of their own are left out."""
        import numpy as np

        lines: dict[object, np.ndarray] = {}
        left_out = 0
        for key in keys:
            if key not in lines:
                found = [find(key, value) for value in values]
                troubled = ["joins" if one == "shared" else one for one in found]
                lines[key] = np.array(self._gather(troubled, node, _slot_of(node), joins=True), dtype=np.int64)
            left_out += int((lines[key] < 0).sum())
        if left_out and self.tokens.checked:
            message = f"in {left_out} of {len(keys) * len(values)} cases a value would share its token with the text beside it: left out"
            self.warnings.append(Mistake("W029", node.span, message))
        if any(len({*line[line >= 0]}) < (line >= 0).sum() for line in lines.values()) and self.tokens.checked:
            self.warnings.append(Mistake("W020", node.span, "several values begin with the same token, which then counts several times"))
        return np.stack([lines[key] for key in keys]) if keys else np.zeros((0, len(values)), dtype=np.int64)

    def _spelled(self, text: doc.Text, node: doc.CallExpr) -> "list[int] | np.ndarray":
        """A text in quotes, slots and the fold's variable in braces, exactly as it stands there."""
        template = self._template(text)
        variable = self.items.variable if self.items else None
        endings = [self.tokens.ending(row.row.placed) for row in self.rows]
        if not any(hole.slot == variable for hole in template.holes):
            found = [targets.after(self.tokens, end, one, exact=True) for end, one in zip(endings, self._expanded(text), strict=True)]
            return self._gather(found, node, text.value)
        assert self.items is not None
        if self.items.wrong:
            choices = [list(row.wrong) + [""] * (self.width - len(row.wrong)) for row in self.rows]
        else:
            hole = next(hole for hole in template.holes if hole.slot == variable)
            ref = doc.SlotRef(doc.Name(hole.slot), doc.Name(hole.field) if hole.field else None, span=text.span)
            choices = [[self._field(entry, ref) for entry in self.items.entries]] * len(self.rows)
        found = []
        for row, ending, texts in zip(self.rows, endings, choices, strict=True):
            for one in texts:
                spelled = self._expand(template, row, one)
                found.append(targets.after(self.tokens, ending, spelled, exact=True) if one else "absent")
        return self._items(self._gather(found, node, text.value, absent=True))

    def _items(self, ids: list[int]) -> "np.ndarray":
        """Ids row after row, as [N, W]."""
        import numpy as np

        return np.array(ids, dtype=np.int64).reshape(len(self.rows), self.width)

    # ------------------------------------------------------------ values as text

    def _template(self, text: doc.Text) -> Template:
        problems: list[tuple[str, str]] = []
        template = parse_template(text.value, lambda message, hint: problems.append((message, hint)))
        if problems:
            raise Mistake("C220", text.span, *problems[0])
        for hole in template.holes:
            if not (self.items and hole.slot == self.items.variable):
                name, chosen = doc.Name(hole.slot, span=text.span), doc.Name(hole.field) if hole.field else None
                self._known(doc.SlotRef(name, chosen, span=text.span), text=True)
        return template

    def _expanded(self, text: doc.Text) -> list[str]:
        template = self._template(text)
        return [self._expand(template, row, "") for row in self.rows]

    def _expand(self, template: Template, row: Labelled, item: str) -> str:
        variable = self.items.variable if self.items else None
        values = row.prompt.values
        return "".join(
            piece if isinstance(piece, str) else item if piece.slot == variable else values[piece.label] for piece in template.pieces
        )

    def _value(self, row: Labelled, ref: doc.SlotRef) -> str:
        label = f"{ref.name.text}.{ref.field.text}" if ref.field else ref.name.text
        return row.prompt.values.get(f"{label}:{ref.occurrence}", row.prompt.values[label])

    def _known(self, ref: doc.SlotRef, text: bool = False) -> None:
        """Raises Mistake if a slot, or its field, is not there; with `text`, also if it is only a position or a token of a value."""
        name, slots = ref.name.text, self.labelling.declaration.slots
        if name not in slots:
            if not text and self.rows and any(name == place[0] for place, _ in self.rows[0].prompt.layout.spans):
                return
            if name in self.taken:
                raise Lacking(
                    "C212", ref.span, f"`{name}` is not a slot of `{self.name}`", "name a slot, `answer`, `wrong`, or a text in quotes"
                )
            names = [*slots, "answer", "wrong", *([self.items.variable] if self.items else [])]
            hint = similar(name, names) or f"known: {listed(names)}"
            raise Lacking("C212", ref.span, f"`{self.name}` has no slot `{name}`", hint)
        fields, chosen = slots[name].fields, ref.field.text if ref.field else None
        if chosen and chosen not in fields and (text or chosen not in ("first", "last")):
            raise Mistake("C206", ref.span, f"slot `{name}` has no field `{chosen}`", similar(chosen, fields))
        if fields and chosen not in fields:
            raise Mistake("C206", ref.span, f"which field of `{name}` is meant?", f"its fields are {', '.join(fields)}")

    def _reference(self, ref: doc.SlotRef) -> tuple[str, int | None, str]:
        """Label, occurrence, and which token."""
        slot = self.labelling.declaration.slots.get(ref.name.text, Slot())
        if ref.field and ref.field.text in slot.fields:
            return f"{ref.name.text}.{ref.field.text}", ref.occurrence, "first"
        return ref.name.text, ref.occurrence, ref.field.text if ref.field else "first"

    # ------------------------------------------------------------ what went wrong

    def _gather(
        self, found: Sequence[Target | Trouble], node: doc.CallExpr, label: str, absent: bool = False, joins: bool = False
    ) -> list[int]:
        """Ids, −1 for what may be absent. Raises Mistake for the first trouble; notes values of several tokens."""
        allowed = {name for name, on in (("absent", absent), ("joins", joins or not self.tokens.checked)) if on}
        for trouble in found:
            if isinstance(trouble, str) and trouble not in allowed:
                raise _trouble(trouble, label, node, sum(one == trouble for one in found), len(found), self.name)
        several = [one.value for one in found if isinstance(one, Target) and one.several]
        if several and self.tokens.checked and not _says_part(node):
            values = listed((self.tokens.tokenizer.decode(one) for one in dict.fromkeys(several)), MOST_VALUES)
            message = f"in {len(several)} of {len(found)} cases the value has several tokens: the first is taken; they are {values}"
            self.warnings.append(Mistake("W022", node.span, message, "`.last` takes the last"))
        return [one.token if isinstance(one, Target) else -1 for one in found]


def _slot_of(node: doc.CallExpr) -> str:
    return node.argument.slot.name.text if isinstance(node.argument, doc.SlotExpr) else ""


def _says_part(node: doc.CallExpr) -> bool:
    ref = node.argument.slot if isinstance(node.argument, doc.SlotExpr) else None
    return bool(ref and ref.field and ref.field.text in ("first", "last"))


def _trouble(trouble: Trouble, label: str, node: doc.CallExpr, count: int, of: int, name: str) -> Mistake:
    function, cases = node.function.text, f"in {count} of {of} prompts of `{name}` " if count < of else f"in `{name}` "
    value = node.value.slot.name.text if isinstance(node.value, doc.SlotExpr) else label
    spelled = f'spell it out: `{function}(" {{{value}}}")`'
    said = {
        "absent": f"`{label}` does not stand in the text, so it has no token there",
        "start": f"`{label}` stands at the start of the text, where its token is another than after a space",
        "differs": f"`{label}` has different tokens at different places",
        "shared": f"`{label}` shares a token with the text beside it, and has none of its own",
        "joins": f'"{label}" cannot follow the prompt: it would change the prompt\'s own tokens',
    }
    hint = "a prompt must not end with a space, or in the middle of a word" if trouble == "joins" else spelled
    return (Lacking if trouble == "absent" else Mistake)("C240", node.span, cases + said[trouble], hint)
