"""What the parser says of broken files. `bad/` holds the files and, beside each, the words; CIRC_UPDATE=1 writes the words anew."""

import os
from pathlib import Path

import pytest

from circuitdsl.borders.source import CircError, Source
from circuitdsl.language.codes import CODES
from circuitdsl.language.parser import parse
from circuitdsl.language.reading import LARGEST, read_source
from circuitdsl.language.rendering import render

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.circ"))


def errors(path: Path):
    with pytest.raises(CircError) as caught:
        parse(Source(path.read_text(encoding="utf-8"), Path(path.name)))
    return caught.value.diagnostics


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_words(path):
    found = errors(path)
    shown = render(found)
    words = path.with_suffix(".txt")
    if os.environ.get("CIRC_UPDATE"):
        words.write_text(shown, encoding="utf-8")
    assert shown == words.read_text(encoding="utf-8")
    if path.stem.startswith("C"):
        assert path.stem[:4] in {one.code for one in found}


def test_no_words_without_their_file():
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in FILES}


def unreadable(folder: Path) -> dict[str, tuple[Path, str]]:
    """A path for each code of reading, and words of its message."""
    (folder / "circuits.circ").mkdir()
    (folder / "latin.circ").write_bytes('circuit "x"\nvocab v = "é"\n'.encode("latin-1"))
    (folder / "large.circ").write_bytes(b"#" * (LARGEST + 1))
    (folder / "my.evidence.json").write_text('{"schema_version": 1}')
    (folder / "picture.circ").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    return {
        "C030": (folder / "circiuts.circ", "did you mean"),
        "C031": (folder / "circuits.circ", "folder"),
        "C032": (folder / ("x" * 5000), "cannot be read"),
        "C033": (folder / "latin.circ", "0xe9"),
        "C034": (folder / "large.circ", "1,000,000 bytes"),
        "C035": (folder / "picture.circ", "not a text file"),
        "C036": (folder / "my.evidence.json", "JSON"),
    }


@pytest.mark.parametrize("code", sorted(code for code in CODES if code >= "C030"))
def test_files_that_cannot_be_read(code, tmp_path):
    path, words = unreadable(tmp_path)[code]
    with pytest.raises(CircError) as caught:
        read_source(path)
    shown = render(caught.value.diagnostics)
    assert f"error {code}" in shown
    assert words in shown
    assert path.name in shown


def test_every_code_has_a_file():
    seen = {one.code for path in FILES for one in errors(path)}
    assert seen == {code for code in CODES if code < "C030"}


@pytest.mark.parametrize("code", CODES)
def test_codes_explain(code):
    title, text = CODES[code]
    assert title and not title.endswith(".")
    assert text.endswith(".")
    assert len(text) > 60
