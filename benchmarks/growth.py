"""How the time of one circuit grows, beside what the machine could do at best: `results/growth.svg`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks.setting import SEED, Batch, circuit_a, circuit_of_everything, hypothesis, model
from benchmarks.timing import Machine, forward, predicted, seconds, warm
from benchmarks.work import Work, value_alone
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Link
from circuitdsl.borders.plan import Request
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.planning import plan


@dataclass(frozen=True, slots=True)
class Point:
    """Seconds of a circuit's value with base runs cached, a plain pass, and the plan's operations and bytes at the machine's rates."""

    at: int
    circuit: float
    plain: float
    roofline: float


def point(adapter: Adapter, known: Machine, links: tuple[Link, ...], at: int, prompts: int = 64, tokens: int = 16) -> Point:
    found = hypothesis(adapter.shape, links, prompts, tokens)
    request = Request(value_alone(found), tuple(range(prompts)))
    work = Work("", 0.0, found, (request,))
    planned, captures = plan(work.requests, found), Captures()
    warm(planned, adapter, work, captures)
    plain = forward(adapter, Batch.of(found).tokens)
    mine, theirs = [], []
    for _ in range(4):
        theirs.append(seconds(plain))
        mine.append(seconds(lambda: execute(planned, adapter, found, captures=captures)))
    return Point(at, median(mine[1:]), median(theirs[1:]), predicted(planned, work, known))


def some_edges(adapter: Adapter, count: int) -> tuple[Link, ...]:
    """That many edges at random."""
    every = circuit_of_everything(adapter.shape)
    chosen = torch.randperm(len(every), generator=torch.Generator().manual_seed(SEED))[:count].sort().values
    return tuple(every[index] for index in chosen.tolist())


def curves(known: Machine, folder: Path) -> None:
    import matplotlib.pyplot as plt

    twelve = model()
    a = circuit_a(twelve.shape)
    series: dict[str, tuple[tuple[int, ...], Callable[[int], Point]]] = {
        "prompts": ((4, 16, 64, 256), lambda n: point(twelve, known, a, n, prompts=n)),
        "tokens": ((16, 32, 64, 128), lambda n: point(twelve, known, a, n, prompts=16, tokens=n)),
        "edges, drawn at random": ((30, 300, 3000, 32491), lambda n: point(twelve, known, some_edges(twelve, n), n, prompts=16)),
        "layers, every edge": ((2, 4, 8, 12), lambda n: _layers(n, known)),
    }
    figure, axes = plt.subplots(1, len(series), figsize=(15, 3.6), constrained_layout=True)
    for axis, (name, (values, measure)) in zip(axes, series.items(), strict=True):
        points = [measure(value) for value in values]
        for label, style, get in (
            ("plain pass", "k--", lambda p: p.plain),
            ("circuit, base runs cached", "o-", lambda p: p.circuit),
            ("roofline of the circuit", ":", lambda p: p.roofline),
        ):
            axis.loglog([p.at for p in points], [get(p) for p in points], style, label=label)
        axis.set_xlabel(name)
        print(name, [(p.at, round(p.circuit, 4), round(p.plain, 3), round(p.circuit / p.roofline, 2)) for p in points], flush=True)
    axes[0].set_ylabel("seconds")
    axes[0].legend(fontsize="small")
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / "growth.svg")
    plt.close(figure)


def _layers(layers: int, known: Machine) -> Point:
    adapter = model(layers)
    return point(adapter, known, circuit_of_everything(adapter.shape), layers, prompts=16)
