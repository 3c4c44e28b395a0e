"""Verdicts are not given on prompts that a hypothesis was found on."""

import json
from pathlib import Path

import pytest

from circuitdsl.borders.source import CircError

FILE = """model "smollm2-135m"
vocab names = "Mary", "John", "Alice", "Kevin", "Laura", "Peter"
prompts clean {
  "When {IO} and {S1} went to the store, {S2} gave a drink to"
  IO, S1 in names distinct
  S2 = S1
  answer IO wrong S1
}
metric diff = logit(answer) - logit(wrong) @ END
settings { %s }
claims { works: accuracy(diff)%s }
"""


def file(settings: str, bound: str = " >= 0.9") -> str:
    return FILE % (settings, bound)


@pytest.fixture
def found_on(check, tmp_path):
    """`found_on(settings, looked)`: the file checked in a folder with evidence of these prompts."""

    def run(settings: str, looked, bound: str = " >= 0.9"):
        (tmp_path / "sweep.evidence.json").write_text(json.dumps({"looked_at": list(looked)}), encoding="utf-8")
        return check(file(f'{settings}; found_on = "sweep.evidence.json"', bound), tmp_path / "x.circ")

    return run


def digests(hypothesis, rows):
    return [hypothesis.distributions["clean"].prompts[row].digest for row in rows]


def test_the_part_that_was_not_looked_at_gives_verdicts(check, found_on):
    plain = check(file("explore = 0.5"))
    found = found_on("explore = 0.5", digests(plain, plain.exploring))
    assert found.verifying == plain.verifying and found.settings.extra["found_on"] == ("sweep.evidence.json",)


def test_prompts_that_were_looked_at_do_not(check, found_on):
    plain = check(file("explore = 0.5"))
    with pytest.raises(CircError, match=r"2 of the 4 prompts that give verdicts were looked at") as error:
        found_on("explore = 0.5", digests(plain, plain.verifying[:2]))
    assert [one.code for one in error.value.diagnostics] == ["C341"] and "seed" in error.value.diagnostics[0].hint


def test_a_file_that_only_measures_judges_nothing(check, found_on):
    plain = check(file("explore = 0.5"))
    found_on("explore = 0.5", digests(plain, range(8)), bound="")


def test_it_is_the_text_that_was_looked_at_and_not_the_tokens(check):
    text = file("explore = 0.5")
    assert digests(check(text), range(8)) == digests(check(text, tokens=False), range(8))


@pytest.mark.parametrize("body", ["", "[]", "3", '{"looked_at": 3}', '{"looked_at": []}', '{"looked_at": [3]}', "[" * 100_000])
def test_what_is_no_evidence_is_refused(check, tmp_path, body):
    (tmp_path / "x.json").write_text(body, encoding="utf-8")
    with pytest.raises(CircError) as error:
        check(file('found_on = "x.json"'), tmp_path / "x.circ")
    assert [one.code for one in error.value.diagnostics] == ["C340"]


@pytest.mark.parametrize(
    ("name", "code"), [("../x.json", "C102"), ("missing.json", "C101"), ("/etc/x.json", "C102"), ("link.json", "C102")]
)
def test_it_stays_in_the_folder_links_followed(check, tmp_path, name, code):
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "x.json").write_text('{"looked_at": ["0"]}', encoding="utf-8")
    (folder / "link.json").symlink_to(Path("..") / "x.json")
    with pytest.raises(CircError) as error:
        check(file(f'found_on = "{name}"'), folder / "x.circ")
    assert [one.code for one in error.value.diagnostics] == [code]


@pytest.fixture
def found_on_several(check, tmp_path):
    """The file checked beside evidence of these prompts: names from the folder → prompts that were looked at."""

    def run(value: str, looked):
        for name, digests in looked.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(json.dumps({"looked_at": list(digests)}), encoding="utf-8")
        return check(file(f"explore = 0.5; found_on = {value}"), tmp_path / "x.circ")

    return run


def test_of_several_runs_none_may_have_looked_at_it(check, found_on_several):
    plain = check(file("explore = 0.5"))
    unseen, seen = digests(plain, plain.exploring), digests(plain, plain.verifying)
    names = '("a.evidence.json", "b.evidence.json")'
    found = found_on_several(names, {"a.evidence.json": unseen[:2], "b.evidence.json": unseen[2:]})
    assert found.data == ("a.evidence.json", "b.evidence.json")
    with pytest.raises(CircError, match=r"1 of the 4 prompts that give verdicts were looked at in `b.evidence.json`"):
        found_on_several(names, {"b.evidence.json": seen[:1]})
    with pytest.raises(CircError, match=r"3 of the 4 prompts .* looked at: 2 in `a.evidence.json`, 2 in `b.evidence.json`"):
        found_on_several(names, {"a.evidence.json": seen[:2], "b.evidence.json": seen[1:3]})


def test_a_folder_stands_for_all_evidence_in_it(check, found_on_several):
    plain = check(file("explore = 0.5"))
    unseen, seen = digests(plain, plain.exploring), digests(plain, plain.verifying)
    found = found_on_several('"runs"', {"runs/a.evidence.json": unseen, "runs/b.evidence.json": unseen, "runs/other.json": seen})
    assert found.data == ("runs/a.evidence.json", "runs/b.evidence.json")
    with pytest.raises(CircError, match=r"4 of the 4 prompts that give verdicts were looked at in `runs/b.evidence.json`"):
        found_on_several('("runs", "runs/a.evidence.json")', {"runs/b.evidence.json": seen})


def test_a_files_own_evidence_is_not_what_it_was_found_on(check, found_on_several):
    plain = check(file("explore = 0.5"))
    unseen, seen = digests(plain, plain.exploring), digests(plain, plain.verifying)
    own = {"x.evidence.json": seen, "x.seed-1.evidence.json": seen}
    with pytest.raises(CircError, match="C340: no other file's evidence is in the folder"):
        found_on_several('"."', own)
    assert found_on_several('"."', {**own, "a.evidence.json": unseen}).data == ("a.evidence.json",)
    with pytest.raises(CircError, match="C341"):
        found_on_several('"x.evidence.json"', own)


def test_evidence_in_a_folder_stays_in_the_files_folder_too(check, found_on_several, tmp_path):
    (tmp_path.parent / "outside.json").write_text('{"looked_at": ["0"]}', encoding="utf-8")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.evidence.json").symlink_to(tmp_path.parent / "outside.json")
    for name in ('"runs"', '".."', '("runs", "..")'):
        with pytest.raises(CircError, match="C102"):
            found_on_several(name, {})


@pytest.mark.parametrize("value", ["3", "sweep", "(a, b)", '""', '("a.json", "")'])
def test_it_takes_texts(check, value):
    with pytest.raises(CircError, match="C302: `found_on` takes evidence files"):
        check(file(f"found_on = {value}"))
