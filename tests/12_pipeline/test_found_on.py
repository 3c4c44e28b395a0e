"""A hypothesis found with a sweep is judged on prompts that the sweep did not look at."""

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.source import CircError
from circuitdsl.pipeline import read, resolve
from circuitdsl.pipeline.verifying import verify
from circuitdsl.reports.files import write_evidence

FLAGS = Flags(settings={"prompts": 32, "explore": 0.5})
SWEEP = "sweep: effect(each heads * -> logits, from = broken)"


def run(toy, claims):
    """The toy with these claims verified, its evidence beside it."""
    text = toy.read_text()
    toy.write_text(text.split("claims {")[0] + "claims {\n" + claims + "\n}\n")
    evidence = verify(toy, FLAGS)
    write_evidence(evidence, toy.parent, "sweep")
    toy.write_text(text.replace("seed = 0;", 'seed = 0; found_on = "sweep.evidence.json";'))
    return evidence


def test_a_sweep_leaves_the_verifying_part_unseen(toy):
    """Its figure too is drawn from the exploring part."""
    evidence = run(toy, SWEEP)
    assert len(evidence.looked_at) == 16 and "16 prompts" in evidence.graph.caption
    hypothesis = resolve(read(toy), FLAGS)
    prompts = hypothesis.distributions[hypothesis.default].prompts
    assert {prompts[row].digest for row in hypothesis.exploring} == set(evidence.looked_at)


def test_a_run_with_verdicts_has_looked_at_all(toy):
    evidence = run(toy, f"{SWEEP}\nworks: value(copied, of = model) >= 0.5")
    assert len(evidence.looked_at) == 32
    with pytest.raises(CircError, match="16 of the 16 prompts that give verdicts were looked at"):
        resolve(read(toy), FLAGS)


def test_a_folder_of_runs_is_told_and_recorded(toy):
    """Evidence names the files that were read, and the report what was asked for."""
    run(toy, SWEEP)
    (toy.parent / "runs").mkdir()
    (toy.parent / "sweep.evidence.json").rename(toy.parent / "runs" / "sweep.evidence.json")
    text = toy.read_text().replace('"sweep.evidence.json"', '"runs"').split("claims {")[0]
    toy.write_text(text + "claims {\nworks: value(copied, of = model) >= 0.5\n}\n")
    evidence = verify(toy, FLAGS)
    assert "runs/sweep.evidence.json" in {one.name for one in evidence.inputs}
    assert [one.value for one in evidence.conditions if one.name == "found_on"] == ["runs, whose prompts give no verdict here"]
    write_evidence(evidence, toy.parent / "runs", "works")
    with pytest.raises(CircError, match=r"16 of the 16 prompts that give verdicts were looked at in `runs/works.evidence.json`"):
        resolve(read(toy), FLAGS)
