"""What texts mean, construct by construct."""

import pytest

from circuitdsl.borders import document as d
from circuitdsl.borders.source import CircError, Source
from circuitdsl.language.parser import parse, read_source


def one(text: str):
    (statement,) = parse(Source(text)).statements
    return statement


def name(text: str) -> d.Name:
    return d.Name(text)


def slot(text: str, *more) -> d.SlotRef:
    return d.SlotRef(name(text), *more)


def value(text: str) -> d.SlotExpr:
    return d.SlotExpr(slot(text))


def end(text: str, port: str | None = None) -> d.Endpoint:
    return d.Endpoint(name(text), port)


def at(text: str) -> d.PositionRef:
    return d.PositionRef(slot(text))


def node(text: str) -> d.NodeDef:
    return one(f"nodes {{ {text} }}").definitions[0]


def claim(text: str) -> d.ClaimLine:
    return one(f"claims {{ {text} }}").claims[0]


def expression(text: str) -> d.Expr:
    return one(f"metric m = {text}").value


def test_titles_and_descriptions():
    assert one('circuit "A"') == d.CircuitStatement(d.Text("A"))
    assert one('circuit "A"\n"""\nB\n"""\n') == d.CircuitStatement(d.Text("A"), d.Text("\nB\n"))
    assert one('cite "a", "b"') == d.CiteStatement((d.Text("a"), d.Text("b")))
    assert one('use "a.circ"') == d.UseStatement(d.Text("a.circ"))
    assert one('model "a"') == d.ModelStatement(d.Text("a"))
    assert one('model "a/b" revision "main"') == d.ModelStatement(d.Text("a/b"), d.Text("main"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"a\nb"', "a\nb"),
        (r'"\"\\\t\x41\u00e9\U0001F600"', '"\\\tAé\U0001f600'),
        ('"{{x}} # é"', "{{x}} # é"),
        ('""', ""),
        ('"""a "b" ""c"""', 'a "b" ""c'),
        ('"""a\r\nb\rc"""', "a\nb\nc"),
        ('"""a\\\nb"""', "ab"),
        ('""""quoted" """', '"quoted" '),
    ],
)
def test_texts(written, meant):
    assert one(f"use {written}").path.value == meant


def test_vocabularies():
    assert one('vocab v = "a", "b"') == d.VocabStatement(name("v"), values=((d.Text("a"),), (d.Text("b"),)))
    assert one('vocab v = "02".."98"') == d.VocabStatement(name("v"), range=(d.Text("02"), d.Text("98")))
    assert one('vocab v from "v.txt"') == d.VocabStatement(name("v"), file=d.Text("v.txt"))
    fields = (name("country"), name("capital"))
    assert one('vocab v(country, capital) = ("F", "P")') == d.VocabStatement(name("v"), fields, ((d.Text("F"), d.Text("P")),))


def test_prompts():
    assert one('prompts p from "p.jsonl"') == d.PromptsStatement(name("p"), file=d.Text("p.jsonl"))
    found = one(
        """prompts p from q {
          "t {a}"
          a, b in names distinct
          block in random tokens 25
          a = b; a = "x"
          redraw a, block:2 distinct
          answer fact.capital wrong b, "y"
        }"""
    )
    assert (found.name, found.base) == (name("p"), name("q"))
    assert found.items == (
        d.Text("t {a}"),
        d.DrawItem((name("a"), name("b")), name("names"), distinct=True),
        d.DrawItem((name("block"),), None, 25),
        d.AssignItem(slot("a"), slot("b")),
        d.AssignItem(slot("a"), d.Text("x")),
        d.RedrawItem((slot("a"), slot("block", None, 2)), distinct=True),
        d.AnswerItem(slot("fact", name("capital")), (slot("b"), d.Text("y"))),
    )


def test_operators_bind_as_in_python():
    def binary(operator, left, right):
        return d.BinaryExpr(operator, left, right)

    a, b, c = value("a"), value("b"), value("c")
    assert expression("a - b - c") == binary("-", binary("-", a, b), c)
    assert expression("a - (b - c)") == binary("-", a, binary("-", b, c))
    assert expression("a + b * c") == binary("+", a, binary("*", b, c))
    assert expression("-a * b") == binary("*", d.UnaryExpr("-", a), b)
    assert expression("not a == b and c or a") == binary("or", binary("and", d.UnaryExpr("not", binary("==", a, b)), c), a)
    assert expression("a < b + c") == binary("<", a, binary("+", b, c))


def test_calls_and_folds():
    assert expression("logit(answer)") == d.CallExpr(name("logit"), value("answer"))
    assert expression('logit(" {IO}")') == d.CallExpr(name("logit"), d.TextExpr(d.Text(" {IO}")))
    assert expression("prob(YY = y)") == d.CallExpr(name("prob"), value("YY"), value("y"))
    assert expression("kl") == d.CallExpr(name("kl"), None)
    assert expression("loss(block:2[1..24])") == d.CallExpr(name("loss"), d.PositionRef(slot("block", None, 2), (1, 24)))
    assert expression("loss(S1[3])") == d.CallExpr(name("loss"), d.PositionRef(slot("S1"), (3, 3)))
    assert expression("loss(S1-2)") == d.CallExpr(name("loss"), d.PositionRef(slot("S1"), shift=-2))
    assert expression("bin(YY, 10, -5)") == d.CallExpr(name("bin"), value("YY"), cuts=(d.Number(10), d.Number(-5)))
    body = d.CallExpr(name("logit"), value("w"))
    assert expression("max(logit(w) for w in wrong)") == d.FoldExpr(name("max"), body, name("w"), name("wrong"))
    condition = d.BinaryExpr(">", value("y"), value("YY"))
    assert expression("sum(y for y in years if y > YY)") == d.FoldExpr(name("sum"), value("y"), name("y"), name("years"), condition)


def test_metrics_and_features():
    assert one("metric m = a @ S1+1, lower") == d.MetricStatement(name("m"), value("a"), d.PositionRef(slot("S1"), shift=1), lower=True)
    assert one("metric m = a, lower") == d.MetricStatement(name("m"), value("a"), lower=True)
    assert one("feature f = a, b") == d.FeatureStatement(name("f"), d.TupleExpr((value("a"), value("b"))))
    assert one("feature f = template") == d.FeatureStatement(name("f"), value("template"))


def test_units():
    head, mlp = (lambda layer, index: d.UnitRef("head", (layer, layer), index)), (lambda low, high: d.UnitRef("mlp", (low, high)))
    assert node("n = heads 9.6, 9.10, mlps 0..3, 5").members == (head(9, 6), head(9, 10), mlp(0, 3), mlp(5, 5))
    assert node("n = heads 10.*").members == (d.UnitRef("head", (10, 10), None, True),)
    assert node("n = heads 0..3.*").members == (d.UnitRef("head", (0, 3), None, True),)
    assert node("n = heads *").members == (d.UnitRef("head", None, None, True),)
    assert node("n = mlps *").members == (d.UnitRef("mlp", None),)
    assert node("n = neurons 5.123").members == (d.UnitRef("neuron", (5, 5), 123),)
    assert node("n = a, heads 1.2, b").members == (name("a"), head(1, 2), name("b"))


def test_nodes():
    found = node("n = heads 9.6 @ (S1, END, block:2[1..3]) carries fact.capital together unconnected")
    assert found.positions == (at("S1"), at("END"), d.PositionRef(slot("block", None, 2), (1, 3)))
    assert found.carries == slot("fact", name("capital"))
    assert found.together and found.unconnected
    assert node("n = a @ END").positions == (at("END"),)


def test_edges():
    assert one("edges all") == d.EdgesStatement(all=True)
    lines = one("edges { a, b -> c.q, d\n e @ S1 -> f -> *\n heads 9.6.v, 9.9 -> logits }").lines
    assert lines[0].groups == ((end("a"), end("b")), (end("c", "q"), end("d")))
    assert lines[1].groups == ((d.Endpoint(name("e"), positions=(at("S1"),)),), (end("f"),), (end("*"),))
    first, second = (d.UnitRef("head", (9, 9), index) for index in (6, 9))
    assert lines[2].groups[0] == (d.Endpoint((first,), "v"), d.Endpoint((second,)))


def test_settings():
    found = one("settings { prompts = 256; ablate = mean(abc)\n bos = false; align = absolute }")
    assert found.options == (
        d.Option(name("prompts"), d.Number(256)),
        d.Option(name("ablate"), d.Apply(name("mean"), (name("abc"),))),
        d.Option(name("bos"), name("false")),
        d.Option(name("align"), name("absolute")),
    )


def test_claims():
    assert claim("x: f(m) >= -0.5").comparison == d.ComparisonExpr(">=", d.Number(-0.5))
    assert claim("x: f(m) = 1 +- 0.2").comparison == d.ComparisonExpr("=", d.Number(1), d.Number(0.2))
    assert claim("x: f(m)").comparison is None
    assert claim("x: warn f(m) > 1").warn
    assert claim("x: copying.top5(each a)").measure == name("copying.top5")
    assert claim("x: f()").arguments == ()
    found = claim("x: minimality(m, each unit, of = model, from = abc)")
    assert (found.arguments, found.each) == ((d.PathExpr((end("m"),)),), "unit")
    assert found.options == (d.Option(name("of"), name("model")), d.Option(name("from"), name("abc")))


def test_paths():
    every = d.Endpoint((d.UnitRef("head", None, None, True),), each=True)
    through = d.PathArrow("-[]->", (d.UnitRef("mlp", None), name("g")))
    found = claim("x: effect(each heads * -> a.q ~> b @ S1 -[mlps *, g]-> logits, S2)").arguments
    assert found[0].places == (every, end("a", "q"), d.Endpoint(name("b"), positions=(at("S1"),)), end("logits"))
    assert found[0].arrows == (d.PathArrow("->"), d.PathArrow("~>"), through)
    assert found[1] == d.PathExpr((end("S2"),))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a", d.Name("a")),
        ("circuit", d.Name("circuit")),
        ("0.5", d.Number(0.5)),
        ("-1e-3", d.Number(-0.001)),
        ('"t"', d.Text("t")),
        ("S1+1", d.PositionRef(d.SlotRef(d.Name("S1")), shift=1)),
        ("block:2", d.PositionRef(d.SlotRef(d.Name("block"), None, 2))),
        ("IO.first", d.PositionRef(d.SlotRef(d.Name("IO"), d.Name("first")))),
        ("a.q", d.Endpoint(d.Name("a"), "q")),
        ("heads 9.6", d.Endpoint((d.UnitRef("head", (9, 9), 6),))),
        ('("t", "u")', (d.Text("t"), d.Text("u"))),
        ("(a)", (d.Endpoint(d.Name("a")),)),
        ("(a, b)", (d.Endpoint(d.Name("a")), d.Endpoint(d.Name("b")))),
    ],
)
def test_option_values(written, meant):
    assert claim(f"x: f(m, o = {written})").options == (d.Option(d.Name("o"), meant),)


@pytest.mark.parametrize(
    "text",
    [
        'vocab v = "a",\n  "b"',
        'vocab v =\n  "a", "b"',
        'vocab v = "a", # first\n\n  "b" # second',
        'vocab v = "a", "b";',
        ';;vocab v = "a", "b"\n;',
    ],
)
def test_lines_that_go_on(text):
    assert one(text) == d.VocabStatement(name("v"), values=((d.Text("a"),), (d.Text("b"),)))


def test_lines_go_on_around_operators_arrows_and_in_brackets():
    assert expression("a +\n b *\n c") == expression("a + b * c")
    assert expression("(a\n + b)") == expression("a + b")
    assert one("edges {\n a\n -> b ->\n c\n}").lines[0].groups == ((end("a"),), (end("b"),), (end("c"),))
    assert claim("x: f(m,\n o = 1\n) >=\n 2") == claim("x: f(m, o = 1) >= 2")
    assert one("nodes\n{\n a = heads *\n b = heads 9.*\n}").definitions[0].members == node("a = heads *").members
    assert len(one("edges { a -> *\n b -> c }").lines) == 2


def test_line_ends_of_every_system_mean_the_same():
    text = 'circuit "A"\n"""\nB\n"""\nnodes {\n  a = heads 9.6 # c\n}\n'
    assert parse(Source(text)) == parse(Source(text.replace("\n", "\r\n"))) == parse(Source(text.replace("\n", "\r")))


def test_comments_are_kept_with_their_places():
    document = parse(Source("# one\nedges all # two\n"))
    assert document.comments == ((0, "# one"), (16, "# two"))


def test_spans():
    text = "nodes {\n  a = heads 9.6 @ END\n}"
    definition = one(text).definitions[0]
    assert text[definition.span.start : definition.span.end] == "a = heads 9.6 @ END"
    assert text[definition.members[0].span.start : definition.members[0].span.end] == "heads 9.6"


def test_errors_are_sorted_and_know_their_source():
    source = Source("nodes { a = L }\n$\nmodel\nedges { a -> b.Q }")
    with pytest.raises(CircError) as caught:
        parse(source)
    found = caught.value.diagnostics
    assert [one.code for one in found] == ["C002", "C001", "C012"]
    assert all(one.source is source for one in found)


def test_reading(tmp_path):
    (tmp_path / "a.circ").write_bytes(b'\xef\xbb\xbfmodel "a"\r\n')
    source = read_source(tmp_path / "a.circ")
    assert source.text == 'model "a"\r\n'
    assert source.path == tmp_path / "a.circ"
    assert parse(source).statements == (d.ModelStatement(d.Text("a")),)
