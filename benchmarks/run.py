"""`python -m benchmarks.run [--quick]`: the table of ratios, `results/latest.json`, and in full the peers and the curves.

Each ratio is the median time of executing a plan that was made once, over that of one plain transformers forward pass on the same
batch; the two take turns. Lowering and planning are printed beside it. Two threads.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import growth, predicting, scrubbing, starting
from benchmarks.peers import Compared, compare
from benchmarks.setting import PROMPTS, TOKENS, Batch, circuit_a, circuit_b, hypothesis, model
from benchmarks.timing import Machine, Timed, forward, machine, timed
from benchmarks.verifying import verify_row
from benchmarks.work import ROWS
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.plan import Machine as Calibrated
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.machine import calibrate
from circuitdsl.models.adapter import TransformerAdapter

HERE = Path(__file__).parent
MEMORY = 0.5e9
STRAY = 0.02
"""Share of predictions that may be off: some hundredths of a second are what else a machine does."""
COMPARED = 16
"""Prompts on which peers are run: with 64 one of them takes 11 GB."""


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table. `measured` and `target` are ratios but for memory, which is in gigabytes; None: not measured."""

    name: str
    measured: float | None
    target: float
    holds: bool | None
    cpu: float | None = None
    """The ratio in processor time."""
    lowering: float = 0.0
    planning: float = 0.0
    seconds: float = 0.0
    forward: float = 0.0
    repetitions: int = 0
    predicted: float | None = None
    note: str = ""


def measure(adapter: TransformerAdapter, known: Calibrated, quick: bool) -> Iterator[Result]:
    """Every line of the table, when it is there."""
    yield from measure_rows(adapter, known, quick)
    yield Result(*scrubbing.scrub_row(adapter, known, quick))
    yield measure_memory()
    yield measure_start()
    yield Result(*verify_row(quick))
    if not quick:
        yield measure_predictions()


def measure_rows(adapter: Adapter, known: Calibrated, quick: bool) -> Iterator[Result]:
    captures = Captures()
    forward(adapter, Batch.of(hypothesis(adapter.shape)).tokens)()
    for row in ROWS:
        started = time.perf_counter()
        work = row.work(adapter.shape)
        lowering = time.perf_counter() - started
        one = timed(work, adapter, Batch.of(work.hypothesis).tokens, known, captures, budget=4 if quick else 30)
        yield _result(row.name, row.target, one, lowering)


def _result(name: str, target: float, one: Timed, lowering: float, note: str = "") -> Result:
    times = (one.cpu, lowering, one.planning, one.seconds, one.forward, one.repetitions, one.predicted)
    return Result(name, one.ratio, target, one.ratio <= target, *times, note)


def measure_memory() -> Result:
    name = "peak memory beyond the model, first row, base runs included (GB)"
    said = subprocess.run([sys.executable, "-m", "benchmarks.memory"], capture_output=True, text=True, cwd=HERE.parent)
    if said.returncode:
        return Result(name, None, MEMORY / 1e9, None, note="needs Linux")
    peak = int(said.stdout)
    return Result(name, peak / 1e9, MEMORY / 1e9, peak <= MEMORY)


def measure_start() -> Result:
    ratio, seconds = starting.starting()
    name = "`verify` on a toy as a process, against importing torch (processor time)"
    return Result(name, ratio, starting.TARGET, ratio <= starting.TARGET, seconds=seconds)


def measure_predictions() -> Result:
    found = list(predicting.predictions(quick=False))
    wrong = sum(not one.within for one in found) / len(found)
    name = f"share of the plan's predictions of seconds that are off by more than {predicting.FACTOR:g} times"
    return Result(name, wrong, STRAY, wrong <= STRAY, note=predicting.summary(found))


def compare_with_peers(adapter: Adapter) -> list[Compared]:
    found = []
    for name, links in (("A", circuit_a(adapter.shape)), ("B", circuit_b(adapter.shape))):
        for one in compare(name, adapter, hypothesis(adapter.shape, links, prompts=COMPARED), links):
            found.append(one)
            print(one, flush=True)
    return found


def line(one: Result) -> str:
    measured = "–" if one.measured is None else f"{one.measured:.3g}"
    holds = {True: "yes", False: "no", None: one.note or "–"}[one.holds]
    cpu = "" if one.cpu is None else f" (processor time {one.cpu:.3g})"
    return f"{one.name:72} {measured:>7}  {one.target:>6g}  {holds}{cpu}"


def table(results: Sequence[Result], peers: Sequence[Compared], known: Machine, when: str, quick: bool) -> str:
    """Markdown."""
    lines = [
        f"Measured {when[:10]} on {platform.machine()}, {known.threads} threads, torch {version('torch')}; "
        f"{known.flops / 1e9:.0f} GFLOP/s and {known.bandwidth / 1e9:.1f} GB/s at the start of the run"
        + (", short repetitions (`QUICK=1`)." if quick else "."),
        "",
        "| work | ratio | at most | holds | processor time | lower, plan (s) | run (s) | predicted (s) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        measured = "–" if one.measured is None else f"{one.measured:.3g}"
        holds = {True: "yes", False: "**no**", None: one.note or "–"}[one.holds]
        cpu = "" if one.cpu is None else f"{one.cpu:.3g}"
        predicted = "" if one.predicted is None else f"{one.predicted:.2g}"
        name = one.name + (f" ({one.note})" if one.note and one.holds is not None else "")
        before, seconds = (f"{one.lowering:.2g}, {one.planning:.2g}", f"{one.seconds:.2g}") if one.seconds else ("", "")
        lines.append(f"| {name} | {measured} | {one.target:g} | {holds} | {cpu} | {before} | {seconds} | {predicted} |")
    if peers:
        lines += [
            "",
            f"| peer, its own evaluation, {COMPARED} prompts | circuit | ratio | largest difference | spread of the numbers | agrees |",
            "|---|---|---|---|---|---|",
        ]
        for peer in peers:
            cells = [peer.problem, "", "", ""]
            if peer.ratio is not None:
                cells = [f"{peer.ratio:.3g}", f"{peer.difference:.1e}", f"{peer.spread:.2g}", "yes" if peer.agrees else "**no**"]
            lines.append(f"| {peer.peer} | {peer.circuit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def place(text: str) -> None:
    """Puts the table into this folder's README, between its two marks."""
    path = HERE / "README.md"
    before, mark, rest = path.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- end of table -->")
    path.write_text(f"{before}{mark}{text}\n{end}{after}", encoding="utf-8")


def publish(results: Sequence[Result], peers: Sequence[Compared], known: Machine, when: str, quick: bool) -> None:
    """Prints the table, writes it into this folder's README, and the numbers to `results/latest.json`: as soon as they are there."""
    record = {"when": when, "quick": quick, "machine": asdict(known), "platform": platform.platform(), "python": platform.python_version()}
    record |= {"versions": {name: version(name) for name in ("torch", "transformers", "numpy")}}
    record |= {"rows": [asdict(one) for one in results], "peers": [asdict(one) for one in peers]}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "latest.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = table(results, peers, known, when, quick)
    print(f"\n{text}", flush=True)
    place(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no peers, no curves, short repetitions")
    quick = parser.parse_args().quick
    torch.set_num_threads(2)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    known, calibrated, adapter = machine(), calibrate(), model()
    print(f"{PROMPTS} prompts of {TOKENS} tokens; {known.flops / 1e9:.0f} GFLOP/s, {known.bandwidth / 1e9:.1f} GB/s", flush=True)
    results = []
    for row in measure(adapter, calibrated, quick):
        results.append(row)
        print(line(row), flush=True)
    publish(results, [], known, when, quick)
    if not quick:
        peers = compare_with_peers(adapter)
        publish(results, peers, known, when, quick)
        growth.curves()
        scrubbing.curves()
        if any(peer.agrees is False for peer in peers):
            raise SystemExit("a peer's numbers differ from ours")


if __name__ == "__main__":
    main()
