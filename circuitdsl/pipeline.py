"""The spine: from a file to its verdicts, one stage after the other.

    read → resolve → lower → plan → execute → judge → record

Each stage is a function between the types of `circuitdsl.borders`; only this module joins them. Stages that need torch are
imported where they run, so that checking a file stays fast.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from circuitdsl import __version__
from circuitdsl.borders.document import Document, Model
from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Claim, Hypothesis, ModelName
from circuitdsl.borders.measure import Lowered, Search
from circuitdsl.borders.source import CircError, Diagnostic, Span
from circuitdsl.borders.values import Algebra

if TYPE_CHECKING:
    from circuitdsl.borders.adapter import Adapter
    from circuitdsl.borders.evidence import Evidence, GraphRecord
    from circuitdsl.borders.plan import Machine, Plan
    from circuitdsl.borders.tree import TreeRecord
    from circuitdsl.borders.verdict import ClaimVerdict
    from circuitdsl.early import Numbers
    from circuitdsl.engine.captures import Captures
    from circuitdsl.engine.disk import RunsOnDisk
    from circuitdsl.models.loading import Loaded
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
    from circuitdsl.models.shapes import find_shape
    from circuitdsl.models.tokenizers import load_tokenizer
    from circuitdsl.resolve import resolve as resolve_document

    model, folder = _model(document, flags), document.source.folder
    shape, tokenizer = _placed(document, flags, lambda: (find_shape(model, folder), load_tokenizer(model, folder)))
    settings = {**flags.settings, **({"model": flags.model} if flags.model else {})}
    return resolve_document(document, shape, tokenizer, measures(), settings, parse=parse)


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

    A claim that has to look first gives a `Looking`, on exploring rows.
    """
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

    if not (hypothesis.edges and hypothesis.metrics and hypothesis.settings.ablate):
        return ()
    metric = next((claim.metric for claim in hypothesis.claims if claim.metric), next(iter(hypothesis.metrics)))
    lowered = lower_graph(hypothesis, algebra, metric, edges)
    judged = any(claim.comparison for claim in hypothesis.claims)
    part: Part = "verifying" if judged or not hypothesis.exploring else "exploring"  # measurements leave the other prompts unseen
    rows = hypothesis.rows(hypothesis.default, part)
    return (Asked(Claim("figure", "figure", "", metric=metric), lowered, hypothesis.default, part, rows),)


def machine(flags: Flags, measure: bool = False) -> "Machine | None":
    """What predictions of time need to know of this machine, if it was measured; with `measure` it is, which takes a second."""
    from circuitdsl.engine.machine import known
    from circuitdsl.engine.machine import machine as measured
    from circuitdsl.models.cache import cache_folder

    return (measured if measure else known)(cache_folder(), flags.device, flags.dtype)


CACHE = 2 * 10**9
"""Bytes of plain runs that are kept on disk unless told otherwise."""


def base_runs(loaded: "Loaded", flags: Flags) -> "RunsOnDisk | None":
    """The model's plain runs on disk, if they are kept there."""
    from circuitdsl.engine.disk import RunsOnDisk
    from circuitdsl.models.cache import cache_folder

    limit = CACHE if flags.cache is None else flags.cache
    return RunsOnDisk(cache_folder() / "runs", limit, loaded.identity) if limit else None


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


def verify(path: Path, flags: Flags, progress: Progress = quiet) -> "Evidence":
    """A file to its evidence and verdicts. Raises CircError for what is wrong with the file, GuardError for what is with the model."""
    from circuitdsl.engine.captures import Captures
    from circuitdsl.models.loading import load
    from circuitdsl.models.parity import check_parity
    from circuitdsl.models.tokenizers import assert_same_tokenizer, tokenizer_at
    from circuitdsl.reports.record import record

    started = time.perf_counter()
    progress("reading the file", 0.0)
    document = read(path)
    fetch(document, flags, progress)
    hypothesis = resolve(document, flags)
    algebra = Algebra()
    lowered = lower(hypothesis, algebra)
    figure = lower_figure(hypothesis, algebra, flags.edges)
    loaded = load(
        hypothesis.model,
        folder=hypothesis.source.folder,
        dtype=flags.dtype,
        device=flags.device,
        unsafe=flags.unsafe,
        progress=lambda what: progress(what, 0.0),
    )
    progress("checking the model", 0.0)
    tokenizer = tokenizer_at(loaded.location)
    prompts = hypothesis.distributions[hypothesis.default].prompts
    if tokenizer is not None:
        assert_same_tokenizer(tokenizer, loaded.location, [prompt.text for prompt in prompts])
    parity = check_parity(loaded.adapter, _batch(hypothesis))
    progress(parity.line(), 0.0)
    machine(flags, measure=True)  # so that `plan` can say how long the next run takes
    disk = base_runs(loaded, flags)
    captures = Captures(keep=True, disk=disk)

    def run(planned: "Plan", what: str = "choosing sets to knock out") -> dict[str, dict[int, float]]:
        return measure(planned, loaded.adapter, hypothesis, progress, captures, what)

    asked = settle(hypothesis, lowered, run, flags.memory)
    progress("planning", 0.0)
    if flags.sequential:
        asked, figure, verdicts, numbers = _early(
            hypothesis, asked, figure, lambda some: run(plan(hypothesis, some, flags.memory), "measuring")
        )
    else:
        numbers = run(plan(hypothesis, [*asked, *figure], flags.memory), "measuring")
        verdicts = judge(hypothesis, asked, numbers)
    progress("judging", 1.0)
    shown = prompts[(hypothesis.verifying or hypothesis.exploring)[0]].tokens
    return record(
        hypothesis,
        asked,
        verdicts,
        next(iter(figure), None),
        next(iter(judge(hypothesis, figure, numbers)), None),
        numbers,
        model=loaded.record(tokenizer, parity),
        tokens=[tokenizer.decode([token]) for token in shown] if tokenizer else [str(token) for token in shown],
        circuitdsl=__version__,
        command=flags.command,
        created=_now(),
        seconds=round(time.perf_counter() - started, 2),
        versions=_versions(),
        base_runs=disk.record() if disk else None,
        warnings=tuple(f"{warning.code}: {warning.message}" for warning in hypothesis.warnings),
    )


def _early(
    hypothesis: Hypothesis, asked: "Sequence[Asked]", figure: "Sequence[Asked]", run: "Callable[[Sequence[Asked]], Numbers]"
) -> "tuple[tuple[Asked, ...], tuple[Asked, ...], tuple[ClaimVerdict, ...], Numbers]":
    """Claims with known bounds block by block, the others at the end, on all prompts; each kind has its share of α.

    The figure too is of all prompts then, else of those that the first claim about them came to. Claims, figure, verdicts, numbers.
    """
    from circuitdsl.early import LATE, bounded, measure_early

    soon = [number for number, one in enumerate(asked) if bounded(one)]
    late = [number for number in range(len(asked)) if number not in soon]
    judged = sum(one.claim.comparison is not None for one in asked)
    stopped = measure_early(hypothesis, [asked[number] for number in soon], run, judged)
    rest = [asked[number] for number in late]
    if not rest:
        seen = {early.measured: early.rows for early in reversed(stopped.asked)}
        figure = [replace(one, rows=seen[one.measured], whole=False) if one.measured in seen else one for one in figure]
    numbers = {digest: dict(column) for digest, column in stopped.numbers.items()}
    for digest, column in run([*rest, *figure]).items() if rest or figure else ():
        numbers.setdefault(digest, {}).update(column)
    share = (judged - len(soon)) / judged if judged > len(soon) else 1.0
    late_verdicts = [
        verdict.model_copy(update={"warnings": (*verdict.warnings, LATE)}) if one.claim.comparison else verdict
        for one, verdict in zip(rest, judge(hypothesis, rest, numbers, share), strict=True)
    ]
    found = dict(zip(soon, zip(stopped.asked, stopped.verdicts, strict=True), strict=True))
    found |= dict(zip(late, zip(rest, late_verdicts, strict=True), strict=True))
    in_order = [found[number] for number in range(len(asked))]
    return tuple(one for one, _ in in_order), tuple(figure), tuple(verdict for _, verdict in in_order), numbers


def graph_of(path: Path, flags: Flags) -> "GraphRecord":
    """The graph of a `.circ` file, nothing tested, or of the evidence of a run."""
    from circuitdsl.reports.files import read_evidence
    from circuitdsl.reports.graph import graph_record

    if path.suffix == ".json":
        return read_evidence(path).graph
    return graph_record(resolve(read(path), flags))


def tree_of(path: Path, flags: Flags, label: str, row: int | None = None) -> "TreeRecord":
    """The tree of calls of a scrub claim for one row of the measured prompts (default: the first that verdicts rest on).

    Its donors are those that `verify` takes; no weights are loaded. Raises CircError C384 where there is no such claim or row.
    """
    from circuitdsl.measures.trees import tree
    from circuitdsl.planning.draws import Tape
    from circuitdsl.reports.tree import tree_record

    hypothesis = resolve(read(path), flags)
    claims = {claim.label: claim for claim in hypothesis.claims if claim.measure == "scrub"}
    if label not in claims:
        hint = f"its scrub claims are {', '.join(f'`{name}`' for name in claims)}" if claims else "it has no scrub claim"
        raise CircError([Diagnostic("C384", f"no scrub claim of {path} is called `{label}`", Span(), hint)])
    claim = claims[label]
    measured = claim.options.get("on") or hypothesis.default
    rows = len(hypothesis.distributions[measured])
    chosen = [*hypothesis.rows(measured, "verifying"), *hypothesis.rows(measured, "exploring")][0] if row is None else row
    if not 0 <= chosen < rows:
        raise CircError([Diagnostic("C384", f"`{measured}` has no row {chosen}", Span(), f"its rows are 0 to {rows - 1}")])
    found = tree(claim, hypothesis)
    tape = Tape(hypothesis, [chosen], hypothesis.settings.seed)
    drawn = {call.draw: int(tape.rows(call.draw)[chosen]) for call in found.calls if call.draw is not None}
    return tree_record(hypothesis, claim, found, (measured, chosen), drawn)


def _batch(hypothesis: Hypothesis) -> list[tuple[int, ...]]:
    """A few of the file's own prompts, of one length, for the guards."""
    prompts = hypothesis.distributions[hypothesis.default].prompts
    length = len(prompts[0].tokens)
    return [prompt.tokens for prompt in prompts if len(prompt.tokens) == length][:4]


def _now() -> str:
    """The time in UTC; SOURCE_DATE_EPOCH fixes it, so that a file can be made again byte by byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return when.isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Of Python, this program, and the libraries that make numbers."""
    from importlib.metadata import version

    found = {"python": platform.python_version(), "platform": platform.platform()}
    return found | {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy", "scipy")}
