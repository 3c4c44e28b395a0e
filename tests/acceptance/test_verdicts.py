"""Each warning that a careful reader would raise, on a whole file: where it fires, and where it does not."""

import shutil
from pathlib import Path

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.models import toys

TOYS = Path(__file__).parents[2] / "hypotheses" / "toys"

PROMPTS = """
vocab colours = "red", "blue", "green", "white", "black", "brown", "pink", "grey", "gold", "tan", "teal", "plum"
prompts repeated {
  "{first} {next} {c} {d} {cue}"
  first, next, c, d in colours distinct
  cue = first
  answer next wrong c
}
prompts broken from repeated { redraw cue distinct }
prompts recoloured from repeated { redraw first, next, c, d distinct; cue = first }
prompts others { "{first} {next} {c} {d} {cue}"
  first, next, c, d, cue in colours distinct
  answer next wrong c
}
metric copied = logit(answer) - logit(wrong) @ END
"""
CIRCUIT = """
nodes { previous = heads 0.0
  induction = heads INDUCTION }
edges {
  embed     -> previous.q, previous.k, previous.v, induction.q, induction.v
  previous  -> induction.k
  induction -> logits
}
"""


@pytest.fixture
def verify(tmp_path, whole_population):
    """`verify(claims, model="induction", ablate=…, …)`: verdicts by label of a file about an induction toy."""
    from circuitdsl.pipeline.verifying import verify as run

    def make(claims, model="induction", heads="1.0", ablate="resample(broken)", settings="", prompts=PROMPTS, nodes=None):
        if model == "twin":
            toys.induction(twin=True).save(tmp_path / "twin")
        elif not (tmp_path / model).exists():
            shutil.copytree(TOYS / model, tmp_path / model)
        circuit = nodes if nodes is not None else CIRCUIT.replace("INDUCTION", heads)
        path = tmp_path / "file.circ"
        path.write_text(
            f'circuit "toy"\nmodel "./{model}"\n{prompts}{circuit}\n'
            f"settings {{ prompts = 48; seed = 0; ablate = {ablate}; {settings} }}\nclaims {{\n{claims}\n}}\n"
        )
        evidence = run(path, Flags(edges=False))
        return {claim.label: claim for claim in evidence.claims}

    return make


def codes(claim):
    return sorted(warning.code for warning in claim.verdict.warnings)


def test_a_true_circuit_raises_no_warning(verify):
    found = verify("faithful: faithfulness(copied) = 1 +- 0.01")["faithful"]
    assert found.verdict.outcome == "supported" and codes(found) == []
    assert found.verdict.members[0].beside["spread"].value == pytest.approx(0, abs=1e-6)


def test_donors_that_share_the_mechanism(verify):
    """Ground truth 6: recoloured donors repeat at the same places; a circuit without what finds them looks faithful."""
    two = "nodes { induction = heads 1.0 }\nedges { embed -> induction.v\n induction -> logits }\n"
    found = verify("shared: faithfulness(copied) = 1 +- 0.01", ablate="resample(recoloured)", nodes=two)["shared"]
    assert found.verdict.outcome == "supported" and "W051" in codes(found)
    broken = verify("faithful: faithfulness(copied) = 1 +- 0.01", nodes=two)["faithful"]
    assert broken.verdict.outcome == "refuted" and "W051" not in codes(broken)


def test_a_verdict_that_flips_under_another_ablation(verify):
    """With the mean of the broken prompts the pattern does not come back; with donors of the same repeat it does."""
    two = "nodes { induction = heads 1.0 }\nedges { embed -> induction.v\n induction -> logits }\n"
    claim = "flips: faithfulness(copied, ablate = zero) = 1 +- 0.01"
    found = verify(claim, ablate="resample(recoloured)", nodes=two)["flips"]
    assert found.verdict.outcome == "refuted" and "W056" in codes(found)
    assert found.verdict.members[0].beside["under resample(recoloured)"].value == pytest.approx(1)
    assert found.verdict.members[0].beside["spread"].value < -0.5
    alone = verify(claim.replace("zero)", "zero, second = no)"), ablate="resample(recoloured)", nodes=two)["flips"]
    assert codes(alone) == [] and "spread" not in alone.verdict.members[0].beside


def test_a_twin_is_a_backup(verify):
    """Ground truth 5: both heads alike; each alone is worth a half, and the circuit with one of them is a half of the model."""
    found = verify("half: faithfulness(copied) = 0.5 +- 0.01", model="twin")["half"]
    assert found.verdict.outcome == "supported"
    complete = verify("complete: completeness(copied, family = single) <= 0.1", model="twin", settings="explore = 0.5", ablate="zero")[
        "complete"
    ]
    assert complete.verdict.outcome == "refuted" and "1.0" in complete.conditions["K"]
    both = verify(
        "complete: completeness(copied, family = single) <= 0.1", model="twin", heads="1.0, 1.1", settings="explore = 0.5", ablate="zero"
    )["complete"]
    assert both.verdict.outcome == "supported"


def test_few_donors_and_enough(verify):
    claim = "faithful: faithfulness(copied, second = no) >= 0.5"
    assert codes(verify(claim, ablate="resample(others)")["faithful"]) == []
    line = '"{first} {next} {c} {d} {cue}"'
    three = PROMPTS.replace(line, "\n".join([line, '"{c} {first} {next} {d} {cue}"', '"{c} {d} {first} {next} {cue}"']))
    found = verify(claim, ablate="resample(others)", prompts=three)["faithful"]
    assert codes(found) == ["W057"] and "has 16" in str(found.verdict.warnings[0])


def test_donors_are_redrawn_and_both_components_are_printed(verify):
    found = verify("faithful: faithfulness(copied, circuit = induction) <= 0.9", ablate="resample(others)")["faithful"]
    assert found.conditions["draws of donors"] == "3"
    assert {f"F(∅), draw {number}" for number in (1, 2, 3)} <= {readout.name for readout in found.readouts}
    assert "3 draws of donors; standard error from prompts" in found.verdict.members[0].beside["F(∅)"].note
    paired = verify("faithful: faithfulness(copied) >= 0.9")["faithful"]
    assert "draws of donors" not in paired.conditions
