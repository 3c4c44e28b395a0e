"""Metrics, bound to the rows of each distribution: which tokens' logits at which positions, and how they are combined.

Binding finds what is wrong, and gives functions that make the arrays: checking a file needs none of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Metric, Pick, SpanLoss
from circuitdsl.borders.source import Source
from circuitdsl.prompts.labels import Labelled, Labelling
from circuitdsl.prompts.lookups import Items, Lookup
from circuitdsl.prompts.mistakes import Lacking, Mistake, similar
from circuitdsl.prompts.roles import role, token_index, token_indices
from circuitdsl.prompts.tokens import Tokens
from circuitdsl.prompts.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np

Bound = TypeVar("Bound")
Make = Callable[[], Expression]

FUNCTIONS = ("logit", "logprob", "prob", "loss", "kl")
FOLDS = ("sum", "mean", "max")
LARGEST = 20_000_000
"""Most tokens that one fold may look up: rows times items."""

_END = doc.PositionRef(doc.SlotRef(doc.Name("END")))


class Late(Mapping[str, Bound], Generic[Bound]):
    """What is made when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Bound]]):
        self._makers, self._made = makers, dict[str, Bound]()

    def __getitem__(self, name: str) -> Bound:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(slots=True)
class Metrics:
    """Binds metrics to one distribution at a time."""

    statements: Mapping[str, doc.MetricStatement]
    features: Mapping[str, doc.FeatureStatement]
    vocabularies: Mapping[str, Vocabulary | None]
    tokens: Tokens
    taken: frozenset[str]
    source: Source
    findings: Diagnostics

    def bind(self, labellings: Mapping[str, Labelling]) -> dict[str, Metric]:
        """Every metric with all distributions that have what it needs. What is wrong is said if no distribution has it, or if it is
        wrong in prompts that are not counterfactuals."""
        found = {}
        for name, statement in self.statements.items():
            bound: dict[str, Make] = {}
            positions: dict[str, Callable[[], np.ndarray]] = {}
            mistakes: list[Mistake] = []
            warnings: list[Mistake] = []
            lacking: dict[str, str] = {}
            for distribution, labelling in labellings.items():
                binder = _Binder(self, labelling, Lookup(labelling, self.tokens, self.taken))
                expression, where = binder.whole(statement)
                if not binder.mistakes:
                    bound[distribution], positions[distribution] = expression, _indices(where)
                    warnings = warnings or binder.lookup.warnings
                    continue
                lacking[distribution] = binder.mistakes[0].message
                if not mistakes and (not bound or not labelling.distribution.paired):
                    mistakes = binder.mistakes
            if bound:
                text = self.source.text[statement.value.span.start : statement.value.span.end]
                position = str(role(statement.position, {})) if statement.position else "END"
                found[name] = Metric(name, text, statement.lower, Late(bound), position, Late(positions), lacking)
                if not statement.lower and not mistakes and _signs(statement.value) == {-1}:
                    hint = "write `, lower` behind it if less is better, or turn it round"
                    self.findings.warning("W038", f"`{name}` falls as the answer becomes likelier", statement.value.span, hint)
            for mistake in warnings:
                self.findings.warning(mistake.code, mistake.message, mistake.span, mistake.hint)
            for mistake in mistakes:
                if not bound or not isinstance(mistake, Lacking):
                    self.findings.error(mistake.code, mistake.message, mistake.span, mistake.hint)
        return found


@dataclass(slots=True)
class _Binder:
    """One metric on one distribution. Mistakes are collected, so that all of an expression are said."""

    metrics: Metrics
    labelling: Labelling
    lookup: Lookup
    mistakes: list[Mistake] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    position: doc.PositionRef = _END

    @property
    def rows(self) -> Sequence[Labelled]:
        return self.labelling.rows

    @property
    def name(self) -> str:
        return self.labelling.distribution.name

    def fail(self, mistake: Mistake) -> Make:
        self.mistakes.append(mistake)
        return lambda: Constant(0.0)

    def whole(self, statement: doc.MetricStatement) -> tuple[Make, list[int]]:
        outer, self.position = self.position, statement.position or _END
        self.open.append(statement.name.text)
        try:
            where = token_index(self.labelling, self.position)
        except Mistake as mistake:
            self.fail(mistake)
            where = [0] * len(self.rows)
        expression = self.expression(statement.value)
        if not _looks(statement.value):
            hint = "write `logit(answer)`, say; a number that metrics share is written in each"
            self.fail(Mistake("C230", statement.value.span, "this is the same number for every model: it looks at no token", hint))
        self.open.pop()
        self.position = outer
        return expression, where

    # ------------------------------------------------------------ expressions

    def expression(self, node: doc.Expr) -> Make:
        try:
            return self._expression(node)
        except Mistake as mistake:
            return self.fail(mistake)

    def _expression(self, node: doc.Expr) -> Make:
        match node:
            case doc.NumberExpr():
                constant = Constant(node.number.value)
                return lambda: constant
            case doc.UnaryExpr(operator="-"):
                operand = self.expression(node.operand)
                return lambda: Arithmetic("-", Constant(0.0), operand())
            case doc.BinaryExpr(operator="+" | "-" | "*" | "/" as operator):
                left, right = self.expression(node.left), self.expression(node.right)
                return lambda: Arithmetic(operator, left(), right())
            case doc.CallExpr():
                return self._call(node)
            case doc.FoldExpr():
                return self._fold(node)
            case doc.SlotExpr():
                return self._metric(node)
            case doc.BinaryExpr() | doc.UnaryExpr():
                raise Mistake(
                    "C230", node.span, f"`{node.operator}` has no place in a metric: it is a number", "conditions go behind `if` in a fold"
                )
            case doc.TextExpr():
                raise Mistake("C230", node.span, "a text is not a number", f'write `logit("{node.text.value}")`')
        raise Mistake("C230", node.span, "a metric is one number, not several")

    def _metric(self, node: doc.SlotExpr) -> Make:
        name = node.slot.name.text
        if name in self.metrics.statements and not node.slot.field:
            if name in self.open:
                raise Mistake("C219", node.span, f"metric `{name}` is defined by itself")
            return self.whole(self.metrics.statements[name])[0]
        known = (
            name in self.labelling.declaration.slots
            or name in ("answer", "wrong")
            or (self.lookup.items and name == self.lookup.items.variable)
        )
        if known:
            raise Mistake(
                "C230", node.span, f"`{name}` is a value, not a number", f"write `logit({name})`, `logprob({name})` or `prob({name})`"
            )
        raise Mistake("C231", node.span, f"there is no metric `{name}`", similar(name, [*self.metrics.statements, *FUNCTIONS]))

    def _call(self, node: doc.CallExpr) -> Make:
        function = node.function.text
        if function not in FUNCTIONS:
            hint = similar(function, [*FUNCTIONS, *FOLDS]) or "there are logit, logprob, prob, loss, kl, and the folds sum, mean, max"
            if function in FOLDS:
                hint = f"`{function}` goes over a vocabulary or the wrong answers: `{function}(logit(w) for w in wrong)`"
            raise Mistake("C232", node.function.span, f"there is no function `{function}` in metrics", hint)
        if node.cuts:
            raise Mistake("C233", node.span, f"`{function}` takes one thing, without numbers")
        if function in ("kl", "loss") and self.lookup.items:
            raise Mistake("C230", node.span, f"`{function}` has no place in a fold")
        if function == "kl":
            if node.argument or node.value:
                raise Mistake("C233", node.span, "`kl` takes nothing: it compares with the model's own run, over all tokens", "write `kl`")
            where = _indices(token_index(self.labelling, self.position))
            return lambda: Divergence(where())
        if function == "loss":
            return self._loss(node)
        kind = cast("Literal['logit', 'logprob', 'prob']", function)
        ids, where = _indices(self.lookup.ids(node)), _indices(token_index(self.labelling, self.position))
        return lambda: Pick(kind, ids(), where())

    def _loss(self, node: doc.CallExpr) -> Make:
        position = node.argument
        if isinstance(position, doc.SlotExpr):
            position = doc.PositionRef(position.slot, span=position.span)
        if not isinstance(position, doc.PositionRef) or node.value:
            raise Mistake(
                "C233", node.span, "`loss` needs the positions whose tokens are to be predicted", "such as `loss(block:2[1..24])`"
            )
        found = token_indices(self.labelling, position, span=True)
        if any(0 in one for one in found):
            raise Mistake(
                "C234", position.span, "nothing stands before the first token, so it has no loss", "leave it out, or set `bos = true`"
            )
        return lambda: self._losses(found)

    def _losses(self, found: Sequence[tuple[int, ...]]) -> SpanLoss:
        import numpy as np

        longest = max(map(len, found), default=0)
        shape = (len(found), longest)
        reads, wanted, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
        for number, (row, one) in enumerate(zip(self.rows, found, strict=True)):
            reads[number, : len(one)] = np.array(one) - 1
            wanted[number, : len(one)] = [row.prompt.tokens[index] for index in one]
            mask[number, : len(one)] = True
        return SpanLoss(wanted, reads, mask)

    # ------------------------------------------------------------ folds

    def _fold(self, node: doc.FoldExpr) -> Make:
        if node.function.text not in FOLDS:
            hint = similar(node.function.text, FOLDS) or "there are `sum`, `mean` and `max`"
            raise Mistake("C232", node.function.span, f"there is no fold `{node.function.text}`", hint)
        if self.lookup.items:
            raise Mistake("C230", node.span, "a fold within a fold has no place in a metric")
        variable = node.variable.text
        if variable in self.labelling.declaration.slots or variable in ("answer", "wrong", "template"):
            raise Mistake("C215", node.variable.span, f"`{variable}` already means something: choose another name for the variable")
        self.lookup.items = self._collection(node)
        try:
            if (size := len(self.rows) * self.lookup.width) > LARGEST:
                raise Mistake("C238", node.span, f"this fold looks up {size:,} tokens: too many", "fewer prompts or values")
            body, mask = self.expression(node.body)(), self._mask(node, self.lookup.items)
            asked = mask.any(axis=1)
            mask &= _present(body, mask.shape)
        finally:
            self.lookup.items = None
        how = cast("Literal['sum', 'mean', 'max']", node.function.text)
        empty = ~mask.any(axis=1)
        if how != "sum" and empty.any() and not self.mistakes:
            message = f"`{how}` has nothing to go over in {int(empty.sum())} of {len(self.rows)} prompts of `{self.name}`"
            raise Lacking("C239", node.span, message, "only `sum` of nothing is a number: 0")
        lost = empty if empty.all() else asked & empty
        if lost.any() and not self.mistakes and self.metrics.tokens.checked:
            message = f"nothing is left of this fold in {int(lost.sum())} of {len(self.rows)} prompts of `{self.name}`"
            hint = "none of its values has a token of its own there" if asked.any() else "its condition holds for no value"
            raise Lacking("C239", node.span, message, hint)
        fold = FoldOver(how, body, mask)
        return lambda: fold

    def _collection(self, node: doc.FoldExpr) -> Items:
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

    def _mask(self, node: doc.FoldExpr, items: Items) -> "np.ndarray":
        """Items that count [N, W]: a row's own wrong answers, and those that fulfil the condition."""
        import numpy as np

        from circuitdsl.prompts.conditions import Conditions

        mask: np.ndarray = np.ones((len(self.rows), self.lookup.width), dtype=bool)
        if items.wrong:
            mask = np.arange(self.lookup.width)[None] < np.array([len(row.wrong) for row in self.rows])[:, None]
        if node.condition is None:
            return mask
        conditions = Conditions(self.labelling, self.metrics.features, {items.variable: self.lookup.column}, self.metrics.taken)
        found = conditions.evaluate(node.condition)
        if found.kind != "truth":
            raise Mistake("C235", node.condition.span, "this is no condition", f"compare: `if {items.variable} > SLOT`")
        mask = mask & np.broadcast_to(found.data, mask.shape)
        return mask


def _indices(numbers: "Sequence[int] | np.ndarray") -> "Callable[[], np.ndarray]":
    """Tokens or positions as an array, once one is wanted."""

    def make() -> "np.ndarray":
        import numpy as np

        return np.array(numbers, dtype=np.int64)

    return make


def _present(body: Expression, shape: tuple[int, ...]) -> "np.ndarray":
    """Items that have a token [N, W]."""
    import numpy as np

    there: np.ndarray = np.ones(shape, dtype=bool)
    match body:
        case Pick():
            there = body.ids >= 0
        case Arithmetic():
            there = _present(body.left, shape) & _present(body.right, shape)
    return there


def _signs(node: doc.Expr, sign: int = 1) -> set[int]:
    """The signs with which the answer stands in a metric; 0 where that cannot be told. A name is another metric, and says nothing."""
    match node:
        case doc.UnaryExpr(operator="-"):
            return _signs(node.operand, -sign)
        case doc.BinaryExpr(operator="+" | "-" as operator):
            return _signs(node.left, sign) | _signs(node.right, sign if operator == "+" else -sign)
        case doc.BinaryExpr():
            return {0 for _ in _signs(node.left) | _signs(node.right)}
        case doc.FoldExpr():
            return _signs(node.body, sign)
        case doc.CallExpr(argument=doc.SlotExpr() as argument):
            return {sign} if argument.slot.name.text == "answer" else set()
    return set()


def _looks(node: doc.Expr) -> bool:
    """Whether anything of the model is in it. A name is another metric, of which the same is asked."""
    match node:
        case doc.UnaryExpr():
            return _looks(node.operand)
        case doc.BinaryExpr():
            return _looks(node.left) or _looks(node.right)
        case doc.FoldExpr():
            return _looks(node.body)
    return not isinstance(node, doc.NumberExpr)
