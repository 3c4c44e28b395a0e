"""The tree of a scrub claim in words, with the prompts that were drawn."""

from collections.abc import Mapping

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.kinds import WRITTEN_PORTS
from circuitdsl.borders.tree import Call, CallRecord, CallTree, TreeRecord
from circuitdsl.borders.units import LOGITS
from circuitdsl.borders.values import Draw

MOST_UNITS = 3
"""Named one by one in a box."""
TreeRow = tuple[str, int]
"""A distribution and a number of a row in it."""


def tree_record(hypothesis: Hypothesis, claim: Claim, tree: CallTree, reference: TreeRow, rows: Mapping[Draw, int]) -> TreeRecord:
    """`rows` has the donor's row of every draw of the tree, for the reference."""
    donors: dict[TreeRow, int] = {reference: 0}
    drawn = [reference if call.draw is None else (call.draw.pool, rows[call.draw]) for call in tree.calls]
    numbers = [donors.setdefault(row, len(donors)) for row in drawn]
    calls = []
    for call, number in zip(tree.calls, numbers, strict=True):
        ports = call.ports if set(call.ports) < set(WRITTEN_PORTS) else ()
        whose = reference if call.reader is None else drawn[call.reader]
        name = call.places[0].node if call.part == "call" else call.part
        calls.append(CallRecord(call.part, call.reader, name, _units(call), ports, number, _same(hypothesis, call, whose)))
    prompts = (hypothesis.distributions[name].prompts[row].text for name, row in donors)
    caption = f"{claim.label}: {claim.text}, for prompt {reference[1]} of `{reference[0]}`"
    return TreeRecord(hypothesis.title, caption, tuple(prompts), tuple(calls), tree.shown, tree.total, tree.again)


def _units(call: Call) -> str:
    """The units of a call with their positions, and of what is left out, how often it is drawn."""
    place, count = call.places[0], len(call.places)
    if call.part == "rest":
        return "all that is left out" + (f"; the first of {count} draws" if count > 1 else "")
    if call.part == "embed" or place.unit == LOGITS:
        return ""
    at = f" @ {', '.join(map(str, place.roles))}" if place.roles else ""
    if count > MOST_UNITS:
        return f"{count} units{at}"
    if count > 1 and place.unit.spec.exchangeable and len({one.unit.kind for one in call.places}) == 1:
        return f"{place.unit.spec.nouns} {', '.join(f'{one.unit.layer}.{one.unit.index}' for one in call.places)}{at}"
    return f"{', '.join(str(one.unit) for one in call.places)}{at}"


def _same(hypothesis: Hypothesis, call: Call, whose: TreeRow) -> str:
    """What a donor agrees on with its reader's prompt, and, of a slot, which value that is."""
    if call.reader is None:
        return ""
    if call.part == "rest" or (call.draw is not None and call.carries is None and call.part == "call" and call.draw.feature is None):
        return "any prompt"
    if call.carries is None:
        return "same prompt"
    value = hypothesis.distributions[whose[0]].prompts[whose[1]].values.get(call.carries)
    return f"same {call.carries}" + (f": {value.strip()}" if value else "")
