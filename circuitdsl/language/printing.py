"""The text of every construct, in one canonical way. Layout over lines is the formatter's.

`BREAK` stands for a space where a long line may be broken: after commas and between the terms of a sum.
"""

from collections.abc import Iterable, Sequence

from circuitdsl.borders import document as d
from circuitdsl.borders.kinds import KINDS
from circuitdsl.language.strings import encode

BREAK = "\x1f"
COMMA = f",{BREAK}"

BINDING = {"or": 1, "and": 2, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6}
"""How tightly an operator binds; `not` 3, unary minus 7, everything that is closed in itself 8."""


def text(node: d.Text) -> str:
    return encode(node.value, node.triple)


def number(node: d.Number) -> str:
    if node.text:
        return node.text
    return str(int(node.value)) if node.value.is_integer() and abs(node.value) < 1e15 else repr(node.value)


def slot(node: d.SlotRef) -> str:
    field = f".{node.field.text}" if node.field else ""
    return node.name.text + field + (f":{node.occurrence}" if node.occurrence is not None else "")


def value(node: d.SlotRef | d.Text) -> str:
    return text(node) if isinstance(node, d.Text) else slot(node)


def position(node: d.PositionRef) -> str:
    index = ""
    if node.index is not None:
        low, high = node.index
        index = f"[{low}]" if low == high else f"[{low}..{high}]"
    return slot(node.slot) + index + (f"{node.shift:+d}" if node.shift else "")


def positions(nodes: Sequence[d.PositionRef]) -> str:
    return f"@ {position(nodes[0])}" if len(nodes) == 1 else f"@ ({', '.join(map(position, nodes))})"


def names(nodes: Iterable[d.Name]) -> str:
    return COMMA.join(node.text for node in nodes)


# ---------------------------------------------------------------- expressions


def expression(node: d.Expr | d.PositionRef | None, tightness: int = 0) -> str:
    """In parentheses if it binds less tightly than `tightness`."""
    written, binding = _expression(node)
    return f"({written})" if binding < tightness else written


def _expression(node: d.Expr | d.PositionRef | None) -> tuple[str, int]:
    match node:
        case d.NumberExpr():
            return number(node.number), 8
        case d.SlotExpr():
            return slot(node.slot), 8
        case d.TextExpr():
            return text(node.text), 8
        case d.PositionRef():
            return position(node), 8
        case d.CallExpr():
            return _call(node), 8
        case d.FoldExpr():
            condition = f" if {expression(node.condition)}" if node.condition is not None else ""
            return f"{node.function.text}({expression(node.body)} for {node.variable.text} in {node.collection.text}{condition})", 8
        case d.UnaryExpr():
            binding, space = (3, " ") if node.operator == "not" else (7, "")
            return f"{node.operator}{space}{expression(node.operand, binding)}", binding
        case d.BinaryExpr():
            binding = BINDING[node.operator]
            left = expression(node.left, binding + (binding == 4))  # comparisons do not chain
            space = BREAK if binding == 5 else " "
            return f"{left} {node.operator}{space}{expression(node.right, binding + 1)}", binding
        case d.TupleExpr():
            return f"({COMMA.join(map(expression, node.items))})", 8
        case None:
            return "", 8


def _call(node: d.CallExpr) -> str:
    if node.argument is None:
        return node.function.text
    inner = expression(node.argument)
    if node.value is not None:
        inner += f" = {expression(node.value)}"
    return f"{node.function.text}({COMMA.join([inner, *map(number, node.cuts)])})"


# ---------------------------------------------------------------- units, places, paths


def members(nodes: Iterable[d.UnitRef | d.Name]) -> str:
    """The kind is written where it changes."""
    written, kind = [], ""
    for node in nodes:
        if isinstance(node, d.Name):
            written.append(node.text)
            kind = ""
        else:
            written.append(unit(node, kind))
            kind = node.kind
    return COMMA.join(written)


def unit(node: d.UnitRef, kind: str = "") -> str:
    """`heads 9.6`, or `9.6` after a unit of that kind."""
    if node.layers is None:
        return f"{_plural(node)} *"
    low, high = node.layers
    layers = str(low) if low == high else f"{low}..{high}"
    index = ".*" if node.all_indices else f".{node.index}" if node.index is not None else ""
    return f"{'' if kind == node.kind else _plural(node) + ' '}{layers}{index}"


def _plural(node: d.UnitRef) -> str:
    return KINDS[node.kind].plural  # type: ignore[index]


def place(node: d.Endpoint, kind: str = "") -> str:
    if isinstance(node.target, d.Name):
        target = node.target.text
    elif len(node.target) == 1:
        target = unit(node.target[0], kind)
    else:
        target = f"({members(node.target)})"
    port = f".{node.port}" if node.port else ""
    return f"{'each ' if node.each else ''}{target}{port}" + (f" {positions(node.positions)}" if node.positions else "")


def places(nodes: Iterable[d.Endpoint]) -> str:
    written, kind = [], ""
    for node in nodes:
        written.append(place(node, kind))
        kind = node.target[-1].kind if isinstance(node.target, tuple) else ""
    return COMMA.join(written)


def arrow(node: d.PathArrow) -> str:
    return f"-[{members(node.through)}]->" if node.through else node.kind


def path(node: d.PathExpr) -> str:
    rest = "".join(f" {arrow(way)} {place(end)}" for way, end in zip(node.arrows, node.places[1:], strict=True))
    return place(node.places[0]) + rest


# ---------------------------------------------------------------- options, claims


def option_value(node: d.OptionValue) -> str:
    match node:
        case d.Name():
            return node.text
        case d.Text():
            return text(node)
        case d.Number():
            return number(node)
        case d.Apply():
            return f"{node.function.text}({names(node.arguments)})"
        case d.PositionRef():
            return position(node)
        case d.Endpoint():
            return place(node)
        case _:
            return f"({', '.join(text(one) if isinstance(one, d.Text) else place(one) for one in node)})"


def option(node: d.Option) -> str:
    return f"{node.name.text} = {option_value(node.value)}"


def measure(node: d.ClaimLine) -> str:
    each = [f"each {node.each}"] if node.each else []
    arguments = COMMA.join([*map(path, node.arguments), *each, *map(option, node.options)])
    return f"{'warn ' if node.warn else ''}{node.measure.text}({arguments})"


def comparison(node: d.ComparisonExpr) -> str:
    operator = node.operator if node.operator == "=" else node.operator.ljust(2)
    return f"{operator} {number(node.value)}" + (f" +- {number(node.margin)}" if node.margin else "")


# ---------------------------------------------------------------- lines of statements, as cells that are put below each other


def prompt_item(node: d.PromptItem) -> str:
    match node:
        case d.Text():
            return text(node)
        case d.DrawItem():
            source = node.vocab.text if node.vocab else f"random tokens {node.tokens}"
            return f"{names(node.slots)} in {source}{' distinct' if node.distinct else ''}"
        case d.AssignItem():
            return f"{slot(node.slot)} = {value(node.value)}"
        case d.RedrawItem():
            return f"redraw {COMMA.join(map(slot, node.slots))}{' distinct' if node.distinct else ''}"
        case d.AnswerItem():
            return f"answer {value(node.answer)}" + (f" wrong {COMMA.join(map(value, node.wrong))}" if node.wrong else "")


def node_line(node: d.NodeDef) -> list[str]:
    modifiers = [positions(node.positions)] if node.positions else []
    modifiers += [f"carries {slot(node.carries)}"] if node.carries else []
    modifiers += [word for word, said in (("together", node.together), ("unconnected", node.unconnected)) if said]
    return [node.name.text, f"= {members(node.members)}", *([" ".join(modifiers)] if modifiers else [])]


def edge_line(node: d.EdgeLine) -> list[str]:
    first, *rest = map(places, node.groups)
    return [first, " ".join(f"-> {group}" for group in rest)]


def claim_line(node: d.ClaimLine) -> list[str]:
    return [f"{node.label.text}:", measure(node), *([comparison(node.comparison)] if node.comparison else [])]


def vocab_line(node: d.VocabStatement) -> list[str]:
    head = f"vocab {node.name.text}" + (f"({', '.join(one.text for one in node.fields)})" if node.fields else "")
    if node.file is not None:
        return [head, f"from {text(node.file)}"]
    if node.range is not None:
        return [head, f"= {text(node.range[0])}..{text(node.range[1])}"]
    entries = [text(entry[0]) if len(entry) == 1 and not node.fields else f"({', '.join(map(text, entry))})" for entry in node.values]
    return [head, f"= {COMMA.join(entries)}"]


def simple(node: d.Statement) -> list[str]:
    """A statement without a block."""
    match node:
        case d.CiteStatement():
            return [f"cite {COMMA.join(map(text, node.references))}"]
        case d.UseStatement():
            return [f"use {text(node.path)}"]
        case d.ModelStatement():
            return [f"model {text(node.name)}" + (f" revision {text(node.revision)}" if node.revision else "")]
        case d.VocabStatement():
            return vocab_line(node)
        case d.FeatureStatement(value=d.TupleExpr(items)):
            return [f"feature {node.name.text}", f"= {COMMA.join(map(expression, items))}"]
        case d.FeatureStatement():
            return [f"feature {node.name.text}", f"= {expression(node.value)}"]
        case d.MetricStatement():
            at = f" @ {position(node.position)}" if node.position else ""
            return [f"metric {node.name.text}", f"= {expression(node.value)}{at}{', lower' if node.lower else ''}"]
        case _:
            raise TypeError(f"{type(node).__name__} has a block")
