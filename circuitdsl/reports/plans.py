"""A plan in words, like SQL's EXPLAIN: what would run, and what it would cost."""

import math
from collections import Counter
from datetime import UTC, datetime

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.plan import Plan, Saving
from circuitdsl.borders.values import Gather, Mean, Run, World, Zero


def describe(
    plan: Plan, hypothesis: Hypothesis, looking: int = 0, explain: bool = False, *, planning: float = 0.0, loading: float = 0.0
) -> str:
    """Worlds, values before and after sharing, forward-pass equivalents and memory. `looking` claims choose sets first.

    With `explain`, what each pass of the planner saves. `planning` and `loading` are seconds of processor time beside those of the plan:
    what came before it, which every run repeats, and what loading the model takes.
    """
    cost = plan.cost
    rows = sum(len(panel.rows) for panel in plan.panels)
    worlds = Counter(map(_world, dict.fromkeys(world for panel in plan.panels for world in panel.worlds)))
    lines = [
        f"prompts        {rows} in {len(plan.panels)} group{'s' * (len(plan.panels) != 1)} of one layout",
        f"base worlds    {', '.join(f'{n} × {name}' if n > 1 else name for name, n in worlds.items()) or 'none'}",
        f"readouts       {len(plan.requests)} columns of per-prompt numbers",
        f"values         {cost.values} recomputed, each distinct one once; {cost.computed} after pruning and merging",
        f"work           {cost.passes:.2f} plain forward passes over the same prompts, {cost.base_passes:.2f} of them plain runs",
        f"               {_si(cost.flops)}FLOP, {_si(cost.bytes)}B moved",
        f"memory         {_si(cost.peak_bytes)}B at the most beyond the model, {_si(plan.memory)}B allowed",
    ]
    if cost.peak_bytes > plan.memory:
        lines[-1] += ", which is too little"
    if cost.seconds is not None:
        when = f"{datetime.fromtimestamp(cost.calibrated or 0, UTC):%Y-%m-%d}"
        lines.append(f"time           {_seconds(cost.seconds + planning + loading)} of processor time for the whole of verify:")
        lines.append(f"               {_seconds(cost.seconds)} measuring, on this machine as measured on {when}")
        lines.append(
            f"               {_seconds(planning)} reading the file and planning, as it took here; {_seconds(loading)} loading the model"
        )
    if explain:
        lines += [f"{'' if number else 'passes':<15}{line}" for number, line in enumerate(map(_saving, plan.savings))]
    if looking:
        lines.append(f"and then       {looking} claims choose by looking first; their last run depends on what is found")
    return "\n".join([f"{hypothesis.title or hypothesis.source.name}", *lines, *(f"note           {note}" for note in plan.notes)])


def _saving(saving: Saving) -> str:
    """What a pass found and left, the share that it saved, and the forward passes that this comes to."""
    share = "–" if saving.before == saving.after else _percent(1 - saving.after / saving.before)
    passes = f", {saving.passes:.2f} forward passes" if saving.passes >= 0.005 else ""
    return f"{saving.name:<25}{saving.before:>13,} → {saving.after:>12,}{share:>8}  {saving.unit}{passes}"


def _percent(share: float) -> str:
    """Never 100 % while something is left."""
    return f"−{math.floor(1000 * share) / 10:.1f} %"


def _world(world: World) -> str:
    match world:
        case Run(distribution):
            return f"run({distribution})"
        case Gather(distribution):
            return f"drawn donors from {distribution}"
        case Mean(distribution):
            return f"mean({distribution})"
        case Zero():
            return "zero"


def _seconds(number: float) -> str:
    if number < 0.1:
        return "less than 0.1 s"
    return "about " + (f"{number:.1f} s" if number < 10 else f"{number:.0f} s" if number < 120 else f"{number / 60:.0f} min")


def _si(number: float) -> str:
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} P"
