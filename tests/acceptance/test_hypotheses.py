"""The hypotheses that ship: checked, run, and their verdicts follow from what is in the file."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "hypotheses"


SHIPPED = [
    pytest.param(path.stem, marks=pytest.mark.real) if "smollm2" in path.stem else path.stem for path in sorted(FOLDER.glob("*.circ"))
]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_hypothesis_is_checked_without_an_error(circuitdsl, name):
    ran = circuitdsl("check", FOLDER / f"{name}.circ")
    assert ran.status == 0 and "ok: " in ran.out


def test_the_induction_toy_is_supported_whole(circuitdsl, toy):
    ran = circuitdsl("verify", "--format", "json", toy)
    evidence = json.loads(ran.out)
    assert ran.status == 0
    assert {claim["verdict"]["outcome"] for claim in evidence["claims"]} == {"supported"}
    ratios = [claim["verdict"]["members"][0]["estimate"]["value"] for claim in evidence["claims"] if claim["measure"] == "faithfulness"]
    assert ratios == [pytest.approx(1, abs=1e-6)] * 3


@pytest.mark.parametrize(
    ("old", "new", "refuted"),
    [
        ("induction = heads 1.0", "induction = heads 1.1", {"finds", "copies", "resampled", "averaged", "zeroed", "needed"}),
        ("previous  = heads 0.0", "previous  = heads 0.1", {"notes", "averaged", "zeroed", "needed"}),
    ],
)
def test_one_other_head_in_the_toy_changes_the_verdicts_that_are_about_it(circuitdsl, toy, old, new, refuted):
    """Without the true previous-token head, `resampled` stands: its donors differ at the cue alone, so they bring the same notes."""
    assert old in toy.read_text()
    toy.write_text(toy.read_text().replace(old, new))
    ran = circuitdsl("verify", "--format", "json", "--no-edges", toy)
    assert ran.status == 1
    assert {claim["label"] for claim in json.loads(ran.out)["claims"] if claim["verdict"]["outcome"] == "refuted"} == refuted


@pytest.mark.real
def test_the_real_hypothesis_gives_verdicts_evidence_and_a_figure(real):
    assert real.status in (0, 1, 3), real.err
    assert all(re.match(r"\d+ s  ", line) for line in real.err.splitlines())  # how far it is
    assert "SmolLM2-135M-Instruct, Q4_1 dequantised" in real.out
    assert re.search(r"parity .*transformers' own", real.out)
    assert {path.name for path in real.folder.iterdir()} == {"ioi_smollm2.prompts-32.evidence.json", "ioi_smollm2.prompts-32.svg"}
    outcomes = {claim["label"]: claim["verdict"]["outcome"] for claim in real.evidence["claims"]}
    assert outcomes["moves"] == "supported" and "refuted" not in (outcomes["works"], outcomes["after"])
    for claim in real.evidence["claims"]:
        assert f" {claim['label']} " in real.out


@pytest.mark.real
def test_what_publications_and_measurements_say_of_the_heads_is_found(real):
    """Signs that do not depend on how many prompts are drawn: movers help, negative heads oppose, heads look where they should."""
    values = {claim["label"]: [member["estimate"]["value"] for member in claim["verdict"]["members"]] for claim in real.evidence["claims"]}
    assert values["moves"][0] < -1 < 0 < values["opposes"][0]
    assert values["steers"][0] < 0
    assert max(values["looks_io"]) > 0.5 and max(values["looks_s"]) > 0.3 and values["after"][0] > 0.4


@pytest.mark.real
def test_one_other_head_in_the_real_hypothesis_changes_its_verdict_for_a_reason(circuitdsl, real, tmp_path):
    """23.0 and 23.3 move names, 22.0 and 22.1 do not: the claims about the movers fall, the others stand."""
    path = tmp_path / "other.circ"
    text = real.path.read_text()
    assert "heads 23.0, 23.3, 29.1" in text
    body, claims = text.replace("heads 23.0, 23.3, 29.1", "heads 22.0, 22.1").split("claims {")
    kept = [line for line in claims.splitlines() if line.split(":")[0].strip() in ("moves", "looks_io", "after")]
    path.write_text(body + "claims {\n" + "\n".join(kept) + "\n}\n")
    ran = circuitdsl("verify", "--prompts", 32, "--no-edges", "--format", "json", path)
    outcomes = {claim["label"]: claim["verdict"]["outcome"] for claim in json.loads(ran.out)["claims"]}
    assert ran.status == 1
    assert outcomes == {"moves": "refuted", "looks_io": "refuted", "after": "supported"}


@pytest.mark.real
def test_every_claim_of_the_starter_file_is_supported(circuitdsl, tmp_path):
    path = tmp_path / "circuit.circ"
    assert circuitdsl("init", path).status == 0
    ran = circuitdsl("verify", "--no-edges", path)
    assert ran.status == 0, ran.out
    assert path.with_suffix(".svg").exists()
