"""Prompts of several lengths and layouts with a metric of every kind, for a model of any vocabulary; and requests for the executors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Ablation, Claim, Edge, Hypothesis, Link, ModelName, Node, Path, Place, Settings, Step
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.measure import Combination, RatioOf
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import (
    Arithmetic,
    Constant,
    Distribution,
    Divergence,
    Expression,
    FoldOver,
    Metric,
    Pick,
    Prompt,
    SpanLoss,
)
from circuitdsl.borders.readouts import (
    AttentionMoved,
    AttentionWeight,
    InputVector,
    LogitsReadout,
    MetricValue,
    OutputVector,
    Readout,
)
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, ModelShape, Role, Roles, Unit
from circuitdsl.borders.values import (
    Algebra,
    Draw,
    Gather,
    Mean,
    Mix,
    Override,
    Recomputed,
    Run,
    Share,
    Subspace,
    Value,
    World,
    Zero,
)

A, B = ("A", 1), ("B", 1)
LAYOUTS = (
    Layout(0, 6, ((A, (1, 2)), (B, (3, 4)))),
    Layout(0, 7, ((A, (1, 3)), (B, (4, 5)))),
    Layout(1, 7, ((A, (5, 6)), (B, (2, 4)))),
)
ORDER = (0, 1, 0, 2, 1, 2)
"""Layouts of the rows, shuffled so that no executor can take them as they come."""
EVERY = tuple(range(len(ORDER)))


@pytest.fixture
def request_for() -> Callable[..., Request]:
    return lambda readout, rows=EVERY: Request(readout, rows)


def prompts(name: str, layouts: list[Layout], vocabulary: int, generator: np.random.Generator, paired: str | None = None) -> Distribution:
    def prompt(layout: Layout) -> Prompt:
        tokens = generator.integers(3, vocabulary, layout.length)
        answer, *wrong = (int(token) for token in generator.choice(vocabulary, 3, replace=False))
        return Prompt(" ".join(map(str, tokens)), tuple(map(int, tokens)), layout, answer=answer, wrong=tuple(wrong))

    return Distribution(name, tuple(prompt(layout) for layout in layouts), paired)


def metrics(distribution: Distribution, vocabulary: int, generator: np.random.Generator) -> dict[str, Expression]:
    rows = len(distribution)
    end = np.array([prompt.layout.length - 1 for prompt in distribution.prompts])
    at_b = np.array([prompt.layout.span("B")[1] - 1 for prompt in distribution.prompts])
    answers = np.array([prompt.answer for prompt in distribution.prompts])
    wrong = np.array([prompt.wrong[0] for prompt in distribution.prompts])
    items = generator.integers(0, vocabulary, (rows, 5))
    mask = generator.random((rows, 5)) < 0.6
    mask[:, 0] = True
    items[~mask] = -1
    spans = np.stack([np.arange(3)] * rows) + generator.integers(0, 3, (rows, 1))
    targets = generator.integers(0, vocabulary, spans.shape)
    counts = generator.random(spans.shape) < 0.7
    counts[:, 1] = True
    return {
        "logit_diff": Arithmetic("-", Pick("logit", answers, end), Pick("logit", wrong, end)),
        "share": FoldOver("sum", Pick("prob", items, end), mask),
        "margin": Arithmetic("-", Pick("logprob", answers, at_b), FoldOver("max", Pick("logit", items, at_b), mask)),
        "ratio": Arithmetic("/", FoldOver("mean", Arithmetic("*", Pick("logit", items, end), Constant(2.0)), mask), Constant(3.0)),
        "loss": SpanLoss(targets, spans, counts),
        "kl": Divergence(at_b),
    }


def without_circuit(shape: ModelShape, distributions: dict[str, Distribution], declared: dict[str, Metric]) -> Hypothesis:
    rows = len(distributions["clean"])
    return Hypothesis(
        title="random",
        description="",
        citations=(),
        model=ModelName(shape.name),
        shape=shape,
        distributions=distributions,
        default="clean",
        metrics=declared,
        features={},
        nodes={"embed": Node("embed", (Place(EMBED, "embed"),)), "logits": Node("logits", (Place(LOGITS, "logits"),))},
        edges=(),
        claims=(),
        settings=Settings(prompts=rows),
        exploring=(),
        verifying=tuple(range(rows)),
        source=Source(""),
        subspaces=subspaces(shape.width),
    )


def subspaces(width: int) -> dict[str, np.ndarray]:
    """Orthonormal rows at random."""
    generator = np.random.default_rng(width)
    return {one.name: np.linalg.qr(generator.standard_normal((width, one.rank)))[0].T for one in SUBSPACES}


def hypothesis_for(shape: ModelShape, seed: int = 0) -> Hypothesis:
    """`clean`, its paired `abc` in the same layouts, and an unpaired `pool` with three rows a layout. No circuit."""
    generator = np.random.default_rng(seed)
    layouts = [LAYOUTS[i] for i in ORDER]
    found = {
        "clean": prompts("clean", layouts, shape.vocabulary, generator),
        "abc": prompts("abc", layouts, shape.vocabulary, generator, "clean"),
        "pool": prompts("pool", [*LAYOUTS] * 3, shape.vocabulary, generator),
    }
    bound = {name: metrics(distribution, shape.vocabulary, generator) for name, distribution in found.items()}
    at_b = {name: np.array([p.layout.span("B")[1] - 1 for p in d.prompts]) for name, d in found.items()}
    end = {name: np.array([p.layout.length - 1 for p in d.prompts]) for name, d in found.items()}
    declared = {
        metric: Metric(
            metric,
            metric,
            lower=False,
            bound={name: expressions[metric] for name, expressions in bound.items()},
            positions=at_b if metric in ("margin", "kl") else end,
        )
        for metric in bound["clean"]
    }
    return without_circuit(shape, found, declared)


@pytest.fixture
def hypothesis() -> Callable[..., Hypothesis]:
    """`hypothesis(shape, seed, **changes)`."""
    return lambda shape, seed=0, **changes: replace(hypothesis_for(shape, seed), **changes)


# ---------------------------------------------------------------- random values

ROLES: tuple[tuple[Roles, ...], ...] = (
    (None,),
    (None,),
    ((Role("A", part="all"),), (Role("B"),), (Role("END"),)),
    ((Role("A", part="first"), Role("B", part="all")), (Role("END"),)),
    ((Role("B", shift=-1),), (Role("A"),)),
)
"""Positions at which one unit may be overridden side by side: those of an entry never overlap on any layout."""
WORLDS: tuple[World, ...] = (
    Run("clean"),
    Run("abc"),
    Gather("pool", "donor/pool"),
    Gather("clean", "donor/clean"),
    Mean("abc"),
    Mean("pool"),
    Zero(),
)
FROZEN: tuple[World, ...] = (Run("clean"), Run("abc"), Mean("pool"))
COMPARED = [kind for kind in LogitsReadout.__subclasses__() if "reference" in kind.__dataclass_fields__]
ALONE = [kind for kind in LogitsReadout.__subclasses__() if kind not in (MetricValue, *COMPARED)]
"""Readouts of logits beside the metrics: a new one is measured here by itself."""
SUBSPACES = (Subspace("line", 1), Subspace("plane", 3))
METRICS = ("logit_diff", "share", "margin", "ratio", "loss", "kl")


class RandomValues:
    """Values that no experiment would ask for: any unit over any background, each port with a mix of its own out of what came before.

    Some overrides stand where the rows of `drawn` have their roles.
    """

    def __init__(self, shape: ModelShape, seed: int, drawn: Sequence[Draw] = ()):
        self.shape, self.algebra, self.drawn = shape, Algebra(), drawn
        self.draw = np.random.default_rng(seed)
        neurons = [Unit("neuron", layer, int(self.draw.integers(shape.mlp_width))) for layer in range(shape.layers) for _ in range(2)]
        self.units = sorted({*shape.units(), *(neurons if shape.mlps else [])}, key=lambda unit: unit.key)
        self.made: dict[Unit, list[Value]] = {}

    def pick(self, items):
        return items[int(self.draw.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self.draw.random() < share)

    def value(self, unit: Unit) -> Value:
        return self.linear(unit) if self.chance(0.15) else self.plain(unit)

    def plain(self, unit: Unit) -> Value:
        """Of a base world, or recomputed."""
        made = self.made.get(unit)
        return self.pick(made) if made and self.chance(0.7) else self.algebra.base(self.pick(WORLDS), unit)

    def linear(self, unit: Unit) -> Value:
        """A part of a value, something between two, or one with a part of another: of values that may be such themselves."""
        first, second, inside = self.value(unit), self.value(unit), self.pick(SUBSPACES)
        match int(self.draw.integers(4)):
            case 0:
                return self.algebra.projected(first, inside)
            case 1:
                return self.algebra.blend(first, second, float(self.draw.normal()))
            case 2:
                return self.algebra.with_part(first, inside, second)
        return self.algebra.linear(
            unit, [Share(float(self.draw.normal()), self.value(unit), self.pick((None, *SUBSPACES))) for _ in range(3)]
        )

    def mix(self, reader: Unit) -> Mix | None:
        senders = [unit for unit in self.units if self.shape.reads(reader, unit)]
        share = self.draw.uniform(0.1, 0.7)
        overrides = []
        for sender in senders:
            if not self.chance(share):
                continue
            places = [roles for roles in self.pick(ROLES) if self.chance(0.8)]
            on = self.pick((None, *self.drawn)) if self.drawn else None
            overrides += [Override(sender, roles, self.value(sender), on) for roles in places]
            if places and None not in places and self.chance(0.3):
                overrides.append(Override(sender, None, self.value(sender)))
        return self.algebra.mix(overrides)

    def recomputed(self, unit: Unit) -> Recomputed:
        shared = self.mix(unit)
        mixes = {port: shared if self.chance(0.4) else None if self.chance(0.2) else self.mix(unit) for port in unit.ports}
        frozen = self.pick(FROZEN) if self.chance(0.25) else None
        value = self.algebra.recomputed(unit, self.pick(WORLDS), mixes, frozen)
        self.made.setdefault(unit, []).append(value)
        return value

    def readouts(self, values: int = 30, labels: str = "clean") -> list[Readout]:
        """Of `values` recomputed units: every kind of readout of the logits, patterns of heads of worlds and of recomputed ones."""
        readable = [unit for unit in self.units if unit.kind not in ("embed", "logits")]
        for unit in sorted((self.pick(readable) for _ in range(values)), key=lambda unit: unit.key):
            self.recomputed(unit)
        found = []
        logits = [self.recomputed(LOGITS) for _ in range(6)]
        for value in logits:
            found += [MetricValue(value, labels, self.pick(METRICS)) for _ in range(2)]
            found.append(self.pick(ALONE)(value, labels, self.pick(METRICS)))
            reference = self.pick([*logits, self.algebra.logits(Run(labels)), self.algebra.logits(self.pick(WORLDS))])
            found.append(self.pick(COMPARED)(value, labels, self.pick(METRICS), reference))
        heads = [unit for unit in self.units if unit.kind == "head"]
        for _ in range(6):
            head = self.pick(heads)
            query, key = (self.pick([roles for entry in ROLES for roles in entry]) for _ in "qk")
            found.append(AttentionWeight(self.plain(head), labels, query=query, key=key))
            found.append(AttentionMoved(self.plain(head), labels, reference=self.plain(head), query=query))
            written = self.algebra.base(Run(self.pick(("clean", "abc"))), self.pick([unit for unit in self.units if unit != LOGITS]))
            read = self.algebra.base(Run(labels), self.pick([unit for unit in self.units if unit != EMBED]))
            found += [OutputVector(written, labels, at=query), InputVector(read, labels, at=key)]
        return found


@pytest.fixture
def random_values() -> Callable[..., RandomValues]:
    return RandomValues


# ---------------------------------------------------------------- the two executors


def by_oracle(requests: Sequence[Request], space: Hypothesis, adapter: Any) -> dict[str, np.ndarray]:
    from circuitdsl.oracle import evaluate
    from circuitdsl.planning import plan

    planned = plan(requests, space)
    return evaluate(planned.requests, space, adapter, planned.draws)


def by_engine(requests: Sequence[Request], space: Hypothesis, adapter: Any) -> dict[str, np.ndarray]:
    from circuitdsl.engine.executor import execute
    from circuitdsl.planning import plan

    return execute(plan(requests, space), adapter, space)


@pytest.fixture(params=[by_oracle, by_engine], ids=["oracle", "engine"])
def executor(request: pytest.FixtureRequest) -> Callable[..., dict[str, np.ndarray]]:
    """`executor(requests, space, adapter)`: readout digest to numbers. What is said of one executor is said of both."""
    return request.param


@pytest.fixture
def measured(executor) -> Callable[..., np.ndarray]:
    """`measured(value, space, adapter, rows=None)`: the space's first metric of these logits, on every row of the default distribution."""

    def measure(value: Value, space: Hypothesis, adapter: Any, rows: Sequence[int] | None = None) -> np.ndarray:
        readout = MetricValue(value, space.default, next(iter(space.metrics)))
        wanted = tuple(range(len(space.distributions[space.default])) if rows is None else rows)
        return executor([Request(readout, wanted)], space, adapter)[readout.digest]

    return measure


# ---------------------------------------------------------------- spaces and circuits of hand-written toys


def rows_of(name: str, rows: Sequence[tuple[int, ...]], answers: Sequence[int] | None, paired: str | None = None) -> Distribution:
    found = (
        Prompt(" ".join(map(str, tokens)), tokens, Layout(0, len(tokens)), answer=None if answers is None else answers[i])
        for i, tokens in enumerate(rows)
    )
    return Distribution(name, tuple(found), paired)


@pytest.fixture
def toy_space() -> Callable[..., Hypothesis]:
    """`toy_space(shape, clean, answers, **others)`: rows of tokens, each other distribution paired with `clean`; metric `logit(answer)`.

    `answers` is a token a row, or a tuple of tokens for each of the last positions, whose logits are then averaged.
    """

    def make(
        shape: ModelShape, clean: Sequence[tuple[int, ...]], answers: Sequence[Any], **others: Sequence[tuple[int, ...]]
    ) -> Hypothesis:
        wanted = np.array([[answer] if isinstance(answer, int) else list(answer) for answer in answers])
        count = wanted.shape[1]
        ends = np.array([len(tokens) for tokens in clean])
        metric: Expression = Constant(0.0)
        for place in range(count):
            metric = Arithmetic("+", metric, Pick("logit", wanted[:, place], ends - count + place))
        metric = Arithmetic("/", metric, Constant(float(count)))
        found = {"clean": rows_of("clean", clean, [int(row[-1]) for row in wanted])}
        found |= {name: rows_of(name, rows, None, "clean") for name, rows in others.items()}
        declared = {"logit": Metric("logit", "logit(answer)", False, {"clean": metric}, positions={"clean": ends - 1})}
        return without_circuit(shape, found, declared)

    return make


@pytest.fixture
def circuit(edges_of) -> Callable[..., Hypothesis]:
    """`circuit(space, "embed -> 1.0.v", …)`: the space with these edges and a node for each of their units."""

    def make(space: Hypothesis, *lines: str) -> Hypothesis:
        edges = edges_of(lines)
        places = {place.node: place for edge in edges for link in edge.links for place in (link.sender, link.receiver)}
        nodes = {name: Node(name, (place,)) for name, place in places.items()}
        return replace(space, edges=edges, nodes={**space.nodes, **nodes})

    return make


@pytest.fixture
def scores(executor) -> Callable[..., dict[str, float]]:
    """`scores(measure, space, adapter, ablate, **claim)`: each member's label and its statistic on all rows, as the measure lowers it."""
    from circuitdsl.measures import measures

    def score(measure: str, space: Hypothesis, adapter: Any, ablate: Ablation, **changes: Any) -> dict[str, float]:
        claim = Claim(
            "it",
            measure,
            "it",
            metric="logit",
            options=measures()[measure].options_of({"ablate": ablate}),
            measured=space.default,
            **changes,
        )
        lowered = measures()[measure].lower(claim, space, Algebra())
        rows = tuple(range(len(space.distributions[space.default])))
        found = executor([Request(readout, rows) for readout in lowered.readouts.values()], space, adapter)
        means = {name: float(np.mean(found[readout.digest])) for name, readout in lowered.readouts.items()}

        def of(combination: Combination) -> float:
            return sum(weight * means[name] for name, weight in combination.terms)

        ratios = {}
        for member in lowered.members:
            assert isinstance(member.estimand, RatioOf)
            ratio = of(member.estimand.numerator) / of(member.estimand.denominator)
            ratios[member.label] = abs(ratio) if member.estimand.absolute else ratio
        return ratios

    return score


# ---------------------------------------------------------------- random claims


class RandomClaims:
    """A circuit that nobody believes, units at positions and neurons in named nodes, and a claim of every measure about it."""

    ABLATIONS = (
        Ablation("resample", "abc"),
        Ablation("resample", "pool"),
        Ablation("mean", "pool"),
        Ablation("mean", "abc"),
        Ablation("zero"),
    )

    def __init__(self, space: Hypothesis, seed: int):
        self.draw = np.random.default_rng(seed)
        self.shape = space.shape
        places = self.places()
        nodes = dict(space.nodes)
        while places:
            members = tuple(places.pop() for _ in range(min(len(places), int(self.draw.integers(1, 4)))))
            name = f"node{len(nodes)}"
            nodes[name] = Node(name, tuple(replace(place, node=name) for place in members))
        self.nodes = nodes
        self.inner = [name for name in nodes if name not in ("embed", "logits")]
        self.space = replace(space, nodes=nodes, edges=tuple(self.edges()))

    def pick(self, items):
        return items[int(self.draw.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self.draw.random() < share)

    def places(self) -> list[Place]:
        units = [unit for unit in self.shape.units() if unit not in (EMBED, LOGITS) and self.chance(0.5)]
        whole = {unit.layer for unit in units if unit.kind == "mlp"}
        split = [layer for layer in range(self.shape.layers) if layer not in whole] if self.shape.mlps else []
        units += [Unit("neuron", layer, int(self.draw.integers(self.shape.mlp_width))) for layer in split]
        found = [Place(unit, "", roles) for unit in units for roles in self.pick(ROLES)]
        return [found[i] for i in self.draw.permutation(len(found))]

    def links(self, sender: Node, receiver: Node, port: Port | None, roles: Roles) -> tuple[Link, ...]:
        return tuple(
            Link(one, other, at, roles)
            for one in sender.places
            for other in receiver.places
            if self.shape.reads(other.unit, one.unit)
            for at in other.unit.ports
            if port in (None, at)
        )

    def edges(self) -> Iterator[Edge]:
        for sender in self.nodes.values():
            for receiver in self.nodes.values():
                if self.chance(0.4 if sender.name == "embed" or receiver.name == "logits" else 0.25):
                    port: Port | None = self.pick((None, "q", "k", "v")) if receiver.name != "logits" else None
                    roles = self.pick((None, (Role("A"),), (Role("B", part="all"), Role("END")))) if sender.name == "embed" else None
                    if found := self.links(sender, receiver, port, roles):
                        yield Edge(sender.name, receiver.name, port, found, roles)

    def path(self) -> Path:
        """From a node by one to three steps of any kind, each to places after all that was before."""
        here = self.nodes[self.pick(["embed", *self.inner])]
        start, steps = here.places, []
        for _ in range(int(self.draw.integers(1, 4))):
            after = [n for n in self.nodes.values() if all(self.shape.reads(b.unit, a.unit) for a in here.places for b in n.places)]
            if not after:
                break
            here = self.pick(after)
            heads = all(place.unit.kind == "head" for place in here.places)
            kind = self.pick(("direct", "all", "through"))
            through = self.nodes[self.pick(self.inner)].places if kind == "through" else ()
            steps.append(Step(kind, here.places, self.pick((None, "q", "k", "v")) if heads else None, through))
        return Path("path", start, tuple(steps) or (Step("all", self.nodes["logits"].places),), each=self.pick((None, None, 0)))

    def claims(self) -> Iterator[Claim]:
        def claim(measure: str, **changes: Any) -> Claim:
            options = {"ablate": self.pick(self.ABLATIONS), "norm": self.pick(("live", "live", "frozen")), **changes.pop("options", {})}
            known = measures()[measure].options
            given = {name: value for name, value in options.items() if name in known}
            return Claim(
                "it", measure, "it", metric=self.pick(METRICS), options=measures()[measure].options_of(given), measured="clean", **changes
            )

        from circuitdsl.measures import measures

        for measure in ("value", "accuracy", "top1"):
            yield claim(measure, options={"of": "circuit"})
        yield claim("faithfulness")
        yield claim("faithfulness", options={"keep": (self.pick(self.inner),)})
        yield claim("complement")
        yield claim("minimality.single", each=self.pick(("unit", "node", "edge")))
        for _ in range(3):
            yield claim("effect", paths=(self.path(),), options={"from": "abc"})
        yield claim("effect", paths=(self.path(),), options={"from": self.pick(("pool", "clean")), "into": "abc"})
        heads = tuple(Place(unit, "heads") for unit in self.shape.units("head"))[:2]
        yield claim("attention", paths=(Path("heads", heads, each=0),), options={"query": (Role("END"),), "key": (Role("A", part="all"),)})

    def readouts(self, most: int = 30) -> list[Readout]:
        from circuitdsl.measures import measures

        algebra, found = Algebra(), {}
        for claim in self.claims():
            lowered = list(measures()[claim.measure].lower(claim, self.space, algebra).readouts.values())
            for readout in lowered[: most // 6]:
                found[readout.digest] = readout
        return list(found.values())[:most]


@pytest.fixture
def random_claims(hypothesis) -> Callable[[ModelShape, int], RandomClaims]:
    return lambda shape, seed: RandomClaims(hypothesis(shape, seed), seed)
