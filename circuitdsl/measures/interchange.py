"""`interchange`: whether a node's value on another prompt turns the output into that prompt's answer (interchange interventions)."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Place
from circuitdsl.borders.measure import Combination, Estimand, Lowered, MeanOf, Measure, Member, NumberRange, ProportionOf, Signature
from circuitdsl.borders.options import Options, option
from circuitdsl.borders.readouts import AnswerBeats
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Algebra, Override, Recomputed, Run
from circuitdsl.measures.patched_runs import PatchedRun

RANDOM = 4
"""Random nodes that a node is compared with."""


@dataclass(frozen=True, kw_only=True)
class InterchangeOptions(Options):
    from_: str = option("distribution", required=True, help="paired prompts that differ in the slot alone and have answers")
    metric: str | None = option("metric", help="whose position is looked at; default: the file's first")


def _lower_interchange(claim: Claim[InterchangeOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    clean, source = claim.measured, claim.options.from_
    path = claim.paths[0]
    groups = [(claim.label, path.start)] if path.each is None else [(str(place.unit), (place,)) for place in dict.fromkeys(path.start)]
    readouts = {
        "whole model": _prefers(algebra.logits(Run(source)), source, claim),
        "nothing": _prefers(algebra.logits(Run(clean)), source, claim),
    }
    members = []
    for name, places in groups:
        readouts[name] = _prefers(_swapped(algebra, hypothesis, places, clean, source), source, claim)
        beside: dict[str, Estimand] = {"whole model swapped": ProportionOf("whole model"), "nothing swapped": ProportionOf("nothing")}
        elsewhere = []
        for number in range(RANDOM):
            others = _elsewhere(places, hypothesis, number)
            if others is not None:
                elsewhere.append(f"{name} elsewhere {number + 1}")
                readouts[elsewhere[-1]] = _prefers(_swapped(algebra, hypothesis, others, clean, source), source, claim)
        if elsewhere:
            share = 1 / len(elsewhere)
            beside["random heads of the same layers"] = MeanOf(Combination(tuple((other, share) for other in elsewhere)))
        members.append(Member(name, ProportionOf(name), beside, about=name if path.each is not None else path.text))
    wrong = max(len(prompt.wrong) for prompt in hypothesis.distributions[source].prompts)
    conditions = {"from": source, "on": clean, "variable": ", ".join(claim.slots), "chance": f"{1 / (1 + wrong):.2g} for a guess"}
    return Lowered(readouts, tuple(members), conditions)


def _prefers(logits: Recomputed, source: str, claim: Claim[InterchangeOptions]) -> AnswerBeats:
    return AnswerBeats(logits, source, claim.metric)


def _swapped(algebra: Algebra, hypothesis: Hypothesis, places: Iterable[Place], clean: str, source: str) -> Recomputed:
    """The logits of the clean run with the places' values of the source run pinned together, everything after them recomputed."""
    pins = [Override(place.unit, place.roles, algebra.base(Run(source), place.unit)) for place in dict.fromkeys(places)]
    return PatchedRun(algebra, hypothesis.shape, Run(clean), pins).logits()


def _elsewhere(places: Iterable[Place], hypothesis: Hypothesis, number: int) -> tuple[Place, ...] | None:
    """As many other heads of the same layers at the same positions; None where there is no head or no other one."""
    import numpy as np

    heads = {place.unit for place in places if place.unit.spec.exchangeable}
    key = f"interchange/{hypothesis.settings.seed}/{number}/{sorted(map(str, heads))}"
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little")))
    moved: dict[Unit, Unit] = {}
    for layer, kind in sorted({(head.layer, head.kind) for head in heads}):
        mine = sorted(head for head in heads if (head.layer, head.kind) == (layer, kind))
        free = [unit for unit in hypothesis.shape.units(kind, layer) if unit not in heads]
        if len(free) < len(mine):
            return None
        moved.update(zip(mine, (free[index] for index in rng.permutation(len(free))), strict=False))
    return tuple(Place(moved[place.unit], place.node, place.roles) for place in places if place.unit in moved) if moved else None


def _check(claim: Claim[InterchangeOptions], hypothesis: Hypothesis) -> None:
    """That the two distributions are paired, differ in the slot alone, and that the source says what the answer then is."""
    clean, source = claim.measured, claim.options.from_
    first, second = hypothesis.distributions[clean], hypothesis.distributions[source]

    def refuse(code: str, message: str, hint: str) -> CircError:
        return refusal(code, message, claim.span, hint, source=hypothesis.source)

    if second.paired != clean:
        hint = f"declare it as a counterfactual: `prompts {source} from {clean} {{ … }}`"
        raise refuse("C378", f"`{source}` is not the counterfactual of `{clean}`: its rows do not belong to them", hint)
    changed = Counter[str]()
    for one, other in zip(first.prompts, second.prompts, strict=True):
        apart = {slot for slot in {*one.values, *other.values} if one.values.get(slot) != other.values.get(slot)}
        changed.update(apart | {_whole(slot) for slot in apart})
    slots = set(claim.slots)
    wholes = {_whole(slot) for slot in slots}
    others = {slot for slot in changed if _whole(slot) == slot and slot not in wholes}
    stray = sorted(others | {slot for slot in changed if _whole(slot) in wholes - slots and slot not in slots | wholes})
    if stray:
        message = f"`{source}` changes {', '.join(f'`{slot}`' for slot in stray)} besides `{claim.slots[0]}`"
        raise refuse("C379", message, "the score would not say which of them the node carries")
    same = next((slot for slot in claim.slots if not changed[slot]), None)
    if same is not None:
        hint = f"write `{{ {same} = … }}` or `{{ redraw {same} distinct }}`; rows of a data file say it in a key `counterfactual_{same}`"
        raise refuse("C379", f"`{source}` never changes `{same}`", hint)
    if any(prompt.answer is None or not prompt.wrong for prompt in second.prompts):
        raise refuse("C380", f"the prompts of `{source}` do not say what their answer is", "add `answer SLOT wrong SLOT` to them")


def _whole(slot: str) -> str:
    """The slot that a field belongs to: both change together."""
    return slot.partition(".")[0]


INTERCHANGE = Measure(
    name="interchange",
    summary="interchange-intervention accuracy: a node's value with another value of a variable gives that value's answer",
    formula="mean over prompts of [logit(answer) > max over wrong of logit(wrong)], answers of the source, node's value from the source",
    unit="share of prompts",
    range=NumberRange(0, 1),
    source="Geiger et al. 2021 (arXiv 2106.02997), Causal abstractions of neural networks",
    baseline="nothing swapped, the whole model swapped, and as many random heads of the same layers, beside it",
    signature=Signature(
        subject="node",
        slots=1,
        options=InterchangeOptions,
    ),
    lower=_lower_interchange,
    example="interchange(early, A, from = corrupted) >= 0.5",
    check=_check,
    details="The node's units are swapped together; everything after them is recomputed. `each NODE` swaps one unit at a time.",
)
