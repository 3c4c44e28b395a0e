"""Graphs of every kind that a figure has to bear."""

from collections.abc import Callable
from itertools import combinations

import pytest

from circuitdsl.borders.evidence import EdgeRecord, EffectRecord, GraphRecord, NodeRecord
from circuitdsl.figures.fonts import SMALLEST
from circuitdsl.figures.positions import Box, Figure, Rect


def node(name, units, positions=None, outcome=None, **more):
    at = tuple(positions.split(", ")) if positions else None
    return NodeRecord(name=name, units=tuple(units), positions=at, outcome=outcome, **more)


def heads(text):
    return [f"head {unit}" for unit in text.split()]


def mlps(low, high):
    return [f"mlp {layer}" for layer in range(low, high + 1)]


def edge(sender, receiver, port=None, links=1, value=None, outcome=None, spread=0.05):
    label = f"{sender} -> {receiver}" + (f".{port}" if port else "")
    effect = None if value is None else EffectRecord(value=value, low=value - spread, high=value + spread)
    return EdgeRecord(sender=sender, receiver=receiver, port=port, positions=None, links=links, label=label, outcome=outcome, effect=effect)


EMBED, LOGITS = node("embed", ["embed"]), node("logits", ["logits"])
IOI_TOKENS = ("When", " Mary", " and", " John", " went", " to", " the", " store", ",", " John", " gave", " a", " drink", " to")


def ioi() -> GraphRecord:
    movers = heads("23.0 23.3 29.1")
    return GraphRecord(
        title="Indirect object identification in SmolLM2-135M",
        caption="Effects of cutting each edge from the circuit's run, resample(abc), n = 128.",
        layers=30,
        nodes=(
            EMBED,
            node("duplicate_token", heads("3.0 4.2"), "S2", "inconclusive"),
            node(
                "s_inhibition",
                heads("19.2 20.0"),
                "END",
                "supported",
                carries="S2",
                unit_outcomes={"head 19.2": "supported", "head 20.0": "refuted"},
            ),
            node("name_mover", movers, "END", "supported", carries="IO"),
            node("negative", heads("24.4 29.0"), "END", "refuted"),
            node("body", mlps(0, 29)),
            node("movers", [*movers, *heads("24.4 29.0")], "END", members=("name_mover", "negative")),
            LOGITS,
        ),
        edges=(
            edge("embed", "duplicate_token", links=6, value=-0.2),
            edge("embed", "s_inhibition", "q", 2, -0.05),
            edge("embed", "movers", "k", 5, -0.8),
            edge("embed", "movers", "v", 5, -1.2),
            edge("embed", "body", links=30, value=-0.9),
            edge("duplicate_token", "s_inhibition", "v", 4, -0.6, "supported"),
            edge("s_inhibition", "movers", "q", 10, -1.1, "supported"),
            edge("movers", "logits", links=5, value=-1.9, outcome="supported"),
            edge("body", "duplicate_token", links=14, value=-0.1),
            edge("body", "s_inhibition", links=114, value=0.3),
            edge("body", "movers", links=369, value=0.15, outcome="refuted"),
            edge("body", "logits", links=30, value=-0.7),
        ),
        tokens=IOI_TOKENS,
        roles={"IO": (1,), "S1": (3,), "S2": (9,), "END": (13,)},
        effect_of="logit_diff",
    )


def tiny() -> GraphRecord:
    return GraphRecord(
        title="Induction by hand",
        layers=2,
        nodes=(
            EMBED,
            node("previous", heads("0.0"), "block:2[0]", "supported"),
            node("induction", heads("1.0"), "END", "supported"),
            LOGITS,
        ),
        edges=(
            edge("embed", "previous", links=3),
            edge("previous", "induction", "k", outcome="supported"),
            edge("embed", "induction", "v"),
            edge("induction", "logits"),
        ),
        tokens=("<s>", "A", "B", "\n", "A"),
        roles={"block:2[0]": (3,), "END": (4,)},
    )


def greater_than() -> GraphRecord:
    return GraphRecord(
        title="Greater-than in GPT-2 small",
        layers=12,
        nodes=(
            EMBED,
            node("read_year", [*heads("0.1 0.3 0.5"), *mlps(0, 3)], "YY"),
            node("mid", heads("5.1 5.5 6.9 7.10 8.8 8.11 9.1"), "END"),
            node("late", mlps(8, 11), "END"),
            LOGITS,
        ),
        edges=(
            edge("embed", "read_year", links=13),
            edge("embed", "mid", "q", 7),
            edge("read_year", "read_year", links=15),
            edge("read_year", "mid", "k", 49),
            edge("read_year", "mid", "v", 49),
            edge("mid", "late", links=20),
            edge("mid", "logits", links=7),
            edge("late", "late", links=6),
            edge("late", "logits", links=4),
        ),
        tokens=("The", " war", " lasted", " from", " the", " year", " 17", "32", " to", " the", " year", " 17"),
        roles={"YY": (7,), "END": (11,)},
    )


def long_names() -> GraphRecord:
    long = "a_head_that_copies_the_name_of_the_indirect_object_from_wherever_it_was_mentioned_first"
    words = "Donaudampfschifffahrtsgesellschaftskapitaenswitwenrente"
    return GraphRecord(
        title='A title that goes on and on, <b>with markup</b> & "quotes", until it does not fit on one line of the figure any more',
        layers=48,
        nodes=(
            EMBED,
            node(
                long, heads("0.0 11.31 12.30"), "fact.country.first+1, block:2[1..24]", "supported", carries="the_feature_that_it_carries"
            ),
            node(words, [*heads("40.0 40.1 40.2 40.3"), "neuron 41.12345", "neuron 41.7"], "END", "not testable"),
            node("ein_König_große_Mühe_日本語", mlps(3, 5), "S1, S2", "inconclusive"),
            LOGITS,
        ),
        edges=(
            edge("embed", long, "k", 3, -0.123),
            edge(long, words, "q", 12, 0.456, "refuted"),
            edge(long, "ein_König_große_Mühe_日本語", "in", 2, -0.9),
            edge("ein_König_große_Mühe_日本語", words, "v", 1000, -0.3, "supported"),
            edge(words, "logits", None, 6, -0.7),
        ),
        tokens=("<|im_start|>", "\n", "Ein", " sehr", " langes", " Donaudampfschifffahrtsgesellschaft", "<&>", "\x00", " 日本", " to"),
        roles={"fact.country.first+1": (2,), "block:2[1..24]": (4, 5, 6), "END": (9,), "S1": (5,), "S2": (8,)},
        effect_of="the_logarithm_of_something",
    )


def crowd(count=90) -> GraphRecord:
    nodes = [
        node(f"h{layer}_{index}", heads(f"{layer}.{index}"), ("S2", "END")[index % 2]) for layer in range(count // 9) for index in range(9)
    ]
    edges = [edge("embed", n.name, "q", value=-0.01 * (i + 1)) for i, n in enumerate(nodes)]
    edges += [edge(a.name, b.name, "v", value=-0.02 * (i % 9) - 0.001) for i, (a, b) in enumerate(zip(nodes, nodes[11:], strict=False))]
    return GraphRecord(
        title="A crowd", layers=12, nodes=(EMBED, *nodes, LOGITS), edges=tuple(edges), tokens=IOI_TOKENS, roles={"S2": (9,), "END": (13,)}
    )


GRAPHS = {make.__name__: make() for make in (ioi, tiny, greater_than, long_names)}


@pytest.fixture(params=GRAPHS)
def graph(request) -> GraphRecord:
    return GRAPHS[request.param]


@pytest.fixture(params=["grid", "graph"])
def layout(request) -> str:
    return request.param


@pytest.fixture
def graphs() -> dict[str, GraphRecord]:
    return GRAPHS


@pytest.fixture(name="crowd")
def crowd_graph() -> GraphRecord:
    return crowd()


def solids(figure: Figure) -> list[Box]:
    return [box for box in figure.boxes if box.kind not in ("band", "sample")]


def check_clean(figure: Figure) -> None:
    """Boxes stand apart or within each other, texts apart and in their boxes, and nothing is off the canvas."""
    boxes = solids(figure)
    parents = {box.id: box.within for box in boxes}

    def within(box):
        while parents.get(box) is not None:
            box = parents[box]
            yield box

    for a, b in combinations(boxes, 2):
        if a.id in within(b.id) or b.id in within(a.id):
            outer, inner = (a, b) if a.id in within(b.id) else (b, a)
            assert outer.rect.contains(inner.rect), (outer.id, inner.id)
        else:
            assert not a.rect.overlaps(b.rect), (a.id, b.id)
    texts = figure.labels
    for a, b in combinations(texts, 2):
        assert not a.rect.overlaps(b.rect, slack=0.8), (a.text, b.text)
    for text in texts:
        assert text.size >= SMALLEST
        for box in boxes:
            if text.within in (box.id, *within(box.id)) or text.within == box.id:
                continue
            inside = text.kind == "token" and box.kind == "token" and box.rect.contains(text.rect, slack=2)
            holds = box.kind == "group" and box.rect.contains(text.rect)
            nested = text.within is not None and box.id in within(text.within)
            assert inside or holds or nested or not box.rect.overlaps(text.rect, slack=0.8), (text.text, box.id)
        if text.within is not None:
            owner = next(box for box in boxes if box.id == text.within)
            assert owner.rect.contains(text.rect, slack=1.5), (text.text, owner.id)
    for mark in figure.marks:
        for text in texts:
            assert not mark.rect.overlaps(text.rect, slack=1.0), (mark, text.text)
    canvas = Rect(0, 0, figure.width, figure.height)
    for rect in [*(b.rect for b in figure.boxes), *(t.rect for t in texts), *(m.rect for m in figure.marks)]:
        assert canvas.contains(rect), rect
    for line in figure.lines:
        for x, y in line.samples():
            assert 1 <= x <= figure.width - 1 and 1 <= y <= figure.height - 1, line.id


@pytest.fixture
def thicket() -> GraphRecord:
    """Every head of twelve layers of four into every head above."""
    names = [f"h{layer}_{head}" for layer in range(12) for head in range(4)]
    nodes = tuple(node(name, heads(name[1:].replace("_", "."))) for name in names)
    pairs = [(a, b) for number, a in enumerate(names) for b in names[number + 4 - number % 4 :]]
    edges = tuple(edge(a, b, links=2, value=-1.0, outcome="refuted") for a, b in pairs)
    return GraphRecord(title="many", layers=12, nodes=nodes, edges=edges)


@pytest.fixture
def assert_clean() -> Callable[[Figure], None]:
    return check_clean
