"""Times as ratios: work and one plain forward pass take turns, so that what else the machine does falls on both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.work import Work
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.plan import Machine as Calibrated
from circuitdsl.borders.plan import Plan
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan


@dataclass(frozen=True, slots=True)
class Timed:
    """Medians in seconds of work and of a plain forward pass, and of the ratios of neighbours."""

    seconds: float
    forward: float
    ratio: float
    cpu: float
    """The same ratio in seconds of processor time, which other programs on the machine disturb less."""
    repetitions: int
    planning: float
    predicted: float | None = None
    """Seconds by the plan's own cost, on the machine as it was calibrated in this run; without the plain runs where they are kept."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine can do, measured: operations a second of a large product, bytes a second of a copy."""

    flops: float
    bandwidth: float
    threads: int


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def least(run: Callable[[], object], budget: float = 3.0, enough: int = 20) -> float:
    """The least of at least two runs and as many as the budget allows; short ones go on until a busy moment has passed."""
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 2 or (passed := time.perf_counter() - started) < 0.5 or (passed < budget and len(times) < enough):
        times.append(seconds(run))
    return min(times)


def spent(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of processor time."""
    processor = time.process_time()
    wall = seconds(run)
    return wall, time.process_time() - processor


def machine(budget: float = 1.0) -> Machine:
    """Calibrates in about a second: a product in the MLPs' own shape, a copy far larger than the caches."""
    a, b = torch.randn(1024, 768), torch.randn(768, 3072)
    x = torch.empty(1 << 26)
    y = torch.empty_like(x)
    products, copies = [], []
    torch.mm(a, b), y.copy_(x)
    started = time.perf_counter()
    while time.perf_counter() - started < budget:
        products.append(seconds(lambda: torch.mm(a, b)))
        copies.append(seconds(lambda: y.copy_(x)))
    return Machine(2 * 1024 * 768 * 3072 / median(products), 2 * 4 * x.numel() / median(copies), torch.get_num_threads())


def forward(adapter: Adapter, tokens: torch.Tensor) -> Callable[[], object]:
    """One plain transformers forward pass, the logits of the whole vocabulary at every position included."""

    def run() -> object:
        with torch.inference_mode():
            return adapter.model(tokens).logits

    return run


def timed(work: Work, adapter: Adapter, tokens: torch.Tensor, known: Calibrated, captures: Captures, budget: float, most: int = 7) -> Timed:
    """Executes a plan made once, and a plain forward pass, in turn until `budget` seconds are over (twice at the least)."""
    started = time.perf_counter()
    planned = plan(work.requests, work.hypothesis, machine=known)
    planning = time.perf_counter() - started
    plain = forward(adapter, tokens)

    def run() -> object:
        return execute(planned, adapter, work.hypothesis, captures=captures if work.cached else None)

    if work.cached:
        warm(planned, adapter, work, captures)
    mine, theirs = [], []
    started = time.perf_counter()
    while len(mine) < (1 if work.slow else 2) or (time.perf_counter() - started < budget and len(mine) < most):
        theirs.append(spent(plain))
        mine.append(spent(run))
    wall, cpu = (median(one[clock] / other[clock] for one, other in zip(mine, theirs, strict=True)) for clock in (0, 1))
    took, plainly = (median(wall for wall, _ in times) for times in (mine, theirs))
    cost = planned.cost
    assert cost.seconds is not None and cost.base_seconds is not None
    predicted = cost.seconds - cost.base_seconds if work.cached else cost.seconds
    return Timed(took, plainly, wall, cpu, len(mine), planning, predicted)


def warm(planned: Plan, adapter: Adapter, work: Work, captures: Captures) -> None:
    """Makes the plain runs, so that what follows has them."""
    for name in ("clean", "abc"):
        depth = max((depth.layers for panel in planned.panels for world, depth in panel.worlds.items() if name in str(world)), default=None)
        if depth is not None:
            rows = planned.panels[0].rows
            with torch.inference_mode():
                captures.run(adapter, work.hypothesis, name, rows, depth)
