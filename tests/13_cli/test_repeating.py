"""Files that a `.circ` file uses or reads are in the evidence, as they were when they were read."""

import hashlib
import json
from pathlib import Path

import pytest

# Twelve prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")


def evidence_of(path: Path) -> dict:
    return json.loads(path.with_suffix(".prompts-12.evidence.json").read_text())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def divided(toy):
    """The toy with its claims in a file of their own, and its colours in another."""
    text = toy.read_text()
    start, (colours,) = text.index("claims {"), [line for line in text.splitlines() if line.startswith("vocab colours")]
    (toy.parent / "parts").mkdir()
    (toy.parent / "parts" / "claims.circ").write_text("# what is claimed\n" + text[start:])
    (toy.parent / "colours.txt").write_text("".join(f"{one}\n" for one in colours.split('"')[1::2]))
    toy.write_text(text[:start].replace(colours, 'vocab colours from "colours.txt"') + 'use "parts/claims.circ"\n')
    return toy


def test_files_that_are_used_and_read_are_in_the_evidence(circuitdsl, divided):
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", divided)
    found = evidence_of(divided)
    assert ran.status == 0 and found["file"]["text"] == divided.read_text() and found["file"]["sha256"] == sha256(divided)
    claims, colours = divided.parent / "parts" / "claims.circ", divided.parent / "colours.txt"
    assert found["inputs"] == [
        {"name": "parts/claims.circ", "sha256": sha256(claims), "text": claims.read_text()},
        {"name": "colours.txt", "sha256": sha256(colours), "text": None},
    ]
    assert "reads      colours.txt (sha256 " in ran.out


def test_a_claim_is_on_the_line_of_its_own_file(circuitdsl, divided):
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", divided)
    lines = (divided.parent / "parts" / "claims.circ").read_text().splitlines()
    for claim in evidence_of(divided)["claims"]:
        assert claim["file"] == "parts/claims.circ" and lines[claim["line"] - 1].strip().startswith(f"{claim['label']}:")
    assert "(in parts/claims.circ)" in ran.out


def test_data_that_changes_while_it_is_measured_is_recorded_as_it_was_read(circuitdsl, divided, monkeypatch):
    from circuitdsl.models import loading

    colours, load = divided.parent / "colours.txt", loading.load
    read = sha256(colours)

    def meddling(*arguments, **options):
        colours.unlink()
        return load(*arguments, **options)

    monkeypatch.setattr(loading, "load", meddling)
    assert circuitdsl("verify", "--prompts", 12, "--no-edges", divided).status == 0
    assert evidence_of(divided)["inputs"][1]["sha256"] == read


def test_what_a_hypothesis_was_found_on_is_an_input(circuitdsl, divided):
    sweep = divided.with_name("sweep.circ")
    text = divided.read_text()
    sweep.write_text(text.replace('use "parts/claims.circ"', "claims { looks: attention(each heads *, query = cue, key = next) }"))
    assert circuitdsl("verify", "--prompts", 24, "--no-edges", sweep).status == 0
    divided.write_text(
        text.replace("settings { prompts = 360;", 'settings { prompts = 24; explore = 0.5; found_on = "sweep.prompts-24.evidence.json";')
    )
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", divided)
    assert "sweep.prompts-24.evidence.json" in [one["name"] for one in evidence_of(divided)["inputs"]], ran.err
