"""Positions as written to roles, and a check that every role stands somewhere in every prompt."""

from collections.abc import Iterable, Sequence

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics, Reported
from circuitdsl.borders.kinds import WRITTEN_PORTS
from circuitdsl.borders.prompts import Prompt, Tokenizer
from circuitdsl.borders.source import Span
from circuitdsl.borders.units import Layout, Role, Roles
from circuitdsl.prompts import PromptSpace
from circuitdsl.resolve.names import Scope, suggestion

PARTS = ("first", "last")


class PositionResolver:
    """Roles on the layouts of distributions; those of nodes on `measured`, which the circuit is run on."""

    def __init__(self, space: PromptSpace, scope: Scope, tokenizer: Tokenizer | None, measured: Sequence[str], problems: Diagnostics):
        self._space, self._scope, self._tokenizer, self._problems = space, scope, tokenizer, problems
        self.measured = tuple(name for name in measured if name in space.distributions)
        self._layouts = {name: found.rows_by_layout() for name, found in space.distributions.items()}

    @property
    def layouts(self) -> list[Layout]:
        """Every layout of the measured distributions, each once."""
        return list(dict.fromkeys(layout for name in self.measured for layout in self._layouts[name]))

    def roles(self, refs: Sequence[doc.PositionRef] | None, measured: Iterable[str] | None = None) -> Roles:
        """Roles that stand in every prompt of the distributions (default: all measured). All that is wrong is reported."""
        if refs is None:
            return None
        found: list[Role] = []
        failure: Reported | None = None
        for ref in refs:
            try:
                role = self._role(ref)
                if role in found:
                    raise self._problems.error("C144", f"`{role}` is named twice", ref.span)
                self.check(role, ref.span, self.measured if measured is None else measured)
                found.append(role)
            except Reported as reported:
                failure = reported
        if failure is not None:
            raise failure
        return tuple(found)

    def default(self, text: str) -> Roles:
        """A measure's own default, such as `END`."""
        return (Role(text, text=text),)

    def _role(self, ref: doc.PositionRef) -> Role:
        name, field = ref.slot.name, ref.slot.field
        text = written(ref)
        if name.text == "END":
            if field or ref.slot.occurrence or ref.index:
                hint = "write `END`, or `END-1` for the token before it"
                if field and field.text in WRITTEN_PORTS:
                    hint = f"in a path the port stands before the position: `heads 9.6.{field.text} @ END`"
                raise self._problems.error("C142", f"`{text}`: END is one token", ref.span, hint)
            return Role("END", shift=ref.shift, text=text)
        slot, part = name.text, "all" if name.text in self._space.blocks else "last"
        if field is not None and f"{slot}.{field.text}" in self._known():
            slot = f"{slot}.{field.text}"
        elif field is not None and field.text in PARTS:
            part = field.text
        if slot not in self._known():
            self._unknown(ref)
        if field is not None and slot == name.text and field.text not in PARTS:
            fields = [one.partition(".")[2] for one in self._known() if one.startswith(f"{slot}.")]
            message = f"the slot `{slot}` has no field `{field.text}`"
            raise self._problems.error("C142", message, field.span, suggestion(field.text, [*fields, *PARTS]))
        if ref.index is not None:
            if ref.index[0] > ref.index[1]:
                raise self._problems.error("C142", f"`{text}`: the range is empty", ref.span)
            return Role(slot, ref.slot.occurrence or 1, ref.index, ref.shift, text)
        return Role(slot, ref.slot.occurrence or 1, part, ref.shift, text)  # type: ignore[arg-type]

    def _known(self) -> set[str]:
        return {slot for slots in self._space.slots.values() for slot in slots}

    def _unknown(self, ref: doc.PositionRef) -> None:
        name = ref.slot.name
        if name.text in self._scope.declared:
            self._scope.find(name, "slot", what="a slot")
            raise Reported  # of prompts that have an error of their own
        self._scope.find(name, "slot", what="a position", also=("END",))

    def check(self, role: Role, span: Span, measured: Iterable[str]) -> None:
        """Reports a role that does not stand in every prompt of these distributions."""
        for name in measured:
            if name not in self._layouts:
                continue
            if role.slot != "END":
                self._check_slot(role, name, span)
            missing: list[int] = []
            why = ""
            for layout, rows in self._layouts[name].items():
                try:
                    layout.positions((role,))
                except (KeyError, IndexError):
                    missing += rows
                    why = why or _why_not_there(role, layout)
            if missing:
                distribution = self._space.distributions[name]
                of = f"`{name}`: {why}"
                share = f"{len(missing)} of the {len(distribution)} prompts"
                everywhere = len(missing) == len(distribution)
                message = f"`{role}` exists in no prompt of {of}" if everywhere else f"`{role}` does not exist in {share} of {of}"
                shown = self._shown(distribution.prompts[missing[0]])
                raise self._problems.error("C140", message, span, f"one of them: {shown}")

    def _check_slot(self, role: Role, name: str, span: Span) -> None:
        if role.slot not in self._space.slots.get(name, ()):
            has = ", ".join(f"`{one}`" for one in sorted(self._space.slots.get(name, ())))
            raise self._problems.error("C140", f"`{role.slot}` is not in the prompts of `{name}`", span, f"they have {has}" if has else "")
        count = max(sum(slot == role.slot for (slot, _), _ in layout.spans) for layout in self._layouts[name])
        if count > 1 and f":{role.occurrence}" not in role.text:
            which = " or ".join(f"`{role.slot}:{one}`" for one in range(1, count + 1))
            raise self._problems.error("C141", f"`{role.slot}` stands {count} times in the prompts of `{name}`", span, f"write {which}")

    def _shown(self, prompt: Prompt) -> str:
        if self._tokenizer is None or not self._space.checked:
            return prompt.text
        return "|".join(self._tokenizer.piece(token) for token in prompt.tokens)


def _why_not_there(role: Role, layout: Layout) -> str:
    try:
        start, end = layout.span(role.slot, role.occurrence)
    except KeyError:
        return f"there is no `{role.slot}:{role.occurrence}`" if role.occurrence > 1 else f"`{role.slot}` does not stand in the text"
    if isinstance(role.part, tuple) and start + role.part[1] >= end:
        return f"`{role.slot}` has {end - start} token{'s' * (end - start != 1)} there, counted from 0"
    return "that is outside the text"


def written(ref: doc.PositionRef) -> str:
    """A position as the language writes it."""
    text = written_slot(ref.slot)
    if ref.index is not None:
        low, high = ref.index
        text += f"[{low}]" if low == high else f"[{low}..{high}]"
    return text + (f"{ref.shift:+d}" if ref.shift else "")


def written_slot(ref: doc.SlotRef) -> str:
    field = f".{ref.field.text}" if ref.field else ""
    return f"{ref.name.text}{field}" + (f":{ref.occurrence}" if ref.occurrence else "")
