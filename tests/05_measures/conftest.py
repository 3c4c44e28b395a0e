"""Circuits of hand-written toys, and claims about them settled on an exploring part and scored on a verifying one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Hypothesis, Link, ModelName, Node, Place, Settings
from circuitdsl.borders.measure import Combination, RatioOf, Search
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import Layout, ModelShape
from circuitdsl.borders.values import Algebra
from circuitdsl.borders.verdict import ClaimVerdict, Question


@pytest.fixture
def links(edges_of) -> Callable[..., list[Link]]:
    return lambda *lines: [link for edge in edges_of(lines) for link in edge.links]


@pytest.fixture
def space(edges_of) -> Callable[..., Hypothesis]:
    """`space(shape, clean, answers, *edges, exploring=…, **others)`: rows of tokens, other distributions paired with `clean`.

    The metric is `logit(answer)` at the last token; rows that are not exploring verify.
    """

    def make(
        shape: ModelShape,
        clean: Sequence[tuple[int, ...]],
        answers: Sequence[int],
        *lines: str,
        exploring: Sequence[int] = (),
        **others: Sequence[tuple[int, ...]],
    ) -> Hypothesis:
        def rows(tokens: Sequence[tuple[int, ...]]) -> tuple[Prompt, ...]:
            return tuple(Prompt(str(row), row, Layout(0, len(row))) for row in tokens)

        ends = np.array([len(row) - 1 for row in clean])
        metric = Metric("logit", "logit(answer)", False, {"clean": Pick("logit", np.array(answers), ends)}, positions={"clean": ends})
        edges = edges_of(lines)
        places = {place.node: place for edge in edges for link in edge.links for place in (link.sender, link.receiver)}
        return Hypothesis(
            title="toy",
            description="",
            citations=(),
            model=ModelName(shape.name),
            shape=shape,
            distributions={
                "clean": Distribution("clean", rows(clean)),
                **{name: Distribution(name, rows(tokens), "clean") for name, tokens in others.items()},
            },
            default="clean",
            metrics={"logit": metric},
            features={},
            nodes={name: Node(name, (place,)) for name, place in places.items()},
            edges=edges,
            claims=(),
            settings=Settings(prompts=len(clean)),
            exploring=tuple(exploring),
            verifying=tuple(row for row in range(len(clean)) if row not in exploring),
            source=Source(""),
        )

    return make


class Settled(NamedTuple):
    """Each member's score on the verifying rows, the conditions, and how often it looked."""

    scores: Mapping[str, float]
    conditions: Mapping[str, str]
    looks: int


@pytest.fixture
def settle() -> Callable[..., Settled]:
    """`settle(measure, space, adapter, ablate, each=…, **options)`."""
    from circuitdsl.engine.executor import execute
    from circuitdsl.measures import measures
    from circuitdsl.models.exact import exact
    from circuitdsl.planning import plan

    def run(measure: str, space: Hypothesis, adapter: Any, ablate: Ablation, each: Any = None, **options: Any) -> Settled:
        claim = Claim(
            "it",
            measure,
            "it",
            metric="logit",
            each=each,
            options=measures()[measure].options_of({"ablate": ablate, **options}),
            measured=space.default,
        )
        lowered = measures()[measure].lower(claim, space, Algebra())
        looks = 0

        def columns(readouts, rows):
            requests = [Request(readout, rows) for readout in readouts.values()]
            with exact():
                found = execute(plan(requests, space), adapter, space)
            return {name: found[readout.digest] for name, readout in readouts.items()}

        while isinstance(lowered, Search):
            looks += 1
            lowered = lowered.then(columns(lowered.readouts, space.exploring))
        means = {name: float(np.mean(column)) for name, column in columns(lowered.readouts, space.verifying).items()}

        def of(combination: Combination) -> float:
            return sum(weight * means[name] for name, weight in combination.terms)

        scores = {}
        for member in lowered.members:
            assert isinstance(member.estimand, RatioOf)
            ratio = of(member.estimand.numerator) / of(member.estimand.denominator)
            scores[member.label] = abs(ratio) if member.estimand.absolute else ratio
        return Settled(scores, lowered.conditions, looks)

    return run


@pytest.fixture
def judged() -> Callable[..., ClaimVerdict]:
    """`judged(claim, space, adapter)`: the verdict on the verifying rows, warnings included, as if they were all prompts there are."""
    from circuitdsl.engine.executor import execute
    from circuitdsl.measures import measures
    from circuitdsl.planning import plan
    from circuitdsl.statistics import judge

    def run(claim: Claim, space: Hypothesis, adapter: Any) -> ClaimVerdict:
        lowered = measures()[claim.measure].lower(claim, space, Algebra())
        while isinstance(lowered, Search):
            found = execute(plan([Request(one, space.exploring) for one in lowered.readouts.values()], space), adapter, space)
            lowered = lowered.then({name: found[one.digest] for name, one in lowered.readouts.items()})
        found = execute(plan([Request(one, space.verifying) for one in lowered.readouts.values()], space), adapter, space)
        columns = {name: found[one.digest] for name, one in lowered.readouts.items()}
        clusters = np.arange(len(space.verifying))
        question = Question(claim.label, claim.comparison, lowered.members, columns, clusters, watches=lowered.watches, everything=True)
        return judge([question], confidence=0.95, seed=0)[0]

    return run


@pytest.fixture
def with_node(unit_of) -> Callable[..., Hypothesis]:
    """`with_node(space, "backup", "0.1", …)`: a named node more."""
    return lambda space, name, *units: replace(
        space, nodes={**space.nodes, name: Node(name, tuple(Place(unit_of(unit), unit) for unit in units))}
    )
