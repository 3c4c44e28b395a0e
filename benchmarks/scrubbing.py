"""Causal scrubbing against the straightforward way, and how that grows: `python -m benchmarks.scrubbing [--small] [--resume]`.

The straightforward way, that of the published implementations, runs the whole model once for each node of the sampled tree, with the
scrubbed inputs put into the node's reads by hooks. Both get the same hypothesis, prompts and draws, and must give the same numbers.
Writes `results/scrubbing.json` after each row and draws `results/scrubbing.svg`; what Ctrl-C leaves is kept.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.drawing import pyplot
from benchmarks.setting import CLASSES, EDGES, SEED, TOKENS, model
from benchmarks.straightforward import Straightforward
from benchmarks.timing import timed
from benchmarks.work import Work
from circuitdsl.borders.hypothesis import Claim, Edge, Hypothesis, Link, ModelName, Node, Place, Settings
from circuitdsl.borders.plan import Machine, Request
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.readouts import Readout
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Unit
from circuitdsl.borders.values import Algebra
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.scrub_runs import draw_groups, tree_size
from circuitdsl.models.adapter import TransformerAdapter, adapt
from circuitdsl.planning import plan

DRAWS, ALL_MOVERS, TARGET = 256, len(CLASSES["mover"][0].split()), 3.0
EXPECTED, AGREE = 50, 1e-4
"""Times as fast on a tree as large as that of indirect objects, and by how much numbers may differ."""
RESULTS = Path(__file__).parent / "results"
CARRIES = {"previous": "S1", "duplicate": "S2", "induction": "S2", "inhibition": "S2", "mover": "IO"}


def hypothesis(shape: Any, prompts: int, movers: int, depth: int = 4) -> Hypothesis:
    """The circuit for indirect objects with what its heads carry, on random tokens; of its movers the first few.

    `depth` counts the classes of heads below the logits: 1 is the movers alone.
    """
    spans = ((("IO", 1), (2, 3)), (("S1", 1), (4, 5)), (("S2", 1), (10, 11)))
    layout = Layout(0, TOKENS, spans)
    rng = np.random.default_rng(SEED)
    rows = rng.integers(0, shape.vocabulary, (prompts, TOKENS))
    rows[:, [2, 4]] = rng.integers(0, 4, (prompts, 2)) + 100
    rows[:, 10] = rows[:, 4]
    clean = Distribution("clean", tuple(Prompt("", tuple(map(int, row)), layout) for row in rows))
    ends = np.full(prompts, TOKENS - 1)
    metric = Metric("m", "logit", False, {"clean": Pick("logit", rows[:, 2], ends)}, positions={"clean": ends})
    shown = {"logits", "mover", "inhibition", "induction", "duplicate", "previous"} - {
        name for name, at in {"inhibition": 2, "induction": 3, "duplicate": 3, "previous": 4}.items() if at > depth
    }
    nodes = {"embed": Node("embed", (Place(EMBED, "embed"),)), "logits": Node("logits", (Place(LOGITS, "logits"),))}
    for name, (heads, roles) in CLASSES.items():
        units = [Unit("head", *map(int, head.split("."))) for head in heads.split()][: movers if name == "mover" else None]
        if name in shown:
            nodes[name] = Node(name, tuple(Place(unit, name, roles) for unit in units), carries=CARRIES[name])
    edges = []
    for sender, receiver, ports, roles in EDGES:
        for port in ports if sender in nodes and receiver in nodes else ():
            port = "in" if port == "i" else port
            links = tuple(
                Link(a, b, port, roles)  # type: ignore[arg-type]
                for a in nodes[sender].places
                for b in nodes[receiver].places
                if shape.reads(b.unit, a.unit)
            )
            edges.append(Edge(sender, receiver, port, links, roles))  # type: ignore[arg-type]
    classes = {"IO": rows[:, 2], "S1": rows[:, 4], "S2": rows[:, 10]}
    features = {name: {"clean": tuple(map(int, column))} for name, column in classes.items()}
    return Hypothesis(
        "", "", (), ModelName("gpt2"), shape, {"clean": clean}, "clean", {"m": metric}, features, nodes, tuple(edges), (), Settings(),
        (), tuple(range(prompts)), Source(""),
    )  # fmt: skip


def scrubbed(file: Hypothesis) -> Readout:
    """The metric of the scrubbed run, a tree drawn for each prompt."""
    options = measures()["scrub"].options_of({"baseline": "shuffle"})
    claim = Claim("s", "scrub", "", metric="m", options=options, measured=file.default)
    return measures()["scrub"].lower(claim, file, Algebra()).readouts["F(scrub)"]


def scrub_row(adapter: TransformerAdapter, known: Machine, quick: bool) -> tuple:
    """The fields of a `Result`: the whole circuit's tree, drawn for each of 256 prompts, against a plain pass over them."""
    started = time.perf_counter()
    file = hypothesis(adapter.shape, DRAWS, ALL_MOVERS)
    readout = scrubbed(file)
    lowering = time.perf_counter() - started
    request = Request(readout, tuple(range(DRAWS)))
    work, captures = Work("", TARGET, file, (request,), slow=quick), Captures(budget=2 << 30)
    execute(plan([request], file), adapter, file, captures=captures)  # the donors' plain run is kept
    one = timed(
        work,
        adapter,
        torch.tensor([prompt.tokens for prompt in file.distributions["clean"].prompts]),
        known,
        captures,
        0 if quick else 30,
        3,
    )
    places = tree_size(draw_groups(file, tuple(link for edge in file.edges for link in edge.links)))
    name = f"causal scrubbing of the IOI tree (26 heads, {places:,} values), drawn for each of {DRAWS} prompts, cached"
    times = (one.cpu, lowering, one.planning, one.seconds, one.forward, one.repetitions, one.predicted)
    return name, one.ratio, TARGET, one.ratio <= TARGET, *times


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. Seconds are of everything: lowering, draws, planning, the plain run of the donors, and the scrubbed one."""

    movers: int
    depth: int
    prompts: int
    nodes: int
    straightforward: float
    here: float
    difference: float
    """Largest difference of a prompt's number, as a share of the largest number."""
    when: str

    @property
    def ratio(self) -> float:
        return self.straightforward / self.here

    @property
    def case(self) -> tuple[int, int, int]:
        return self.movers, self.depth, self.prompts


@dataclass(frozen=True, slots=True)
class Series:
    """Cases (movers, depth, prompts) that differ in one thing: `at` of a row is what the axis shows."""

    axis: str
    cases: tuple[tuple[int, int, int], ...]
    at: Callable[[Row], int]


def all_series(small: bool) -> tuple[Series, ...]:
    """With the sizes of the real run the straightforward way takes about eleven minutes on two threads."""
    movers, few, sizes = ((1, 2), 2, (2, 4)) if small else ((1, 3, ALL_MOVERS), 4, (4, 8, 16, 32, 64))
    return (
        Series(f"nodes of the tree (4 deep, {few} prompts)", tuple((count, 4, few) for count in movers), lambda row: row.nodes),
        Series(f"depth of the tree (1 name mover, {few} prompts)", tuple((1, depth, few) for depth in (1, 2, 3, 4)), lambda row: row.depth),
        Series("prompts (2 name movers, 3 deep: 67 nodes)", tuple((2, 3, prompts) for prompts in sizes), lambda row: row.prompts),
    )


def compare(adapter: Any, movers: int, depth: int, prompts: int) -> Row:
    """Ours at the median of three, a pass for each node once, since it takes minutes. Raises SystemExit if the numbers differ."""
    file = hypothesis(adapter.shape, prompts, movers, depth)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        readout = scrubbed(file)
        planned = plan([Request(readout, tuple(range(prompts)))], file)
        with torch.inference_mode():
            found = execute(planned, adapter, file)[readout.digest]
        times.append(time.perf_counter() - started)
    plain = Straightforward(adapter.model, file, planned.draws)
    started = time.perf_counter()
    with torch.inference_mode():
        logits = plain.value(readout.value)[:, -1].double().numpy()
    took = time.perf_counter() - started
    wanted = logits[np.arange(prompts), file.metrics["m"].bound["clean"].ids]
    apart = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    if apart > AGREE:
        raise SystemExit(f"the numbers differ by {apart:.2g}")
    return Row(movers, depth, prompts, plain.passes, took, median(times), apart, datetime.now(UTC).isoformat(timespec="seconds"))


def small() -> Any:
    torch.manual_seed(SEED)
    config = GPT2Config(n_embd=192, n_head=12, vocab_size=1000, initializer_range=0.1, bos_token_id=0, eos_token_id=0)
    return adapt(GPT2LMHeadModel(config).eval(), "narrow")


class Kept:
    """Rows in a file, written after each."""

    def __init__(self, path: Path, setting: dict[str, Any], resume: bool):
        self.path, self.setting, self.rows = path, setting, dict[tuple[int, int, int], Row]()
        if resume and path.exists():
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["setting"] == setting:
                names = [one.name for one in fields(Row)]
                kept = [Row(**{name: row[name] for name in names}) for row in record["rows"]]
                self.rows = {row.case: row for row in kept}

    def add(self, row: Row) -> None:
        self.rows[row.case] = row
        rows = [{**asdict(one), "ratio": one.ratio} for one in self.rows.values()]
        text = json.dumps({"setting": self.setting, "rows": rows}, indent=1, ensure_ascii=False)
        self.path.write_text(text + "\n", encoding="utf-8")

    def of(self, series: Series) -> list[Row]:
        return [self.rows[case] for case in series.cases if case in self.rows]


def draw(every: Sequence[Series], kept: Kept, path: Path) -> None:
    plt = pyplot()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scrubbing", "font.size": 9}):
        figure, axes = plt.subplots(1, len(every), figsize=(3.2 * len(every), 3.2), sharey=True, layout="constrained")
        for axis, series in zip(axes, every, strict=True):
            rows = kept.of(series)
            at = [series.at(row) for row in rows]
            axis.loglog(at, [row.ratio for row in rows], "o-", color="#1f5fa8", markersize=5, linewidth=1.3)
            for place, row in zip(at, rows, strict=True):
                axis.annotate(f"{row.ratio:.0f}", (place, row.ratio), (0, 6), textcoords="offset points", ha="center", color="#1f5fa8")
            axis.axhline(EXPECTED, linestyle="--", color="#b03030", linewidth=1)
            axis.set_xticks(at, [f"{one:,}" for one in at])
            axis.set_xticks([], minor=True)
            axis.margins(x=0.15)
            axis.set_xlabel(series.axis)
            axis.grid(alpha=0.25)
        low, high = axes[0].get_ylim()
        axes[0].set_yticks(ticks := [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], [f"{tick:,}" for tick in ticks])
        axes[0].set_yticks([], minor=True)
        axes[0].set_ylim(min(low, 1), max(high * 1.3, 2 * EXPECTED))
        axes[0].annotate(
            "expected of a whole circuit", (0.02, EXPECTED), (0, -10), axes[0].get_yaxis_transform(), "offset points", color="#b03030"
        )
        axes[0].set_ylabel("times as fast as a pass for each node")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def curves(small_sizes: bool = False, folder: Path = RESULTS, resume: bool = False) -> bool:
    """Measures what is not kept yet, the cheapest first; False if that was interrupted. Draws what there is in any case."""
    pyplot()
    adapter = small() if small_sizes else model()
    every = all_series(small_sizes)
    folder.mkdir(exist_ok=True)
    setting = {"model": adapter.shape.name, "tokens": TOKENS, "threads": torch.get_num_threads(), "torch": torch.__version__}
    kept = Kept(folder / "scrubbing.json", setting, resume)
    cases = dict.fromkeys(case for series in every for case in series.cases)
    cost = {(movers, depth, prompts): movers * 4**depth * prompts for movers, depth, prompts in cases}
    print("movers depth prompts  nodes  straightforward (s)  here (s)  ratio  largest relative difference")
    try:
        compare(adapter, 1, 1, 2)  # warm
        for case in sorted(cases, key=cost.__getitem__):
            if case not in kept.rows:
                kept.add(compare(adapter, *case))
            row = kept.rows[case]
            told = f"{row.nodes:6,} {row.straightforward:20.1f} {row.here:9.2f} {row.ratio:6.1f} {row.difference:29.1e}"
            print(f"{row.movers:6} {row.depth:5} {row.prompts:7} {told}", flush=True)
        done = True
    except KeyboardInterrupt:
        print(f"\nstopped; {len(kept.rows)} of {len(cases)} rows are kept, and --resume measures the others")
        done = False
    if kept.rows:
        draw(every, kept, folder / "scrubbing.svg")
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="few prompts, and a model a quarter as wide")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the file that were measured in the same setting")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if not curves(given.small, given.folder, given.resume):
        raise SystemExit(130)


if __name__ == "__main__":
    main()
