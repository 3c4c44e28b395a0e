"""What is timed: each row of the table as readouts of a hypothesis, made by the package's own measures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.setting import OUTPUT, PROMPTS, circuit_a, circuit_b, circuit_of_everything, hypothesis, places
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Path, Place, Step
from circuitdsl.borders.measure import Lowered
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import Readout
from circuitdsl.borders.units import ModelShape, Port
from circuitdsl.borders.values import Algebra
from circuitdsl.measures import measures

RECEIVERS = {"head 9.9", "head 9.6", "head 10.0", "head 10.7"}


@dataclass(frozen=True, slots=True)
class Work:
    """`requests` of a hypothesis. `cached`: the plain runs of the base worlds are there already."""

    name: str
    target: float
    hypothesis: Hypothesis
    requests: tuple[Request, ...]
    cached: bool = True
    slow: bool = False
    """Many passes long: timed once or twice."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table, made when its turn comes."""

    name: str
    target: float
    make: Callable[[ModelShape, int], tuple[Hypothesis, Iterable[Readout]]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def work(self, shape: ModelShape, prompts: int = PROMPTS) -> Work:
        found, readouts = self.make(shape, prompts)
        rows = tuple(range(len(found.distributions["clean"])))
        return Work(self.name, self.target, found, tuple(Request(readout, rows) for readout in readouts), **self.options)


def lowered(found: Hypothesis, measure: str, options: Mapping[str, Any] | None = None, **stated: Any) -> Mapping[str, Readout]:
    """The readouts that a claim of this measure asks for; `options` by their names in the language."""
    known = measures()[measure]
    claim = Claim("claim", measure, "", options=known.options_of(options or {}), measured=found.default, **stated)
    result = known.lower(claim, found, Algebra())
    assert isinstance(result, Lowered)
    return result.readouts


def faithfulness(found: Hypothesis) -> Mapping[str, Readout]:
    """F(C), F(M), F(∅) and what the measure reports beside them."""
    return lowered(found, "faithfulness", {"second": "no"}, metric="logit_diff")


def value_alone(found: Hypothesis) -> Readout:
    return faithfulness(found)["F(C)"]


def effects(found: Hypothesis, start: list[Place], *steps: Step) -> Iterable[Readout]:
    """The effect of each of the places along the steps."""
    return lowered(found, "effect", {"from": "abc"}, paths=(Path("", tuple(start), steps, each=0),)).values()


def senders(shape: ModelShape) -> list[Place]:
    return [Place(unit, str(unit)) for unit in shape.units() if unit.kind in ("head", "mlp")]


def _value(links: Callable[..., Any], **options: Any):
    def make(shape: ModelShape, prompts: int):
        found = hypothesis(shape, links(shape, **options), prompts)
        return found, [value_alone(found)]

    return make


def _three(shape: ModelShape, prompts: int):
    found = hypothesis(shape, circuit_a(shape), prompts)
    every = faithfulness(found)
    return found, [every[name] for name in ("F(C)", "F(M)", "F(∅)")]


def _direct(shape: ModelShape, prompts: int):
    found = hypothesis(shape, prompts=prompts)
    return found, effects(found, senders(shape), Step("direct", (OUTPUT,)))


def _through(shape: ModelShape, prompts: int):
    found = hypothesis(shape, prompts=prompts)
    mlps = tuple(place for place in senders(shape) if place.unit.kind == "mlp")
    return found, effects(found, senders(shape), Step("through", (OUTPUT,), through=mlps))


def _into_queries(kind: Any):
    def make(shape: ModelShape, prompts: int):
        found = hypothesis(shape, prompts=prompts)
        movers = tuple(place for place in places(shape, True)["mover"] if str(place.unit) in RECEIVERS)
        port: Port = "q"
        return found, effects(found, senders(shape), Step("direct", movers, port), Step(kind, (OUTPUT,)))

    return make


def _minimality(shape: ModelShape, prompts: int):
    found = hypothesis(shape, circuit_a(shape, positions=True), prompts)
    every: dict[str, Readout] = {}
    for each in ("node", "edge"):
        every |= {readout.digest: readout for readout in lowered(found, "minimality.single", metric="logit_diff", each=each).values()}
    return found, every.values()


def _random(draws: int):
    def make(shape: ModelShape, prompts: int):
        found = hypothesis(shape, circuit_a(shape, positions=True), prompts)
        return found, lowered(found, "rank_among_random", {"match": "layer", "draws": draws}, metric="logit_diff").values()

    return make


ROWS = (
    Row("circuit A (26 heads, 162 edges, all positions), cached", 0.05, _value(circuit_a)),
    Row("the same heads at the paper's positions, cached", 0.025, _value(circuit_a, positions=True)),
    Row("circuit A cold: its value alone", 0.75, _value(circuit_a), {"cached": False}),
    Row("circuit A cold: with F(M) and F(∅)", 1.4, _three, {"cached": False}),
    Row("circuit B (A and all MLPs, 351 edges), cached", 0.55, _value(circuit_b)),
    Row("every unit and edge, cached", 8.0, _value(circuit_of_everything)),
    Row("`->` of every head and MLP on the logits, cached", 0.10, _direct),
    Row("the same through MLPs, `-[mlps *]->`, cached", 2.4, _through),
    Row("every sender into q of 4 receivers @ END, `->` logits, cached", 0.15, _into_queries("direct")),
    Row("every sender into q of 4 receivers @ END, `~>` logits, cached", 3.0, _into_queries("all")),
    Row("minimality of 26 nodes and 162 edges, paper's positions, cached", 2.0, _minimality),
    Row("1,000 random circuits matched by layer, paper's positions, cached", 25.0, _random(1000), {"slow": True}),
)
