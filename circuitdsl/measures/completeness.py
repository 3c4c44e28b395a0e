"""`completeness`, `minimality` with K, and `complement`: what happens when parts are knocked out of the circuit and of the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuitdsl.borders.hypothesis import Claim, Hypothesis, Place
from circuitdsl.borders.measure import (
    Estimand,
    Lowered,
    MeanOf,
    Measure,
    Member,
    NumberRange,
    RatioOf,
    Search,
    Signature,
    column,
    difference,
)
from circuitdsl.borders.options import option
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.units import EMBED
from circuitdsl.borders.values import Algebra, Recomputed
from circuitdsl.borders.watches import Backup, Watch
from circuitdsl.measures.circuit_options import CircuitOptions, ComparedOptions
from circuitdsl.measures.faithfulness import NEEDED, CircuitRuns
from circuitdsl.measures.knockout_sets import (
    GREEDY_ROUNDS,
    NOTHING,
    PATIENCE,
    KnockoutFamily,
    KnockoutSet,
    classes,
    largest,
    random_sets,
    rounding,
    units,
)
from circuitdsl.measures.patched_runs import knocked_out
from circuitdsl.measures.second_ablation import second_ablation

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class FamilyOptions(CircuitOptions):
    family: KnockoutFamily = option(
        "word", "class", help="which sets K are tried: each named node, each unit, ten random sets, or units added greedily"
    )


@dataclass(frozen=True, kw_only=True)
class CompletenessOptions(ComparedOptions, FamilyOptions):
    pass


_WHOLE = difference("F(M)", "F(∅)")


class _Runs(CircuitRuns):
    """The circuit's and the model's runs without K, and the sets that a family offers."""

    def __init__(self, claim: Claim[FamilyOptions], hypothesis: Hypothesis, algebra: Algebra):
        super().__init__(claim, hypothesis, algebra)
        self.singles = units(self.links, self.live)
        self.family = claim.options.family
        self.conditions["family"] = self.family

    def circuit_without(self, k: KnockoutSet) -> MetricValue:
        return self.readout(self.of_links(self.links, k.places))

    def model_without(self, k: KnockoutSet) -> MetricValue:
        return self.readout(self.model_less(k.places))

    def sets(self) -> list[KnockoutSet]:
        """The family's sets; `greedy` starts from the units."""
        if self.family == "class":
            return classes(self.hypothesis, self.links, self.live)
        if self.family == "random":
            return random_sets(self.singles, self.hypothesis.settings.seed)
        return self.singles


def _lower_completeness(claim: Claim[CompletenessOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered | Search:
    runs = _Runs(claim, hypothesis, algebra)

    def pair(k: KnockoutSet) -> dict[str, MetricValue]:
        return {f"F(C∖K) {k.label}": runs.circuit_without(k), f"F(M∖K) {k.label}": runs.model_without(k)}

    def look(sets: list[KnockoutSet], best: tuple[float, KnockoutSet], rounds: int, idle: int = 0) -> Search:
        def then(columns: "Mapping[str, np.ndarray]") -> Lowered | Search:
            whole = columns["F(C)"]
            without = {k: columns[f"F(C∖K) {k.label}"] for k in sets}
            gaps = {k: without[k] - columns[f"F(M∖K) {k.label}"] for k in sets}
            size, found = largest(gaps, without, whole)
            grown = size > best[0]
            kept = (size, found) if grown else best
            more = [found.with_(one) for one in runs.singles if not one.places <= found.places]
            if runs.family == "greedy" and rounds > 1 and more and (grown or idle < PATIENCE):
                return look(more, kept, rounds - 1, 0 if grown else idle + 1)
            return score(kept[1] if shows_more(*kept, columns) else NOTHING)

        ends = {"F(C)": runs.circuit_without(NOTHING), "F(M)": runs.model_without(NOTHING)}
        return Search(ends | {name: readout for k in sets for name, readout in pair(k).items()}, then)

    def shows_more(size: float, k: KnockoutSet, columns: "Mapping[str, np.ndarray]") -> bool:
        """Whether K shows a larger gap than the empty K, or as large a one while something of the circuit is left."""
        excess = size - abs(float((columns["F(C)"] - columns["F(M)"]).mean()))
        some_left = not all(one.places <= k.places for one in runs.singles)
        return excess >= (-1 if some_left else 1) * rounding(columns["F(C)"])

    def score(k: KnockoutSet) -> Lowered:
        """The K that was found under the claim's ablation is knocked out under the second as well."""

        def scored(stated: Claim[ComparedOptions]) -> dict[str, Recomputed]:
            one = CircuitRuns(stated, hypothesis, algebra)
            return {"F(C∖K)": one.of_links(one.links, k.places), "F(M∖K)": one.model_less(k.places)} | one.ends()

        ratio = RatioOf(difference("F(C∖K)", "F(M∖K)"), _WHOLE, absolute=True)
        again = second_ablation(claim, hypothesis, algebra, ratio, scored)
        readouts = {name: runs.readout(logits) for name, logits in scored(claim).items()} | again.readouts
        beside: dict[str, Estimand] = {"F(C∖K)": MeanOf(column("F(C∖K)")), "F(M∖K)": MeanOf(column("F(M∖K)"))}
        member = Member(claim.label, ratio, beside | again.beside)
        return Lowered(readouts, (member,), runs.conditions | {"K": k.label}, watches=(*runs.watches(), *again.watches))

    sets = runs.sets()
    return look(sets, (-1.0, NOTHING), GREEDY_ROUNDS) if sets else score(NOTHING)


def _lower_minimality(claim: Claim[FamilyOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered | Search:
    runs = _Runs(claim, hypothesis, algebra)
    each = claim.each or "unit"
    parts = runs.singles if each == "unit" else classes(hypothesis, runs.links, runs.live)

    def name(k: KnockoutSet) -> str:
        return f"F(C∖K) {k.label}"

    def candidates(v: KnockoutSet) -> list[KnockoutSet]:
        found: dict[frozenset[Place], KnockoutSet] = {}
        for k in (NOTHING, *(k.without(v) for k in runs.sets())):
            found.setdefault(k.places, k)
        return list(found.values())

    def look(
        sets: dict[str, list[KnockoutSet]], best: dict[str, tuple[float, KnockoutSet]], rounds: int, idle: Mapping[str, int]
    ) -> Search:
        readouts = {name(NOTHING): runs.circuit_without(NOTHING)}
        for v in parts:
            for k in sets.get(v.label, ()):
                readouts |= {name(k): runs.circuit_without(k), name(k.with_(v)): runs.circuit_without(k.with_(v))}

        def then(columns: "Mapping[str, np.ndarray]") -> Lowered | Search:
            chosen, further, waited = dict(best), dict[str, list[KnockoutSet]](), dict(idle)
            for v in parts:
                if not sets.get(v.label):
                    continue
                changes = {k: columns[name(k)] - columns[name(k.with_(v))] for k in sets[v.label]}
                without = {k: columns[name(k)] for k in changes}
                size, found = largest(changes, without, columns[name(NOTHING)])
                grown = v.label not in chosen or size > chosen[v.label][0]
                waited[v.label] = 0 if grown else waited.get(v.label, 0) + 1
                if grown:
                    chosen[v.label] = (size, found)
                if runs.family == "greedy" and waited[v.label] <= PATIENCE:
                    if found == NOTHING and len(changes) > 1:  # its own additions have just been tried
                        _, found = largest({k: changes[k] for k in changes if k != NOTHING}, without, columns[name(NOTHING)])
                    more = [found.with_(one) for one in runs.singles if not one.places <= found.places | v.places]
                    further |= {v.label: more} if more else {}
            if further and rounds > 1:
                return look(further, chosen, rounds - 1, waited)
            return score({label: k for label, (_, k) in chosen.items()})

        return Search(readouts, then)

    def score(chosen: dict[str, KnockoutSet]) -> Lowered:
        readouts, members = {name: runs.readout(logits) for name, logits in runs.ends().items()}, []
        watches: list[Watch] = []
        least = claim.comparison.value if claim.comparison and 0 < claim.comparison.value < 1 else NEEDED
        for v in parts:
            k = chosen[v.label]
            readouts |= {f"F(C∖K) for {v.label}": runs.circuit_without(k), f"F(C∖(K ∪ v)) for {v.label}": runs.circuit_without(k.with_(v))}
            change = difference(f"F(C∖K) for {v.label}", f"F(C∖(K ∪ v)) for {v.label}")
            label = v.label if k == NOTHING else f"{v.label}, K = {k.label}"
            needed = RatioOf(change, _WHOLE, absolute=True)
            members.append(Member(label, needed, {"signed": RatioOf(change, _WHOLE)}, about=v.label))
            if k != NOTHING:
                readouts |= {"F(C)": runs.circuit_without(NOTHING), f"F(C∖{v.label})": runs.circuit_without(v)}
                alone = RatioOf(difference("F(C)", f"F(C∖{v.label})"), _WHOLE, absolute=True)
                watches.append(Backup(v.label, alone, needed, least))
        return Lowered(readouts, tuple(members), runs.conditions | {"each": each}, watches=(*runs.watches(), *watches))

    return look({v.label: candidates(v) for v in parts}, {}, GREEDY_ROUNDS, {})


def _lower_complement(claim: Claim[ComparedOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    runs = CircuitRuns(claim, hypothesis, algebra)

    def scored(stated: Claim[ComparedOptions]) -> dict[str, Recomputed]:
        one = CircuitRuns(stated, hypothesis, algebra)
        return {"F(M∖C)": _rest(one)} | one.ends()

    ratio = RatioOf(difference("F(M∖C)", "F(∅)"), _WHOLE, absolute=True)
    again = second_ablation(claim, hypothesis, algebra, ratio, scored)
    readouts = {name: runs.readout(logits) for name, logits in scored(claim).items()}
    beside: dict[str, Estimand] = {name: MeanOf(column(name)) for name in readouts}
    conditions = runs.conditions | {"knocked out": f"the circuit's {'nodes' if hypothesis.all_edges else 'edges'}"}
    member = Member(claim.label, ratio, beside | again.beside)
    return Lowered(readouts | again.readouts, (member,), conditions, watches=(*runs.watches(), *again.watches))


def _rest(runs: CircuitRuns) -> Recomputed:
    """M∖C: the model without the circuit's edges or, for `edges all`, without its nodes."""
    if runs.hypothesis.all_edges:
        return runs.model_less({link.sender for link in runs.links if link.sender.unit != EMBED} - runs.live)
    cut = [link for link in runs.links if link.sender not in runs.live and link.receiver not in runs.live]
    return knocked_out(runs.algebra, runs.hypothesis.shape, runs.clean, runs.background, runs.gone, cut, runs.frozen)


COMPLETENESS = Measure(
    name="completeness",
    summary="whether the circuit breaks as the model does when the same parts are knocked out of both",
    formula="max over K ⊆ C of abs(F(C∖K) - F(M∖K)) / abs(F(M) - F(∅))",
    unit="share of the model's effect",
    range=NumberRange(0, says="0 is complete"),
    source="Wang et al. 2022 (arXiv 2211.00593), section 4.2, there not normalised",
    baseline="the empty circuit: every unit at the ablation",
    signature=Signature(subject="metric", options=CompletenessOptions, searches=True),
    lower=_lower_completeness,
    example="completeness(logit_diff, family = greedy) <= 0.2",
    costly=True,
    details=(
        "K is chosen on the exploring part of the prompts and scored on the rest; the K found is named in the report. The empty K is "
        "always tried, so a circuit is no more complete than it is faithful: where K is chosen, completeness is at least "
        "abs(1 - faithfulness). A circuit that is knocked out whole leaves nothing to compare, and counts only where that shows a gap."
    ),
)

MINIMALITY = Measure(
    name="minimality",
    summary="what each part of the circuit is worth once its backups are gone",
    formula="max over K ⊆ C∖{v} of abs(F(C∖K) - F(C∖(K ∪ {v}))) / abs(F(M) - F(∅))",
    unit="share of the model's effect",
    range=NumberRange(0),
    source="Wang et al. 2022 (arXiv 2211.00593), section 4.3, there with K chosen by hand",
    baseline="the empty circuit: every unit at the ablation",
    signature=Signature(subject="metric", options=FamilyOptions, each=("unit", "node"), needs_each=True, searches=True),
    lower=_lower_minimality,
    example="minimality(logit_diff, each unit, family = single) >= 0.01",
    costly=True,
    details="K is chosen for each part on the exploring part of the prompts and scored on the rest. The empty K is always tried.",
)

COMPLEMENT = Measure(
    name="complement",
    summary="what is left of the behaviour when the circuit is taken out of the model",
    formula="abs(F(M∖C) - F(∅)) / abs(F(M) - F(∅))",
    unit="share of the model's effect",
    range=NumberRange(0, says="0: nothing is left"),
    source="docs/semantics.md, section 6; not the independence test of Shi et al. 2024 (arXiv 2410.13032)",
    baseline="the empty circuit: every unit at the ablation",
    signature=Signature(subject="metric", options=ComparedOptions),
    lower=_lower_complement,
    example="complement(logit_diff) <= 0.2",
    details="For a hypothesis with edges, the circuit's edges are cut; with `edges all`, its nodes are knocked out. The report says which.",
)
