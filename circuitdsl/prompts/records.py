"""Prompts from a file: one object a row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import Any

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.prompts import Encoding
from circuitdsl.borders.source import Span
from circuitdsl.borders.units import Layout
from circuitdsl.prompts.data_files import BadLines, Unreadable, data_rows
from circuitdsl.prompts.declare import Declaration, Filler, Slot
from circuitdsl.prompts.draws import permutation
from circuitdsl.prompts.metric_tokens import token_text
from circuitdsl.prompts.mistakes import listed
from circuitdsl.prompts.sample import PromptSample, SampledRow
from circuitdsl.prompts.show import side_by_side
from circuitdsl.prompts.tokens import Placed, Range, SlotPlace, Tokens, shares, span_of
from circuitdsl.prompts.vocabulary import project_file

OTHER_FORMS = "this is read as JSON lines; `.csv`, `.tsv`, `.json` and `.parquet` at the end of the name say what else it is"
OTHER = "counterfactual_"
"""Begins the key of a slot's value in the counterfactual."""
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
ALSO = {
    "clean": ("prompt", "clean_prompt", "clean_prefix"),
    "counterfactual": ("corrupted", "corrupt", "corrupted_prompt", "corrupt_prompt", "counterfactual_prompt", "patch_prefix"),
    "answer": ("answers", "correct", "clean_answer"),
    "wrong": ("wrong_answers", "incorrect"),
    "counterfactual_answer": ("corrupted_answer", "corrupt_answer", "patch_answer"),
}
"""Names that other projects' files have for the language's keys, each used where the key itself is not there."""
KEYS = frozenset([*OWN_KEYS, *(name for names in ALSO.values() for name in names)])
IDS = ("correct_idx", "incorrect_idx", "answer_idx", "wrong_idx", "label_idx")
"""Names of columns that hold the numbers of tokens."""


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


def read_records(path: Path, bad: BadLines) -> Iterator[Record]:
    """Good rows, one at a time; the others are said. Raises OSError or Unreadable if the file has none that can be read."""
    for number, found in data_rows(path, bad, KEYS):
        try:
            yield _record(number, found)
        except UnicodeEncodeError:
            bad.add(number, "half of a surrogate pair, which is no character")
        except ValueError as error:
            bad.add(number, str(error))


def _record(line: int, found: Any) -> Record:
    """Raises ValueError, in the user's words, for an object of another form."""
    if not isinstance(found, dict):
        raise ValueError("not an object: write {…}")
    found = _usual(found)
    for text in (*found, *found.values()):
        for one in text if isinstance(text, list) else (text,):
            if isinstance(one, str):
                one.encode()
    texts = {key: _text(key, found.get(key)) for key in ("clean", "counterfactual", "answer", "counterfactual_answer")}
    if texts["clean"] is None:
        there = listed([key[:40] for key in found]) or "nothing"
        raise ValueError(f'no key "clean" with the prompt; there is {there}')
    if texts["counterfactual_answer"] is not None and texts["counterfactual"] is None:
        raise ValueError('"counterfactual_answer" without "counterfactual"')
    if texts["answer"] is None and (ids := [key for key in IDS if key in found]):
        raise ValueError(f'{listed(ids)} are numbers of tokens, and prompts are for any model: write the texts as "answer" and "wrong"')
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


def _usual(found: dict[Any, Any]) -> dict[Any, Any]:
    """The object with the language's own keys in place of those that other projects use, without those that have no value.

    Raises ValueError where there are several right answers.
    """
    found = {key: value for key, value in found.items() if value is not None}
    for key, others in ALSO.items():
        other = next((name for name in others if name in found), None)
        if key not in found and other is not None:
            found[key] = found.pop(other)
    for key in ("answer", "counterfactual_answer"):
        if isinstance(found.get(key), list):
            if len(found[key]) > 1:
                raise ValueError(
                    f'{len(found[key])} right answers, and metrics speak of one: write the one that counts as "{key}"; another can be a '
                    'key of its own, such as "other", which a metric reads as `logit("{other}")`'
                )
            found[key] = found[key][0] if found[key] else None
    return found


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
    declaration: Declaration, tokens: Tokens, count: int, seed: int, folder: Path, findings: Diagnostics, leave_out: bool = False
) -> tuple[PromptSample | None, PromptSample | None]:
    """The file's prompts, `count` of them in random order, and their counterfactuals if it has some.

    Pairs of unequal length are an error, or are left out with a warning.
    """
    assert declaration.file is not None
    span, path = declaration.file.span, project_file(declaration.file, folder, findings)
    if path is None:
        return None, None
    bad = BadLines(declaration.file.value)
    try:
        records = list(read_records(path, bad))
    except OSError as error:
        findings.error("C201", f'"{bad.name}" cannot be read: {error.strerror}', span)
        return None, None
    except Unreadable as error:
        findings.error(error.code, f'"{bad.name}" {error.message}', span, error.hint)
        return None, None
    names = _alike(records, bad)
    if not records and not bad.found:
        findings.error("C203", f'"{bad.name}" is empty', span)
    templates = {name: number for number, name in enumerate(dict.fromkeys(record.template for record in records))}
    rows: list[SampledRow] = []
    others: list[SampledRow] = []
    unequal: list[_Pair] = []
    order = (records[index] for index in permutation(len(records), seed, declaration.name))
    for record in order if leave_out else islice(order, count):
        if len(rows) == count:
            break
        placed = _place(record, templates[record.template], tokens, bad)
        if placed is None:
            continue
        other = None if record.counterfactual is None else _whole(record.counterfactual, placed.layout, tokens)
        if other is not None and tokens.checked and len(other.ids) != placed.layout.length:
            unequal.append(_Pair(record.line, placed, other))
            continue
        values: dict[str, Filler] = {name: (text,) for name, text in record.slots}
        cluster = record.cluster or record.template or f"{bad.unit} {record.line}"
        rows.append(SampledRow(templates[record.template], values, values, placed, cluster, record.answer, record.wrong))
        if other is None:
            continue
        answers = record.counterfactual_answer, record.counterfactual_wrong
        theirs: dict[str, Filler] = values | {name: (text,) for name, text in record.counterfactual_slots}
        others.append(SampledRow(templates[record.template], theirs, theirs, other, cluster, *answers))
    hint = OTHER_FORMS if bad.found and not records and path.suffix.lower() not in (".csv", ".tsv", ".json", ".parquet") else ""
    for message in bad.said():
        findings.error("C224", message, span, hint)
    if unequal and not bad.found:
        _say_unequal(records, unequal, leave_out, bad, tokens, span, findings)
    if bad.found or not rows or (unequal and not leave_out):
        return None, None
    every = len(rows) if len(rows) + len(unequal) == len(records) else None
    if len(rows) < count:
        message = f'"{bad.name}" has only {len(rows)} prompts; {count} were asked for, all are used'
        findings.warning("W025", message, declaration.span)
    named = any(record.cluster is not None for record in records)
    known = Declaration(declaration.name, declaration.span, (), dict.fromkeys(names, Slot()), file=declaration.file)
    second_part = Declaration("counterfactual", declaration.span, (), dict(known.slots), file=declaration.file, base=known)
    second = PromptSample(second_part, tuple(others), every, named) if others else None
    return PromptSample(known, tuple(rows), every, named), second


def _alike(records: Sequence[Record], bad: BadLines) -> list[str]:
    """Names of the slots, which all rows have, as they have an answer or a counterfactual: others are said."""
    with_pair = any(record.counterfactual is not None for record in records)
    with_answer = any(record.answer is not None for record in records)
    names = dict.fromkeys(name for record in records for name, _ in record.slots)
    rows = f"{bad.unit}s"
    for record in records:
        if missing := names.keys() - dict(record.slots).keys():
            bad.add(record.line, f"no {listed(sorted(missing))}, but other {rows} have it")
        if (record.counterfactual is None) is with_pair:
            bad.add(record.line, f'no "counterfactual", but other {rows} have one')
        if (record.answer is None) is with_answer:
            bad.add(record.line, f'no "answer", but other {rows} have one')
    return list(names)


@dataclass(frozen=True, slots=True)
class _Pair:
    line: int
    clean: Placed
    other: Placed

    def part(self, tokens: Tokens) -> str:
        """The first place where one has more tokens than the other for what is otherwise alike."""
        ours, theirs = self.clean.ids, self.other.ids
        blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
        _, start, end, low, high = next(block for block in blocks if block[2] - block[1] != block[4] - block[3])
        first, second = (" ".join(token_text(tokens.tokenizer, one) for one in ids) for ids in (ours[start:end][:8], theirs[low:high][:8]))
        return f"they part at token {start}: {first or 'nothing'} against {second or 'nothing'}"


def _say_unequal(
    records: Sequence[Record], pairs: Sequence[_Pair], leave_out: bool, bad: BadLines, tokens: Tokens, span: Span, findings: Diagnostics
) -> None:
    """Counts the pairs of unequal length among all rows of the file, and shows one of those that were met."""
    lengths = ((len(tokens.whole(one.clean).ids), len(tokens.whole(one.counterfactual or "").ids)) for one in records)
    first, total = min(pairs, key=lambda pair: pair.line), sum(ours != theirs for ours, theirs in lengths)
    message = f'{total} of {len(records)} pairs in "{bad.name}" have counterfactuals of another length than their prompt'
    where = f"in {bad.unit} {first.line} {first.part(tokens)}"
    if leave_out:
        findings.warning("W041", f"{message}: left out; {where}", span, "what is measured speaks of the other pairs")
        if len(pairs) == len(records):
            findings.error("C221", f'no pair in "{bad.name}" is of equal length', span, "make both equally long in tokens")
        return
    note = side_by_side(tokens, first.clean, first.other, "clean", "counterfactual")
    hint = "make both equally long in tokens, or leave such pairs out: `settings { unequal = leave_out }`"
    findings.error("C221", f"{message}; {where}", span, hint, note=note)


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
