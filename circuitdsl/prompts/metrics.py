"""Metrics, bound to the rows of each distribution: which tokens' logits at which positions, and how they are combined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np

from circuitdsl.borders import document as doc
from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Metric, Pick, SpanLoss
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import Role
from circuitdsl.prompts import targets
from circuitdsl.prompts.conditions import Column, Conditions, Lacking, Mistake, are_integers
from circuitdsl.prompts.declare import Slot
from circuitdsl.prompts.findings import Findings, similar
from circuitdsl.prompts.labels import Labelled, Labelling
from circuitdsl.prompts.targets import Target, Trouble
from circuitdsl.prompts.template import Template, parse_template
from circuitdsl.prompts.tokens import Tokens
from circuitdsl.prompts.vocabulary import Entry, Vocabulary

FUNCTIONS = ("logit", "logprob", "prob", "loss", "kl")
FOLDS = ("sum", "mean", "max")
LARGEST = 20_000_000
"""Most tokens that one fold may look up: rows times items."""

_END = doc.PositionRef(doc.SlotRef(doc.Name("END")))


@dataclass(frozen=True, slots=True)
class Items:
    """What a fold goes through: a vocabulary's entries, the same for every row, or each row's wrong answers."""

    variable: str
    entries: tuple[Entry, ...] = ()
    fields: tuple[str, ...] = ()
    wrong: bool = False


@dataclass(slots=True)
class Metrics:
    """Binds metrics to one distribution at a time."""

    statements: Mapping[str, doc.Metric]
    features: Mapping[str, doc.Feature]
    vocabularies: Mapping[str, Vocabulary | None]
    tokens: Tokens
    taken: frozenset[str]
    source: Source
    findings: Findings

    def bind(self, labellings: Mapping[str, Labelling]) -> dict[str, Metric]:
        """Every metric with all distributions that have what it needs; an error for those that none has."""
        found = {}
        for name, statement in self.statements.items():
            bound: dict[str, Expression] = {}
            positions: dict[str, np.ndarray] = {}
            mistakes: list[Mistake] = []
            warnings: list[Mistake] = []
            for distribution, labelling in labellings.items():
                binder = _Binder(self, labelling)
                expression, where = binder.whole(statement)
                if not binder.mistakes:
                    bound[distribution], positions[distribution] = expression, where
                    warnings = warnings or binder.warnings
                elif not mistakes:
                    mistakes = binder.mistakes
            if bound:
                text = self.source.text[statement.value.span.start : statement.value.span.end]
                position = self._position_text(statement.position)
                found[name] = Metric(name, text, statement.lower, bound, position, positions)
            for mistake in warnings:
                self.findings.warn(mistake.code, mistake.span, mistake.message, mistake.hint)
            for mistake in mistakes:
                if not bound or not isinstance(mistake, Lacking):
                    self.findings.error(mistake.code, mistake.span, mistake.message, mistake.hint)
        return found

    def _position_text(self, position: doc.PositionRef | None) -> str:
        return str(role(position, {})) if position else "END"


def role(position: doc.PositionRef, slots: Mapping[str, Slot]) -> Role:
    """A position as a role. A block means all its tokens, another slot its last, `.first` its first."""
    ref = position.slot
    fields = slots[ref.name.text].fields if ref.name.text in slots else ()
    label = ref.name.text
    part: Literal["last", "first", "all"] = "last"
    if ref.field and ref.field.text in ("first", "last") and ref.field.text not in fields:
        part = cast("Literal['first', 'last']", ref.field.text)
    elif ref.field:
        label = f"{label}.{ref.field.text}"
    elif label in slots and slots[label].tokens:
        part = "all"
    text = ref.name.text + (f".{ref.field.text}" if ref.field else "") + (f":{ref.occurrence}" if ref.occurrence else "")
    if position.index:
        low, high = position.index
        text += f"[{low}]" if low == high else f"[{low}..{high}]"
    text += f"{position.shift:+d}" if position.shift else ""
    return Role(label, ref.occurrence or 1, position.index or part, position.shift, text)


@dataclass(slots=True)
class _Binder:
    """One metric on one distribution. Mistakes are collected, so that all of an expression are said."""

    metrics: Metrics
    labelling: Labelling
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    position: doc.PositionRef = _END
    items: Items | None = None

    @property
    def rows(self) -> Sequence[Labelled]:
        return self.labelling.rows

    @property
    def tokens(self) -> Tokens:
        return self.metrics.tokens

    @property
    def name(self) -> str:
        return self.labelling.distribution.name

    def fail(self, mistake: Mistake) -> Expression:
        self.mistakes.append(mistake)
        return Constant(0.0)

    def whole(self, statement: doc.Metric) -> tuple[Expression, np.ndarray]:
        outer, outer_items = self.position, self.items
        self.position, self.items = statement.position or _END, None
        self.open.append(statement.name.text)
        try:
            where = self.where(self.position)
        except Mistake as mistake:
            self.fail(mistake)
            where = np.zeros(len(self.rows), dtype=np.int64)
        expression = self.expression(statement.value)
        self.open.pop()
        self.position, self.items = outer, outer_items
        return expression, where

    # ------------------------------------------------------------ expressions

    def expression(self, node: doc.Expr) -> Expression:
        try:
            return self._expression(node)
        except Mistake as mistake:
            return self.fail(mistake)

    def _expression(self, node: doc.Expr) -> Expression:
        match node:
            case doc.NumberExpr():
                return Constant(node.number.value)
            case doc.Unary(operator="-"):
                return Arithmetic("-", Constant(0.0), self.expression(node.operand))
            case doc.Binary(operator="+" | "-" | "*" | "/" as operator):
                return Arithmetic(operator, self.expression(node.left), self.expression(node.right))
            case doc.Call():
                return self._call(node)
            case doc.Fold():
                return self._fold(node)
            case doc.SlotExpr():
                return self._metric(node)
            case doc.Binary() | doc.Unary():
                raise Mistake(
                    "C230", node.span, f"`{node.operator}` has no place in a metric: it is a number", "conditions go behind `if` in a fold"
                )
            case doc.TextExpr():
                raise Mistake("C230", node.span, "a text is not a number", f'write `logit("{node.text.value}")`')
        raise Mistake("C230", node.span, "a metric is one number, not several")

    def _metric(self, node: doc.SlotExpr) -> Expression:
        name = node.slot.name.text
        if name in self.metrics.statements and not node.slot.field:
            if name in self.open:
                raise Mistake("C219", node.span, f"metric `{name}` is defined by itself")
            return self.whole(self.metrics.statements[name])[0]
        known = name in self.labelling.declaration.slots or name in ("answer", "wrong") or (self.items and name == self.items.variable)
        if known:
            raise Mistake(
                "C230", node.span, f"`{name}` is a value, not a number", f"write `logit({name})`, `logprob({name})` or `prob({name})`"
            )
        raise Mistake("C231", node.span, f"there is no metric `{name}`", similar(name, [*self.metrics.statements, *FUNCTIONS]))

    def _call(self, node: doc.Call) -> Expression:
        function = node.function.text
        if function not in FUNCTIONS:
            hint = similar(function, [*FUNCTIONS, *FOLDS]) or "there are logit, logprob, prob, loss, kl, and the folds sum, mean, max"
            if function in FOLDS:
                hint = f"`{function}` goes over a vocabulary or the wrong answers: `{function}(logit(w) for w in wrong)`"
            raise Mistake("C232", node.function.span, f"there is no function `{function}` in metrics", hint)
        if function in ("kl", "loss") and self.items:
            raise Mistake("C230", node.span, f"`{function}` has no place in a fold")
        if function == "kl":
            if node.argument or node.value:
                raise Mistake("C233", node.span, "`kl` takes nothing: it compares with the model's own run, over all tokens", "write `kl`")
            return Divergence(self.where(self.position))
        if function == "loss":
            return self._loss(node)
        ids = self._items_wide(self.ids(node))
        return Pick(cast("Literal['logit', 'logprob', 'prob']", function), ids, self.where(self.position))

    def _items_wide(self, ids: np.ndarray) -> np.ndarray:
        if not self.items or ids.ndim == 2:
            return ids
        return np.repeat(ids[:, None], self.width, axis=1)

    @property
    def width(self) -> int:
        assert self.items is not None
        return max((len(row.wrong) for row in self.rows), default=0) if self.items.wrong else len(self.items.entries)

    # ------------------------------------------------------------ positions

    def where(self, position: doc.PositionRef) -> np.ndarray:
        """The token index on each row [N]. Raises Mistake if it is not exactly one."""
        found = self._positions(position)
        if any(len(one) != 1 for one in found):
            raise Mistake(
                "C234",
                position.span,
                f"`{role(position, {})}` has several tokens; a metric is read at one",
                "take one: `[0]`, `.first`, `.last`",
            )
        return np.array([one[0] for one in found], dtype=np.int64)

    def _positions(self, position: doc.PositionRef) -> list[tuple[int, ...]]:
        wanted = role(position, self.labelling.declaration.slots)
        found: dict[object, tuple[int, ...]] = {}
        for row in self.rows:
            layout = row.prompt.layout
            if layout in found:
                continue
            try:
                found[layout] = layout.positions((wanted,))
            except KeyError:
                known = {slot for (slot, _), _ in layout.spans} | {"END"}
                hint = similar(wanted.slot, known - {wanted.slot}) or "positions are slots that stand in the text, and END"
                raise Lacking("C234", position.span, f"there is no `{wanted}` in the prompts of `{self.name}`", hint) from None
            except IndexError as error:
                raise Lacking("C234", position.span, f"{error} in a prompt of `{self.name}`") from None
        return [found[row.prompt.layout] for row in self.rows]

    def _loss(self, node: doc.Call) -> Expression:
        position = node.argument
        if isinstance(position, doc.SlotExpr):
            position = doc.PositionRef(position.slot, span=position.span)
        if not isinstance(position, doc.PositionRef) or node.value:
            raise Mistake(
                "C233", node.span, "`loss` needs the positions whose tokens are to be predicted", "such as `loss(block:2[1..24])`"
            )
        found = self._positions(position)
        if any(0 in one for one in found):
            raise Mistake(
                "C234", position.span, "nothing stands before the first token, so it has no loss", "leave it out, or set `bos = true`"
            )
        longest = max(map(len, found), default=0)
        shape = (len(found), longest)
        reads, wanted, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
        for number, (row, one) in enumerate(zip(self.rows, found, strict=True)):
            reads[number, : len(one)] = np.array(one) - 1
            wanted[number, : len(one)] = [row.prompt.tokens[index] for index in one]
            mask[number, : len(one)] = True
        return SpanLoss(wanted, reads, mask)

    # ------------------------------------------------------------ folds

    def _fold(self, node: doc.Fold) -> Expression:
        if node.function.text not in FOLDS:
            hint = similar(node.function.text, FOLDS) or "there are `sum`, `mean` and `max`"
            raise Mistake("C232", node.function.span, f"there is no fold `{node.function.text}`", hint)
        if self.items:
            raise Mistake("C230", node.span, "a fold within a fold has no place in a metric")
        variable = node.variable.text
        if variable in self.labelling.declaration.slots or variable in ("answer", "wrong", "template"):
            raise Mistake("C215", node.variable.span, f"`{variable}` already means something: choose another name for the variable")
        self.items = self._collection(node)
        try:
            if len(self.rows) * self.width > LARGEST:
                raise Mistake(
                    "C238", node.span, f"this fold looks up {len(self.rows) * self.width:,} tokens: too many", "fewer prompts or values"
                )
            body, mask = self.expression(node.body), self._mask(node)
        finally:
            self.items = None
        how = cast("Literal['sum', 'mean', 'max']", node.function.text)
        empty = ~mask.any(axis=1)
        if how != "sum" and empty.any() and not self.mistakes:
            message = f"`{how}` has nothing to go over in {int(empty.sum())} of {len(self.rows)} prompts of `{self.name}`"
            raise Lacking("C239", node.span, message, "only `sum` of nothing is a number: 0")
        return FoldOver(how, body, mask & self._present(body))

    def _collection(self, node: doc.Fold) -> Items:
        name = node.collection.text
        if name == "wrong":
            if not any(row.wrong for row in self.rows):
                raise Lacking("C236", node.collection.span, f"`{self.name}` has no wrong answers", "declare them: `answer A wrong B`")
            return Items(node.variable.text, wrong=True)
        if name not in self.metrics.vocabularies:
            hint = similar(name, [*self.metrics.vocabularies, "wrong"]) or "a fold goes over a vocabulary or `wrong`"
            raise Mistake("C210", node.collection.span, f"there is no vocabulary `{name}`", hint)
        vocabulary = self.metrics.vocabularies[name]
        if vocabulary is None:
            raise Lacking("C210", node.collection.span, f"vocabulary `{name}` has errors")
        return Items(node.variable.text, vocabulary.entries, vocabulary.fields)

    def _present(self, body: Expression) -> np.ndarray:
        """Items that have a token [N, W]."""
        match body:
            case Pick():
                return body.ids >= 0
            case Arithmetic():
                return self._present(body.left) & self._present(body.right)
        return np.ones((len(self.rows), self.width), dtype=bool)

    def _mask(self, node: doc.Fold) -> np.ndarray:
        assert self.items is not None
        mask = np.ones((len(self.rows), self.width), dtype=bool)
        if self.items.wrong:
            mask = np.arange(self.width)[None] < np.array([len(row.wrong) for row in self.rows])[:, None]
        if node.condition is None:
            return mask
        conditions = Conditions(self.labelling, self.metrics.features, {self.items.variable: self._column}, self.metrics.taken)
        found = conditions.evaluate(node.condition)
        if found.kind != "truth":
            raise Mistake("C235", node.condition.span, "this is no condition", f"compare: `if {self.items.variable} > SLOT`")
        return mask & np.broadcast_to(found.data, mask.shape)

    def _column(self, ref: doc.SlotRef) -> Column:
        """The fold's variable as a column: [1, W], or [N, W] over the wrong answers."""
        assert self.items is not None
        if self.items.wrong:
            data = np.full((len(self.rows), self.width), "", dtype=object)
            for number, row in enumerate(self.rows):
                data[number, : len(row.wrong)] = row.wrong
            integers = are_integers([text for row in self.rows for text in row.wrong])
            return Column("text", np.where(data == "", "0", data) if integers else data, integers)
        values = [self._field(entry, ref) for entry in self.items.entries]
        data = np.empty((1, len(values)), dtype=object)
        data[0, :] = values
        return Column("text", data, are_integers(values))

    def _field(self, entry: Entry, ref: doc.SlotRef) -> str:
        assert self.items is not None
        fields = self.items.fields
        if not fields and not ref.field:
            return entry[0]
        if ref.field is None or ref.field.text not in fields:
            hint = f"its fields are {', '.join(fields)}" if fields else "its vocabulary has no fields"
            raise Mistake("C206", ref.span, f"which field of `{self.items.variable}` is meant?", hint)
        return entry[fields.index(ref.field.text)]

    # ------------------------------------------------------------ token ids

    def ids(self, node: doc.Call) -> np.ndarray:
        """The tokens that a call speaks of: [N], or [N, W] where the fold's variable is in it. Raises Mistake."""
        argument = node.argument
        match argument:
            case None:
                raise Mistake("C233", node.span, f"`{node.function.text}` of what?", "name a slot, `answer`, `wrong`, or a text in quotes")
            case doc.TextExpr():
                self._no_value(node)
                return self._spelled(argument.text, node)
            case doc.PositionRef():
                self._no_value(node)
                return np.array([row.prompt.tokens[at] for row, at in zip(self.rows, self.where(argument), strict=True)], dtype=np.int64)
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

    def _no_value(self, node: doc.Call) -> None:
        if node.value is not None:
            raise Mistake("C233", node.value.span, "only a slot can be given another value: `prob(YY = y)`")

    def _labels(self, name: str, ref: doc.SlotRef, node: doc.Call) -> np.ndarray:
        if not self.rows or self.rows[0].answer is None or (name == "wrong" and not any(row.wrong for row in self.rows)):
            what = "wrong answers" if name == "wrong" else "answer"
            raise Lacking("C236", ref.span, f"`{self.name}` has no {what}", "declare it in the prompts: `answer A wrong B`")
        if name == "answer":
            return np.array([cast(int, row.prompt.answer) for row in self.rows], dtype=np.int64)
        if any(len(row.wrong) != 1 for row in self.rows):
            hint = f"say which: `max({node.function.text}(w) for w in wrong)`, or `mean`"
            raise Mistake("C236", ref.span, f"prompts of `{self.name}` have several wrong answers, or none", hint)
        return np.array([row.prompt.wrong[0] for row in self.rows], dtype=np.int64)

    def _item(self, ref: doc.SlotRef, node: doc.Call) -> np.ndarray:
        """The fold's variable: a wrong answer's token, or the token that an entry would have after the prompt."""
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

    def _instead(self, ref: doc.SlotRef, value: doc.SlotExpr | doc.TextExpr, node: doc.Call) -> np.ndarray:
        """`prob(YY = y)`: the token that a slot would have with another value."""
        self._known(ref)
        label, occurrence, part = self._reference(ref)
        around = [targets.contexts(self.tokens, row.row, label, occurrence) for row in self.rows]
        keys = [one if isinstance(one, str) else tuple(one) for one in around]

        def find(key: str | tuple[tuple[str, str], ...], text: str) -> Target | Trouble:
            return targets.instead(self.tokens, cast("Trouble", key) if isinstance(key, str) else list(key), text, part)

        if isinstance(value, doc.SlotExpr) and self.items and value.slot.name.text == self.items.variable and not self.items.wrong:
            return self._table(keys, [self._field(entry, value.slot) for entry in self.items.entries], find, node)
        if isinstance(value, doc.SlotExpr) and self.items and value.slot.name.text == self.items.variable:
            column = self._column(value.slot).data
            found = [[find(key, text) if text else "absent" for text in texts] for key, texts in zip(keys, column, strict=True)]
            return self._gather([one for line in found for one in line], node, label, absent=True).reshape(len(self.rows), self.width)
        if isinstance(value, doc.TextExpr):
            texts = self._expanded(value.text)
        else:
            self._known(value.slot)
            texts = [self._value(row, value.slot) for row in self.rows]
        return self._gather([find(key, text) for key, text in zip(keys, texts, strict=True)], node, label)

    def _table(self, keys: Sequence[object], values: Sequence[str], find: Callable[..., Target | Trouble], node: doc.Call) -> np.ndarray:
        """Tokens of all values on all rows [N, W]: found once for each different key. Values without a token of their own are left out."""
        lines: dict[object, np.ndarray] = {}
        left_out = 0
        for key in keys:
            if key not in lines:
                found = [find(key, value) for value in values]
                troubled = ["joins" if one == "shared" else one for one in found]
                lines[key] = self._gather(troubled, node, "", absent=True, joins=True)
            left_out += int((lines[key] < 0).sum())
        if left_out and self.tokens.checked:
            message = f"in {left_out} of {len(keys) * len(values)} cases a value would share its token with the text beside it: left out"
            self.warnings.append(Mistake("W029", node.span, message))
        return np.stack([lines[key] for key in keys]) if keys else np.zeros((0, len(values)), dtype=np.int64)

    def _spelled(self, text: doc.Text, node: doc.Call) -> np.ndarray:
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
        return self._gather(found, node, text.value, absent=True).reshape(len(self.rows), self.width)

    # ------------------------------------------------------------ values as text

    def _template(self, text: doc.Text) -> Template:
        problems: list[tuple[str, str]] = []
        template = parse_template(text.value, lambda message, hint: problems.append((message, hint)))
        if problems:
            raise Mistake("C220", text.span, *problems[0])
        for hole in template.holes:
            if not (self.items and hole.slot == self.items.variable):
                self._known(doc.SlotRef(doc.Name(hole.slot, span=text.span), doc.Name(hole.field) if hole.field else None, span=text.span))
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

    def _known(self, ref: doc.SlotRef) -> None:
        """Raises Mistake if a slot, or its field, is not there."""
        name, slots = ref.name.text, self.labelling.declaration.slots
        if name not in slots:
            if self.rows and any(name == place[0] for place, _ in self.rows[0].prompt.layout.spans):
                return
            if name in self.metrics.taken and name not in slots:
                raise Lacking(
                    "C212", ref.span, f"`{name}` is not a slot of `{self.name}`", "name a slot, `answer`, `wrong`, or a text in quotes"
                )
            hint = similar(name, [*slots, "answer", "wrong", *([self.items.variable] if self.items else [])])
            raise Lacking("C212", ref.span, f"`{self.name}` has no slot `{name}`", hint)
        fields, chosen = slots[name].fields, ref.field.text if ref.field else None
        if chosen and chosen not in fields and chosen not in ("first", "last"):
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
        self, found: Sequence[Target | Trouble], node: doc.Call, label: str, absent: bool = False, joins: bool = False
    ) -> np.ndarray:
        """Ids, −1 for what may be absent. Raises Mistake for the first trouble; notes values of several tokens."""
        allowed = {name for name, on in (("absent", absent), ("joins", joins or not self.tokens.checked)) if on}
        for trouble in found:
            if isinstance(trouble, str) and trouble not in allowed:
                raise _trouble(trouble, label, node, sum(one == trouble for one in found), len(found), self.name)
        several = sum(isinstance(one, Target) and one.several for one in found)
        if several and self.tokens.checked and not _says_part(node):
            message = f"in {several} of {len(found)} cases the value has several tokens: the first is taken"
            self.warnings.append(Mistake("W022", node.span, message, "`.last` takes the last"))
        return np.array([one.token if isinstance(one, Target) else -1 for one in found], dtype=np.int64)


def _says_part(node: doc.Call) -> bool:
    ref = node.argument.slot if isinstance(node.argument, doc.SlotExpr) else None
    return bool(ref and ref.field and ref.field.text in ("first", "last"))


def _trouble(trouble: Trouble, label: str, node: doc.Call, count: int, of: int, name: str) -> Mistake:
    function, cases = node.function.text, f"in {count} of {of} prompts of `{name}` " if count < of else f"in `{name}` "
    spelled = f'spell it out: `{function}(" {{{label}}}")`'
    said = {
        "absent": f"`{label}` does not stand in the text, so it has no token there",
        "start": f"`{label}` stands at the start of the text, where its token is another than after a space",
        "differs": f"`{label}` has different tokens at different places",
        "shared": f"`{label}` shares a token with the text beside it, and has none of its own",
        "joins": f'"{label}" cannot follow the prompt: it would change the prompt\'s own tokens',
    }
    hint = "a prompt must not end with a space, or in the middle of a word" if trouble == "joins" else spelled
    return (Lacking if trouble == "absent" else Mistake)("C240", node.span, cases + said[trouble], hint)
