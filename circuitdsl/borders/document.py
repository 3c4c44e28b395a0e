"""The syntax tree: what a file says, nothing looked up yet. Every node has its span; trees compare without spans.

Names are plain strings with a span (`Name`). Lists are tuples in the order of the text.
"""

from dataclasses import dataclass, field

from circuitdsl.borders.source import Source, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    span: Span = field(default=Span(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name(Syntax):
    text: str


@dataclass(frozen=True, slots=True)
class Text(Syntax):
    """A quoted string, escapes decoded (braces of templates are not)."""

    value: str
    triple: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Number(Syntax):
    """`text` keeps how it was written (`0.20`)."""

    value: float
    text: str = field(default="", compare=False)


# ---------------------------------------------------------------- slots, positions


@dataclass(frozen=True, slots=True)
class SlotRef(Syntax):
    """`S2`, `fact.country`, `IO.first`, `block:2`: a slot, perhaps a field or `.first`/`.last`, perhaps one occurrence."""

    name: Name
    field: Name | None = None
    occurrence: int | None = None


@dataclass(frozen=True, slots=True)
class PositionRef(Syntax):
    """`END`, `S1+1`, `block:2[7]`, `block:2[1..24]`. `index` is an inclusive range within the slot's tokens; `shift` is added."""

    slot: SlotRef
    index: tuple[int, int] | None = None
    shift: int = 0


# ---------------------------------------------------------------- expressions: metrics and features


@dataclass(frozen=True, slots=True)
class NumberExpr(Syntax):
    number: Number


@dataclass(frozen=True, slots=True)
class SlotExpr(Syntax):
    """A slot, a fold variable, `template`, `answer`, `wrong`, or the name of a metric or feature."""

    slot: SlotRef


@dataclass(frozen=True, slots=True)
class TextExpr(Syntax):
    text: Text


@dataclass(frozen=True, slots=True)
class CallExpr(Syntax):
    """`logit(IO)`, `prob(YY = y)`, `loss(block:2[1..24])`, `kl`. `value` is the right side of `=`.

    In features, `bin(YY, 10, 50)` cuts the values of a slot before those numbers (`cuts`).
    """

    function: Name
    argument: "SlotExpr | TextExpr | PositionRef | None"
    value: "SlotExpr | TextExpr | None" = None
    cuts: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class FoldExpr(Syntax):
    """`sum(body for variable in collection if condition)`; collection is a vocabulary or `wrong`."""

    function: Name
    body: "Expr"
    variable: Name
    collection: Name
    condition: "Expr | None" = None


@dataclass(frozen=True, slots=True)
class BinaryExpr(Syntax):
    """Operators `+ - * /`, comparisons `== != < <= > >=`, `and`, `or`."""

    operator: str
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class UnaryExpr(Syntax):
    """`-` or `not`."""

    operator: str
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class TupleExpr(Syntax):
    items: "tuple[Expr, ...]"


Expr = NumberExpr | SlotExpr | TextExpr | CallExpr | FoldExpr | BinaryExpr | UnaryExpr | TupleExpr


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class CircuitStatement(Syntax):
    title: Text
    description: Text | None = None


@dataclass(frozen=True, slots=True)
class CiteStatement(Syntax):
    references: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class UseStatement(Syntax):
    path: Text


@dataclass(frozen=True, slots=True)
class ModelStatement(Syntax):
    name: Text
    revision: Text | None = None


@dataclass(frozen=True, slots=True)
class VocabStatement(Syntax):
    """`values` are tuples of one text, or of one a field; or `range` is `"02".."98"`; or `file` is read."""

    name: Name
    fields: tuple[Name, ...] = ()
    values: tuple[tuple[Text, ...], ...] = ()
    range: tuple[Text, Text] | None = None
    file: Text | None = None


@dataclass(frozen=True, slots=True)
class DrawItem(Syntax):
    """`IO, S1 in names distinct`, `block in random tokens 25` (then `tokens` is 25 and `vocab` None)."""

    slots: tuple[Name, ...]
    vocab: Name | None
    tokens: int | None = None
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class AssignItem(Syntax):
    """`S2 = S1`, `YY = "01"`."""

    slot: SlotRef
    value: SlotRef | Text


@dataclass(frozen=True, slots=True)
class RedrawItem(Syntax):
    slots: tuple[SlotRef, ...]
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class AnswerItem(Syntax):
    answer: SlotRef | Text
    wrong: tuple[SlotRef | Text, ...] = ()


PromptItem = Text | DrawItem | AssignItem | RedrawItem | AnswerItem


@dataclass(frozen=True, slots=True)
class PromptsStatement(Syntax):
    """`prompts clean {…}`, `prompts abc from clean {…}`, `prompts clean from "pairs.jsonl"`. Templates are the Text items."""

    name: Name
    base: Name | None = None
    file: Text | None = None
    items: tuple[PromptItem, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureStatement(Syntax):
    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class MetricStatement(Syntax):
    name: Name
    value: Expr
    position: PositionRef | None = None
    lower: bool = False


@dataclass(frozen=True, slots=True)
class UnitRef(Syntax):
    """`heads 9.6`, `heads 10.*`, `heads *`, `mlps 0..3`, `neurons 5.123`. None stands for `*`; ranges are inclusive.

    `kind` is one of head, mlp, neuron. For an MLP `index` is None and `all_indices` False.
    """

    kind: str
    layers: tuple[int, int] | None
    index: int | None = None
    all_indices: bool = False


@dataclass(frozen=True, slots=True)
class NodeDef(Syntax):
    """`name = members [@ positions] [carries feature] [together] [unconnected]`; members are units, or names of nodes."""

    name: Name
    members: tuple[UnitRef | Name, ...]
    positions: tuple[PositionRef, ...] | None = None
    carries: SlotRef | None = None
    together: bool = False
    unconnected: bool = False


@dataclass(frozen=True, slots=True)
class NodesStatement(Syntax):
    definitions: tuple[NodeDef, ...]


@dataclass(frozen=True, slots=True)
class Endpoint(Syntax):
    """A place in an edge or path: a name (`embed`, `logits` and `*` too) or units in place, a port, positions, `each` before it.

    As an argument of a claim without an arrow, `fact.capital` is a slot's field: then `port` holds the field's name.
    """

    target: Name | tuple[UnitRef, ...]
    port: str | None = None
    positions: tuple[PositionRef, ...] | None = None
    each: bool = False


@dataclass(frozen=True, slots=True)
class EdgeLine(Syntax):
    """`A, B -> C.q, D`: every sender to every receiver. A chain `A -> B -> C` is parsed into its steps."""

    groups: tuple[tuple[Endpoint, ...], ...]


@dataclass(frozen=True, slots=True)
class EdgesStatement(Syntax):
    """`lines`, or all edges between the declared nodes (`edges all`)."""

    lines: tuple[EdgeLine, ...] = ()
    all: bool = False


@dataclass(frozen=True, slots=True)
class Option(Syntax):
    """`name = value`: in settings and in a claim's arguments.

    A bare word is a Name; `node.q` (or `.k`, `.v`) and `heads 9.6` are an Endpoint; other slots, `S1+1`, `IO.first`, `block:2[7]`,
    are a PositionRef; `(a, b)` is a tuple of Endpoints, also with one member.
    """

    name: Name
    value: "OptionValue"


@dataclass(frozen=True, slots=True)
class Apply(Syntax):
    """`resample(abc)`, `mean(abc)`, `zero` is a plain Name."""

    function: Name
    arguments: tuple[Name, ...]


OptionValue = Name | Text | Number | Apply | PositionRef | Endpoint | tuple[Endpoint, ...] | tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class SettingsStatement(Syntax):
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class PathArrow(Syntax):
    """`kind` is `->`, `~>` or `-[]->`; only the last has `through`, names or units."""

    kind: str
    through: tuple[Name | UnitRef, ...] = ()


@dataclass(frozen=True, slots=True)
class PathExpr(Syntax):
    """`places[0] arrows[0] places[1] …`. One place and no arrow is a node (or a metric's or slot's name)."""

    places: tuple[Endpoint, ...]
    arrows: tuple[PathArrow, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparisonExpr(Syntax):
    """`>= 0.8`, `= 1 +- 0.2`. `operator` is one of `>= > <= < =`."""

    operator: str
    value: Number
    margin: Number | None = None


@dataclass(frozen=True, slots=True)
class ClaimLine(Syntax):
    """`label: [warn] measure(arguments) [comparison]`; the first arguments are paths, then `each unit|node|edge`, then options."""

    label: Name
    measure: Name
    arguments: tuple[PathExpr, ...] = ()
    each: str | None = None
    options: tuple[Option, ...] = ()
    comparison: ComparisonExpr | None = None
    warn: bool = False


@dataclass(frozen=True, slots=True)
class ClaimsStatement(Syntax):
    claims: tuple[ClaimLine, ...]


Statement = (
    CircuitStatement
    | CiteStatement
    | UseStatement
    | ModelStatement
    | VocabStatement
    | PromptsStatement
    | FeatureStatement
    | MetricStatement
    | NodesStatement
    | EdgesStatement
    | SettingsStatement
    | ClaimsStatement
)


@dataclass(frozen=True, slots=True)
class Document(Syntax):
    """One file, in the order of its text. `comments` are (offset, text) pairs for the formatter."""

    statements: tuple[Statement, ...]
    comments: tuple[tuple[int, str], ...] = field(default=(), compare=False)
    source: Source = field(default=Source(""), compare=False, repr=False)
