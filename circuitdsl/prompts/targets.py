"""Which token a value is: in its slot, or after the prompt."""

from dataclasses import dataclass
from typing import Literal

from circuitdsl.prompts.declare import Declaration, Reference
from circuitdsl.prompts.sample import SampledRow
from circuitdsl.prompts.template import Template
from circuitdsl.prompts.tokens import SlotPlace, Tokens, joint

Trouble = Literal["absent", "start", "differs", "shared", "joins"]


@dataclass(frozen=True, slots=True)
class Target:
    """A token, and all those that the value has."""

    token: int
    value: tuple[int, ...]

    @property
    def several(self) -> bool:
        """Whether the value has more than this one."""
        return len(self.value) > 1


def places(row: SampledRow, label: str, occurrence: int | None = None) -> list[SlotPlace]:
    """Where a slot stands in a row's prompt, in the order of the text."""
    return [place for place, _ in row.placed.layout.spans if place[0] == label and occurrence in (None, place[1])]


def own(row: SampledRow, label: str, occurrence: int | None = None, part: str = "first") -> Target | Trouble:
    """The token that a slot has in that very prompt, the same wherever it stands there."""
    found = places(row, label, occurrence)
    if not found:
        return "absent"
    spans = dict(row.placed.layout.spans)
    if any(place in row.placed.shared for place in found):
        return "shared"
    if any(row.placed.starts(place) and place in row.placed.chars for place in found):
        return "start" if len(found) == 1 or all(row.placed.starts(place) for place in found) else "differs"
    ids = {row.placed.ids[slice(*spans[place])] for place in found}
    return _target(ids.pop(), part) if len(ids) == 1 else "differs"


def contexts(tokens: Tokens, row: SampledRow, label: str, occurrence: int | None = None) -> "list[tuple[str, str]] | Trouble":
    """What surrounds a slot wherever it stands in a prompt."""
    found = [place for place in places(row, label, occurrence) if place in row.placed.chars]
    if not found:
        return "absent"
    if any(row.placed.starts(place) for place in found):
        return "start" if len(found) == 1 else "differs"
    return sorted({tokens.context(row.placed, place) for place in found})


def instead(tokens: Tokens, around: "list[tuple[str, str]] | Trouble", value: str, part: str = "first") -> Target | Trouble:
    """The token that a slot in these contexts would have with another value."""
    if isinstance(around, str):
        return around
    ids = {tokens.in_place(context, value) for context in around}
    only = ids.pop()
    if ids:
        return "differs"
    return "shared" if only is None else _target(only, part)


def after(tokens: Tokens, ending: str, value: str, part: str = "first", exact: bool = False) -> Target | Trouble:
    """The token that would follow a prompt with this ending, after the space that the model's own text would have unless `exact`,
    or answers are exact in the whole file.

    Where tokens are whole words without their spaces, a space changes no token and is put in, exact or not.
    """
    exact = exact or tokens.exact
    text = value if exact else joint(ending, value) + value
    ids = tokens.appended(ending, text) if ending else tokens.run(text).ids
    if ids is None and exact and tokens.run(" " + value).ids == tokens.run(value).ids:
        ids = tokens.appended(ending, " " + value)
    if not ids and not tokens.checked:
        ids = tokens.run(text).ids
    return _target(ids, part) if ids else "joins"


def answer(tokens: Tokens, declaration: Declaration, row: SampledRow, value: Reference | Template) -> tuple[str, Target | Trouble]:
    """An answer's text and its token: the one that would follow the prompt.

    No space comes between where the slot stands in the text after the very character that the prompt ends with ("…17" and "17{YY}").
    """
    if isinstance(value, Template):
        text = "".join(str(content) for _, content in declaration.pieces(value, row.asked))
        return text, after(tokens, tokens.ending(row.placed), text)
    content = declaration.read(row.asked, value)
    if not isinstance(content, str):
        return tokens.tokenizer.decode(content), _target(content, value.part)
    ending, around = tokens.ending(row.placed), contexts(tokens, row, value.label, value.occurrence)
    attached = not isinstance(around, str) and any(left and left[-1] == ending[-1:] for left, _ in around)
    return content, after(tokens, ending, content, value.part, exact=attached)


def _target(ids: tuple[int, ...], part: str) -> Target:
    return Target(ids[-1] if part == "last" else ids[0], ids)
