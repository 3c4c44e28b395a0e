"""Vocabularies: lists, ranges of equal width, and files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.prompts.mistakes import listed

LARGEST_FILE = 16 * 2**20
LARGEST_RANGE = 1_000_000

VocabularyEntry = tuple[str, ...]
"""One text for each field; an ordinary vocabulary has one."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Different entries in the order of the file. `fields` is empty for an ordinary vocabulary."""

    name: str
    entries: tuple[VocabularyEntry, ...]
    fields: tuple[str, ...] = ()
    numbers: dict[VocabularyEntry, int] = field(default_factory=dict, compare=False)

    @staticmethod
    def of(name: str, entries: Sequence[VocabularyEntry], fields: tuple[str, ...] = ()) -> "Vocabulary":
        return Vocabulary(name, tuple(entries), fields, {entry: number for number, entry in enumerate(entries)})


def project_file(text: doc.Text, folder: Path, findings: Diagnostics) -> Path | None:
    """A file of the project's folder, links followed; None, with an error said, if it is elsewhere, missing or no file."""
    root = folder.resolve()
    try:
        path = (root / text.value).resolve()
        inside, there = path.is_relative_to(root), path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name with a null byte, a loop of links
        inside, there = True, False
    if not inside:
        findings.error("C202", f'"{text.value}" is outside the folder of this file', text.span, "copy it next to the file, or below")
        return None
    if not there:
        findings.error("C201", f'there is no file "{text.value}"', text.span, f"it was looked for in {root}")
        return None
    return path


def read_vocabulary(statement: doc.VocabStatement, folder: Path, findings: Diagnostics) -> Vocabulary | None:
    """The statement's entries, duplicates dropped with a warning; None, with errors said, if it has none that can be used."""
    before = findings.errors
    fields = tuple(name.text for name in statement.fields)
    for number, name in enumerate(statement.fields):
        if (twice := name.text in fields[:number]) or name.text in ("first", "last"):
            why = "is declared twice" if twice else "means the first or last token of a slot"
            findings.error("C206", f"`{name.text}` {why}: choose another name for this field", name.span)
    if statement.file:
        entries = _from_file(statement, len(fields), folder, findings)
    elif statement.range:
        entries = _from_range(statement, findings)
    else:
        entries = [tuple(text.value for text in entry) for entry in statement.values]
    if findings.errors > before:
        return None
    where = statement.file.span if statement.file else statement.name.span
    if not entries:
        findings.error("C203", f"vocabulary `{statement.name.text}` is empty", where)
        return None
    if any(not text for entry in entries for text in entry):
        findings.error("C203", f"vocabulary `{statement.name.text}` has an empty value: an empty value has no token", where)
        return None
    unique = Counter(entries)
    if len(unique) < len(entries):
        repeated = [" / ".join(entry) for entry, times in unique.items() if times > 1]
        message = f"vocabulary `{statement.name.text}` has {len(entries) - len(unique)} repeated values: {listed(repeated)}"
        findings.warning("W021", message, where, "each counts once")
    return Vocabulary.of(statement.name.text, tuple(unique), fields)


def _from_range(statement: doc.VocabStatement, findings: Diagnostics) -> list[VocabularyEntry]:
    assert statement.range is not None
    first, last = statement.range
    low, high = first.value, last.value
    span = first.span.to(last.span)
    digits = all(text.isascii() and text.isdigit() for text in (low, high))
    if not digits or len(low) != len(high) or int(low) > int(high) or statement.fields:
        hint = 'write all numbers with as many digits, the smaller first: "02".."98"'
        findings.error("C205", f'"{low}".."{high}" is not a range of numbers of equal width', span, hint)
        return []
    if int(high) - int(low) >= LARGEST_RANGE:
        findings.error("C205", f"this range has more than {LARGEST_RANGE:,} values", span)
        return []
    return [(f"{number:0{len(low)}}",) for number in range(int(low), int(high) + 1)]


def _from_file(statement: doc.VocabStatement, fields: int, folder: Path, findings: Diagnostics) -> list[VocabularyEntry]:
    """One value a line; with fields, separated by tabs. Empty lines are skipped; spaces belong to the value."""
    assert statement.file is not None
    span, name = statement.file.span, statement.file.value
    path = project_file(statement.file, folder, findings)
    if path is None:
        return []
    try:
        if path.stat().st_size > LARGEST_FILE:
            findings.error("C207", f'"{name}" is larger than {LARGEST_FILE // 2**20} MiB', span)
            return []
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        findings.error("C208", f'"{name}" is not UTF-8 text (byte {error.start})', span, "save it as UTF-8")
        return []
    except OSError as error:
        findings.error("C201", f'"{name}" cannot be read: {error.strerror}', span)
        return []
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        entry = tuple(line.split("\t")) if fields else (line,)
        if len(entry) != max(fields, 1):
            findings.error("C204", f'"{name}", line {number}: {len(entry)} parts between tabs, but there are {fields} fields', span)
            return []
        entries.append(entry)
    return entries
