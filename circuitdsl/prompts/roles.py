"""Positions as metrics write them, on the rows of a distribution."""

from collections.abc import Mapping
from typing import Literal, cast

from circuitdsl.borders import document as doc
from circuitdsl.borders.units import Layout, Role
from circuitdsl.prompts.declare import Slot
from circuitdsl.prompts.labels import Labelling
from circuitdsl.prompts.mistakes import Lacking, Mistake, similar


def role(position: doc.PositionRef, slots: Mapping[str, Slot], span: bool = False) -> Role:
    """A position as a role. A block means all its tokens, another slot its last, `.first` its first.

    Where a `span` is wanted, as by `loss`, any slot by itself means all its tokens.
    """
    ref = position.slot
    fields = slots[ref.name.text].fields if ref.name.text in slots else ()
    label = ref.name.text
    part: Literal["last", "first", "all"] = "last"
    if ref.field and ref.field.text in ("first", "last") and ref.field.text not in fields:
        part = cast("Literal['first', 'last']", ref.field.text)
    elif ref.field:
        label = f"{label}.{ref.field.text}"
    elif label in slots and (slots[label].tokens or (span and not position.shift)):
        part = "all"
    text = ref.name.text + (f".{ref.field.text}" if ref.field else "") + (f":{ref.occurrence}" if ref.occurrence else "")
    if position.index:
        low, high = position.index
        text += f"[{low}]" if low == high else f"[{low}..{high}]"
    text += f"{position.shift:+d}" if position.shift else ""
    return Role(label, ref.occurrence or 1, position.index or part, position.shift, text)


def token_indices(labelling: Labelling, position: doc.PositionRef, span: bool = False) -> list[tuple[int, ...]]:
    """The sorted token indices of a position on each row, or of a `span`. Raises Lacking if some row has no such place."""
    wanted, name = role(position, labelling.declaration.slots, span), labelling.distribution.name
    found: dict[Layout, tuple[int, ...]] = {}
    for row in labelling.rows:
        layout = row.prompt.layout
        if layout in found:
            continue
        try:
            found[layout] = layout.positions((wanted,))
        except KeyError:
            known = {slot for (slot, _), _ in layout.spans} | {"END"}
            hint = similar(wanted.slot, known - {wanted.slot}) or "positions are slots that stand in the text, and END"
            raise Lacking("C234", position.span, f"there is no `{wanted}` in the prompts of `{name}`", hint) from None
        except IndexError as error:
            raise Lacking("C234", position.span, f"{error} in a prompt of `{name}`") from None
    return [found[row.prompt.layout] for row in labelling.rows]


def token_index(labelling: Labelling, position: doc.PositionRef) -> list[int]:
    """The one token index of a position on each row [N]. Raises Mistake if a row has several."""
    found = token_indices(labelling, position)
    if any(len(one) != 1 for one in found):
        message = f"`{role(position, labelling.declaration.slots)}` has several tokens; a metric is read at one"
        raise Mistake("C234", position.span, message, "take one: `[0]`, `.first`, `.last`")
    return [one[0] for one in found]
