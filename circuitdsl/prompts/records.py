"""Prompts from a file: one JSON object a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from circuitdsl.borders.prompts import Encoding
from circuitdsl.borders.units import Layout
from circuitdsl.prompts.declare import Declaration, Filler, Slot
from circuitdsl.prompts.draws import permutation
from circuitdsl.prompts.findings import Findings, listed
from circuitdsl.prompts.sample import PromptSample, SampledRow
from circuitdsl.prompts.show import side_by_side
from circuitdsl.prompts.tokens import Placed, Range, SlotPlace, Tokens, shares, span_of
from circuitdsl.prompts.vocabulary import project_file

MOST_SHOWN = 20
OTHER = "counterfactual_"
"""Begins the key of a slot's value in the counterfactual."""
LONGEST_LINE = 2**20
OWN_KEYS = (
    "clean",
    "counterfactual",
    "answer",
    "wrong",
    "counterfactual_answer",
    "counterfactual_wrong",
    "positions",
    "cluster",
    "template",
)


@dataclass(frozen=True, slots=True)
class Record:
    line: int
    clean: str
    counterfactual: str | None = None
    answer: str | None = None
    wrong: tuple[str, ...] = ()
    counterfactual_answer: str | None = None
    counterfactual_wrong: tuple[str, ...] = ()
    positions: tuple[tuple[str, int | Range], ...] = ()
    cluster: str | None = None
    template: str | None = None
    slots: tuple[tuple[str, str], ...] = ()
    counterfactual_slots: tuple[tuple[str, str], ...] = ()
    """Values that the counterfactual has instead of the prompt's own."""


@dataclass(slots=True)
class BadLines:
    """Bad lines of one file: each is said, up to a number."""

    name: str
    found: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, line: int, message: str) -> None:
        if len(self.found) < MOST_SHOWN:
            self.found.append(f'"{self.name}", line {line}: {message}')
        else:
            self.more += 1


def read_records(path: Path, bad: BadLines) -> Iterator[Record]:
    """Good lines, one at a time; the others are said. Empty lines are skipped. Raises OSError if the file cannot be read."""
    with path.open("rb") as lines:
        for number in range(1, 1 << 62):
            line = lines.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE:
                bad.add(number, f"longer than {LONGEST_LINE:,} bytes")
                while line and not line.endswith(b"\n"):
                    line = lines.readline(LONGEST_LINE)
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield _record(number, json.loads(text.rstrip()))
            except UnicodeDecodeError:
                bad.add(number, "not UTF-8 text")
            except UnicodeEncodeError:
                bad.add(number, "half of a surrogate pair, which is no character")
            except json.JSONDecodeError as error:
                bad.add(number, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}")
            except RecursionError:
                bad.add(number, "nested too deeply")
            except ValueError as error:
                bad.add(number, "a number of too many digits" if "integer string conversion" in str(error) else str(error))


def _record(line: int, found: Any) -> Record:
    """Raises ValueError, in the user's words, for an object of another form."""
    if not isinstance(found, dict):
        raise ValueError("not an object: write {…}")
    for text in (*found, *found.values()):
        for one in text if isinstance(text, list) else (text,):
            if isinstance(one, str):
                one.encode()
    texts = {key: _text(key, found.get(key)) for key in ("clean", "counterfactual", "answer", "counterfactual_answer")}
    if texts["clean"] is None:
        raise ValueError('no key "clean" with the prompt')
    if texts["counterfactual_answer"] is not None and texts["counterfactual"] is None:
        raise ValueError('"counterfactual_answer" without "counterfactual"')
    wrong = {key: _texts(key, found.get(key)) for key in ("wrong", "counterfactual_wrong")}
    for key in wrong:
        if wrong[key] and texts[key.replace("wrong", "answer")] is None:
            raise ValueError(f'"{key}" without "{key.replace("wrong", "answer")}"')
    plain = {key: str(value) for key, value in found.items() if key not in OWN_KEYS and isinstance(value, str | int | float)}
    others = {key: key.removeprefix(OTHER) for key in plain if key.startswith(OTHER) and key.removeprefix(OTHER) in plain}
    if others and texts["counterfactual"] is None:
        raise ValueError(f'"{next(iter(others))}" without "counterfactual"')
    return Record(
        line,
        texts["clean"],
        texts["counterfactual"],
        texts["answer"],
        wrong["wrong"],
        texts["counterfactual_answer"],
        wrong["counterfactual_wrong"],
        _positions(found.get("positions"), texts["clean"]),
        _plain("cluster", found.get("cluster")),
        _plain("template", found.get("template")),
        tuple((key, value) for key, value in plain.items() if key not in others),
        tuple((slot, plain[key]) for key, slot in others.items()),
    )


def _text(key: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        what = "empty" if value == "" else "not a text"
        raise ValueError(f'"{key}" is {what}')
    return value


def _texts(key: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(text, str) and text for text in values):
        raise ValueError(f'"{key}" is neither a text nor a list of texts')
    return tuple(values)


def _plain(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f'"{key}" is neither a text nor a number')
    return None if value is None else str(value)


def _positions(found: Any, text: str) -> tuple[tuple[str, int | Range], ...]:
    if found is None:
        return ()
    if not isinstance(found, dict):
        raise ValueError('"positions" is not an object from names to positions')
    positions: list[tuple[str, int | Range]] = []
    for name, value in found.items():
        if not name.isidentifier() or name in ("END", "template", "answer", "wrong"):
            raise ValueError(f'"{name}" cannot be the name of a position')
        if isinstance(value, int) and not isinstance(value, bool):
            positions.append((name, value))
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(end, int) and not isinstance(end, bool) for end in value):
            if not 0 <= value[0] < value[1] <= len(text):
                raise ValueError(f'position "{name}" {value} is outside the {len(text)} characters of "clean"')
            positions.append((name, (value[0], value[1])))
        else:
            raise ValueError(f'position "{name}" is neither a token\'s index nor [start, end) in characters')
    return tuple(positions)


# ---------------------------------------------------------------- rows


def sample_file(
    declaration: Declaration, tokens: Tokens, count: int, seed: int, folder: Path, findings: Findings
) -> tuple[PromptSample | None, PromptSample | None]:
    """The file's prompts, `count` of them in random order, and their counterfactuals if it has some."""
    assert declaration.file is not None
    span, path = declaration.file.span, project_file(declaration.file, folder, findings)
    if path is None:
        return None, None
    bad = BadLines(declaration.file.value)
    try:
        records = list(read_records(path, bad))
    except OSError as error:
        findings.error("C201", span, f'"{bad.name}" cannot be read: {error.strerror}')
        return None, None
    with_pair = sum(record.counterfactual is not None for record in records)
    with_answer = sum(record.answer is not None for record in records)
    names = dict.fromkeys(name for record in records for name, _ in record.slots)
    for record in records:
        if missing := names.keys() - dict(record.slots).keys():
            bad.add(record.line, f"no {listed(sorted(missing))}, but other lines have it")
        if (record.counterfactual is None) is (with_pair > 0):
            bad.add(record.line, 'no "counterfactual", but other lines have one')
        if (record.answer is None) is (with_answer > 0):
            bad.add(record.line, 'no "answer", but other lines have one')
    if not records and not bad.found:
        findings.error("C203", span, f'"{bad.name}" is empty')
    templates = {name: number for number, name in enumerate(dict.fromkeys(record.template for record in records))}
    chosen = [records[index] for index in islice(permutation(len(records), seed, declaration.name), count)]
    rows, others, unequal = [], [], []
    for record in chosen:
        placed = _place(record, templates[record.template], tokens, bad)
        if placed is None:
            continue
        values: dict[str, Filler] = {name: (text,) for name, text in record.slots}
        cluster = record.cluster or record.template or f"line {record.line}"
        rows.append(SampledRow(templates[record.template], values, values, placed, cluster, record.answer, record.wrong))
        if record.counterfactual is None:
            continue
        other = _whole(record.counterfactual, placed.layout, tokens)
        if tokens.checked and len(other.ids) != placed.layout.length:
            unequal.append((record.line, placed, other))
            continue
        answers = record.counterfactual_answer, record.counterfactual_wrong
        theirs: dict[str, Filler] = values | {name: (text,) for name, text in record.counterfactual_slots}
        others.append(SampledRow(templates[record.template], theirs, theirs, other, cluster, *answers))
    for message in bad.found:
        findings.error("C224", span, message)
    if bad.more:
        findings.error("C224", span, f'"{bad.name}": and {bad.more} more bad lines')
    if unequal:
        line, clean, other = unequal[0]
        message = (
            f'{len(unequal)} counterfactuals in "{bad.name}" have another length than their prompt; the first, in line {line}, is shown'
        )
        note = side_by_side(tokens, clean, other, "clean", "counterfactual")
        findings.error("C221", span, message, "make both equally long in tokens", note=note)
    if bad.found or unequal or not rows:
        return None, None
    every = len(records) if len(records) <= count else None
    if len(records) < count:
        message = f'"{bad.name}" has only {len(records)} prompts; {count} were asked for, all are used'
        findings.warn("W025", declaration.span, message)
    named = any(record.cluster is not None for record in records)
    known = Declaration(declaration.name, declaration.span, (), dict.fromkeys(names, Slot()), file=declaration.file)
    second_part = Declaration("counterfactual", declaration.span, (), dict(known.slots), file=declaration.file, base=known)
    second = PromptSample(second_part, tuple(others), every, named) if others else None
    return PromptSample(known, tuple(rows), every, named), second


def _whole(text: str, layout: Layout, tokens: Tokens) -> Placed:
    """A counterfactual: its positions are those of its prompt, token by token."""
    encoding = tokens.whole(text)
    special = len(encoding.ids) - len(tokens.run(text).ids)
    layout = Layout(layout.template, len(encoding.ids) if tokens.checked else layout.length, layout.spans)
    return Placed(text, encoding.ids, layout, {}, frozenset(), max(special, 0), text, len(encoding.ids) - max(special, 0))


def _word(encoding: Encoding, text: str, index: int) -> Range:
    """The characters of a token without the space before them; (0, 0) for one that has none."""
    start, end = encoding.offsets[index]
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return (start, end) if start < end else (0, 0)


def _place(record: Record, template: int, tokens: Tokens, bad: BadLines) -> Placed | None:
    """A prompt with the positions that its line gives: token indices count the text's own tokens from 0 (BOS left out)."""
    encoding = tokens.whole(record.clean)
    special = next((i for i, (start, end) in enumerate(encoding.offsets) if start < end), len(encoding.ids))
    own = len(encoding.ids) - special
    spans: list[tuple[SlotPlace, Range]] = []
    shared: set[SlotPlace] = set()
    chars: dict[SlotPlace, Range] = {}
    for name, where in record.positions:
        if isinstance(where, tuple):
            found, place = span_of(encoding, where), (name, 1)
            if found[0] == found[1]:
                bad.add(record.line, f'no token has the characters of position "{name}"')
                return None
            chars[place] = where
            if tokens.checked and shares(encoding, record.clean, where, found):
                shared.add(place)
        elif -own <= where < own:
            index = special + where % own
            found = (index, index + 1)
            if (own_chars := _word(encoding, record.clean, index))[0] > 0:
                chars[name, 1] = own_chars
        elif tokens.checked:
            bad.add(record.line, f'position "{name}" is {where}, but the text has {own} tokens')
            return None
        else:
            found = (special, special + 1)
        spans.append(((name, 1), found))
    layout = Layout(template, len(encoding.ids), tuple(sorted(spans)))
    return Placed(record.clean, encoding.ids, layout, chars, frozenset(shared), special, record.clean, own)
