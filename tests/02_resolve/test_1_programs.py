"""`use`: several files as one."""

import pytest

from circuitdsl.borders.source import CircError, Source
from circuitdsl.language.parser import parse
from circuitdsl.resolve import model_name

MAIN = """circuit "Main"
use "parts/prompts.circ"
nodes { mover = heads 9.6 @ END }
edges { embed -> mover -> logits }
"""
PROMPTS = """circuit "Prompts"
model "smollm2-135m"
vocab names = "Mary", "John", "Alice", "Kevin"
prompts clean {
  "Then {IO} and {S1} went"
  IO, S1 in names distinct
}
metric unused_here = logit(IO) @ END
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "main.circ").write_text(MAIN)
    (tmp_path / "parts/prompts.circ").write_text(PROMPTS)
    return tmp_path


def test_statements_of_a_used_file_count_as_written_here(project, check):
    found = check(MAIN, project / "main.circ")
    assert found.title == "Main"
    assert found.default == "clean"
    assert list(found.metrics) == ["unused_here"]
    assert not found.warnings  # what a used file offers need not be used


def test_the_model_may_be_named_in_a_used_file(project):
    document = parse(Source(MAIN, project / "main.circ"))
    assert model_name(document, parse).name == "smollm2-135m"


def test_claims_keep_their_place_in_the_joined_text(project, check):
    found = check(MAIN + "claims { moves: effect(mover -> logits, from = clean) >= 0 }\n", project / "main.circ")
    claim = found.claims[0]
    assert found.source.text[claim.span.start : claim.span.end].startswith("moves: effect")
    assert found.source.text.count("\n", 0, claim.span.start) + 1 == 5


def test_an_error_points_into_its_own_file(project, faults):
    (project / "parts/prompts.circ").write_text(PROMPTS + "nodes { early = heads 40.0 }\nnodes { mover = heads 3.1 }\n")
    found = faults(MAIN, project / "main.circ")
    layer = next(one for one in found if one.code == "C120")
    assert layer.source.path == project / "parts/prompts.circ"
    assert layer.source.text[layer.span.start : layer.span.end] == "heads 40.0"
    twice = next(one for one in found if one.code == "C110")
    assert twice.source.path == project / "main.circ"
    assert "first declared here: prompts.circ, line 10" in twice.hint


def test_a_syntax_error_in_a_used_file_points_there(project, faults):
    (project / "parts/prompts.circ").write_text(PROMPTS + "nodes { early = = }\n")
    found = faults(MAIN, project / "main.circ")
    wrong = next(one for one in found if one.code.startswith("C0"))
    assert wrong.source.path == project / "parts/prompts.circ"
    assert wrong.source.text[wrong.span.start : wrong.span.end] == "="


def test_a_file_that_is_used_twice_counts_once(project, check):
    (project / "more.circ").write_text('use "parts/prompts.circ"\n')
    assert check('use "more.circ"\n' + MAIN, project / "main.circ").default == "clean"


def test_a_link_may_not_lead_outside(project, faults, tmp_path_factory):
    outside = tmp_path_factory.mktemp("elsewhere") / "secret.circ"
    outside.write_text(PROMPTS)
    (project / "inside.circ").symlink_to(outside)
    assert [one.code for one in faults('use "inside.circ"\n' + MAIN, project / "main.circ")] == ["C102"]


def test_text_without_a_file_uses_the_current_folder(project, check, monkeypatch):
    monkeypatch.chdir(project)
    assert check(MAIN).default == "clean"


@pytest.mark.parametrize("name", ["\\0", "parts", "", "parts/" * 500])
def test_odd_names_are_errors_in_the_user_s_words(name, project, faults):
    found = faults(f'use "{name}"\nmodel "smollm2-135m"\n', project / "main.circ")
    assert {one.code for one in found} <= {"C101", "C102", "C014"} and found


def test_a_binary_file_is_not_used(project, faults):
    (project / "binary.circ").write_bytes(b"\xff\xfe\x00")
    assert "C101" in [one.code for one in faults('use "binary.circ"\n' + MAIN, project / "main.circ")]


def test_a_file_that_is_too_large_is_not_used(project, faults):
    with (project / "large.circ").open("wb") as file:
        file.truncate(1_000_001)
    (found,) = (one for one in faults('use "large.circ"\n' + MAIN, project / "main.circ") if one.code == "C101")
    assert "more than 1,000,000 bytes" in found.message


def test_a_used_file_may_have_a_byte_order_mark(project, check):
    (project / "marked.circ").write_text(PROMPTS, encoding="utf-8-sig")
    assert check('use "marked.circ"\n' + MAIN.replace('use "parts/prompts.circ"', ""), project / "main.circ").default == "clean"


def test_without_a_model_nothing_can_be_checked():
    with pytest.raises(CircError) as error:
        model_name(parse(Source('circuit "x"\n')))
    assert [one.code for one in error.value.diagnostics] == ["C105"]
