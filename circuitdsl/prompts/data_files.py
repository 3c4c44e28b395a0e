"""Files of prompts as rows of keys and values: JSON lines, one JSON document, CSV, TSV, Parquet. Nothing in them is run."""

import csv
import json
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from circuitdsl.prompts.mistakes import listed

MOST_SHOWN = 20
MOST_PLACES = 5
LONGEST_LINE = 2**20
LARGEST_FILE = 256 * 2**20
"""Most bytes of a file that has to be read whole."""
LISTS = ("wrong", "wrong_answers", "answers", "counterfactual_wrong", "positions")
"""Columns of a table whose cells may hold JSON."""

Row = tuple[int, Any]
"""The number of a line or row, counted from 1, and what stands there."""


class Unreadable(Exception):
    """A file that holds no rows at all: the code, what is wrong with it, and a mend."""

    def __init__(self, code: str, message: str, hint: str = ""):
        self.code, self.message, self.hint = code, message, hint
        super().__init__(message)


@dataclass(slots=True)
class BadLines:
    """What is wrong with rows of one file, the same of several rows once."""

    name: str
    found: dict[str, list[int]] = field(default_factory=dict)
    unit: str = "line"

    def add(self, line: int, message: str) -> None:
        self.found.setdefault(message, []).append(line)

    def said(self) -> Iterator[str]:
        """Messages, up to a number of them."""
        for message, lines in list(self.found.items())[:MOST_SHOWN]:
            named = ", ".join(map(str, lines[:MOST_PLACES])) + (f" and {len(lines) - MOST_PLACES} more" if len(lines) > MOST_PLACES else "")
            yield f'"{self.name}", {self.unit}{"s" * (len(lines) > 1)} {named}: {message}'
        if more := sum(map(len, list(self.found.values())[MOST_SHOWN:])):
            yield f'"{self.name}": and {more} more bad {self.unit}s'


def data_rows(path: Path, bad: BadLines, keys: Container[str] = ()) -> Iterator[Row]:
    """Rows by the ending of the file's name; anything but `.csv`, `.tsv`, `.json` and `.parquet` is JSON lines. Bad lines are said.

    An empty cell of a table is no value for `keys`, and an empty text for others.
    Raises OSError if it cannot be read, Unreadable if it is not what its name says.
    """
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv"):
        return _table(path, "\t" if kind == ".tsv" else ",", bad, keys)
    if kind == ".json":
        return _document(path, bad)
    if kind == ".parquet":
        return _parquet(path, bad)
    return json_lines(path, bad)


def json_lines(path: Path, bad: BadLines) -> Iterator[Row]:
    """One JSON value a line, empty lines skipped."""
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
                    yield number, json.loads(text.rstrip())
            except UnicodeDecodeError:
                bad.add(number, "not UTF-8 text")
            except json.JSONDecodeError as error:
                bad.add(number, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}")
            except RecursionError:
                bad.add(number, "nested too deeply")
            except ValueError as error:
                bad.add(number, "a number of too many digits" if "integer string conversion" in str(error) else str(error))


def _small(path: Path) -> None:
    if path.stat().st_size > LARGEST_FILE:
        raise Unreadable("C207", f"is larger than {LARGEST_FILE // 2**20} MiB", "JSON lines may be larger: they are read line by line")


# ---------------------------------------------------------------- tables


def _table(path: Path, separator: str, bad: BadLines, keys: Container[str]) -> Iterator[Row]:
    """CSV or TSV: the first row names the columns; one without a name is skipped."""
    _small(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            header = next(reader, [])
            if twice := {name for name in header if name and header.count(name) > 1}:
                raise Unreadable("C242", f"has two columns {listed(sorted(twice))}")
            for cells in reader:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    bad.add(reader.line_num, f"{len(cells)} cells, but the first line names {len(header)} columns")
                    continue
                found = ((name, cell) for name, cell in zip(header, cells, strict=True) if name and (cell or name not in keys))
                yield reader.line_num, {name: _cell(name, cell) for name, cell in found}
        except UnicodeDecodeError as error:
            raise Unreadable("C208", f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
        except csv.Error as error:
            hint = 'a text with a comma, a quote or a line end stands in double quotes, and a quote in it is doubled: "say ""no"""'
            raise Unreadable("C242", f"is not {path.suffix[1:].upper()}: line {reader.line_num}: {error}", hint) from None


def _cell(name: str, text: str) -> Any:
    if name in LISTS and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _parquet(path: Path, bad: BadLines) -> Iterator[Row]:
    if find_spec("pyarrow") is None:
        raise Unreadable("C243", "is Parquet, which is read by pyarrow, and that is not installed", "pip install 'circuitdsl[parquet]'")
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    _small(path)
    bad.unit = "row"
    try:
        file = ParquetFile(path)
        groups = [file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)]
        if sum(groups) > LARGEST_FILE:
            raise Unreadable("C207", f"has more than {LARGEST_FILE // 2**20} MiB of data")
        number = 0
        for batch in file.iter_batches():
            for found in cast("list[dict[str, Any]]", batch.to_pylist()):
                number += 1
                yield number, {name: value for name, value in found.items() if value is not None}
    except (ArrowException, ValueError) as error:
        raise Unreadable("C242", f"cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from None


# ---------------------------------------------------------------- one JSON document


def _document(path: Path, bad: BadLines) -> Iterator[Row]:
    """An array of objects, an object of arrays, or an object with one array of objects. JSON lines under this name are read as such."""
    _small(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unreadable("C208", f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            yield from json_lines(path, bad)
            return
        message = f"is not JSON: {error.msg.removesuffix(' at')} in line {error.lineno}, column {error.colno}"
        raise Unreadable("C242", message) from None
    except RecursionError:
        raise Unreadable("C242", "is nested too deeply") from None
    except ValueError as error:
        why = "has a number of too many digits" if "integer string conversion" in str(error) else f"is not JSON: {error}"
        raise Unreadable("C242", why) from None
    bad.unit = "row"
    yield from enumerate(_objects(found), 1)


def _objects(found: Any) -> list[Any]:
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        tables = [value for value in found.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(tables) == 1:
            return tables[0]
        if found and not tables and all(isinstance(value, list) for value in found.values()):
            lengths = {len(value) for value in found.values()}
            if len(lengths) == 1:
                return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
            sizes = {name: str(len(value)) for name, value in found.items()}
            raise Unreadable("C242", f"has arrays of unequal length: {listed(f'{name}: {size}' for name, size in sizes.items())}")
        if any(isinstance(found.get(key), str) for key in ("clean", "prompt", "clean_prompt")):
            return [found]
    hint = 'write an array of objects: [{"clean": "…", "answer": "…"}, …], or JSON lines, one object a line'
    raise Unreadable("C242", "is JSON, but neither an array of objects nor an object of arrays", hint)
