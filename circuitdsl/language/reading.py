"""Files to sources. Everything that can be wrong with a file before its text is read as a language is told here."""

import codecs
from pathlib import Path

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.source import LARGEST, CircError, Source, Span

_OTHERS = {"UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)}
"""Encodings by their byte order marks. One of UTF-32 begins as one of UTF-16 does, so it comes first."""


def read_source(path: Path | str) -> Source:
    """The text of a file, UTF-8 with or without a byte order mark. Raises CircError (C030 to C036) for anything else."""
    path = Path(path)
    try:
        if not path.exists():
            raise _error(path, "C030", "there is no such file", _neighbour(path))
        if not path.is_file():
            raise _error(path, "C031", "this is a folder" if path.is_dir() else "this is not a plain file", "name a `.circ` file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(path, "C032", f"the file cannot be read: {reason.lower()}") from None
    return source_of(data, path)


def source_of(data: bytes, path: Path | None = None) -> Source:
    """What the bytes of a file, or of standard input, say; more than `LARGEST` need not be read. Raises CircError (C033 to C036)."""
    if len(data) > LARGEST:
        hint = 'vocabularies and prompts may stand in files of their own: `vocab names from "names.txt"`'
        raise _error(path, "C034", f"the file has more than {LARGEST:,} bytes", hint)
    text = _decoded(path, data)
    if text.lstrip().startswith("{"):  # no statement does
        hint = "the evidence of a run is drawn with `circuitdsl render`, and what it was measured from is the `.circ` file"
        raise _error(path, "C036", "this is JSON, not a circuit", hint)
    return Source(text, path)


def _decoded(path: Path | None, data: bytes) -> str:
    for encoding, marks in _OTHERS.items():
        if data.startswith(marks):
            raise _error(path, "C033", f"the file is {encoding}, not UTF-8", "save it as UTF-8")
    if b"\0" in data:
        raise _error(path, "C035", "the file is not a text file", "a `.circ` file is plain UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8-sig", errors="replace")
        before = data[: error.start].decode("utf-8-sig")
        place = Span(len(before), len(before) + 1)
        message = f"the byte 0x{data[error.start]:02x} here is not UTF-8"
        raise refusal("C033", message, place, "save the file as UTF-8", Source(text, path)) from None


def _neighbour(path: Path) -> str:
    from difflib import get_close_matches

    try:
        names = [one.name for one in path.parent.iterdir() if one.suffix == ".circ" and one.name != path.name][:1000]
    except OSError:
        return ""
    near = get_close_matches(path.name, names, n=1) or get_close_matches(f"{path.name}.circ", names, n=1, cutoff=0.8)
    return f"did you mean `{path.with_name(near[0])}`?" if near else ""


def _error(path: Path | None, code: str, message: str, hint: str = "") -> CircError:
    return refusal(code, message, hint=hint, source=Source("", path))
