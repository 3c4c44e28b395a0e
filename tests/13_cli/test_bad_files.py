"""Every code in the words that a user of the commands sees.

`bad/` holds files named after the code that they provoke; the first line of each is the command, and beside it stands what that
says. Files of the stages' own corpora count as well. With `CIRC_UPDATE=1` in the environment the words are written anew, to be read in
the diff.
"""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from circuitdsl.cli.explanations import codes

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.circ"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus where its files may be written beside, with the toy that some of them name."""
    here = tmp_path_factory.mktemp("corpus") / "bad"
    shutil.copytree(BAD, here)
    shutil.copytree(ROOT / "hypotheses" / "toys", here / "toys")
    with (here / "data" / "large.txt").open("wb") as file:
        file.truncate(200_000_000)
    return here


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_words(path, folder, circuitdsl, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    command = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# circuitdsl ").split()
    ran = circuitdsl(*command, path.name)
    ran = replace(ran, err=ran.err.replace(str(folder.parent), "HERE"))
    coded = [line for line in ran.out.splitlines() if re.search(r"\b[CW]\d{3}\b", line)]
    shown = "".join(f"{line}\n" for line in [f"exit status {ran.status}", *ran.err.splitlines(), *coded])
    words = path.with_suffix(".txt")
    if os.environ.get("CIRC_UPDATE"):
        words.write_text(shown, encoding="utf-8")
    assert shown == words.read_text(encoding="utf-8")
    assert path.stem[:4] in re.findall(r"\b[CW]\d{3}\b", shown)


ELSEWHERE = {
    # another device than the CPU: one without room for the weights, one that computes something else
    "C417": "04_models/test_5_loading.py::test_a_device_without_room_for_the_model",
    "C425": "04_models/test_10_device.py::test_a_device_that_inverts_a_sign_fails_the_guard",
    # memory that holds the model and a plain run of a few prompts, which come first, and then not one prompt of the plan
    "C511": "07_engine/test_2_chunks.py::test_a_prompt_that_does_not_fit_is_an_error",
    # a mistake of the program: if a file is known that shows one, it is mended
    "C599": "13_cli/test_commands.py::test_a_mistake_of_the_program_is_one_line_and_a_report",
}
"""Codes that no file and no recipe can provoke here, why, and the test that shows each."""


def shown() -> set[str]:
    """Codes that a corpus has a file for, or a recipe (test_bad_worlds.py)."""
    files = (ROOT / "tests").glob("*/**/bad/[CW][0-9][0-9][0-9]*.circ")
    return {path.name[:4] for path in [*files, *(Path(__file__).parent / "bad_worlds").glob("*.txt")]}


def test_every_code_has_a_file_or_says_which_test_shows_it():
    assert codes().keys() == shown() | ELSEWHERE.keys()


def test_no_code_that_has_a_file_is_excused():
    assert not shown() & ELSEWHERE.keys()


@pytest.mark.parametrize(("code", "test"), ELSEWHERE.items())
def test_the_test_that_shows_a_code_is_there(code, test):
    file, name = test.split("::")
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert f"def {name}(" in text and re.search(rf"\b{code}|{code[:3]}\[\d*{code[3]}", text)


def test_every_code_that_is_raised_is_explained_and_every_explained_one_is_raised():
    package = ROOT / "circuitdsl"
    sources = (path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "codes.py")
    raised = set(re.findall(r"\b[CW]\d{3}\b", "".join(sources)))
    assert raised == codes().keys()


def test_no_words_without_their_file():
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in FILES}
