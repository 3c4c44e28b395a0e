"""Every code, in the words that a user sees. The rendered text stands beside each file of `bad/`.

With `CIRC_UPDATE=1` in the environment the files are written anew, to be read in the diff.
"""

import os
import re
from pathlib import Path

import pytest

from circuitdsl.language.rendering import render
from circuitdsl.resolve import CODES

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.circ"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bad_file_is_reported_in_the_expected_words(path, faults, monkeypatch):
    monkeypatch.chdir(BAD)
    found = render(faults(path.read_text(encoding="utf-8"), Path(path.name)))
    if os.environ.get("CIRC_UPDATE"):
        path.with_suffix(".expected").write_text(found, encoding="utf-8")
    assert found == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [path for path in FILES if path.name[1:4].isdigit()], ids=lambda path: path.stem)
def test_file_shows_the_code_that_it_is_named_after(path):
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    assert f" {path.stem[:4]}: " in expected


def test_every_code_has_a_file():
    assert {path.stem[:4] for path in FILES} >= CODES.keys()


def test_every_code_is_explained():
    raised = {word for path in (Path(__file__).parents[2] / "circuitdsl" / "resolve").glob("*.py") for word in _codes(path)}
    assert raised == CODES.keys()


def _codes(path: Path) -> set[str]:
    return set(re.findall(r'"([CW]\d{3})"', path.read_text(encoding="utf-8")))
