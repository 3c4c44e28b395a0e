"""Which base worlds a claim's ablation, distribution and source name."""

from typing import TYPE_CHECKING

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Ablation, Claim, Hypothesis
from circuitdsl.borders.values import Gather, Mean, Run, World, Zero

if TYPE_CHECKING:
    from circuitdsl.measures.circuit_options import Ablated


def rows_of(distribution: str, measured: str, hypothesis: Hypothesis) -> World:
    """A plain run seen from the measured rows: row by row if the two are paired, else donors of the same layout drawn at random."""
    if distribution == measured or _family(distribution, hypothesis) == _family(measured, hypothesis):
        return Run(distribution)
    return _drawn(distribution, measured, hypothesis)


def ablation(claim: "Claim[Ablated]", hypothesis: Hypothesis) -> Ablation:
    """The ablation in force. There is no default one."""
    found = claim.options.ablate or hypothesis.settings.ablate
    if found is None:
        hint = "write `ablate = resample(NAME)`, `mean(NAME)` or `zero`, in the claim or in `settings`"
        message = f"`{claim.measure}` of the circuit needs to know what the rest of the model is set to"
        raise refusal("C370", message, claim.span, hint, source=hypothesis.source)
    return found


def background(chosen: Ablation, measured: str, hypothesis: Hypothesis) -> World:
    """The world of everything outside the circuit. Resampling from the measured distribution itself draws donors, never the row."""
    if chosen.kind == "zero":
        return Zero()
    name = chosen.distribution or hypothesis.default
    if chosen.kind == "mean":
        return Mean(name)
    return _drawn(name, measured, hypothesis) if name == measured else rows_of(name, measured, hypothesis)


def _drawn(name: str, measured: str, hypothesis: Hypothesis) -> Gather:
    """Donors from `name`. Prompts that are not paired with the file's first have rows of their own, and so draws of their own."""
    rows = _family(measured, hypothesis)
    whose = "" if rows == _family(hypothesis.default, hypothesis) else f" for {rows}"
    return Gather(name, f"donor/{name}{whose}/{hypothesis.replicate}")


def _family(name: str, hypothesis: Hypothesis) -> str:
    """The distribution that this one's rows are paired with, in the end."""
    seen = {name}
    while (paired := hypothesis.distributions[name].paired) and paired not in seen:
        name = paired
        seen.add(name)
    return name
