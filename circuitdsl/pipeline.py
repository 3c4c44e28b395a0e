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
from circuitdsl.borders.source import CircError, Diagnostic
from circuitdsl.borders.values import Algebra

if TYPE_CHECKING:
    from circuitdsl.borders.adapter import Adapter
    from circuitdsl.borders.evidence import Evidence, GraphRecord
    from circuitdsl.borders.plan import Machine, Plan
    from circuitdsl.borders.verdict import ClaimVerdict
    from circuitdsl.early import Numbers
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


def _asked(hypothesis: Hypothesis, claim: Claim, lowered: Lowered | Search) -> "Asked | Looking":
    from circuitdsl.measures import measures
    from circuitdsl.reports.record import Asked, Looking

    measured = claim.options.get("on") or hypothesis.default
    known = measures().get(claim.measure)
    summary = known.summary if known else ""
    if isinstance(lowered, Search):
        if not hypothesis.exploring:
            message = f"`{claim.measure}` chooses its sets on prompts that the verdict does not see, and none are kept for that"
            hint = "`settings { explore = 0.5 }` keeps half of them"
            raise CircError([Diagnostic("C373", message, claim.span, hint, source=hypothesis.source)])
        return Looking(claim, lowered, measured, "exploring", _rows(hypothesis, measured, "exploring"), summary)
    part: Part = "verifying" if claim.comparison or not hypothesis.exploring else "exploring"
    return Asked(claim, lowered, measured, part, _rows(hypothesis, measured, part), summary)


def lower_figure(hypothesis: Hypothesis, algebra: Algebra, edges: bool) -> "tuple[Asked, ...]":
    """The effect on the circuit of each node and each edge as written; nothing without a circuit, a metric, or an ablation."""
    from circuitdsl.measures.circuits import lower_graph
    from circuitdsl.reports.record import Asked

    if not (hypothesis.edges and hypothesis.metrics and hypothesis.settings.ablate):
        return ()
    metric = next((claim.metric for claim in hypothesis.claims if claim.metric), next(iter(hypothesis.metrics)))
    lowered = lower_graph(hypothesis, algebra, metric, edges)
    rows = _rows(hypothesis, hypothesis.default, "verifying")
    return (Asked(Claim("figure", "figure", "", metric=metric), lowered, hypothesis.default, "verifying", rows),)


def machine(flags: Flags, measure: bool = False) -> "Machine | None":
    """What predictions of time need to know of this machine, if it was measured; with `measure` it is, which takes a second."""
    from circuitdsl.engine.machine import known
    from circuitdsl.engine.machine import machine as measured
    from circuitdsl.models.cache import cache_folder

    return (measured if measure else known)(cache_folder(), flags.device, flags.dtype)


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
    """Per-prompt numbers: readout digest, then row."""
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
            _asked(hypothesis, one.claim, one.lowered.then(one.columns(numbers))) if isinstance(one, Looking) else one for one in found
        ]
    return tuple(one for one in found if not isinstance(one, Looking))


def judge(hypothesis: Hypothesis, asked: "Sequence[Asked]", numbers: Mapping[str, Mapping[int, float]]) -> "tuple[ClaimVerdict, ...]":
    """Columns to verdicts, corrected over the claims of the file."""
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
    verdicts = judge_questions(questions, confidence=hypothesis.settings.confidence, seed=hypothesis.settings.seed)
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
    captures = Captures(keep=True)

    def run(planned: "Plan", what: str = "choosing sets to knock out") -> dict[str, dict[int, float]]:
        return measure(planned, loaded.adapter, hypothesis, progress, captures, what)

    asked = settle(hypothesis, lowered, run, flags.memory)
    progress("planning", 0.0)
    if flags.sequential:
        asked, verdicts, numbers = _early(hypothesis, asked, figure, lambda some: run(plan(hypothesis, some, flags.memory), "measuring"))
    else:
        numbers = run(plan(hypothesis, [*asked, *figure], flags.memory), "measuring")
        verdicts = judge(hypothesis, asked, numbers)
    progress("judging", 1.0)
    shown = prompts[hypothesis.verifying[0]].tokens
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
        warnings=tuple(f"{warning.code}: {warning.message}" for warning in hypothesis.warnings),
    )


def _early(
    hypothesis: Hypothesis, asked: "Sequence[Asked]", figure: "Sequence[Asked]", run: "Callable[[Sequence[Asked]], Numbers]"
) -> "tuple[tuple[Asked, ...], tuple[ClaimVerdict, ...], Numbers]":
    """Claims with known bounds block by block, the others and the figure at the end."""
    from circuitdsl.early import LATE, bounded, measure_early

    soon = [number for number, one in enumerate(asked) if bounded(one)]
    late = [number for number in range(len(asked)) if number not in soon]
    stopped = measure_early(hypothesis, [asked[number] for number in soon], run)
    rest = [asked[number] for number in late]
    numbers = {digest: dict(column) for digest, column in stopped.numbers.items()}
    for digest, column in run([*rest, *figure]).items() if rest or figure else ():
        numbers.setdefault(digest, {}).update(column)
    judged = [
        verdict.model_copy(update={"warnings": (*verdict.warnings, LATE)}) if one.claim.comparison else verdict
        for one, verdict in zip(rest, judge(hypothesis, rest, numbers), strict=True)
    ]
    found = dict(zip(soon, zip(stopped.asked, stopped.verdicts, strict=True), strict=True))
    found |= dict(zip(late, zip(rest, judged, strict=True), strict=True))
    in_order = [found[number] for number in range(len(asked))]
    return tuple(one for one, _ in in_order), tuple(verdict for _, verdict in in_order), numbers


def graph_of(path: Path, flags: Flags) -> "GraphRecord":
    """The graph of a `.circ` file, nothing tested, or of the evidence of a run."""
    from circuitdsl.reports.files import read_evidence
    from circuitdsl.reports.graph import graph_record

    if path.suffix == ".json":
        return read_evidence(path).graph
    return graph_record(resolve(read(path), flags))


def _rows(hypothesis: Hypothesis, measured: str, part: "Part") -> tuple[int, ...]:
    """Row numbers of a part. A distribution that is not paired with the default one is cut at the same numbers."""
    rows = hypothesis.exploring if part == "exploring" else hypothesis.verifying
    return tuple(row for row in rows if row < len(hypothesis.distributions[measured]))


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
