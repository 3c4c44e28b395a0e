"""Rows of a first sample: without replacement, balanced over templates, the same whatever else the file says."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.prompts.declare import Declaration, Filler, Slot, Values
from circuitdsl.prompts.draws import Choice, Product, stratified
from circuitdsl.prompts.mistakes import listed
from circuitdsl.prompts.tokens import Placed, SlotPlace, Tokens

PROBE = 64
"""How many candidates at least show whether a slot shares its tokens always or sometimes."""


@dataclass(frozen=True, slots=True)
class SampledRow:
    """One prompt before its labels. `asked` holds the values that its `answer` speaks of; a file gives `answer` and `wrong` itself."""

    template: int
    values: Values
    asked: Values
    placed: Placed
    cluster: str
    answer: str | None = None
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSample:
    """Rows of one declaration; `available` says how many there are at all, if all were taken."""

    declaration: Declaration
    rows: tuple[SampledRow, ...]
    available: int | None = None
    clusters_named: bool = False


def sample(declaration: Declaration, tokens: Tokens, count: int, seed: int, findings: Diagnostics) -> PromptSample | None:
    """`count` different rows, or all if there are fewer.

    Rows in which a slot has no tokens of its own, while in others it has, are left out with a warning: their layout says
    nothing about where the slot is.
    """
    candidates = _candidates(declaration, tokens, seed)
    probe = list(islice(candidates, max(count, PROBE)))
    always = _always_shared(probe)
    tried, rows, more = 0, list[SampledRow](), False
    for row in chain(probe, candidates):
        if len(rows) == count:
            more = True
            break
        tried += 1
        if row.placed.shared <= always.get(row.template, frozenset()):
            rows.append(row)
        elif tried > 50 * count + PROBE:
            more = True
            break
    if always_shared := sorted({label for places in always.values() for label, _ in places}):
        message = f"in `{declaration.name}` {listed(always_shared)} never has tokens of its own: they also hold the text beside it"
        findings.warning("W026", message, declaration.span, "`check --tokens` shows the tokens")
    if tried > len(rows):
        message = f"{tried - len(rows)} of {tried} prompts of `{declaration.name}` left out: a slot shares a token with the text beside it"
        findings.warning("W024", message, declaration.span, "`check --tokens` shows the tokens of those that are used")
    if len(rows) < count:
        message = f"`{declaration.name}` has only {len(rows)} different prompts; {count} were asked for, all are used"
        findings.warning("W025", message, declaration.span)
    return PromptSample(declaration, tuple(rows), None if more else len(rows))


def _candidates(declaration: Declaration, tokens: Tokens, seed: int) -> Iterator[SampledRow]:
    drawings = sorted(declaration.draws, key=lambda drawing: drawing.keys)
    plain = tokens.plain if any(drawing.slot.tokens for drawing in drawings) else ()
    product = Product(tuple(Choice(len(found.keys), sizes(found.slot, plain), found.distinct) for found in drawings))
    for template, number in stratified(len(declaration.templates), product.outcomes, seed, declaration.name):
        values: dict[str, Filler] = {}
        for drawing, chosen in zip(drawings, product.outcome(number), strict=True):
            values |= {key: entry(drawing.slot, index, plain) for key, index in zip(drawing.keys, chosen, strict=True)}
        for definition in declaration.assignments:
            values[definition.key] = declaration.evaluate(values, definition)
        placed = tokens.place(template, declaration.pieces(declaration.templates[template], values))
        yield SampledRow(template, values, values, placed, str(template + 1))


def sizes(slot: Slot, plain: tuple[int, ...]) -> int:
    """How many different values a slot can have."""
    return len(slot.vocabulary.entries) if slot.vocabulary else len(plain) ** (slot.tokens or 0)


def entry(slot: Slot, index: int, plain: tuple[int, ...]) -> Filler:
    """A slot's value by number: an entry of its vocabulary, or a block with the number's digits as tokens."""
    if slot.vocabulary:
        return slot.vocabulary.entries[index]
    ids = []
    for _ in range(slot.tokens or 0):
        index, digit = divmod(index, len(plain))
        ids.append(plain[digit])
    return tuple(ids)


def _always_shared(rows: list[SampledRow]) -> dict[int, frozenset[SlotPlace]]:
    """By template, the places that share a token in every row."""
    found: dict[int, frozenset[SlotPlace]] = {}
    for row in rows:
        found[row.template] = found.get(row.template, row.placed.shared) & row.placed.shared
    return found
