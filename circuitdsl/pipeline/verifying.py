"""A whole run: a file to its evidence and verdicts, one stage after the other."""

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from circuitdsl import __version__
from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.source import CodedWarning
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline.judging import judge
from circuitdsl.pipeline.lowering import lower, lower_figure
from circuitdsl.pipeline.measuring import Numbers, measure, plan, settle
from circuitdsl.pipeline.reading import fetch, outline, read, require_tokenizer, resolve

if TYPE_CHECKING:
    from circuitdsl.borders.evidence import Evidence
    from circuitdsl.borders.plan import Plan
    from circuitdsl.engine.disk import RunsOnDisk
    from circuitdsl.models.loading import Loaded
    from circuitdsl.models.outline import ModelOutline
    from circuitdsl.models.parity import Parity


CACHE = 2 * 10**9
"""Bytes of plain runs that are kept on disk unless told otherwise."""


def base_runs(loaded: "Loaded", flags: Flags) -> "RunsOnDisk | None":
    """The model's plain runs on disk, if they are kept there."""
    from circuitdsl.borders.folders import cache_folder
    from circuitdsl.engine.disk import RunsOnDisk

    limit = CACHE if flags.cache is None else flags.cache
    return RunsOnDisk(cache_folder() / "runs", limit, loaded.identity) if limit else None


def verify(path: Path, flags: Flags, progress: Progress = quiet) -> "Evidence":
    """A file to its evidence and verdicts. Raises CircError for what is wrong with the file, GuardError for what is with the model."""
    from circuitdsl.engine.captures import Captures
    from circuitdsl.reports.record import input_records, printable, record

    started = time.perf_counter()
    progress("reading the file", 0.0)
    document = read(path)
    fetch(document, flags, progress)
    model = outline(document, flags)
    require_tokenizer(document, flags, model)
    hypothesis = resolve(document, flags, model)
    inputs = input_records(hypothesis)  # as they were read, whatever is done to the files while the run goes on
    algebra = Algebra()
    lowered = lower(hypothesis, algebra)
    figure = lower_figure(hypothesis, algebra, flags.edges) if flags.figure else ()
    loaded, parity = load_checked(hypothesis, model, flags, progress)
    disk = base_runs(loaded, flags)
    captures = Captures(keep=True, disk=disk)

    def run(planned: "Plan", what: str = "choosing sets to knock out") -> Numbers:
        return measure(planned, loaded.adapter, hypothesis, progress, captures, what)

    asked = settle(hypothesis, lowered, run, flags.memory)
    progress("planning", 0.0)
    if flags.sequential:
        from circuitdsl.pipeline.early_stopping import judge_early

        asked, figure, verdicts, numbers = judge_early(
            hypothesis, asked, figure, lambda some: run(plan(hypothesis, some, flags.memory), "measuring")
        )
    else:
        numbers = run(plan(hypothesis, [*asked, *figure], flags.memory), "measuring")
        verdicts = judge(hypothesis, asked, numbers)
    of_figure = judge(hypothesis, figure, numbers)
    progress("judging", 1.0)
    return record(
        hypothesis,
        asked,
        verdicts,
        next(iter(figure), None),
        next(iter(of_figure), None),
        numbers,
        sequential=flags.sequential,
        inputs=inputs,
        model=loaded.record(model.tokenizer, parity),
        tokens=_shown_tokens(hypothesis, model),
        circuitdsl=__version__,
        command=printable(flags.command),
        created=_now(),
        seconds=round(time.perf_counter() - started, 2),
        versions=_versions(),
        base_runs=disk.record() if disk else None,
        warnings=tuple(CodedWarning(warning.code, printable(warning.message)) for warning in hypothesis.warnings),
    )


def load_checked(hypothesis: Hypothesis, model: "ModelOutline", flags: Flags, progress: Progress = quiet) -> "tuple[Loaded, Parity]":
    """The weights, and how well the guards found that they are taken apart. Raises CircError, and GuardError if a guard fails."""
    from circuitdsl.models.loading import load
    from circuitdsl.models.parity import check_parity
    from circuitdsl.models.tokenizers import assert_same_tokenizer

    loaded = load(
        hypothesis.model,
        folder=hypothesis.source.folder,
        dtype=flags.dtype,
        device=flags.device,
        unsafe=flags.unsafe,
        progress=lambda what: progress(what, 0.0),
        outline=model,
    )
    progress("checking the model", 0.0)
    if model.tokenizer is not None:
        every = (prompt.text for distribution in hypothesis.distributions.values() for prompt in distribution.prompts)
        assert_same_tokenizer(model.tokenizer, loaded.location, every)
    parity = check_parity(loaded.adapter, *_longest(hypothesis))
    progress(parity.line(), 0.0)
    return loaded, parity


def _shown_tokens(hypothesis: Hypothesis, model: "ModelOutline") -> list[str]:
    """Token by token, the prompt under the figure: the first that verdicts rest on."""
    row = (hypothesis.verifying or hypothesis.exploring)[0]
    tokens = hypothesis.distributions[hypothesis.default].prompts[row].tokens
    if model.tokenizer is None:
        return [str(token) for token in tokens]
    pieces = [model.tokenizer.piece(token) for token in tokens]
    model.tokenizer.keep()
    return pieces


def _longest(hypothesis: Hypothesis) -> list[list[tuple[int, ...]]]:
    """For the guards, batches of one length each: a few of the longest prompts of every distribution. A window, or a rotary embedding
    for long texts, shows in no short one."""
    batches: dict[int, list[tuple[int, ...]]] = {}
    for distribution in hypothesis.distributions.values():
        every = [prompt.tokens for prompt in distribution.prompts]
        length = max(map(len, every))
        batches.setdefault(length, []).extend([tokens for tokens in every if len(tokens) == length][:2])
    return [list(dict.fromkeys(batch))[:4] for batch in batches.values()]


def _now() -> str:
    """The time in UTC; SOURCE_DATE_EPOCH, if it is a time, fixes it, so that a file can be made again byte by byte."""
    try:
        when = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        when = datetime.now(UTC)
    return when.isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Of Python, this program, and the libraries that make numbers."""
    from importlib.metadata import version

    found = {"python": platform.python_version(), "platform": platform.platform()}
    return found | {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy", "scipy")}
