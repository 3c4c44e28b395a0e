"""The spine: from a file to its verdicts, one stage after the other.

    read → resolve → lower → plan → execute → judge → record

Each stage is a function between the types of `circuitdsl.borders`; only this module and `run` join them. Those that need torch are
imported where they run, so that checking a file stays fast.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from circuitdsl.borders.document import Document, Model
from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Claim, Hypothesis, ModelName
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.source import CircError, Diagnostic, Span
from circuitdsl.borders.values import Algebra

if TYPE_CHECKING:
    from circuitdsl.borders.adapter import Adapter
    from circuitdsl.borders.plan import Machine, Plan
    from circuitdsl.borders.verdict import ClaimVerdict
    from circuitdsl.engine.captures import Captures
    from circuitdsl.reports.record import Asked, Looking

Found = TypeVar("Found")
Part = Literal["exploring", "verifying"]


def read(path: Path) -> Document:
    """Text to syntax tree. Raises CircError with every syntax error of the file."""
    from circuitdsl.language.parser import parse
    from circuitdsl.language.reading import read_source

    return parse(read_source(path))


def resolve(document: Document, flags: Flags) -> Hypothesis:
    """Syntax tree to checked hypothesis. Reads the model's configuration and tokenizer, not its weights.

    Raises CircError with everything that is wrong. Warnings are in the hypothesis.
    """
    from circuitdsl.language.parser import parse
    from circuitdsl.measures import measures
    from circuitdsl.models.readable import check_readable
    from circuitdsl.models.shapes import find_shape
    from circuitdsl.models.tokenizers import load_tokenizer
    from circuitdsl.resolve import resolve as resolve_document

    model, folder = _model(document, flags), document.source.folder
    shape, tokenizer = _placed(document, flags, lambda: (find_shape(model, folder), load_tokenizer(model, folder)))
    settings = {**flags.settings, **({"model": flags.model} if flags.model else {})}
    try:
        hypothesis = resolve_document(document, shape, tokenizer, measures(), settings, parse=parse)
        _placed(document, flags, lambda: check_readable(hypothesis, tokenizer))
    finally:
        if tokenizer:
            tokenizer.keep()
    _check_claims(hypothesis)
    return hypothesis


def _check_claims(hypothesis: Hypothesis) -> None:
    """Raises CircError with the claims that a measure sees at once that it cannot lower."""
    from circuitdsl.measures import measures

    wrong: list[Diagnostic] = []
    for claim in hypothesis.claims:
        if refuse := measures()[claim.measure].check:
            try:
                refuse(claim, hypothesis)
            except CircError as error:
                wrong += error.diagnostics
    if wrong:
        raise CircError(wrong)


def fetch(document: Document, flags: Flags, progress: Progress = quiet) -> None:
    """Downloads the model that a file names, if it is on the Hub and not here: what follows needs its tokenizer."""
    from circuitdsl.models.hub import fetch as fetch_model

    model, folder = _model(document, flags), document.source.folder
    _placed(document, flags, lambda: fetch_model(model, folder=folder, unsafe=flags.unsafe, progress=lambda what: progress(what, 0.0)))


def _model(document: Document, flags: Flags) -> ModelName:
    from circuitdsl.language.parser import parse
    from circuitdsl.resolve import model_name

    return ModelName(flags.model) if flags.model else model_name(document, parse)


def _placed(document: Document, flags: Flags, find: Callable[[], Found]) -> Found:
    """What `find` gives; an error about the model, which stands nowhere, is put where it is named: at the flag or the statement."""
    try:
        return find()
    except CircError as error:
        if flags.model:
            raise CircError([replace(one, message=f"--model: {one.message}") for one in error.diagnostics]) from None
        named = next((statement for statement in document.statements if isinstance(statement, Model)), None)
        if named is None:
            raise
        raise CircError([replace(one, span=named.name.span, source=document.source) for one in error.diagnostics]) from None


def lower(hypothesis: Hypothesis, algebra: Algebra) -> "tuple[Asked | Looking, ...]":
    """Every claim to the values it needs, with the rows it is measured on: measurements explore, verdicts verify.

    A claim that has to look first gives a `Looking`, on exploring rows. Raises CircError C106 where the file has no prompts (yet).
    """
    if not hypothesis.distributions:
        raise CircError([Diagnostic("C106", "the file has no prompts to measure on", Span(), hint="add `prompts clean { … }`")])
    from circuitdsl.measures import measures
    from circuitdsl.measures.replicates import lower_redrawn

    registry = measures()
    found: list[Asked | Looking] = []
    wrong: list[Diagnostic] = []
    for claim in hypothesis.claims:
        try:
            found.append(_asked(hypothesis, claim, lower_redrawn(registry[claim.measure], claim, hypothesis, algebra)))
        except CircError as error:
            wrong += error.diagnostics
    if wrong:
        raise CircError(wrong)
    return tuple(found)


def _asked(hypothesis: Hypothesis, claim: Claim, lowered: Lowered | Search, looked: bool = False) -> "Asked | Looking":
    from circuitdsl.measures import measures
    from circuitdsl.reports.record import Asked, Looking

    measured = claim.options.get("on") or hypothesis.default
    known = measures().get(claim.measure)
    summary = known.summary if known else ""
    subset = hypothesis.settings.subset if known and known.costly else None
    if isinstance(lowered, Search):
        assert hypothesis.exploring, f"the signature of `{claim.measure}` does not say that it searches"
        rows, _ = hypothesis.divided(claim, measured)
        rows = hypothesis.some(rows, measured, subset)
        return Looking(claim, lowered, measured, "exploring", rows, summary, whole=claim.comparison is not None)
    part: Part = "verifying" if claim.comparison or not hypothesis.exploring else "exploring"
    whole = not (looked and claim.comparison is None)
    every = hypothesis.rows(measured, part) if whole else hypothesis.divided(claim, measured)[1]
    rows = hypothesis.some(every, measured, subset)
    if subset is not None:
        lowered = replace(lowered, conditions={**lowered.conditions, "subset": f"{len(rows)} of {len(every)} prompts"})
    return Asked(claim, lowered, measured, part, rows, summary, whole=whole)


def lower_figure(hypothesis: Hypothesis, algebra: Algebra, edges: bool) -> "tuple[Asked, ...]":
    """The effect on the circuit of each node and each edge as written; nothing without a circuit, a metric, or an ablation."""
    from circuitdsl.measures.circuits import lower_graph
    from circuitdsl.reports.record import Asked

    named = [claim.metric for claim in hypothesis.claims if claim.metric]
    metric = next((one for one in [*named, *hypothesis.metrics] if hypothesis.default in hypothesis.metrics[one].bound), None)
    if not (hypothesis.edges and metric and hypothesis.settings.ablate):
        return ()
    lowered = lower_graph(hypothesis, algebra, metric, edges)
    judged = any(claim.comparison for claim in hypothesis.claims)
    part: Part = "verifying" if judged or not hypothesis.exploring else "exploring"  # measurements leave the other prompts unseen
    rows = hypothesis.rows(hypothesis.default, part)
    return (Asked(Claim("figure", "figure", "", metric=metric), lowered, hypothesis.default, part, rows),)


def machine(flags: Flags) -> "Machine":
    """What predictions of time need to know of this machine: measured once a day, which takes about a second."""
    from circuitdsl.borders.folders import cache_folder
    from circuitdsl.engine.machine import machine as measured

    return measured(cache_folder(), flags.device, flags.dtype)


def plan(hypothesis: Hypothesis, asked: "Sequence[Asked | Looking]", memory: int | None = None, machine: "Machine | None" = None) -> "Plan":
    """Values in order, every draw made. A readout that several claims ask for is asked for once, on all their rows.

    With a `machine` the plan's cost says how long it takes.
    """
    from circuitdsl.borders.plan import Request
    from circuitdsl.planning import plan as plan_requests

    rows: dict[str, set[int]] = {}
    readouts = {}
    for one in asked:
        for readout in one.lowered.readouts.values():
            readouts[readout.digest] = readout
            rows.setdefault(readout.digest, set()).update(one.rows)
    requests = tuple(Request(readout, tuple(sorted(rows[digest]))) for digest, readout in readouts.items())
    planned = plan_requests(requests, hypothesis, seed=hypothesis.settings.seed, memory=memory, machine=machine)
    notes = (note for one in asked if isinstance(one.lowered, Lowered) for note in one.lowered.notes)
    return replace(planned, notes=(*planned.notes, *notes))


def measure(
    planned: "Plan",
    adapter: "Adapter",
    hypothesis: Hypothesis,
    progress: Progress = quiet,
    captures: "Captures | None" = None,
    what: str = "measuring",
) -> dict[str, dict[int, float]]:
    """Per-prompt numbers, or vectors [d]: readout digest, then row."""
    from circuitdsl.engine.executor import execute
    from circuitdsl.models.exact import exact

    with exact() if adapter.dtype.itemsize == 8 else nullcontext():
        found = execute(planned, adapter, hypothesis, captures=captures, progress=lambda done, every: progress(what, done / every))
    return {request.readout.digest: dict(zip(request.rows, found[request.readout.digest], strict=True)) for request in planned.requests}


def settle(
    hypothesis: Hypothesis,
    found: "Sequence[Asked | Looking]",
    look: "Callable[[Plan], dict[str, dict[int, float]]]",
    memory: int | None = None,
) -> "tuple[Asked, ...]":
    """Looks for the claims that have to, until every claim is lowered. All that look do so together."""
    from circuitdsl.reports.record import Looking

    found = list(found)
    while looking := [one for one in found if isinstance(one, Looking)]:
        numbers = look(plan(hypothesis, looking, memory))
        found = [
            _asked(hypothesis, one.claim, one.lowered.then(one.columns(numbers)), looked=True) if isinstance(one, Looking) else one
            for one in found
        ]
    return tuple(one for one in found if not isinstance(one, Looking))


def judge(
    hypothesis: Hypothesis, asked: "Sequence[Asked]", numbers: Mapping[str, Mapping[int, float]], share: float = 1.0
) -> "tuple[ClaimVerdict, ...]":
    """Columns to verdicts, corrected over these claims, which have a share of what all verdicts of the file may err."""
    import numpy as np

    from circuitdsl.borders.verdict import Question
    from circuitdsl.statistics import judge as judge_questions

    questions = []
    for one in asked:
        prompts = hypothesis.distributions[one.measured].prompts
        clusters = np.array([prompts[row].cluster for row in one.rows])
        classes = {name: np.array([named[row] for row in one.rows]) for name, named in one.lowered.classes.items()}
        columns = one.columns(numbers)
        questions.append(
            Question(one.claim.label, one.claim.comparison, one.lowered.members, columns, clusters, classes, one.lowered.watches)
        )
    verdicts = judge_questions(questions, confidence=hypothesis.settings.confidence, seed=hypothesis.settings.seed, share=share)
    return tuple(
        verdict.model_copy(update={"warnings": (*one.lowered.warnings, *verdict.warnings)})
        for one, verdict in zip(asked, verdicts, strict=True)
    )
