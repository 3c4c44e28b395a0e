"""Rows made from other rows, each in the layout of its own: redraw first, then assign, all assignments at once."""

from collections.abc import Iterator, Sequence
from itertools import count

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.prompts.declare import Assignment, Declaration, Drawing, Filler, Reference, Values
from circuitdsl.prompts.draws import permutation, uniform
from circuitdsl.prompts.mistakes import listed
from circuitdsl.prompts.sample import PromptSample, SampledRow, entry, sizes
from circuitdsl.prompts.show import side_by_side
from circuitdsl.prompts.template import Hole
from circuitdsl.prompts.tokens import Tokens
from circuitdsl.prompts.vocabulary import Vocabulary

Widths = tuple[tuple[str, str, str | None, int], ...]
"""The places of a slot: the characters beside it, its field there, and how many tokens it has with them."""

ATTEMPTS = 40
"""How often a row is redrawn before its layout is given up. Candidates already have the right widths: this is for odd joins."""

MOST_STEPS = 100_000
"""How long distinct values are looked for before there are said to be none."""


def derive(declaration: Declaration, base: PromptSample, tokens: Tokens, seed: int, findings: Diagnostics) -> PromptSample | None:
    """The counterfactual of every row of `base`; None, with an error said, if one cannot have its row's layout."""
    maker = _Maker(declaration, base, tokens, seed)
    rows: list[SampledRow] = []
    bad: list[tuple[SampledRow, SampledRow]] = []
    without: dict[str, list[SampledRow]] = {}
    for number, clean in enumerate(base.rows):
        row = maker.row(number, clean)
        if isinstance(row, str):
            without.setdefault(row, []).append(clean)
        elif tokens.checked and row.placed.layout != clean.placed.layout:
            bad.append((clean, row))
        else:
            rows.append(row)
    for key, stuck in without.items():
        message = (
            f"{len(stuck)} of {len(base.rows)} prompts of `{base.declaration.name}` leave no value for `{key}` in `{declaration.name}`"
        )
        message += f", where it is {listed(dict.fromkeys(_stands(row, key) for row in stuck))}"
        findings.error("C222", message, declaration.span, "the vocabulary needs more values of as many tokens" + maker.why(key))
    if bad:
        clean, row = bad[0]
        message = f"{len(bad)} of {len(base.rows)} prompts of `{declaration.name}` have other token positions than their prompt in"
        message += f" `{base.declaration.name}`; the first of them is shown"
        note = side_by_side(tokens, clean.placed, row.placed, base.declaration.name, declaration.name)
        findings.error("C221", message, declaration.span, "choose values of as many tokens", note=note)
    if bad or without:
        return None
    same = sum(row.placed.ids == clean.placed.ids for row, clean in zip(rows, base.rows, strict=True))
    if same and not declaration.root.file:
        message = f"{same} of {len(rows)} prompts of `{declaration.name}` are the same as in `{base.declaration.name}`"
        findings.warning("W027", message, declaration.span, "`redraw … distinct` takes other values")
    return PromptSample(declaration, tuple(rows), clusters_named=base.clusters_named)


def _stands(row: SampledRow, key: str) -> str:
    """A slot's value as text, its fields beside each other."""
    return " / ".join(map(str, row.values.get(key) or row.values[key.partition(":")[0]]))


class _Maker:
    """Makes the rows of one counterfactual; draws are keyed by (seed, name, row, slot)."""

    def __init__(self, declaration: Declaration, base: PromptSample, tokens: Tokens, seed: int):
        self.declaration, self.base, self.tokens, self.seed = declaration, base, tokens, seed
        self.plain = tokens.plain if any(drawing.slot.tokens for drawing in declaration.draws) else ()
        self.fitting: dict[tuple[str, Widths], list[int]] = {}

    def row(self, number: int, clean: SampledRow) -> SampledRow | str:
        """The counterfactual, in the last attempt's layout if none fits; or the key that no value is left for."""
        for attempt in range(ATTEMPTS):
            redrawn = self._redrawn(number, clean, attempt)
            if isinstance(redrawn, str):
                return redrawn
            asked = self._follow(clean.values, redrawn)
            assigned = dict(asked)
            for assignment in self.declaration.assignments:
                _put(assigned, assignment.key, self.declaration.evaluate(asked, assignment))
            values = self._follow(asked, assigned)
            if not self.declaration.templates:
                return SampledRow(clean.template, values, asked, clean.placed, clean.cluster, clean.answer, clean.wrong)
            template = self.declaration.templates[clean.template]
            placed = self.tokens.place(clean.template, self.declaration.pieces(template, values))
            if not self.tokens.checked:
                placed = placed._replace(layout=clean.placed.layout)
            if placed.layout == clean.placed.layout or not any(drawing.slot.vocabulary for drawing in self.declaration.draws):
                break
        return SampledRow(clean.template, values, asked if self.declaration.own_answers else values, placed, clean.cluster)

    def why(self, key: str) -> str:
        drawing = next(drawing for drawing in self.declaration.draws if key in drawing.keys)
        return ", other than those in the prompt" if drawing.distinct else ""

    # ------------------------------------------------------------ values

    def _redrawn(self, number: int, clean: SampledRow, attempt: int) -> dict[str, Filler] | str:
        values = dict(clean.values)
        for drawing in self.declaration.draws:
            key = (self.seed, self.declaration.name, number, attempt)
            if drawing.slot.vocabulary is None:
                chosen = self._blocks(drawing, clean.values, key)
            else:
                candidates = {name: self._candidates(drawing, name, clean) for name in drawing.keys}
                empty = next((name for name, found in candidates.items() if not found), None)
                if empty:
                    return empty
                picked = _pick(candidates, drawing.distinct, key)
                if picked is None:
                    return drawing.keys[-1]
                chosen = {name: entry(drawing.slot, index, ()) for name, index in picked.items()}
            for name, value in chosen.items():
                _put(values, name, value)
        return values

    def _blocks(self, drawing: Drawing, clean: Values, key: tuple[str | int, ...]) -> dict[str, Filler]:
        size, chosen = sizes(drawing.slot, self.plain), dict[str, Filler]()
        taken = set(self._standing(drawing, clean)) if drawing.distinct else set()
        for name in sorted(drawing.keys):
            for again in range(ATTEMPTS):
                chosen[name] = entry(drawing.slot, uniform(size, *key, name, again), self.plain)
                if chosen[name] not in taken:
                    break
            if drawing.distinct:
                taken.add(chosen[name])
        return chosen

    def _standing(self, drawing: Drawing, clean: Values) -> Iterator[Filler]:
        """What stands in the clean prompt in slots of this kind."""
        return (
            value for key, value in clean.items() if self.declaration.slots.get(key.partition(":")[0].partition(".")[0]) == drawing.slot
        )

    def _candidates(self, drawing: Drawing, key: str, clean: SampledRow) -> list[int]:
        """Entries that may replace a slot's: of as many tokens wherever it stands and, if distinct, not in the clean prompt."""
        vocabulary = drawing.slot.vocabulary
        assert vocabulary is not None
        widths = self._widths(key, clean)
        fitting = self.fitting.get((vocabulary.name, widths))
        if fitting is None:
            fitting = self.fitting[vocabulary.name, widths] = self._fitting(vocabulary, widths)
        taken = (
            {vocabulary.numbers.get(tuple(map(str, found))) for found in self._standing(drawing, clean.values)}
            if drawing.distinct
            else set()
        )
        return [number for number in fitting if number not in taken]

    def _fitting(self, vocabulary: Vocabulary, widths: Widths) -> list[int]:
        """Entries of these widths in these places."""
        return [
            number
            for number, found in enumerate(vocabulary.entries)
            if all(self._width(left, _part(found, vocabulary.fields, field), right) == width for left, right, field, width in widths)
        ]

    def _widths(self, key: str, clean: SampledRow) -> Widths:
        """Where a slot and those that follow it stand, with the widths of the clean prompt's values."""
        if not self.declaration.templates or not self.tokens.checked:
            return ()
        slot, _, occurrence = key.partition(":")
        pieces, found = self.declaration.templates[clean.template].pieces, []
        followers = {slot, *_followers(slot, self.declaration.follows)} if not occurrence else {slot}
        for index, piece in enumerate(pieces):
            if not isinstance(piece, Hole) or (piece.slot not in followers and piece.label not in followers):
                continue
            if occurrence and piece.occurrence != int(occurrence):
                continue
            before, after = (pieces[index - 1] if index else ""), (pieces[index + 1] if index + 1 < len(pieces) else "")
            left, right = (before[-1:] if isinstance(before, str) else ""), (after[:1] if isinstance(after, str) else "")
            text = self.declaration.read(clean.values, piece)
            found.append((left, right, piece.field, self._width(left, str(text), right)))
        return tuple(dict.fromkeys(found))

    def _width(self, left: str, text: str, right: str) -> int:
        return len(self.tokens.run(left + text + right).ids)

    def _follow(self, before: Values, after: Values) -> dict[str, Filler]:
        """Slots that are defined by others take the new values of those that changed."""
        values = dict(after)
        changed = {key.partition(":")[0] for key in values.keys() | before.keys() if values.get(key) != before.get(key) and ":" not in key}
        for definition in self.declaration.follows:
            value = definition.value
            needed = {value.slot} if isinstance(value, Reference) else {hole.slot for hole in value.holes}
            if needed & changed:
                _put(values, definition.key, self.declaration.evaluate(values, definition))
                changed.add(definition.key)
        return values


def _put(values: dict[str, Filler], key: str, value: Filler) -> None:
    """Gives a slot a value everywhere, or at the one occurrence that the key names."""
    if ":" not in key:
        for single in [name for name in values if name.startswith((f"{key}:", f"{key}.")) and ":" in name]:
            del values[single]
    values[key] = value


def _pick(candidates: dict[str, list[int]], distinct: bool, key: tuple[str | int, ...]) -> dict[str, int] | None:
    """One candidate a slot. Distinct ones are drawn without replacement: uniform where all slots have the same candidates."""
    order = sorted(candidates, key=lambda name: (len(candidates[name]), name))
    if not distinct:
        return {name: candidates[name][uniform(len(candidates[name]), *key, name)] for name in order}
    chosen: dict[str, int] = {}
    steps = count()

    def place(depth: int) -> bool:
        if depth == len(order):
            return True
        name = order[depth]
        for index in permutation(len(candidates[name]), *key, name):
            if next(steps) > MOST_STEPS:
                return False
            if (found := candidates[name][index]) not in chosen.values():
                chosen[name] = found
                if place(depth + 1):
                    return True
                del chosen[name]
        return False

    return chosen if place(0) else None


def _followers(slot: str, follows: Sequence[Assignment]) -> Iterator[str]:
    """Slots that take their value from this one as it is."""
    known = {slot}
    for definition in follows:
        if isinstance(definition.value, Reference) and definition.value.slot in known and not definition.value.field:
            known.add(definition.key)
            yield definition.key


def _part(found: tuple[str, ...], fields: tuple[str, ...], field: str | None) -> str:
    return found[fields.index(field)] if field else found[0]
