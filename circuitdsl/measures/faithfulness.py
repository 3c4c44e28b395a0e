"""Measures of a whole circuit: `faithfulness`, `minimality.single`, and what the figure shows of each node and edge."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from circuitdsl.borders.hypothesis import Claim, Hypothesis, Link, Place
from circuitdsl.borders.measure import (
    Estimand,
    Lowered,
    MeanOf,
    Measure,
    Member,
    NumberRange,
    ProportionOf,
    RatioOf,
    Signature,
    column,
    difference,
)
from circuitdsl.borders.options import option
from circuitdsl.borders.readouts import KLDivergence, MetricValue, Readout, SameArgmax
from circuitdsl.borders.units import EMBED, LOGITS
from circuitdsl.borders.values import Algebra, Recomputed, Run
from circuitdsl.borders.watches import Backup, Watch
from circuitdsl.measures.circuit_options import CircuitOptions, ComparedOptions
from circuitdsl.measures.circuit_runs import circuit_logits, with_live, within, without_links, without_senders
from circuitdsl.measures.circuit_watches import donors, empty_circuit, mechanism
from circuitdsl.measures.patched_runs import knocked_out
from circuitdsl.measures.second_ablation import second_ablation
from circuitdsl.measures.worlds import ablation, background

NEEDED = 0.05
"""The share of the model's effect from which a part counts as needed, where a claim does not say."""


def links_of(options: CircuitOptions, hypothesis: Hypothesis) -> tuple[Link, ...]:
    """The circuit of a claim: the links of `circuit`, without the edges of what is knocked out."""
    gone = [place for name in options.without or () for place in hypothesis.nodes[name].places]
    return tuple(link for link in without_senders(within(hypothesis, options.circuit), gone) if link.receiver not in gone)


class CircuitRuns:
    """The runs that a claim about the circuit compares: the circuit's, the model's, the empty circuit's, and the circuit's less a part."""

    def __init__(self, claim: Claim[CircuitOptions], hypothesis: Hypothesis, algebra: Algebra):
        self.hypothesis, self.algebra = hypothesis, algebra
        options = claim.options
        self.measured = claim.measured
        self.chosen = chosen = ablation(claim, hypothesis)
        self.keep, norm = options.keep, options.norm
        self.clean = Run(self.measured)
        self.background = background(chosen, self.measured, hypothesis)
        self.frozen = self.clean if norm == "frozen" else None
        self.gone = [place for name in options.without or () for place in hypothesis.nodes[name].places]
        self.given: frozenset[Place] = frozenset()
        """Knocked out of the circuit alone, and of no other run."""
        self.live = frozenset(place for name in self.keep or () for place in hypothesis.nodes[name].places)
        self.links = links_of(options, hypothesis)
        self._of_circuit: dict[frozenset[Place], Recomputed] = {}
        self.metric = claim.metric_name
        self.conditions = {"ablate": str(chosen), "norm": norm, "on": self.measured}
        if self.gone:
            self.conditions["without"] = ", ".join(options.without or ())
        if self.keep:
            self.conditions["keep"] = ", ".join(self.keep)
        if options.circuit:
            self.conditions["circuit"] = ", ".join(options.circuit)

    def of_links(self, links: tuple[Link, ...], less: Iterable[Place] = ()) -> Recomputed:
        """The run of these links and of what is kept live, without all that leaves `less` or was knocked out beforehand."""
        less = frozenset(less)
        if links is self.links and less in self._of_circuit:
            return self._of_circuit[less]
        left = without_senders(with_live(self.hypothesis, links, self.keep), [*self.gone, *less])
        found = circuit_logits(self.algebra, left, self.background, self.clean, self.frozen)
        if links is self.links:
            self._of_circuit[less] = found
        return found

    @property
    def circuit(self) -> Recomputed:
        return self.of_links(self.links, self.given)

    @property
    def model(self) -> Recomputed:
        return self.model_less(())

    def model_less(self, places: Iterable[Place]) -> Recomputed:
        """The model's run without those places and without what the claim knocks out beforehand."""
        gone = sorted({*self.gone, *places}, key=lambda place: (place.unit.key, place.node))
        if not gone:
            return self.algebra.logits(self.clean)
        return knocked_out(self.algebra, self.hypothesis.shape, self.clean, self.background, gone, frozen=self.frozen)

    @property
    def empty(self) -> Recomputed:
        return self.of_links(())

    def ends(self) -> dict[str, Recomputed]:
        """What a share of the model's effect is taken of."""
        return {"F(M)": self.model, "F(∅)": self.empty}

    def watches(self) -> tuple[Watch, ...]:
        """What every measure against F(∅) watches: that it is near chance, and that there are donors enough."""
        return (*empty_circuit(self.hypothesis, self.metric, self.measured), *donors(self.hypothesis, self.background, self.measured))

    def readout(self, logits: Recomputed) -> MetricValue:
        return MetricValue(logits, self.measured, self.metric)

    def parts(self, each: str) -> Iterator[tuple[str, Recomputed]]:
        """Label of each unit, node or edge as written, and the circuit's run without it. What is kept live is no part."""
        if each == "edge":
            cut = {link for link in self.links if link.sender not in self.live and link.receiver not in self.live}
            for edge in self.hypothesis.edges:
                if cut.intersection(edge.links):
                    yield edge.label, self.of_links(without_links(self.links, edge.links), self.given)
            return
        nodes = [node for node in self.hypothesis.nodes.values() if not node.members and node.units not in ((EMBED,), (LOGITS,))]
        sending = {link.sender for link in self.links} - self.live
        if each == "node":
            for node in nodes:
                if sending.intersection(node.places):
                    yield node.name, self.of_links(self.links, [*node.places, *self.given])
            return
        places = [place for node in nodes for place in node.places if place in sending]
        for unit in sorted({place.unit for place in places}, key=lambda unit: unit.key):
            yield str(unit), self.of_links(self.links, [*(place for place in places if place.unit == unit), *self.given])

    def peers(self) -> dict[str, tuple[Recomputed, Recomputed]]:
        """For each unit of a named node with others in it: the circuit's run without those others, and without all of them."""
        sending = {link.sender for link in self.links} - self.live
        found = {}
        for node in self.hypothesis.nodes.values():
            places = [place for place in node.places if place in sending]
            units = dict.fromkeys(place.unit for place in places)
            if node.members or len(units) < 2:
                continue
            nothing = self.of_links(self.links, [*places, *self.given])
            for unit in units:
                if all(place.node == node.name for place in sending if place.unit == unit):
                    others = [place for place in places if place.unit != unit]
                    found[str(unit)] = (self.of_links(self.links, [*others, *self.given]), nothing)
        return found


def _lower_faithfulness(claim: Claim[ComparedOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    runs = CircuitRuns(claim, hypothesis, algebra)
    readouts: dict[str, Readout] = {
        "F(C)": runs.readout(runs.circuit),
        "F(M)": runs.readout(runs.model),
        "F(∅)": runs.readout(runs.empty),
        "KL(M‖C)": KLDivergence(runs.circuit, runs.measured, runs.metric, runs.model),
        "same argmax": SameArgmax(runs.circuit, runs.measured, runs.metric, runs.model),
    }
    beside: dict[str, Estimand] = {
        "F(C)": MeanOf(column("F(C)")),
        "F(∅)": MeanOf(column("F(∅)")),
        "F(M)": MeanOf(column("F(M)")),
        "F(M) − F(C)": MeanOf(difference("F(M)", "F(C)")),
        "KL(M‖C)": MeanOf(column("KL(M‖C)")),
        "same argmax": ProportionOf("same argmax"),
    }
    ratio = RatioOf(difference("F(C)", "F(∅)"), difference("F(M)", "F(∅)"))
    attention, watched = mechanism(hypothesis, algebra, runs.links, runs.chosen, runs.measured)
    readouts |= attention

    def both(stated: Claim[ComparedOptions]) -> dict[str, Recomputed]:
        one = CircuitRuns(stated, hypothesis, algebra)
        return {"F(C)": one.circuit} | one.ends()

    again = second_ablation(claim, hypothesis, algebra, ratio, both)
    watches = (*runs.watches(), *watched, *again.watches)
    return Lowered(readouts | again.readouts, (Member(claim.label, ratio, beside | again.beside),), runs.conditions, watches=watches)


@dataclass(frozen=True, kw_only=True)
class SingleOptions(CircuitOptions):
    given: tuple[str, ...] | None = option(
        "nodes", help="what is knocked out of the circuit alone, such as backups: the share stays one of the whole model's effect"
    )


def _lower_minimality_single(claim: Claim[SingleOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    runs = CircuitRuns(claim, hypothesis, algebra)
    given = claim.options.given or ()
    places = {place for name in given for place in hypothesis.nodes[name].places}
    runs.links = tuple(link for link in without_senders(runs.links, places) if link.receiver not in places)
    runs.given = frozenset(places)
    if given:
        runs.conditions["given"] = ", ".join(given)
    readouts = {"F(C)": runs.readout(runs.circuit), "F(M)": runs.readout(runs.model), "F(∅)": runs.readout(runs.empty)}
    members = []
    watches: list[Watch] = []
    for label, logits in runs.parts(claim.each or "unit"):
        name = f"F(C∖{label})"
        readouts[name] = runs.readout(logits)
        change, whole = difference("F(C)", name), difference("F(M)", "F(∅)")
        beside: dict[str, Estimand] = {"signed": RatioOf(change, whole), "F(C) − F(C∖v)": MeanOf(change)}
        members.append(Member(label, RatioOf(change, whole, absolute=True), beside, about=label))
    for label, (peers, logits) in runs.peers().items() if claim.each == "unit" else ():
        name, both = f"F(C∖peers of {label})", f"F(C∖{label} and its peers)"
        readouts |= {name: runs.readout(peers), both: runs.readout(logits)}
        alone = next(member.estimand for member in members if member.label == label)
        assert isinstance(alone, RatioOf)
        least = claim.comparison.value if claim.comparison and 0 < claim.comparison.value < 1 else NEEDED
        watches.append(Backup(label, alone, RatioOf(difference(name, both), whole, absolute=True), least))
    return Lowered(readouts, tuple(members), {**runs.conditions, "each": claim.each or "unit"}, watches=(*runs.watches(), *watches))


def lower_graph(hypothesis: Hypothesis, algebra: Algebra, metric: str, edges: bool = True) -> Lowered:
    """What the figure shows: the change of the circuit's metric, in its own units, when each node or edge as written is cut.

    Members' `about` is the node's name or the edge's label.
    """
    claim = Claim("figure", "figure", "", metric=metric, options=CircuitOptions(), measured=hypothesis.default)
    runs = CircuitRuns(claim, hypothesis, algebra)
    readouts = {"F(C)": runs.readout(runs.circuit)}
    members = []
    for each in ("node", "edge") if edges else ("node",):
        for label, logits in runs.parts(each):
            name = f"{each} {label}"
            readouts[name] = runs.readout(logits)
            members.append(Member(name, MeanOf(difference(name, "F(C)")), about=label))
    return Lowered(readouts, tuple(members), runs.conditions)


FAITHFULNESS = Measure(
    name="faithfulness",
    summary="how much of the model's behaviour the circuit alone brings about",
    formula="(F(C) - F(∅)) / (F(M) - F(∅)), a ratio of means",
    unit="share of the model's effect",
    range=NumberRange(says="1 is the model, 0 the empty circuit; never clamped"),
    source="Wang et al. 2022 (arXiv 2211.00593), section 4; normalised as in Marks et al. 2024 (arXiv 2403.19647), section 3",
    baseline="the empty circuit: every unit at the ablation",
    signature=Signature(
        subject="metric",
        options=ComparedOptions,
    ),
    lower=_lower_faithfulness,
    example="faithfulness(logit_diff, ablate = resample(corrupted)) = 1 +- 0.2",
    details=(
        "C is the circuit's run: each unit of it reads what its declared edges bring, and the ablated world for the rest. "
        "Beside it stand F(C), F(∅), F(M), the gap F(M) − F(C), the KL divergence from the model and the agreement of the argmax."
    ),
)

MINIMALITY_SINGLE = Measure(
    name="minimality.single",
    summary="what each part of the circuit is worth when it alone is taken away",
    formula="abs(F(C) - F(C∖v)) / abs(F(M) - F(∅)), v each unit, node, or edge as written",
    unit="share of the model's effect",
    range=NumberRange(0),
    source="Wang et al. 2022 (arXiv 2211.00593), section 4.3, with K empty",
    baseline="the empty circuit: every unit at the ablation",
    signature=Signature(subject="metric", options=SingleOptions, each=("unit", "node", "edge"), needs_each=True),
    lower=_lower_minimality_single,
    example="minimality.single(logit_diff, each unit) >= 0.01",
    costly=True,
    details=(
        "The signed change stands beside it: a needed negative head raises F when it goes. Redundant parts are each worth nothing alone."
    ),
)
