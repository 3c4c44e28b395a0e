"""Seconds that `plan` predicts beside those that a run takes: `python -m benchmarks.predicting [--quick]`.

The works of the table, on four prompts and more, on two shapes; cold, as `plan` tells a user, and with the base runs there already.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.scrubbing import small
from benchmarks.setting import Batch, model
from benchmarks.timing import forward, least, warm
from benchmarks.work import ROWS, Work
from circuitdsl.borders.adapter import Adapter
from circuitdsl.borders.plan import Machine
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.engine.machine import calibrate
from circuitdsl.planning import plan

FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds. `measured` is the least of several repetitions: what else the machine does can only add to it."""

    name: str
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.measured

    @property
    def within(self) -> bool:
        return 1 / FACTOR <= self.ratio <= FACTOR


def predictions(quick: bool) -> Iterator[Prediction]:
    """The machine is calibrated anew for each size, since its speed changes within minutes with what else it does."""
    for shape, adapter in (("narrow", small()), ("GPT-2 small", model())):
        for prompts in (4, 64) if quick else (4, 16, 64):
            known = calibrate()
            for row in ROWS:
                if row.options.get("cached", True) and not (quick and row.options.get("slow")):
                    yield from both(
                        f"{row.name.removesuffix(', cached')}; {prompts} prompts, {shape}", adapter, row.work(adapter.shape, prompts), known
                    )


def both(name: str, adapter: Adapter, one: Work, known: Machine) -> Iterator[Prediction]:
    """Cold, as `plan` tells it, and with the base runs there already."""
    planned, captures = plan(one.requests, one.hypothesis, machine=known), Captures(budget=8 << 30)
    cost = planned.cost
    assert cost.seconds is not None and cost.base_seconds is not None
    forward(adapter, Batch.of(one.hypothesis).tokens)()
    for kind, kept, predicted in (("cold", None, cost.seconds), ("cached", captures, cost.seconds - cost.base_seconds)):
        if kept is not None:
            warm(planned, adapter, one, captures)
        run = partial(execute, planned, adapter, one.hypothesis, captures=kept)
        run()
        yield Prediction(f"{name}, {kind}", predicted, least(run))


def summary(found: list[Prediction]) -> str:
    ratios = sorted(one.ratio for one in found)
    decades = math.log10(max(one.measured for one in found) / min(one.measured for one in found))
    share = sum(one.within for one in found) / len(found)
    return (
        f"{share:.0%} of {len(found)} predictions within a factor of {FACTOR} over {decades:.1f} decades; "
        f"ratios from {ratios[0]:.2g} to {ratios[-1]:.2g}, median {ratios[len(ratios) // 2]:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="without the largest works")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = []
    for one in predictions(given.quick):
        found.append(one)
        print(
            f"{one.name:60} predicted {one.predicted:9.4f} s, took {one.measured:9.4f} s: {one.ratio:5.2f}{'' if one.within else ' *'}",
            flush=True,
        )
    print(summary(found))


if __name__ == "__main__":
    main()
