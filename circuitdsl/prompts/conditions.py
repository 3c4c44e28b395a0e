"""Comparisons of slots, answers and features, for all rows of a distribution at once: features, and the `if` of a fold."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from circuitdsl.borders import document as doc
from circuitdsl.prompts.labels import Labelling
from circuitdsl.prompts.mistakes import Lacking, Mistake, similar

_INTEGER = re.compile(r"[+-]?[0-9]+")
_ORDER: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """Values of N rows, or of N rows and W items of a fold: `data` is [N, 1], [1, W] or [N, W].

    `integers`: texts that are all integers, whose order is that of numbers.
    """

    kind: Literal["text", "number", "truth", "tuple"]
    data: np.ndarray
    integers: bool = False


def texts(values: Sequence[str], integers: bool | None = None) -> ValueColumn:
    """A column [N, 1] of texts."""
    data = np.empty((len(values), 1), dtype=object)
    data[:, 0] = values
    return ValueColumn("text", data, are_integers(values) if integers is None else integers)


def are_integers(values: Sequence[str]) -> bool:
    return bool(values) and all(_INTEGER.fullmatch(value) for value in set(values))


@dataclass(slots=True)
class Conditions:
    """Evaluates expressions on one distribution. `features` are other features by name; `items` the variables of a fold."""

    labelling: Labelling
    features: Mapping[str, doc.FeatureStatement]
    items: dict[str, Callable[[doc.SlotRef], ValueColumn]] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    """Names that are something else: metrics, prompts, vocabularies."""
    _open: list[str] = field(default_factory=list)

    def evaluate(self, expression: doc.Expr) -> ValueColumn:
        """Raises Mistake."""
        match expression:
            case doc.SlotExpr():
                return self._named(expression.slot)
            case doc.TextExpr():
                return texts([expression.text.value])
            case doc.NumberExpr():
                return ValueColumn("number", np.array([[expression.number.value]]))
            case doc.TupleExpr():
                return self._tuple([self.evaluate(item) for item in expression.items])
            case doc.UnaryExpr(operator="not"):
                return ValueColumn("truth", ~self._truth(expression.operand, "not"))
            case doc.BinaryExpr(operator="and" | "or"):
                left, right = (self._truth(side, expression.operator) for side in (expression.left, expression.right))
                return ValueColumn("truth", left & right if expression.operator == "and" else left | right)
            case doc.BinaryExpr() if expression.operator in _ORDER:
                return self._compare(expression)
            case doc.UnaryExpr(operator="-", operand=doc.NumberExpr(number)):
                return ValueColumn("number", np.array([[-number.value]]))
            case doc.CallExpr():
                return self._bins(expression)
        raise Mistake("C235", expression.span, "here are slots compared, with `==`, `<`, `and`, `not`: nothing is computed")

    def _named(self, ref: doc.SlotRef) -> ValueColumn:
        name, rows = ref.name.text, self.labelling.rows
        if name in self.items:
            return self.items[name](ref)
        if name == "template":
            return ValueColumn("number", np.array([[labelled.row.template + 1] for labelled in rows]))
        if name in ("answer", "wrong"):
            found = [
                labelled.answer if name == "answer" else (labelled.wrong[0] if len(labelled.wrong) == 1 else None) for labelled in rows
            ]
            values = [text for text in found if text is not None]
            if len(values) < len(found):
                raise Lacking("C236", ref.span, f"`{self.labelling.distribution.name}` has no {name}, or several", "compare slots instead")
            return texts(values)
        if name in self.features:
            return self._feature(name, ref)
        return self._slot(ref)

    def _feature(self, name: str, ref: doc.SlotRef) -> ValueColumn:
        if name in self._open:
            raise Mistake("C219", ref.span, f"feature `{name}` is defined by itself")
        self._open.append(name)
        try:
            return self.evaluate(self.features[name].value)
        finally:
            self._open.remove(name)

    def _slot(self, ref: doc.SlotRef) -> ValueColumn:
        name, slots = ref.name.text, self.labelling.declaration.slots
        if name not in slots:
            if name in self.taken:
                raise Mistake("C235", ref.span, f"`{name}` is not a slot: slots and features can be compared")
            hint = similar(name, [*slots, *self.features, *self.items])
            raise Lacking("C212", ref.span, f"`{self.labelling.distribution.name}` has no slot `{name}`", hint)
        slot = slots[name]
        if ref.field and ref.field.text not in slot.fields:
            raise Mistake("C206", ref.span, f"slot `{name}` has no field `{ref.field.text}`", similar(ref.field.text, slot.fields))
        entries = slot.vocabulary.entries if slot.vocabulary else None
        if slot.fields and not ref.field:
            every = []
            for number, text in enumerate(slot.fields):
                one = texts([str(labelled.row.values[name][number]) for labelled in self.labelling.rows])
                every.append(ValueColumn("text", one.data, integers=False))
                assert text
            return self._tuple(every)
        label = f"{name}.{ref.field.text}" if ref.field else name
        key = f"{label}:{ref.occurrence}" if ref.occurrence else label
        values = [labelled.prompt.values.get(key, labelled.prompt.values[label]) for labelled in self.labelling.rows]
        if entries is None:
            return texts(values)
        part = slot.fields.index(ref.field.text) if ref.field else 0
        return texts(values, are_integers([*(entry[part] for entry in entries), *values]))

    def _tuple(self, columns: Sequence[ValueColumn]) -> ValueColumn:
        arrays = np.broadcast_arrays(*(column.data for column in columns))
        data = np.empty(arrays[0].shape, dtype=object)
        for index in np.ndindex(data.shape):
            data[index] = tuple(array[index].item() if isinstance(array[index], np.generic) else array[index] for array in arrays)
        return ValueColumn("tuple", data)

    def _truth(self, expression: doc.Expr, operator: str) -> np.ndarray:
        found = self.evaluate(expression)
        if found.kind != "truth":
            raise Mistake("C235", expression.span, f"`{operator}` joins comparisons, and this is none", "compare it: `A == B`")
        return found.data

    def _compare(self, expression: doc.BinaryExpr) -> ValueColumn:
        left, right = self.evaluate(expression.left), self.evaluate(expression.right)
        operator, order = expression.operator, expression.operator not in ("==", "!=")
        kinds = {left.kind, right.kind}
        if kinds == {"text", "number"}:
            left, right = (self._number(column, expression) for column in (left, right))
        elif len(kinds) > 1 or (order and kinds & {"truth", "tuple"}):
            raise Mistake("C235", expression.span, f"`{operator}` cannot compare a {left.kind} with a {right.kind}")
        elif order and kinds == {"text"} and left.integers and right.integers:
            left, right = (self._number(column, expression) for column in (left, right))
        if not order and any(column.kind == "number" and np.any(column.data % 1 != 0) for column in (left, right)):
            raise Mistake("C237", expression.span, "numbers with decimals are never exactly equal", "compare with `<` or `>`")
        with np.errstate(all="ignore"):
            return ValueColumn("truth", np.asarray(_ORDER[operator](left.data, right.data), dtype=bool))

    def _bins(self, call: doc.CallExpr) -> ValueColumn:
        """`bin(YY, 10, 50)`: 0 below 10, 1 from 10 to below 50, 2 from 50."""
        if call.function.text != "bin" or not call.cuts or call.argument is None or isinstance(call.argument, doc.PositionRef):
            hint = "`bin(YY, 10, 50)` cuts numbers into classes; everything else is compared"
            raise Mistake("C232", call.function.span, f"there is no `{call.function.text}` of this form in features and conditions", hint)
        cuts = [number.value for number in call.cuts]
        if any(low >= high for low, high in pairwise(cuts)):
            raise Mistake("C233", call.span, "the numbers of `bin` must rise")
        numbers = self._number(self.evaluate(call.argument), call)
        return ValueColumn("number", np.searchsorted(np.array(cuts), numbers.data.astype(float), side="right"))

    def _number(self, column: ValueColumn, expression: doc.BinaryExpr | doc.CallExpr) -> ValueColumn:
        if column.kind == "number":
            return column
        if column.kind != "text" or not column.integers:
            raise Mistake(
                "C235",
                expression.span,
                "only texts that are all integers can be compared with a number",
                'quote the number to compare texts: "3"',
            )
        data = np.empty(column.data.shape, dtype=object)
        for index in np.ndindex(data.shape):
            data[index] = int(column.data[index])
        return ValueColumn("number", data)
