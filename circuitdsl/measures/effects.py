"""`effect`: what a path carries. One value, pinned to another world, is delivered along the named edges only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Path, Place, Step
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.measure import Estimand, Lowered, MeanOf, Measure, Member, NumberRange, RatioOf, Signature, column, difference
from circuitdsl.borders.options import Options, option
from circuitdsl.borders.readouts import MetricValue, Readout
from circuitdsl.borders.units import LOGITS
from circuitdsl.borders.values import Algebra, Mix, Override, Recomputed, Run, World
from circuitdsl.measures.circuit_options import SHARE_OF
from circuitdsl.measures.circuit_runs import OUTPUT
from circuitdsl.measures.patched_runs import PatchedRun, PortReader
from circuitdsl.measures.scrub_donors import check_source
from circuitdsl.measures.worlds import rows_of


@dataclass(frozen=True, kw_only=True)
class EffectOptions(Options):
    from_: str | None = option("distribution", help="where the sender's value comes from; with `into` alone, the measured prompts")
    into: str | None = option("distribution", help="the background; default: the measured prompts (noising). Another one is denoising")
    metric: str | None = option("metric", help="a metric of the file; default: its first")
    norm: Literal["live", "frozen"] = option("word", "live", help="the readers' norm scales")
    share_of: Literal["model"] | None = option("word", help=SHARE_OF)


_TO_LOGITS = Step("all", (OUTPUT,))


def path_logits(
    algebra: Algebra,
    hypothesis: Hypothesis,
    path: Path,
    source: World,
    clean: World,
    frozen: World | None = None,
) -> Recomputed:
    """Logits of `clean` in which the path's start is pinned to `source` and every later read that the path reaches is pinned in turn.

    A step `->` delivers along that edge alone; `-[G]->` recomputes the units of G in between, a sender's own other ports among them if
    it is in G; `~>` recomputes every unit after the sender, whose own other ports are live too. `frozen` is the run whose norm scales
    every recomputed reader keeps. A path that does not end at the logits goes on by every route.
    """
    shape = hypothesis.shape
    steps = path.steps if path.steps and path.steps[-1].places == (OUTPUT,) else (*path.steps, _TO_LOGITS)
    senders = {place: algebra.base(source, place.unit) for place in path.start}
    pins = [Override(place.unit, place.roles, value) for place, value in senders.items()]
    own: dict[Place, PortReader] = {}
    for step in steps:
        if step.kind == "direct":
            reads = _direct(algebra, hypothesis, step, [*pins, *_values(algebra, clean, own, frozen)])
        else:
            routes = PatchedRun(algebra, shape, clean, pins, own, None if step.kind == "all" else step.through, frozen)
            reads = {place: _pinned(routes.before(place.unit), step.port) for place in step.places}
        pins, own = [], reads
    return algebra.logits(clean, own[OUTPUT]("in", None), frozen)


def _direct(algebra: Algebra, hypothesis: Hypothesis, step: Step, sending: Sequence[Override]) -> dict[Place, PortReader]:
    """What each receiver of a direct step reads: the senders that come before it, and the background."""
    reads: dict[Place, PortReader] = {}
    for place in step.places:
        before = [sent for sent in sending if hypothesis.shape.reads(place.unit, sent.unit)]
        reads[place] = _pinned(algebra.mix(before), step.port)
    return reads


def _pinned(mix: Mix | None, port: Port | None) -> PortReader:
    """Reads `mix` at one port (None: every port) and, at the others, what a live reader reads."""
    return lambda at, live: mix if port is None or at == port else live


def _values(algebra: Algebra, clean: World, own: dict[Place, PortReader], frozen: World | None) -> list[Override]:
    """The places that a step reached, recomputed from what it pinned, their other ports at the background."""
    return [
        Override(
            place.unit,
            place.roles,
            algebra.recomputed(place.unit, clean, {port: reads(port, None) for port in place.unit.ports}, frozen),
        )
        for place, reads in own.items()
    ]


def members_of(path: Path, hypothesis: Hypothesis) -> list[tuple[str, Path]]:
    """The path, or one for each place where it says `each`. Members that the architecture gives no edge for are left out."""
    if path.each is None:
        return [(path.text, path)]
    places = path.start if path.each == 0 else path.steps[path.each - 1].places
    found = []
    for place in places:
        if path.each == 0:
            one = Path(path.text, (place,), path.steps)
        else:
            step = path.steps[path.each - 1]
            narrowed = Step(step.kind, (place,), step.port, step.through)
            one = Path(path.text, path.start, (*path.steps[: path.each - 1], narrowed, *path.steps[path.each :]))
        if _possible(one, hypothesis):
            found.append((str(place.unit), one))
    return found


def _possible(path: Path, hypothesis: Hypothesis) -> bool:
    """Whether each step can arrive somewhere from somewhere."""
    senders = path.start
    for step in path.steps:
        if not any(hypothesis.shape.reads(to.unit, sender.unit) for to in step.places for sender in senders):
            return False
        senders = step.places
    return True


def _check(claim: Claim[EffectOptions], hypothesis: Hypothesis) -> None:
    """That the sender's value comes from other prompts than the background, and stands where it is read."""
    into = claim.options.into or claim.measured
    origin = claim.options.from_ or claim.measured
    if origin == into:
        message = f"`effect` from `{origin}` into `{into}` changes nothing" if claim.options.from_ else "`effect` needs a source"
        hint = "write `from = NAME`, the distribution that the sender's value comes from"
        raise refusal("C371", message, claim.span, hint, source=hypothesis.source)
    check_source(claim, hypothesis, rows_of(origin, claim.measured, hypothesis), claim.measured, claim.paths[0].start)


def _lower_effect(claim: Claim[EffectOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    measured = claim.measured
    into = claim.options.into or measured
    origin = claim.options.from_ or measured
    source, clean = rows_of(origin, measured, hypothesis), rows_of(into, measured, hypothesis)
    metric = claim.metric or next(iter(hypothesis.metrics))
    frozen = clean if claim.options.norm == "frozen" else None
    path = claim.paths[0]
    readouts: dict[str, Readout] = {"background": MetricValue(algebra.logits(clean), measured, metric)}
    shared = claim.options.share_of is not None
    if shared:
        readouts["F(M)"] = MetricValue(algebra.logits(Run(measured)), measured, metric)
    members = []
    for label, one in members_of(path, hypothesis):
        name = f"patched {label}" if path.each is not None else "patched"
        readouts[name] = MetricValue(path_logits(algebra, hypothesis, one, source, clean, frozen), measured, metric)
        beside: dict[str, Estimand] = {"patched": MeanOf(column(name)), "background": MeanOf(column("background"))}
        change: Estimand = MeanOf(difference(name, "background"))
        if shared:
            beside, change = beside | {"change": change}, RatioOf(difference(name, "background"), column("F(M)"))
        members.append(Member(label, change, beside, about=label if path.each is not None else path.text))
    ends = bool(path.steps) and path.steps[-1].places[0].unit == LOGITS
    return Lowered(
        readouts,
        tuple(members),
        {
            "direction": "noising" if into == measured else "denoising",
            "from": origin,
            "into": into,
            "metric": metric,
            "norm": claim.options.norm,
            "on": measured,
            **({"share_of": "model"} if shared else {}),
            **({} if ends else {"path": f"{path.text} ~> logits"}),
        },
    )


EFFECT = Measure(
    name="effect",
    summary="change of the metric when one value is replaced along a path",
    formula="metric(path patched) - metric(background), mean over prompts; with `share_of = model`, over F(M), a ratio of means",
    unit="that of the metric, or a share of F(M)",
    range=NumberRange(says="its sign is not flipped for losses"),
    source="path patching: Goldowsky-Dill et al. 2023 (arXiv 2304.05969); Wang et al. 2022 (arXiv 2211.00593), section 3.1",
    baseline="the background, a plain run",
    signature=Signature(
        subject="path",
        options=EffectOptions,
    ),
    lower=_lower_effect,
    example="effect(early -> late.v -> logits, from = corrupted) <= 0",
    check=_check,
    details=(
        "`A -> B.q -> logits` replaces what A delivers to B's queries, and what B then delivers to the logits, and nothing else. "
        "`A ~> B` goes along every route, `A -[G]-> B` along those whose inner units are in G, the direct one among them. "
        "A path that does not end at the logits goes on to them by every route. "
        "`each` before a node makes every unit of it a member."
    ),
)
