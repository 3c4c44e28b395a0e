"""A file with probes, from text to evidence."""

import shutil
from pathlib import Path

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.pipeline.verifying import verify

TOYS = Path(__file__).parents[2] / "hypotheses" / "toys"
FILE = """
circuit "decoding"
model "./toys/induction"
vocab colours = "red", "blue", "green", "white", "black", "brown"
prompts repeated {
  "{first} {next} {c} {d} {cue}"
  "{c} {first} {next} {d} {cue}"
  first, next, c, d in colours distinct
  cue = first
  answer next wrong c
}
feature warm = next == "red" or next == "brown" or next == "black"
nodes {
  induction = heads 1.0 @ END
  idle      = heads 1.1 @ END
}
edges { embed -> induction, idle -> logits }
settings { prompts = 160; confidence = 0.95 }
claims {
  copies:  decodable(induction, next) >= 0.8
  nothing: decodable(idle, next)      <= 0.5
  warm:    decodable(induction, warm, score = auc) >= 0.8
  sweep:   decodable(each idle, next)
}
"""


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoding")
    shutil.copytree(TOYS, folder / "toys")
    (folder / "d.circ").write_text(FILE, encoding="utf-8")
    return verify(folder / "d.circ", Flags(edges=False))


def test_verdicts(evidence):
    assert [claim.verdict.outcome for claim in evidence.claims] == ["supported", "supported", "supported", "measured"]
    assert [bool(claim.turns) for claim in evidence.claims] == [True, True, True, False]


def test_the_evidence_keeps_what_is_made_of_vectors_and_not_the_vectors(evidence):
    for claim in evidence.claims:
        columns = {readout.name: evidence.columns[readout.column] for readout in claim.readouts}
        assert len(set(map(len, columns.values()))) == 1
        member = claim.verdict.members[0]
        right = columns[f"{member.label}: right"]
        accuracy = member.estimate if claim.label != "warm" else member.beside["accuracy"]
        assert sum(right) / len(right) == pytest.approx(accuracy.value)
        assert len(right) == (80 if claim.label != "sweep" else 40)
