"""Plain runs on disk as a user meets them: the same evidence, a line that says where they are from, a size, and how to be rid of them."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from platformdirs import user_cache_path

from circuitdsl.cli.options import CACHE, flags_of

HYPOTHESES = Path(__file__).parents[2] / "hypotheses"
CLAIMS = """claims {
  works:    accuracy(logit_diff, of = model) >= 0.9
  faithful: faithfulness(logit_diff)         >= 0.4
}
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A cache of the test's own."""
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(CACHE)
    return tmp_path / "cache"


def test_sizes_come_from_the_flag_then_from_the_environment(monkeypatch):
    monkeypatch.delenv(CACHE)
    assert flags_of().cache is None
    monkeypatch.setenv(CACHE, "3GB")
    assert flags_of().cache == 3 * 10**9 and flags_of(cache="off").cache == 0 and flags_of(cache="1MB").cache == 10**6
    monkeypatch.setenv(CACHE, "much")
    with pytest.raises(typer.BadParameter, match="much"):
        flags_of()


def test_a_run_that_is_over_at_once_is_not_kept_and_says_so(circuitdsl, folder, toy, tmp_path):
    ran = circuitdsl("verify", toy, "--output", tmp_path / "out")
    assert "base runs" in ran.out and "running takes less than 0.1 s" in ran.out
    assert not (folder / "runs").exists()


def test_the_cache_is_shown_and_cleared(circuitdsl, folder, toy):
    assert "on this machine as measured on" in circuitdsl("plan", toy).out
    (folder / "mine.txt").write_text("not the program's")
    shown = circuitdsl("cache")
    assert shown.status == 0 and str(folder) in shown.out and "speed of this machine" in shown.out
    assert "cleared" in circuitdsl("cache", "--clear").out
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert circuitdsl("cache").out == f"{folder}\n"


@pytest.mark.real
def test_the_second_verify_reads_the_runs_and_finds_the_same(program, circuitdsl, folder, tmp_path):
    from circuitdsl.models.locate import BUNDLED

    if not find_spec(BUNDLED["smollm2-135m"].package):
        pytest.skip(BUNDLED["smollm2-135m"].install)
    folder.mkdir()
    for kind in ("weights", "tokenizers", "agreed", "digests"):  # what the user has converted already; the runs are this test's own
        if (theirs := user_cache_path("circuitdsl") / kind).is_dir():
            (folder / kind).symlink_to(theirs)
    path = tmp_path / "ioi.circ"
    path.write_text((HYPOTHESES / "ioi_smollm2.circ").read_text().split("claims {")[0] + CLAIMS)
    found = []
    for run in (program, circuitdsl):  # a process of its own, and this one
        ran = run("verify", path, "--prompts", 24, "--no-edges", "--output", tmp_path / "out")
        assert ran.status in (0, 1, 3), ran.err
        found.append(json.loads((tmp_path / "out" / "ioi.prompts-24.evidence.json").read_text()))
    first, second = found
    made, because = first["base_runs"]["stored"], first["base_runs"]["made_because"]
    quick = because.pop("running takes less than 0.1 s", 0)  # of eight runs some may be, on a fast machine: those are made again
    assert made > quick and because == {"not in the cache yet": made} and first["base_runs"]["read"] == 0
    assert second["base_runs"]["read"] == made and sum(second["base_runs"]["made_because"].values()) == quick
    assert second["base_runs"]["stored"] <= quick
    assert f"{made} read from the cache" in ran.out
    assert first["columns"] == second["columns"]
