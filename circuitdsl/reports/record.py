"""Puts a run's findings together as Evidence."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from circuitdsl.borders.evidence import (
    ClaimRecord,
    ComparisonRecord,
    ConditionRecord,
    DistributionRecord,
    Evidence,
    FileRecord,
    InputRecord,
    MemberRecord,
    ModelRecord,
    ReadoutRecord,
)
from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import AucOf, BoundedOf, Estimand, MeanOf, PermutedOf, ProportionOf, RankOf, SpreadOf
from circuitdsl.borders.measured import MeasuredClaim
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import Source
from circuitdsl.borders.verdict import ClaimVerdict
from circuitdsl.reports.definitions import definitions
from circuitdsl.reports.graph import graph_record
from circuitdsl.reports.turning_point import turning


def record(
    hypothesis: Hypothesis,
    asked: Sequence[MeasuredClaim],
    verdicts: Sequence[ClaimVerdict],
    figure: MeasuredClaim | None,
    figure_verdict: ClaimVerdict | None,
    numbers: Mapping[str, Mapping[int, float]],
    *,
    model: ModelRecord,
    tokens: Sequence[str],
    sequential: bool = False,
    **run: Any,
) -> Evidence:
    """The evidence of a run. `run` are the fields of `Evidence` that say how it was made: command, created, seconds, versions, …"""
    kept = [one.kept(numbers) for one in asked]
    claims = tuple(
        claim_record(one, verdict, hypothesis, {name: column for name, (column, _) in columns.items()})
        for one, verdict, columns in zip(asked, verdicts, kept, strict=True)
    )
    effects = {member.about: member.estimate for member in figure_verdict.members} if figure_verdict else {}
    default = hypothesis.distributions[hypothesis.default]
    graph = graph_record(
        hypothesis,
        claims,
        effects,
        effect_of=figure.claim.metric or "" if figure else "",
        tokens=tokens,
        caption=caption(hypothesis, model, figure),
    )
    return Evidence(
        file=file_record(hypothesis),
        model=model,
        conditions=condition_records(hypothesis, sequential),
        distributions=distribution_records(hypothesis),
        default=hypothesis.default,
        exploring_sha256=rows_sha256(default, hypothesis.exploring) if hypothesis.exploring else None,
        verifying_sha256=rows_sha256(default, hypothesis.verifying),
        looked_at=looked_at(hypothesis, asked, figure),
        claims=claims,
        columns={column: values for columns in kept for column, values in columns.values()},
        graph=graph,
        **run,
    )


def caption(hypothesis: Hypothesis, model: ModelRecord, figure: MeasuredClaim | None) -> str:
    """The sentence below a figure: what was measured, on what, under which conditions."""
    said = f"{hypothesis.title}. Model: {model.weights}."
    if figure is None:
        return said
    conditions = ", ".join(f"{name} = {value}" for name, value in figure.lowered.conditions.items())
    return (
        f"{said} Width: change of {figure.claim.metric} in the circuit's run when the node or edge is cut, "
        f"mean over {len(figure.rows)} prompts ({conditions})."
    )


def claim_record(asked: MeasuredClaim, verdict: ClaimVerdict, hypothesis: Hypothesis, columns: Mapping[str, str]) -> ClaimRecord:
    """`columns`: the claim's names of columns, and those of the evidence."""
    claim, lowered = asked.claim, asked.lowered
    start, source = max((file for file in _files(hypothesis) if file[0] <= claim.span.start), key=lambda file: file[0])
    found = ClaimRecord(
        label=claim.label,
        text=claim.text,
        question=question(claim, asked.summary),
        comparison=None
        if claim.comparison is None
        else ComparisonRecord(operator=claim.comparison.operator, value=claim.comparison.value, margin=claim.comparison.margin),
        line=source.text.count("\n", 0, claim.span.start - start) + 1,
        file=_name(hypothesis, source) if start else None,
        measure=claim.measure,
        warn=claim.warn,
        rows=asked.part,
        conditions=dict(lowered.conditions),
        definitions=definitions(hypothesis, asked),
        readouts=tuple(ReadoutRecord(name=name, column=column) for name, column in columns.items()),
        members=tuple(MemberRecord(label=m.label, about=m.about, estimand=describe(m.estimand)) for m in lowered.members),
        verdict=verdict,
    )
    return found.model_copy(update={"turns": turning(found)})


def question(claim: Claim, summary: str) -> str:
    """What a claim asks, in plain words: what its measure tells, and whether that is what the claim says it is."""
    if claim.comparison is None or not summary:
        return summary
    value, margin = claim.comparison.value, claim.comparison.margin or 0.0
    words = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}
    bound = f"between {value - margin:g} and {value + margin:g}" if claim.comparison.operator == "=" else None
    whose = f", for each {claim.each}" if claim.each else ""
    return f"{summary}{whose}: is it {bound or f'{words[claim.comparison.operator]} {value:g}'}?"


def describe(estimand: Estimand) -> str:
    """The statistic in words, over the claim's named columns."""
    if isinstance(estimand, ProportionOf):
        return f"proportion({estimand.of})"
    if isinstance(estimand, MeanOf):
        return f"mean |{estimand.of}|" if estimand.absolute else f"mean({estimand.of})"
    if isinstance(estimand, SpreadOf):
        return f"{describe(estimand.first)} − {describe(estimand.second)}"
    if isinstance(estimand, BoundedOf):
        bounds = [describe(estimand.half)] if estimand.half else []
        bounds += [f"{estimand.itself:.0%} of draws of the reference itself"] if estimand.itself else []
        return f"{describe(estimand.of)}, its bias bounded by {' and '.join(bounds)}"
    if isinstance(estimand, RankOf):
        among = f"all {len(estimand.among)}" if estimand.everything else str(len(estimand.among))
        return f"rank of |{estimand.target:g} − {describe(estimand.of)}| among {among} random circuits"
    if isinstance(estimand, AucOf):
        return f"area under the ROC curve of {estimand.score} for {estimand.positive}"
    if isinstance(estimand, PermutedOf):
        return f"p-value of {estimand.found} under permutations of {estimand.label}"
    numerator, denominator = f"mean({estimand.numerator})", f"mean({estimand.denominator})"
    return f"|{numerator}| / |{denominator}|" if estimand.absolute else f"{numerator} / {denominator}"


def file_record(hypothesis: Hypothesis) -> FileRecord:
    _, source = _files(hypothesis)[0]
    name = source.path.name if source.path else source.name
    return FileRecord(name=printable(name), sha256=_sha256(source.text.encode()), text=source.text)


def input_records(hypothesis: Hypothesis) -> tuple[InputRecord, ...]:
    """The other files as they are now: `.circ` files that are used, and data."""
    used = [source for _, source in _files(hypothesis)[1:]]
    circuits = [InputRecord(name=_name(hypothesis, one), sha256=_sha256(one.text.encode()), text=one.text) for one in used]
    folder = hypothesis.source.folder
    return (*circuits, *(InputRecord(name=name, sha256=_sha256((folder / name).read_bytes())) for name in hypothesis.data))


def _files(hypothesis: Hypothesis) -> tuple[tuple[int, Source], ...]:
    return hypothesis.files or ((0, hypothesis.source),)


def _name(hypothesis: Hypothesis, used: Source) -> str:
    """As it is named in the file."""
    assert used.path is not None and hypothesis.source.path is not None
    return used.path.relative_to(hypothesis.source.path.parent).as_posix()


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def printable(text: str) -> str:
    """Names of files and arguments may hold bytes that are no text; evidence is UTF-8."""
    return text.encode(errors="replace").decode()


def distribution_records(hypothesis: Hypothesis) -> tuple[DistributionRecord, ...]:
    return tuple(
        DistributionRecord(
            name=found.name,
            n=len(found),
            paired=found.paired,
            available=found.available,
            layouts=len(found.rows_by_layout()),
            sha256=rows_sha256(found, range(len(found))),
        )
        for found in hypothesis.distributions.values()
    )


def rows_sha256(distribution: Distribution, rows: Iterable[int]) -> str:
    """Hash of those prompts' token ids, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(np.asarray(distribution.prompts[row].tokens, dtype="<i8").tobytes() + b"\0")
    return digest.hexdigest()


def looked_at(hypothesis: Hypothesis, asked: Sequence[MeasuredClaim], figure: MeasuredClaim | None) -> tuple[str, ...]:
    """Of the exploring part, and of all prompts that a claim or the figure was measured on."""
    rows = {(hypothesis.default, row) for row in hypothesis.exploring}
    rows |= {(one.measured, row) for one in [*asked, *([figure] if figure else [])] for row in one.rows}
    return tuple(sorted({hypothesis.distributions[name].prompts[row].digest for name, row in rows}))


def condition_records(hypothesis: Hypothesis, sequential: bool = False) -> tuple[ConditionRecord, ...]:
    """Every setting in force, and who set it."""
    settings = hypothesis.settings
    values = {
        "prompts": settings.prompts,
        "seed": settings.seed,
        "ablate": settings.ablate or "none stated",
        "confidence": settings.confidence,
        "explore": f"{len(hypothesis.exploring)} of {len(hypothesis.exploring) + len(hypothesis.verifying)} prompts",
        "bos": "as the tokenizer does" if settings.bos is None else str(settings.bos).lower(),
        "align": settings.align,
    }
    if "found_on" in settings.extra:
        values["found_on"] = f"{', '.join(settings.extra['found_on'])}, whose prompts give no verdict here"
    if settings.extra.get("answers") == "exact":
        values["answers"] = "exact, also those of templates"
    if settings.extra.get("unequal") == "leave_out":
        values["unequal"] = "pairs of unequal length left out"
    if settings.subset is not None:
        values["subset"] = f"{settings.subset} prompts for random circuits, completeness and minimality"
    found = [ConditionRecord(name=name, value=str(value), origin=settings.origins.get(name, "default")) for name, value in values.items()]
    return (*found, *([ConditionRecord(name="sequential", value="yes", origin="flag")] if sequential else []))
