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
    assert found.verifying == plain.verifying and found.settings.extra["found_on"] == "sweep.evidence.json"


def test_prompts_that_were_looked_at_do_not(check, found_on):
    plain = check(file("explore = 0.5"))
    with pytest.raises(CircError, match="2 of the 4 prompts that give verdicts were looked at") as error:
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
