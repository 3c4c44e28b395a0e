"""`scrub`: how much of the behaviour is left when every value may be that of any prompt which the hypothesis calls equal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import (
    Combination,
    Estimand,
    Lowered,
    MeanOf,
    Measure,
    Member,
    Range,
    RatioOf,
    Search,
    Signature,
    column,
)
from circuitdsl.borders.measure import difference as minus
from circuitdsl.borders.options import option
from circuitdsl.borders.source import CircError, CodedWarning
from circuitdsl.borders.values import Algebra, Draw, Gather, Recomputed, Run
from circuitdsl.borders.watches import Watch
from circuitdsl.measures.adversary import Grouping, against
from circuitdsl.measures.banks import FEWEST_BANKS, FEWEST_SLOTS, LARGEST_TREE, MOST_SLOTS, counted, sampling_of, size_of, sizes
from circuitdsl.measures.circuit_options import Ablated
from circuitdsl.measures.circuit_runs import circuit_logits, within
from circuitdsl.measures.redrawn_columns import DrawnColumns
from circuitdsl.measures.scrub_checks import adversary_found, bounded, mechanism_kept, together_or_apart
from circuitdsl.measures.scrub_donors import ScrubDonors
from circuitdsl.measures.scrub_runs import Apart, Sampling, Scrubbing, tree_size
from circuitdsl.measures.worlds import ablation, background

FEWEST_DONORS = 20
MOST_ITSELF = 0.2
"""Share of draws that may give the reference itself before verdicts allow for what that hides, with a warning."""
ALMOST_ALL = 0.999
"""Where all draws give the reference itself, they say nothing: the bound then reaches from far below 0."""
MOST_REPLICATES = 1000


@dataclass(frozen=True, kw_only=True)
class ScrubOptions(Ablated):
    baseline: Literal["shuffle", "unconditional", "pair"] = option(
        "word",
        required=True,
        help="what 0 means: shuffle: labels of an independent prompt; unconditional: every donor free; pair: F(∅), under `ablate`",
    )
    sampling: Literal["tree", "shared", "banks"] | None = option(
        "word",
        help="tree: every path draws anew; shared: one donor for each prompt and value of a feature; banks: as a tree, from a "
        "few values of each node; default: the tree while it is small enough, else banks",
    )
    banks: float | None = option("number", help="how many values of each node paths take from; default: as many as are affordable")
    replicates: float | None = option("number", help="how often donors are drawn for each prompt; default: 1, and 4 banks")
    others: tuple[str, ...] | None = option(
        "nodes", help="nodes that share a draw of their own where they are left out; the rest share one"
    )
    adversary: float | None = option(
        "number",
        help="look for the grouping of what is left out that lowers the score most: so many candidates a step",
        searches=True,
    )
    from_: str | None = option("distribution", help="where donors come from; default: the measured prompts")


class Scrubs:
    """The runs that a claim compares: scrubbed, the model's own, and the baseline's. Banks have at most `most_slots`."""

    def __init__(self, claim: Claim[ScrubOptions], hypothesis: Hypothesis, algebra: Algebra, most_slots: int = MOST_SLOTS):
        self.claim, self.hypothesis, self.algebra = claim, hypothesis, algebra
        self.measured = claim.measured
        options = claim.options
        self.links = within(hypothesis, options.circuit)
        self.baseline = options.baseline
        apart = tuple(Apart(name, hypothesis.nodes[name].places) for name in options.others or ())
        self.sampling = Sampling(self.measured, options.from_ or self.measured, apart=apart)
        self._scrubbed: dict[tuple[object, ...], Recomputed] = {}
        self.model = algebra.logits(Run(self.measured))
        whole = self.scrubbing(free=self.baseline == "unconditional")
        groups = (group for groups in whole.incoming.values() for group in groups)
        self.features = tuple(dict.fromkeys(group.carries for group in groups if group.carries))
        self._guard()
        self.tree = tree_size(whole.incoming, whole.kept)
        how, self.why = sampling_of(claim, hypothesis.source, self.tree, self.scrubbing, most_slots)
        self.sampling = replace(self.sampling, **how)
        self.banks = self.sampling.kind == "banks"
        self.replicates = int(options.replicates or (FEWEST_BANKS if self.banks else 1))
        self.donors = ScrubDonors(claim, hypothesis, self.sampling)
        if hypothesis.settings.align == "absolute":
            self._check_places()

    def scrubbing(self, limit: int | None = None, **changes: object) -> Scrubbing:
        sampling = replace(self.sampling, **changes)  # type: ignore[arg-type]
        return Scrubbing(self.algebra, self.hypothesis, self.links, sampling, limit)

    def scrubbed(self, replicate: int = 0, **changes: object) -> Recomputed:
        key = (replicate, *sorted(changes.items()))
        if key not in self._scrubbed:
            self._scrubbed[key] = self.scrubbing(None, replicate=replicate, **changes).logits()
        return self._scrubbed[key]

    def draws(self, **changes: object) -> list[Recomputed]:
        """The scrubbed logits of every draw, each with its donors drawn anew."""
        return [self.scrubbed(number, **changes) for number in range(self.replicates)]

    def score(self, scrubbed: str) -> RatioOf:
        """Of the column of that name."""
        return RatioOf(minus(scrubbed, "F(base)"), minus("F(M)", "F(base)"), banks=self.banks)

    @property
    def how(self) -> str:
        """How it is sampled, and why if that was not asked for."""
        said = f"banks of {self.sampling.banks}" if self.banks else self.sampling.kind
        return f"{said}: {self.why}" if self.why else said

    @cached_property
    def once(self) -> dict[str, int | None]:
        """Recomputations a prompt and draw with shared draws, and in banks if they are used."""
        found = {"shared": size_of(self.scrubbing(LARGEST_TREE, kind="shared"))}
        return found | ({"banks": size_of(self.scrubbing())} if self.banks else {})

    @property
    def sizes(self) -> str:
        """Recomputations a prompt and draw of each way to sample."""
        said = {"shared": "with shared draws", "banks": f"in banks of {self.sampling.banks}"}
        return sizes(self.tree, {said[how]: size for how, size in self.once.items()})

    @property
    def cost(self) -> str:
        """Recomputations a prompt in all, as far as scrubbed runs were asked for."""
        size = self.tree if self.sampling.kind == "tree" else self.once[self.sampling.kind]
        return f"about {counted(len(self._scrubbed) * (size or 0))} recomputations a prompt in all"

    def base(self, replicate: int, **changes: object) -> Recomputed:
        """`shuffle` reads a prompt of the layout (or length) with the row's own labels: as likely as the row with that prompt's."""
        match self.baseline:
            case "shuffle":
                draw = Draw(self.measured, self.measured, f"{replicate}:shuffle")
                return self.algebra.logits(Gather(self.measured, draw))
            case "unconditional":
                return self.scrubbed(replicate, free=True, **changes)
        chosen = background(ablation(self.claim, self.hypothesis), self.measured, self.hypothesis)
        return circuit_logits(self.algebra, (), chosen, Run(self.measured))

    def itself(self) -> float:
        """The largest share of draws that give the reference itself, of all features that are carried; 0 where it is small."""
        if self.sampling.pool != self.sampling.on:
            return 0.0
        cells = [self.donors.cells(feature) for feature in self.features]
        share = max((len(one) / sum(one.values()) for one in cells), default=0.0)
        return min(share, ALMOST_ALL) if share > MOST_ITSELF else 0.0

    def _error(self, code: str, message: str, hint: str) -> CircError:
        return refusal(code, message, self.claim.span, hint, source=self.hypothesis.source)

    def _guard(self) -> None:
        replicates = self.claim.options.replicates
        if replicates is not None and not (1 <= replicates <= MOST_REPLICATES and replicates == int(replicates)):
            hint = "`replicates = 4` draws four donors for each prompt"
            raise self._error("C375", f"`replicates` is a whole number from 1 to {MOST_REPLICATES:,}", hint)
        for feature in self.features:
            for name in (self.sampling.on, self.sampling.pool):
                if name not in self.hypothesis.features.get(feature, {}):
                    message = f"the prompts of `{name}` have no `{feature}`, which a node carries"
                    raise self._error("C376", message, "scrub on prompts that have it, with donors that have it")

    def _check_places(self) -> None:
        """That what donors have elsewhere is delivered to readers that may read it there."""
        incoming = self.scrubbing().incoming
        self.donors.check(incoming)
        if self.baseline == "unconditional":
            ScrubDonors(self.claim, self.hypothesis, replace(self.sampling, free=True)).check_free(incoming)


def _check(claim: Claim[ScrubOptions], hypothesis: Hypothesis) -> None:
    """That donors are there and stand where they are read, and that the tree is not too large for the smallest banks."""
    Scrubs(claim, hypothesis, Algebra(), most_slots=FEWEST_SLOTS)


def _lower_scrub(claim: Claim[ScrubOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered | Search:
    runs = Scrubs(claim, hypothesis, algebra)
    candidates = claim.options.adversary
    return _scored(runs) if candidates is None else against(runs, candidates, lambda *found: _scored(runs, *found))


def _scored(runs: Scrubs, grouping: Grouping | None = None, tried: str = "") -> Lowered:
    """The score with what stands beside it; with a grouping that an adversary found, the score under it too."""
    columns = DrawnColumns(runs.measured, runs.claim.metric_name)
    columns.add("F(M)", [runs.model])
    columns.add("F(scrub)", runs.draws())
    columns.add("F(base)", [runs.base(number) for number in range(1 if runs.baseline == "pair" else runs.replicates)])
    columns.add_divergence("KL(M‖scrub)", runs.draws(), runs.model)
    score, bias = bounded(runs, columns)
    beside: dict[str, Estimand] = {
        "F(scrub)": MeanOf(column("F(scrub)"), banks=runs.banks),
        "F(base)": MeanOf(column("F(base)")),
        "F(M)": MeanOf(column("F(M)")),
        "|F(scrub) − F(M)| a prompt": MeanOf(Combination((("F(scrub)", 1.0), ("F(M)", -1.0))), absolute=True),
        "KL(M‖scrub)": MeanOf(column("KL(M‖scrub)")),
    }
    watches: list[Watch] = []
    for rows, watched in (
        bias,
        together_or_apart(runs, columns),
        adversary_found(runs, columns, grouping),
        ({}, mechanism_kept(runs, columns)),
    ):
        beside |= rows
        watches += watched
    conditions, warnings = _conditions(runs)
    if tried:
        conditions["adversary"] = tried
    return Lowered(
        columns.readouts,
        (Member(runs.claim.label, score, beside),),
        conditions,
        replicates=columns.replicates,
        classes={feature: _names(runs.hypothesis, feature, runs.measured) for feature in runs.features},
        notes=(f"{runs.claim.label}: {runs.sizes}, {runs.replicates} draws for each prompt ({runs.how}); {runs.cost}",),
        warnings=warnings,
        watches=tuple(watches),
    )


def _conditions(runs: Scrubs) -> tuple[dict[str, str], tuple[CodedWarning, ...]]:
    """What the score holds under, and warnings of too few donors."""
    hypothesis, sampling, options = runs.hypothesis, runs.sampling, runs.claim.options
    conditions = {
        "baseline": runs.baseline,
        "sampling": runs.how,
        "draws": f"{runs.replicates} for each prompt",
        "donors": sampling.pool,
        "classes": runs.donors.classes,
        "on": runs.measured,
    }
    if runs.baseline == "pair":
        conditions["ablate"] = str(ablation(runs.claim, hypothesis))
    if sampling.apart:
        conditions["others"] = ", ".join(one.name for one in sampling.apart)
    if options.circuit:
        conditions["circuit"] = ", ".join(options.circuit)
    conditions["size"] = runs.sizes
    if hypothesis.settings.align == "absolute":
        conditions |= runs.donors.elsewhere(runs.scrubbing().incoming)
    warnings: list[CodedWarning] = []
    for feature in runs.features:
        cells = runs.donors.cells(feature)
        if hypothesis.settings.align == "layout" and runs.donors.fixed(feature):
            said = f"all prompts of a layout agree on `{feature}`, so its donors are any prompts of the layout; "
            warnings.append(CodedWarning("W069", f"{said}`align = absolute` tells it from what else the layout fixes"))
        itself = len(cells) / sum(cells.values())
        if sampling.pool == sampling.on:
            conditions[f"donor is the reference ({feature})"] = f"{itself:.1%} of draws"
        if sampling.pool == sampling.on and itself > MOST_ITSELF:
            said = f"{itself:.0%} of the donors that agree on `{feature}` are the reference itself: this hides losses"
            warnings.append(CodedWarning("W063", f"{said}; the verdict allows for them"))
        few = [count for count in cells.values() if count < FEWEST_DONORS]
        if few:
            said = f"{len(few)} of {len(cells)} classes of `{feature}`, cut by {runs.donors.cut}, have fewer than {FEWEST_DONORS} donors"
            warnings.append(CodedWarning("W057", f"{said}; the smallest has {min(few)}"))
    return conditions, tuple(warnings)


def _names(hypothesis: Hypothesis, feature: str, measured: str) -> tuple[str, ...]:
    """Each row's class in words: the slot's text, the texts of its fields, or a derived feature's number."""
    prompts, classes = hypothesis.distributions[measured].prompts, hypothesis.features[feature][measured]

    def named(values: Mapping[str, str], number: int) -> str:
        fields = [text for name, text in values.items() if name.startswith(f"{feature}.")]
        return values.get(feature) or ", ".join(fields) or f"class {number}"

    return tuple(named(prompt.values, value) for prompt, value in zip(prompts, classes, strict=True))


SCRUB = Measure(
    name="scrub",
    summary="share of the behaviour that is left when what a node carries is all that is kept of it",
    formula="(F_scrub - F_base) / (F(M) - F_base), F_scrub the mean metric of causally scrubbed runs",
    unit="share of the model's metric above the baseline's",
    range=Range(says="1 is the model's own, 0 the baseline's"),
    source="Chan et al. 2022, Causal scrubbing (Alignment Forum); docs/semantics.md, section 7",
    baseline="stated: shuffle (labels of an independent prompt), unconditional (every donor free), or pair (F of the empty circuit)",
    signature=Signature(
        subject="metric",
        options=ScrubOptions,
    ),
    lower=_lower_scrub,
    check=_check,
    example="scrub(logit_diff, baseline = shuffle, replicates = 2) >= 0.5",
    details="A node without `carries` keeps its reference. What is left out of a node's inputs comes from one more prompt. "
    "Scores above 1 are reported as they are. Where the tree has more than 4,000 recomputations, paths take from banks of a few values "
    "of each node; interval and verdict allow for what that is off by. A score near 1 is no proof: read the mean absolute change, the "
    "KL and the classes beside it.",
)
