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
    # files that are not circuits, or cannot stand in a corpus of texts
    **dict.fromkeys(("C030", "C031", "C032", "C033", "C034", "C035", "C036"), "01_language/test_bad.py::test_files_that_cannot_be_read"),
    "C590": "13_cli/test_words.py::test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for",
    "C591": "acceptance/test_commands.py::test_init_writes_a_commented_file_that_checks_and_is_laid_out",
    "C651": "11_reports/test_files.py::test_missing_file",
    **dict.fromkeys(("C652", "C653", "C654"), "11_reports/test_files.py::test_foreign_files"),
    "C655": "11_reports/test_files.py::test_missing_or_changed_arrays",
    # what is wrong with a model's own files
    **dict.fromkeys(("C404", "C405", "C406", "C407", "C408", "C411", "C413"), "acceptance/test_broken.py::test_a_model_that_is_broken"),
    "C409": "04_models/test_5_loading.py::test_unsupported_kinds_of_models",
    "C410": "04_models/test_6_tokenizers.py::test_a_file_that_is_no_gguf",
    "C418": "04_models/test_3_adapters.py::test_a_token_that_the_model_does_not_have_is_an_error",
    # the machine: what is installed, its network, disk, memory and devices
    "C403": "04_models/test_5_loading.py::test_a_revision_is_not_a_path",
    "C398": "05_measures/test_decodable.py::test_without_scikit_learn_it_says_what_to_install",
    "C414": "04_models/test_5_loading.py::test_a_bundled_model_that_is_not_installed",
    "C416": "04_models/test_6_tokenizers.py::test_a_cache_that_cannot_be_written",
    "C417": "04_models/test_5_loading.py::test_a_device_without_room_for_the_model",
    "C425": "04_models/test_10_device.py::test_a_device_that_inverts_a_sign_fails_the_guard",
    "C511": "07_engine/test_2_chunks.py::test_a_prompt_that_does_not_fit_is_an_error",
    "C601": "10_figures/test_figures.py::test_without_graphviz_the_grid_is_drawn_and_graph_says_what_to_install",
    "C602": "10_figures/test_figures.py::test_without_cairosvg",
    "C603": "10_figures/test_figures.py::test_a_missing_font_is_an_error",
    "C604": "10_figures/test_figures.py::test_graphviz_that_fails",
    # mistakes of the program, or of a family's or a measure's author
    "C420": "04_models/test_3_adapters.py::test_a_family_file_that_is_wrong_does_not_pass_the_guards",
    "C421": "04_models/test_3_adapters.py::test_blocks_in_another_order_do_not_pass_the_guards",
    "C422": "04_models/test_3_adapters.py::test_a_family_file_that_is_wrong_does_not_pass_the_guards",
    "C423": "04_models/test_6_tokenizers.py::test_other_ids_than_transformers_stop_the_run",
    "C424": "04_models/test_5_loading.py::test_a_configuration_of_garbage_is_an_error_and_takes_no_memory",
    "C599": "13_cli/test_commands.py::test_a_mistake_of_the_program_is_one_line_and_a_report",
}
"""Codes that no file of a corpus shows, and the test that shows each."""


def shown() -> set[str]:
    """Codes that a corpus has a file for."""
    return {path.name[:4] for path in (ROOT / "tests").glob("*/**/bad/[CW][0-9][0-9][0-9]*.circ")}


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
