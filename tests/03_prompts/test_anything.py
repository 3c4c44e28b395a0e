"""Whatever a file says about prompts, there is an answer, and what comes out is sound."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuitdsl.borders.prompts import Arithmetic, Divergence, Expression, FoldOver, Pick, SpanLoss
from circuitdsl.borders.source import CircError
from circuitdsl.prompts.tokens import WordTokenizer

SLOTS = st.sampled_from(["A", "B", "C", "x", "x.c", "x.t", "b", "b:2", "A:2", "A.last", "Q"])
NAMES = st.sampled_from(["A", "B", "C", "x", "b", "Q"])
VOCABS = st.sampled_from(["v", "f", "n", "w"])
PROMPTS = st.sampled_from(["clean", "other", "third"])
TEXTS = st.sampled_from(
    [
        "Mary",
        " Mary",
        "{A}",
        " {A}",
        "17",
        "{x.t}",
        "{",
        "Zyx {B}",
        "the {A}{B}",
        "the {b} {A} {b}",
        "{A} and {A}.",
        "é 東 {A}😀{B}",
        "{A} ",
    ]
)
WORDS = st.lists(st.sampled_from(["Mary", "John", "Zyxwvut", "17", "5", "é", "東京", "a b", "x", ""]), min_size=1, max_size=5)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


VALUES = st.one_of(SLOTS, TEXTS.map(quoted))
ITEMS = st.one_of(
    TEXTS.map(quoted),
    st.builds("{} in {}{}".format, st.lists(NAMES, min_size=1, max_size=2).map(", ".join), VOCABS, st.sampled_from(["", " distinct"])),
    st.builds("{} in random tokens {}".format, NAMES, st.integers(0, 4)),
    st.builds("{} = {}".format, SLOTS, VALUES),
    st.builds("redraw {}{}".format, st.lists(SLOTS, min_size=1, max_size=3).map(", ".join), st.sampled_from(["", " distinct"])),
    st.builds("answer {} wrong {}".format, VALUES, st.lists(VALUES, min_size=1, max_size=2).map(", ".join)),
)
CALLS = st.one_of(
    st.builds(
        "{}({})".format,
        st.sampled_from(["logit", "prob", "loss", "bin", "logi"]),
        st.one_of(VALUES, st.sampled_from(["answer", "wrong", "b[1]", "END", "y"])),
    ),
    st.builds("prob({} = {})".format, SLOTS, st.one_of(VALUES, st.just("y"))),
    st.sampled_from(
        ["logit(answer)", "logit(wrong)", "logit(A:1)", "prob(y)", "logit(x.c)", "prob(B = y)", 'logit(" {x.t}")', "loss(b:2)"]
    ),
    st.sampled_from(["kl", "m", "g", "2", "1.5", "template", "A", "x.c", "y"]),
)
EXPRESSIONS = st.recursive(
    CALLS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "/", "==", "<", "and", "!="]), inner),
        st.builds(
            "{}({} for y in {} if {})".format, st.sampled_from(["sum", "max", "mean"]), inner, st.one_of(VOCABS, st.just("wrong")), inner
        ),
        st.builds("-{}".format, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=4,
)
STATEMENTS = st.one_of(
    st.builds("vocab {} = {}".format, VOCABS, WORDS.map(lambda words: ", ".join(map(quoted, words)))),
    st.builds('vocab {}(c, t) = ("Mary", "John"), ("a", "b"), ("a", "Zyx")'.format, VOCABS),
    st.builds("prompts {} {{ {} }}".format, PROMPTS, st.lists(ITEMS, min_size=1, max_size=5).map("; ".join)),
    st.builds("prompts {} from {} {{ {} }}".format, PROMPTS, PROMPTS, st.lists(ITEMS, min_size=1, max_size=3).map("; ".join)),
    st.sampled_from(["prompts third from clean { redraw A, B distinct }", "prompts third from clean { redraw b:2, x; B = A }"]),
    st.sampled_from(
        ["metric m = logit(answer) - logit(wrong)", "metric m2 = sum(prob(y) for y in v if y != A) @ B", "feature g = A == B, x"]
    ),
    st.builds("metric {} = {} @ {}".format, st.sampled_from(["m", "m2"]), EXPRESSIONS, st.sampled_from(["END", "A", "b", "B+1", "x.c"])),
    st.builds("feature {} = {}".format, st.sampled_from(["g", "g2", "A"]), EXPRESSIONS),
)
SOUND = """vocab v = "Mary", "John", "Alice"
vocab f(c, t) = ("France", "Paris"), ("Japan", "Tokyo")
prompts clean { "the {A} of {x.c}, {B}"; "so {B} and {A}: {b} {b} in {x.c}"; A, B in v; x in f; b in random tokens 2; answer x.t wrong A }
"""


def shapes(expression: Expression, rows: int, fold: int | None, vocabulary: int) -> None:
    match expression:
        case Pick():
            assert expression.ids.shape == ((rows,) if fold is None else (rows, fold)) and expression.positions.shape == (rows,)
            assert ((expression.ids >= -1) & (expression.ids < vocabulary)).all()
            assert fold is not None or (expression.ids >= 0).all()
        case Arithmetic():
            shapes(expression.left, rows, fold, vocabulary)
            shapes(expression.right, rows, fold, vocabulary)
        case FoldOver():
            assert fold is None and expression.mask.shape[0] == rows and expression.mask.dtype == bool
            assert expression.how == "sum" or expression.mask.any(axis=1).all()
            shapes(expression.body, rows, expression.mask.shape[1], vocabulary)
        case SpanLoss():
            assert fold is None and expression.targets.shape == expression.positions.shape == expression.mask.shape
            assert (expression.positions >= 0).all()
        case Divergence():
            assert fold is None and expression.positions.shape == (rows,)


def check(space, vocabulary: int) -> None:
    assert space.diagnostics == sorted(space.diagnostics, key=lambda found: found.span.start)
    for name, found in space.distributions.items():
        for prompt in found.prompts:
            assert prompt.layout.length == len(prompt.tokens) or not space.checked
            assert all(0 <= start <= end <= prompt.layout.length for _, (start, end) in prompt.layout.spans)
            assert prompt.answer is None or 0 <= prompt.answer < vocabulary
        if found.paired:
            base = space.distributions[found.paired]
            assert [one.layout for one in base.prompts] == [one.layout for one in found.prompts]
        for feature, classes in space.features.items():
            assert name not in classes or len(classes[name]) == len(found), feature
    for metric in space.metrics.values():
        for name, expression in metric.bound.items():
            assert np.all(metric.positions[name] >= 0)
            shapes(expression, len(space.distributions[name]), None, vocabulary)


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.booleans(), st.lists(STATEMENTS, min_size=1, max_size=5), st.integers(0, 3), st.sampled_from(["bpe", "bos", "words", "spm", None])
)
def test_no_statement_breaks_it(make, tokenizers, sound, statements, seed, use) -> None:
    text = SOUND * sound + "\n".join(statements)
    try:
        space = make(text, count=6, seed=seed, use=use, clean=False)
    except CircError:  # the parser's to say
        return
    check(space, tokenizers[use].vocabulary if use else WordTokenizer().vocabulary)
