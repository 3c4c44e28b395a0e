"""Scrubbed hypotheses with the odds of everything that could be drawn, and the claim that asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Claim, Comparison, Edge, Hypothesis, Link, ModelName, Node, Place, Settings
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout
from circuitdsl.borders.values import Algebra, Draw
from circuitdsl.borders.verdict import ClaimVerdict
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.models.toys import Draft
from circuitdsl.pipeline import judge, lower, settle
from circuitdsl.pipeline import plan as spine_plan
from circuitdsl.planning import plan
from circuitdsl.planning.dependencies import dependencies
from circuitdsl.planning.draws import Tape


def tokens_as_prompts(rows: Sequence[Sequence[int]], layouts: Sequence[Layout] | None = None) -> tuple[Prompt, ...]:
    """Prompts of these tokens, all of one layout unless one is said for each."""
    laid = layouts or [Layout(0, len(row)) for row in rows]
    return tuple(Prompt(" ".join(map(str, row)), tuple(row), layout) for row, layout in zip(rows, laid, strict=True))


@dataclass
class Graph:
    """A hypothesis put together by hand: nodes by name, edges as (sender, receiver, port)."""

    shape: Any
    prompts: tuple[Prompt, ...]
    target: Sequence[int]
    """The token whose logit at the end is read, for each prompt."""
    features: Mapping[str, Sequence[int]] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    edges: Sequence[tuple[str, str, str | None]] = ()

    def hypothesis(self) -> Hypothesis:
        clean = Distribution("clean", self.prompts)
        ends = np.array([len(prompt.tokens) - 1 for prompt in self.prompts])
        pick = Pick("logit", np.asarray(self.target), ends)
        metric = Metric("m", "logit", False, {"clean": pick}, positions={"clean": ends})
        nodes = {"embed": Node("embed", (Place(EMBED, "embed"),)), "logits": Node("logits", (Place(LOGITS, "logits"),)), **self.nodes}
        edges = []
        for sender, receiver, port in self.edges:
            links = tuple(
                Link(a, b, one)
                for a in nodes[sender].places
                for b in nodes[receiver].places
                if self.shape.reads(b.unit, a.unit)
                for one in ((port,) if port else b.unit.ports)
            )
            edges.append(Edge(sender, receiver, port, links))
        rows = tuple(range(len(self.prompts)))
        return Hypothesis(
            "", "", (), ModelName("toy"), self.shape, {"clean": clean}, "clean", {"m": metric},
            {name: {"clean": tuple(classes)} for name, classes in self.features.items()},
            nodes, tuple(edges), (), Settings(), (), rows, Source(""),
        )  # fmt: skip


def node(name: str, *units, carries: str | None = None, together: bool = False, roles=None) -> Node:
    return Node(name, tuple(Place(unit, name, roles) for unit in units), (), carries, together)


def lowered(hypothesis: Hypothesis, **options: Any):
    claim = Claim(
        "s", "scrub", "scrub(m)", metric="m", options=measures()["scrub"].options_of({"baseline": "shuffle", **options}), measured="clean"
    )
    return measures()["scrub"].lower(claim, hypothesis, Algebra())


class Sums:
    """Inputs enumerated, one token each; heads of layer 0 are the given functions of them, and the last logit is their sum."""

    def __init__(self, inputs, functions, heads=3):
        self.inputs = list(inputs)
        n, k = len(self.inputs), len(functions)
        toy = Draft(1, heads, n, 1, [*map(str, self.inputs), "out"], {"token": n + 1, "sum": 1})
        toy.embed(toy.read("token"))
        for index, function in enumerate(functions):
            table = np.zeros((1, n + 1))
            table[0, :n] = [function(*one) for one in self.inputs]
            toy.head(0, index, v=toy.read("token", table), out=toy.write("sum"))
        toy.unembed(np.vstack([np.zeros((n, toy.width)), toy.read("sum")]))
        self.adapter, self.k = toy.adapter(), k
        self.model = [float(sum(function(*one) for function in functions)) for one in self.inputs]

    def graph(self, nodes, features=None, edges=None):
        n = len(self.inputs)
        classes = {name: ranks([function(*one) for one in self.inputs]) for name, function in (features or {}).items()}
        named = {one.name: one for one in nodes}
        edges = edges or [(pair[0], pair[1], None) for name in named for pair in (("embed", name), (name, "logits"))]
        return Graph(self.adapter.shape, tokens_as_prompts([[t] for t in range(n)]), [n] * n, classes, named, edges).hypothesis()


class Voted:
    """Inputs, one token each, `times` times over; two logits, the sum of the heads' functions of them and its opposite.

    The metric is the logit, or the probability, of the one whose sign is that of the first input.
    """

    def __init__(self, inputs, *functions, kind="logit", times=40):
        self.inputs = [*inputs] * times
        n = len(self.inputs)
        toy = Draft(1, len(functions), n, 1, [*map(str, range(n)), "for", "against"], {"token": n + 2, "one": 1, "sum": 1})
        toy.embed(toy.read("token") + toy.read("one", np.ones((n + 2, 1))))
        for index, function in enumerate(functions):
            table = np.zeros((1, n + 2))
            table[0, :n] = [function(*one) for one in self.inputs]
            toy.head(0, index, v=toy.read("token", table), out=toy.write("sum"))
        toy.unembed(np.vstack([toy.read("one", np.full((n, 1), -40.0)), toy.read("sum"), -toy.read("sum")]))
        self.adapter, self.kind = toy.adapter(), kind

    def file(self, nodes, **features):
        n = len(self.inputs)
        classes = {name: ranks([function(*one) for one in self.inputs]) for name, function in features.items()}
        edges = [(a, b, None) for one in nodes for a, b in (("embed", one.name), (one.name, "logits"))]
        target = [n if one[0] > 0 else n + 1 for one in self.inputs]
        prompts = tokens_as_prompts([[t] for t in range(n)])
        found = Graph(self.adapter.shape, prompts, target, classes, {one.name: one for one in nodes}, edges).hypothesis()
        metric = found.metrics["m"]
        pick = metric.bound["clean"]
        return replace(found, metrics={"m": replace(metric, bound={"clean": Pick(self.kind, pick.ids, pick.positions)})})


def ranks(values):
    return [sorted(set(values)).index(value) for value in values]


@dataclass(frozen=True)
class Outcome:
    """One way the draws can fall: the reference's row, its odds given the reference, and the scrubbed number."""

    row: int
    odds: Fraction
    value: float


def outcomes(
    hypothesis: Hypothesis, adapter: Any, still: Callable[[Draw], bool] = lambda draw: False, column: str = "F(scrub)", **options: Any
) -> list[Outcome]:
    """Every tape of a scrub claim with its odds and number. Draws that are `still` do not matter: they stay at the reference."""
    readout = lowered(hypothesis, **options).readouts[column]
    reached = dependencies([readout])
    draws = [world.draw for world in reached.worlds if isinstance(getattr(world, "draw", None), Draw)]
    draws += [on for _, on in reached.roles if on is not None]
    draws = list(dict.fromkeys(one for draw in draws for one in chain(draw)))
    draws.sort(key=depth)
    prompts = hypothesis.distributions["clean"].prompts
    tapes: list[tuple[int, Fraction, dict]] = []

    def fall(row: int, odds: Fraction, fallen: dict, left: list[Draw]) -> None:
        if not left:
            tapes.append((row, odds, fallen))
            return
        draw, rest = left[0], left[1:]
        reference = row if draw.given is None else fallen[draw.given]
        classes = hypothesis.features[draw.feature]["clean"] if draw.feature else [0] * len(prompts)
        align = hypothesis.settings.align
        own = prompts[row].layout.alike(align)
        same = [r for r, p in enumerate(prompts) if classes[r] == classes[reference] and p.layout.alike(align) == own]
        same = [row] if still(draw) else same
        for donor in same:
            fall(row, odds / len(same), {**fallen, draw: donor}, rest)

    for row in range(len(prompts)):
        fall(row, Fraction(1), {}, draws)
    n = len(prompts)
    expression = hypothesis.metrics["m"].bound["clean"]
    which = np.array([*range(n), *(row for row, _, _ in tapes)])
    wide = replace(
        hypothesis,
        distributions={"clean": Distribution("clean", tuple(prompts[row] for row in which))},
        features={name: {"clean": tuple(np.asarray(of["clean"])[which].tolist())} for name, of in hypothesis.features.items()},
        metrics={"m": replace(
            hypothesis.metrics["m"],
            bound={"clean": Pick("logit", expression.ids[which], expression.positions[which])},
            positions={"clean": expression.positions[which]},
        )},
    )  # fmt: skip
    tape = {draw: np.array([-1] * n + [fallen[draw] for _, _, fallen in tapes]) for draw in draws}
    with patch.object(Tape, "rows", lambda self, draw: tape[draw]):
        planned = plan([Request(readout, tuple(range(n, len(which))))], wide)
    found = execute(planned, adapter, wide)[readout.digest]
    return [Outcome(row, odds, float(value)) for (row, odds, _), value in zip(tapes, found, strict=True)]


def judged(hypothesis: Hypothesis, adapter: Any, at_least: float = 0.5, **options: Any) -> ClaimVerdict:
    """The verdict on `scrub >= at_least` as the program gives it, every warning included; what has to look does so on exploring rows."""
    claim = Claim(
        "s",
        "scrub",
        "scrub(m)",
        metric="m",
        options=measures()["scrub"].options_of({"baseline": "shuffle", **options}),
        measured="clean",
        comparison=Comparison(">=", at_least),
    )
    found = lower(replace(hypothesis, claims=(claim,)), Algebra())

    def run(planned):
        numbers = execute(planned, adapter, hypothesis)
        return {one.readout.digest: dict(zip(one.rows, numbers[one.readout.digest], strict=True)) for one in planned.requests}

    asked = settle(hypothesis, found, run)
    return judge(hypothesis, asked, run(spine_plan(hypothesis, asked)))[0]


def chain(draw: Draw | None) -> list[Draw]:
    """A draw and those that it was given by."""
    return [] if draw is None else [draw, *chain(draw.given)]


def depth(draw: Draw | None) -> int:
    return 0 if draw is None else 1 + depth(draw.given)


def expectation(found: list[Outcome], of: Callable[[Outcome], float], rows: int) -> float:
    return float(sum(Fraction(of(one)).limit_denominator(10**6) * one.odds for one in found) / rows)


@pytest.fixture(scope="session")
def scrub():
    """The tools above, by name."""

    class Tools:
        Graph, Sums, Voted, prompts = Graph, Sums, Voted, tokens_as_prompts

    for name in ("node", "lowered", "outcomes", "expectation", "ranks", "judged"):
        setattr(Tools, name, staticmethod(globals()[name]))
    Tools.prompts = staticmethod(tokens_as_prompts)
    return Tools
