"""How the time of one circuit grows, beside what the machine could do at best: `python -m benchmarks.growth [--small]`.

Writes `results/growth.svg` and `results/growth.json`. The roofline of a point is its plan's operations at the rate of a product, or its
bytes (weights at the rate of memory, the rest at that of operations that make something new), whichever takes longer; the rates are
measured in the same run.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.drawing import pyplot
from benchmarks.setting import SEED, Batch, circuit_a, circuit_of_everything, hypothesis, model
from benchmarks.timing import forward, least, warm
from benchmarks.work import Work, value_alone
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.hypothesis import Link
from circuitdsl.borders.plan import Machine, Request
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.engine.machine import calibrate
from circuitdsl.planning import plan

FAR = 3.0
"""Times the roofline from which on the picture says why."""
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Point:
    """Seconds: a circuit's value with base runs cached, a plain pass, the roofline, what the plan expects, small operations in that."""

    at: int
    circuit: float
    plain: float
    roofline: float
    expected: float
    calls: float

    @property
    def why(self) -> str:
        """Where a point is far above the roofline: what the time goes into."""
        if self.circuit <= FAR * self.roofline:
            return ""
        times, share = self.circuit / self.roofline, self.calls / self.expected
        return f"{times:.0f} times the roofline; small operations are {share:.0%} of what the plan expects"


def point(adapter: Adapter, known: Machine, links: tuple[Link, ...], at: int, prompts: int, tokens: int = 16) -> Point:
    found = hypothesis(adapter.shape, links, prompts, tokens)
    request = Request(value_alone(found), tuple(range(prompts)))
    work = Work("", 0.0, found, (request,))
    planned, captures = plan(work.requests, found), Captures(budget=4 << 30)
    warm(planned, adapter, work, captures)
    plain = forward(adapter, Batch.of(found).tokens)

    def run() -> object:
        return execute(planned, adapter, found, captures=captures)

    def expected(**rates: float) -> float:
        """Seconds on a machine that is bounded by these rates alone."""
        bound = Machine(**{"flops": math.inf, "bytes": math.inf, "operation": 0.0, "memory": math.inf, **rates})
        told = plan(work.requests, found, machine=bound).cost
        return (told.seconds or 0.0) - (told.base_seconds or 0.0)

    run(), plain()
    flops = planned.cost.flops * (1 - planned.cost.base_passes / planned.cost.passes)
    roofline = max(flops / known.flops, expected(bytes=known.bytes, memory=known.memory))
    return Point(at, least(run), least(plain), roofline, expected(**asdict(known)), expected(operation=known.operation))


def some_edges(adapter: Adapter, count: int) -> tuple[Link, ...]:
    """That many edges at random."""
    every = circuit_of_everything(adapter.shape)
    chosen = torch.randperm(len(every), generator=torch.Generator().manual_seed(SEED))[:count].sort().values
    return tuple(every[index] for index in chosen.tolist())


def measure(known: Machine, small: bool) -> dict[str, list[Point]]:
    twelve = model()
    a, few = circuit_a(twelve.shape), 4 if small else 16
    wanted: dict[str, tuple[tuple[int, ...], Callable[[int], Point]]] = {
        "prompts (circuit A)": ((1, 4, 16) if small else (1, 4, 16, 64, 256), lambda n: point(twelve, known, a, n, n)),
        "tokens (circuit A)": ((16, 32) if small else (16, 32, 64, 128), lambda n: point(twelve, known, a, n, few, n)),
        "edges, drawn at random": (
            (30, 300, 3000) if small else (30, 300, 3000, 32491),
            lambda n: point(twelve, known, some_edges(twelve, n), n, few),
        ),
        "layers, every edge": ((2, 4) if small else (2, 4, 8, 12), lambda n: _layers(n, known, few)),
    }
    found: dict[str, list[Point]] = {}
    for name, (sizes, make) in wanted.items():
        found[name] = []
        for size in sizes:
            found[name].append(one := make(size))
            told = f"{one.circuit:8.4f} s, plain {one.plain:8.4f} s, roofline {one.roofline:8.4f} s, expected {one.expected:8.4f} s"
            print(f"{name:24} {one.at:6}: {told}; {one.why}", flush=True)
    return found


def _layers(layers: int, known: Machine, prompts: int) -> Point:
    adapter = model(layers)
    return point(adapter, known, circuit_of_everything(adapter.shape), layers, prompts)


def draw(series: Mapping[str, Sequence[Point]], known: Machine, path: Path) -> None:
    plt = pyplot()
    lines = (
        ("plain pass of transformers", "--", "#666666", lambda p: p.plain),
        ("circuit, base runs cached", "o-", "#1f5fa8", lambda p: p.circuit),
        ("what the plan expects", "-", "#e0952e", lambda p: p.expected),
        ("roofline", ":", "#b03030", lambda p: p.roofline),
    )
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9}):
        figure, axes = plt.subplots(1, len(series), figsize=(3.1 * len(series), 3.3), sharey=True, layout="constrained")
        for axis, (name, points) in zip(axes, series.items(), strict=True):
            sizes = [p.at for p in points]
            for label, style, colour, get in lines:
                axis.loglog(sizes, [get(p) for p in points], style, color=colour, label=label, markersize=4, linewidth=1.3)
            far = [p for p in points if p.why]
            axis.plot([p.at for p in far], [p.circuit for p in far], "o", color="white", markeredgecolor="#1f5fa8", markersize=7)
            axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axis.set_xticks([], minor=True)
            axis.set_xlabel(name)
            axis.grid(alpha=0.25)
        axes[0].set_ylabel("seconds")
        handles, labels = axes[0].get_legend_handles_labels()
        rates = f"{known.flops / 1e9:.0f} GFLOP/s, {known.bytes / 1e9:.0f} GB/s"
        title = f"{rates}; rings: more than {FAR:g} times above the roofline"
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, title=title)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def curves(small: bool = False, folder: Path = RESULTS) -> None:
    """Measures, writes the numbers, and draws them."""
    pyplot()
    known = calibrate()
    series = measure(known, small)
    folder.mkdir(exist_ok=True)
    told = {name: [{**asdict(one), "why": one.why} for one in points] for name, points in series.items()}
    record = {"machine": asdict(known), "threads": torch.get_num_threads(), "series": told}
    (folder / "growth.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(series, known, folder / "growth.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="the smaller sizes: a minute")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    curves(given.small, given.folder)


if __name__ == "__main__":
    main()
