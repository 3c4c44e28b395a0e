"""Print then parse is the identity, on documents of every construct; the layout does not change when it is made again."""

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st

from circuitdsl.borders import document as d
from circuitdsl.borders.source import Source
from circuitdsl.language.formatter import WIDTH, format_document
from circuitdsl.language.grammar import parser
from circuitdsl.language.parser import parse

RESERVED = {terminal.pattern.value for terminal in parser().terminals if str(terminal.pattern.value).isalpha()}


def optional(strategy):
    return st.none() | strategy


def several(strategy, least=1, most=3):
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True).filter(lambda word: word not in RESERVED)
names = st.builds(d.Name, identifiers)
characters = st.characters(exclude_categories=("Cs",))
texts = st.builds(d.Text, st.text(characters, max_size=12) | st.text('"\\\n{} a\t\r\x1f', max_size=8), st.booleans())
whole = st.integers(0, 2000)
digits = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,4})?([eE][+-]?[0-9])?", fullmatch=True)
plain_numbers = digits.map(lambda text: d.Number(float(text), text)) | st.floats(0, 1e9).map(d.Number)
numbers = st.builds(
    lambda number, minus: d.Number(-number.value, f"-{number.text}" if number.text else "") if minus else number,
    plain_numbers,
    st.booleans(),
)
layers = st.tuples(whole, whole).map(lambda pair: tuple(sorted(pair)))

slots = st.builds(d.SlotRef, names, optional(names), optional(st.integers(1, 9)))
values = slots | texts
spans = st.tuples(whole, whole).map(lambda pair: tuple(sorted(pair)))
positions = st.builds(d.PositionRef, slots, optional(spans), st.integers(-9, 9))

roles = st.sampled_from(["answer", "wrong"]).map(lambda word: d.SlotExpr(d.SlotRef(d.Name(word))))
slot_exprs = st.builds(d.SlotExpr, slots)
text_exprs = st.builds(d.TextExpr, texts)
calls = st.one_of(
    st.builds(d.CallExpr, names, slot_exprs | roles | text_exprs),
    st.builds(d.CallExpr, names, positions.filter(lambda one: one.index is not None or one.shift)),
    st.builds(d.CallExpr, names, slot_exprs, slot_exprs | text_exprs),
    st.builds(d.CallExpr, names, slot_exprs, st.none(), several(numbers)),
    st.just(d.CallExpr(d.Name("kl"), None)),
)
leaves = st.one_of(st.builds(d.NumberExpr, plain_numbers), slot_exprs, roles, text_exprs, calls)
OPERATORS = ["+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or"]
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(d.BinaryExpr, st.sampled_from(OPERATORS), inner, inner),
        st.builds(d.UnaryExpr, st.sampled_from(["-", "not"]), inner),
        st.builds(d.TupleExpr, several(inner, least=2)),
        st.builds(d.FoldExpr, names, inner, names, names | st.just(d.Name("wrong")), optional(inner)),
    ),
    max_leaves=12,
)

units = st.one_of(
    st.builds(d.UnitRef, st.sampled_from(["head", "neuron"]), whole.map(lambda layer: (layer, layer)), whole),
    st.builds(d.UnitRef, st.sampled_from(["head", "neuron"]), layers, st.none(), st.just(True)),
    st.builds(d.UnitRef, st.sampled_from(["head", "neuron"]), st.none(), st.none(), st.just(True)),
    st.builds(d.UnitRef, st.just("mlp"), optional(layers)),
)
ports = optional(st.sampled_from("qkv"))
targets = names | st.just(d.Name("*")) | several(units)
places = st.builds(d.Endpoint, targets, ports, optional(several(positions)))
steps = st.builds(d.Endpoint, targets, ports, optional(several(positions)), st.booleans())
arrows = st.sampled_from(["->", "~>"]).map(d.PathArrow) | st.builds(d.PathArrow, st.just("-[]->"), several(units | names))


@st.composite
def paths(draw):
    found = draw(several(steps))
    return d.PathExpr(found, tuple(draw(arrows) for _ in found[1:]))


option_values = st.one_of(
    names,
    st.sampled_from(["model", "circuit", "random", "all"]).map(d.Name),
    texts,
    numbers,
    st.builds(d.Apply, names, several(names)),
    positions.filter(lambda one: one.index is not None or one.shift or one.slot.occurrence is not None),
    st.builds(d.Endpoint, names, st.sampled_from("qkv")),
    units.map(lambda unit: d.Endpoint((unit,))),
    several(places),
    several(texts),
)
options = st.builds(d.Option, names | st.sampled_from(["from", "circuit", "prompts"]).map(d.Name), option_values)
measures = st.lists(identifiers, min_size=1, max_size=2).map(lambda parts: d.Name(".".join(parts)))
comparisons = st.builds(d.ComparisonExpr, st.sampled_from([">=", ">", "<=", "<"]), numbers) | st.builds(
    d.ComparisonExpr, st.just("="), numbers, plain_numbers
)

entries = several(st.tuples(texts))


@st.composite
def vocabularies(draw):
    name, form = draw(names), draw(st.integers(0, 3))
    if form == 0:
        return d.VocabStatement(name, range=(draw(texts), draw(texts)))
    if form == 1:
        return d.VocabStatement(name, draw(several(names, least=0)), file=draw(texts))
    fields_ = draw(several(names, least=0))
    width = max(len(fields_), 1)
    return d.VocabStatement(name, fields_, values=draw(several(st.lists(texts, min_size=width, max_size=width).map(tuple), most=30)))


items = st.one_of(
    texts,
    st.builds(d.DrawItem, several(names), names, st.none(), st.booleans()),
    st.builds(d.DrawItem, several(names), st.none(), whole, st.booleans()),
    st.builds(d.AssignItem, slots, values),
    st.builds(d.RedrawItem, several(slots), st.booleans()),
    st.builds(d.AnswerItem, values, several(values, least=0)),
)
nodes = st.builds(
    d.NodeDef, names, several(units | names, most=25), optional(several(positions)), optional(slots), st.booleans(), st.booleans()
)
lines = st.lists(several(places), min_size=2, max_size=3).map(lambda groups: d.EdgeLine(tuple(groups)))
claims = st.builds(
    d.ClaimLine,
    names,
    measures,
    several(paths(), least=0, most=2),
    optional(st.sampled_from(["unit", "node", "edge"])),
    several(options, least=0),
    optional(comparisons),
    st.booleans(),
)
statements = st.one_of(
    st.builds(d.CircuitStatement, texts, optional(texts)),
    st.builds(d.CiteStatement, several(texts)),
    st.builds(d.UseStatement, texts),
    st.builds(d.ModelStatement, texts, optional(texts)),
    vocabularies(),
    st.builds(d.PromptsStatement, names, optional(names), st.none(), several(items, least=0)),
    st.builds(d.PromptsStatement, names, st.none(), texts),
    st.builds(d.FeatureStatement, names, expressions),
    st.builds(d.MetricStatement, names, expressions, optional(positions), st.booleans()),
    st.builds(d.NodesStatement, several(nodes, least=0)),
    st.builds(d.EdgesStatement, several(lines, least=0)),
    st.just(d.EdgesStatement(all=True)),
    st.builds(d.SettingsStatement, several(options, least=0)),
    st.builds(d.ClaimsStatement, several(claims, least=0)),
)
documents = st.builds(d.Document, several(statements, least=0, most=5))


@settings(deadline=None, max_examples=100)
@given(documents)
def test_print_then_parse_is_the_identity(document):
    text = format_document(document)
    parsed = parse(Source(text))
    assert parsed == document
    assert format_document(parsed) == text


@settings(deadline=None, max_examples=50)
@given(documents, st.data())
def test_comments_are_kept_wherever_they_stand(document, data):
    written = format_document(document).split("\n")
    free = [place for place, line in enumerate(written) if '"""' not in line]  # not within a text of several lines
    for number, place in enumerate(sorted(data.draw(st.sets(st.sampled_from(free), max_size=4)), reverse=True)):
        if any('"""' in line for line in written):
            break
        if data.draw(st.booleans()):
            written[place] += f"   # {number}"
        else:
            written[place:place] = ["", "", f"\t# {number}"]
    text = "\n".join(written)
    parsed = parse(Source(text))
    formatted = format_document(parsed)
    again = parse(Source(formatted))
    assert parsed == again == document
    assert sorted(comment for _, comment in again.comments) == sorted(comment for _, comment in parsed.comments)
    assert format_document(again) == formatted
    assert "\n\n\n" not in formatted or '"""' in formatted


@settings(deadline=None, max_examples=30)
@given(several(st.builds(d.VocabStatement, names, st.just(()), entries.map(lambda found: found * 20)), most=2))
def test_long_lines_are_broken_where_they_can_be(vocabularies_):
    text = format_document(d.Document(vocabularies_))
    longest = max(len(line.strip()) for line in text.replace(", ", "\n").split("\n"))
    assert all(len(line) <= WIDTH or len(line) <= longest + 20 for line in text.split("\n"))


@given(documents)
@settings(deadline=None, max_examples=50)
def test_every_part_of_a_parsed_tree_has_its_place(document):
    text = format_document(document)

    def check(node, around):
        if isinstance(node, d.Syntax):
            assert around.start <= node.span.start <= node.span.end <= around.end, node
            assert node.span.end > node.span.start or isinstance(node, d.Document)
            if isinstance(node, d.Name) and "." not in node.text:
                assert text[node.span.start : node.span.end] == node.text
            for one in fields(node):
                if one.name not in ("source", "comments", "span"):
                    check(getattr(node, one.name), node.span)
        elif isinstance(node, tuple):
            for one in node:
                check(one, around)

    parsed = parse(Source(text))
    check(parsed, parsed.span)
