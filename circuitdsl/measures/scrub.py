"""`scrub`: how much of the behaviour is left when every value may be that of any prompt which the hypothesis calls equal."""

from collections.abc import Mapping

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import (
    Combination,
    Estimand,
    Lowered,
    MeanOf,
    Measure,
    Member,
    NumberRange,
    Search,
    Signature,
    column,
)
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.values import Algebra
from circuitdsl.borders.watches import Watch
from circuitdsl.measures.adversary import Grouping, against
from circuitdsl.measures.banks import FEWEST_SLOTS
from circuitdsl.measures.redrawn_columns import DrawnColumns
from circuitdsl.measures.scrub_checks import adversary_found, bounded, mechanism_kept, together_or_apart
from circuitdsl.measures.scrub_claim import MOST_ITSELF, Scrubs
from circuitdsl.measures.scrub_options import ScrubOptions
from circuitdsl.measures.worlds import ablation

FEWEST_DONORS = 20


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
    range=NumberRange(says="1 is the model's own, 0 the baseline's"),
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
