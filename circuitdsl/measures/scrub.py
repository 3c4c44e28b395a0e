"""`scrub`: how much of the behaviour is left when every value may be that of any prompt which the hypothesis calls equal."""

from dataclasses import replace

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Combination, Estimand, Lowered, MeanOf, Measure, Member, OptionSpec, RatioOf, Signature, column
from circuitdsl.borders.measure import difference as minus
from circuitdsl.borders.source import CircError, Diagnostic
from circuitdsl.borders.values import Algebra, Draw, Gather, Readout, Recomputed, Run
from circuitdsl.measures.aligned import Donors
from circuitdsl.measures.behaviour import ABLATE, ON, PART
from circuitdsl.measures.circuit import circuit_logits, within
from circuitdsl.measures.scrubbing import Apart, Sampling, Scrubbing, tree_size
from circuitdsl.measures.worlds import ablation, background, labels

LARGEST_TREE = 4000
"""Recomputations a prompt and draw: more take hours on a real model."""
FEWEST_DONORS = 20
MOST_ITSELF = 0.2
"""Share of draws that may give the reference itself before that is worth a warning."""


class Scrubs:
    """The runs that a claim compares: scrubbed, the model's own, and the baseline's."""

    def __init__(self, claim: Claim, hypothesis: Hypothesis, algebra: Algebra):
        self.claim, self.hypothesis, self.algebra = claim, hypothesis, algebra
        self.measured = labels(claim, hypothesis)
        options = claim.options
        self.replicates = int(options.get("replicates") or 1)
        self.links = within(hypothesis, options.get("circuit"))
        self.baseline = options["baseline"]
        apart = tuple(Apart(name, hypothesis.nodes[name].places) for name in options.get("others") or ())
        self.sampling = Sampling(self.measured, options.get("from") or self.measured, options.get("sampling") or "tree", apart=apart)
        self._scrubbed: dict[tuple, tuple[Recomputed, int]] = {}
        self.donors = Donors(claim, hypothesis, self.sampling)
        self.model = algebra.logits(Run(self.measured))
        self._guard()

    def scrubbing(self, **changes: object) -> Scrubbing:
        return Scrubbing(self.algebra, self.hypothesis, self.links, replace(self.sampling, **changes))  # type: ignore[arg-type]

    def scrubbed(self, replicate: int = 0, **changes: object) -> Recomputed:
        key = (replicate, *sorted(changes.items()))
        if key not in self._scrubbed:
            run = self.scrubbing(replicate=replicate, **changes)
            self._scrubbed[key] = run.logits(), run.size
        return self._scrubbed[key][0]

    def base(self, replicate: int) -> Recomputed:
        """`shuffle` reads a prompt of the layout (or length) with the row's own labels: as likely as the row with that prompt's."""
        match self.baseline:
            case "shuffle":
                draw = Draw(self.measured, self.measured, f"{replicate}:shuffle")
                return self.algebra.logits(Gather(self.measured, draw))
            case "unconditional":
                return self.scrubbed(replicate, free=True)
        chosen = background(ablation(self.claim, self.hypothesis), self.measured, self.hypothesis)
        return circuit_logits(self.algebra, (), chosen, Run(self.measured))

    def features(self) -> tuple[str, ...]:
        groups = (group for groups in self.scrubbing().incoming.values() for group in groups)
        return tuple(dict.fromkeys(group.carries for group in groups if group.carries))

    def _error(self, code: str, message: str, hint: str) -> CircError:
        return CircError([Diagnostic(code, message, self.claim.span, hint, source=self.hypothesis.source)])

    def _guard(self) -> None:
        if self.replicates < 1 or self.replicates != (self.claim.options.get("replicates") or 1):
            raise self._error("C375", "`replicates` is a whole number, at least 1", "`replicates = 4` draws four donors for each prompt")
        for feature in self.features():
            for name in (self.sampling.on, self.sampling.pool):
                if name not in self.hypothesis.features.get(feature, {}):
                    message = f"the prompts of `{name}` have no `{feature}`, which a node carries"
                    raise self._error("C376", message, "scrub on prompts that have it, with donors that have it")
        if self.hypothesis.settings.align == "absolute":
            self.donors.check(self.scrubbing().incoming)
            if self.baseline == "unconditional":
                Donors(self.claim, self.hypothesis, replace(self.sampling, free=True)).check_free(self.scrubbing().incoming)

    def sizes(self) -> tuple[int, int | None]:
        """Recomputations a prompt and draw: of the tree, and with shared draws (None where that was not asked for)."""
        size = tree_size(self.scrubbing().incoming)
        if self.sampling.kind == "shared" or size > LARGEST_TREE:
            self.scrubbed(kind="shared") if self.sampling.kind == "tree" else self.scrubbed()
            return size, next(iter(self._scrubbed.values()))[1]
        return size, None


def _lower_scrub(claim: Claim, hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    runs = Scrubs(claim, hypothesis, algebra)
    size, once = runs.sizes()
    if size > LARGEST_TREE and runs.sampling.kind == "tree":
        message = f"the tree of this hypothesis has {size:,} recomputations for every prompt; the most is {LARGEST_TREE:,}"
        hint = f"`sampling = shared` has {once:,}; or scrub a part of it with `circuit = (…)`"
        raise CircError([Diagnostic("C377", message, claim.span, hint, source=hypothesis.source)])
    columns = _Columns(runs)
    columns.add("F(M)", [runs.model])
    columns.add("F(scrub)", [runs.scrubbed(number) for number in range(runs.replicates)])
    columns.add("F(base)", [runs.base(number) for number in range(1 if runs.baseline == "pair" else runs.replicates)])
    columns.add("KL(M‖scrub)", [runs.scrubbed(number) for number in range(runs.replicates)], kind="kl", reference=runs.model)
    score = RatioOf(minus("F(scrub)", "F(base)"), minus("F(M)", "F(base)"))
    beside: dict[str, Estimand] = {
        "F(scrub)": MeanOf(column("F(scrub)")),
        "F(base)": MeanOf(column("F(base)")),
        "F(M)": MeanOf(column("F(M)")),
        "|F(scrub) − F(M)| a prompt": MeanOf(Combination((("F(scrub)", 1.0), ("F(M)", -1.0))), absolute=True),
        "KL(M‖scrub)": MeanOf(column("KL(M‖scrub)")),
    }
    features = runs.features()
    sampling = runs.sampling
    conditions = {
        "baseline": runs.baseline,
        "sampling": sampling.kind,
        "draws": f"{runs.replicates} for each prompt",
        "donors": sampling.pool,
        "classes": runs.donors.classes,
        "on": runs.measured,
    }
    if runs.baseline == "pair":
        conditions["ablate"] = str(ablation(claim, hypothesis))
    if sampling.apart:
        conditions["others"] = ", ".join(one.name for one in sampling.apart)
    if claim.options.get("circuit"):
        conditions["circuit"] = ", ".join(claim.options["circuit"])
    sizes = f"{size:,} recomputations in the tree" + (f", {once:,} with shared draws" if once is not None else "")
    conditions["size"] = sizes
    if hypothesis.settings.align == "absolute":
        conditions |= runs.donors.elsewhere(runs.scrubbing().incoming)
    warnings = []
    for feature in features:
        cells = runs.donors.cells(feature)
        if hypothesis.settings.align == "layout" and runs.donors.fixed(feature):
            warnings.append(
                f"W069: all prompts of a layout agree on `{feature}`, so its donors are any prompts of the layout; "
                "`align = absolute` tells it from what else the layout fixes"
            )
        itself = len(cells) / sum(cells.values())
        if sampling.pool == sampling.on:
            conditions[f"donor is the reference ({feature})"] = f"{itself:.1%} of draws"
        if sampling.pool == sampling.on and itself > MOST_ITSELF:
            warnings.append(f"W063: {itself:.0%} of the donors that agree on `{feature}` are the reference itself: this hides losses")
        few = [count for count in cells.values() if count < FEWEST_DONORS]
        if few:
            warnings.append(
                f"W057: {len(few)} of {len(cells)} classes of `{feature}`, cut by {runs.donors.cut}, have fewer than {FEWEST_DONORS} "
                f"donors; the smallest has {min(few)}"
            )
    return Lowered(
        columns.readouts,
        (Member(claim.label, score, beside),),
        conditions,
        replicates=columns.replicates,
        classes={feature: _names(hypothesis, feature, runs.measured) for feature in features},
        notes=(f"{claim.label}: {sizes}, {runs.replicates} draws for each prompt ({sampling.kind})",),
        warnings=tuple(warnings),
    )


class _Columns:
    """Readouts of runs by name, one or several of each."""

    def __init__(self, runs: Scrubs):
        self._runs = runs
        self.readouts: dict[str, Readout] = {}
        self.replicates: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, logits: list[Recomputed], kind: str = "metric", reference: Recomputed | None = None) -> None:
        names = [name] if len(logits) == 1 else [f"{name} {number}" for number in range(1, len(logits) + 1)]
        for one, value in zip(names, logits, strict=True):
            self.readouts[one] = Readout(kind, value, self._runs.measured, self._runs.claim.metric, reference)  # type: ignore[arg-type]
        if len(names) > 1:
            self.replicates[name] = tuple(names)


def _names(hypothesis: Hypothesis, feature: str, measured: str) -> tuple[str, ...]:
    """Each row's class in words: the slot's text, or a derived feature's number."""
    prompts, classes = hypothesis.distributions[measured].prompts, hypothesis.features[feature][measured]
    return tuple(prompt.values.get(feature, f"class {value}") for prompt, value in zip(prompts, classes, strict=True))


SCRUB = Measure(
    name="scrub",
    summary="share of the behaviour that is left when what a node carries is all that is kept of it",
    formula="(F_scrub - F_base) / (F(M) - F_base), F_scrub the mean metric of causally scrubbed runs",
    unit="share of the model's metric above the baseline's",
    range="any number; 1 is the model's own, 0 the baseline's",
    source="Chan et al. 2022, Causal scrubbing (Alignment Forum); semantics: causal scrubbing",
    baseline="stated: shuffle (labels of an independent prompt), unconditional (every donor free), or pair (F of the empty circuit)",
    signature=Signature(
        subject="metric",
        options={
            "baseline": OptionSpec(
                "word",
                required=True,
                words=("shuffle", "unconditional", "pair"),
                help="what 0 means: shuffle: labels of an independent prompt; unconditional: every donor free; pair: F(∅), under `ablate`",
            ),
            "sampling": OptionSpec(
                "word",
                default="tree",
                words=("tree", "shared"),
                help="tree: every path draws anew; shared: one donor for each prompt and value of a feature",
            ),
            "replicates": OptionSpec("number", default=1, help="how often donors are drawn for each prompt"),
            "others": OptionSpec("nodes", help="nodes that share a draw of their own where they are left out; the rest share one"),
            "from": OptionSpec("distribution", help="where donors come from; default: the measured prompts"),
            "on": ON,
            "ablate": ABLATE,
            "circuit": PART,
        },
    ),
    lower=_lower_scrub,
    details="A node without `carries` keeps its reference. What the hypothesis leaves out of a node's inputs comes from one more prompt. "
    "Scores above 1 are reported as they are. A score near 1 is no proof: read the mean absolute change, the KL and the classes beside it.",
)
