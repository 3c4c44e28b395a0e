"""From a file to its evidence: the stages joined, on the induction toy, whose numbers are known."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.source import CircError
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, lower_figure, plan, read, resolve
from circuitdsl.pipeline.drawing import graph_of
from circuitdsl.pipeline.verifying import verify

FLAGS = Flags(settings={"prompts": 16}, edges=False)


def with_claims(toy: Path, *claims: str, edges: str | None = None) -> Path:
    text = toy.read_text()
    if edges is not None:
        text = re.sub(r"edges \{.*?\n\}", "edges {\n" + edges + "\n}", text, flags=re.DOTALL)
        text = text.replace("previous  = heads 0.0", "previous  = heads 0.0 unconnected")
    toy.write_text(text.split("claims {")[0] + "claims {\n" + "\n".join(claims) + "\n}\n")
    return toy


def estimates(evidence):
    return {claim.label: claim.verdict.members[0].estimate.value for claim in evidence.claims}


def test_donors_with_the_same_repeat_make_two_edges_look_faithful(toy):
    """Where the donor looks is where the prompt looks, so its attention is never tested; donors without the repeat show it."""
    two = "  embed -> induction.v\n  induction -> logits"
    claims = (
        "same: faithfulness(copied, ablate = resample(recoloured)) >= 0.5",
        "other: faithfulness(copied, ablate = resample(broken)) >= 0.5",
    )
    evidence = verify(with_claims(toy, *claims, edges=two), replace(FLAGS, settings={"prompts": 64}))
    assert estimates(evidence) == {"same": pytest.approx(1, abs=0.01), "other": pytest.approx(0, abs=0.01)}
    warned = {claim.label: any(warning.code == "W051" for warning in claim.verdict.warnings) for claim in evidence.claims}
    assert warned == {"same": True, "other": False}


def test_progress_is_told_in_words_and_shares(toy):
    told = []
    verify(toy, FLAGS, lambda what, share: told.append((what, share)))
    assert told[0] == ("reading the file", 0.0)
    assert all(0 <= share <= 1 for _, share in told)
    assert "measuring" in {what for what, _ in told}


def test_equal_readouts_are_measured_once(toy):
    claims = [f"c{number}: value(copied, of = model) >= 0.5" for number in range(3)]
    hypothesis = resolve(read(with_claims(toy, *claims)), FLAGS)
    asked = lower(hypothesis, Algebra())
    assert len(asked) == 3 and len(plan(hypothesis, asked).requests) == 1


def test_the_figure_measures_each_node_and_edge_once(toy):
    hypothesis = resolve(read(toy), FLAGS)
    (with_edges,) = lower_figure(hypothesis, Algebra(), edges=True)
    (without,) = lower_figure(hypothesis, Algebra(), edges=False)
    assert len(with_edges.lowered.members) - len(without.lowered.members) == 7


def test_measurements_explore_and_verdicts_verify(toy):
    evidence = verify(with_claims(toy, "a: value(copied, of = model)", "b: value(copied, of = model) >= 0.5"), FLAGS)
    sizes = {claim.label: (claim.rows, claim.verdict.members[0].estimate.n) for claim in evidence.claims}
    assert sizes == {"a": ("exploring", 8), "b": ("verifying", 8)}
    assert evidence.exploring_sha256 != evidence.verifying_sha256


def test_the_date_can_be_fixed(toy, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert verify(toy, FLAGS).created == "1970-01-01T00:00:00+00:00"


def test_the_graph_of_a_file_is_that_of_its_evidence_without_outcomes(toy):
    graph, evidence = graph_of(toy, FLAGS), verify(toy, FLAGS)
    assert [node.name for node in graph.nodes] == [node.name for node in evidence.graph.nodes]
    assert [edge.label for edge in graph.edges] == [edge.label for edge in evidence.graph.edges]
    assert {edge.outcome for edge in graph.edges} == {None} != {edge.outcome for edge in evidence.graph.edges}


def test_what_is_wrong_in_several_claims_is_said_at_once(toy):
    path = with_claims(toy, "a: faithfulnes(copied) >= 1", "b: accuracy(nothing) >= 1", "c: value(copied, of = both) >= 1")
    with pytest.raises(CircError) as caught:
        resolve(read(path), FLAGS)
    assert len(caught.value.diagnostics) == 3


def test_costly_claims_are_measured_on_a_stated_subset(toy):
    """The others are not; the claims that are say so, and the rows are among the part's own, each layout in proportion."""
    claims = ("needed: minimality.single(copied, each node) >= 0.001", "works: value(copied, of = model) >= -1")
    path = with_claims(toy, *claims)
    every, some = (
        {one.claim.label: one for one in lower(resolve(read(path), Flags(settings={"prompts": 16} | more)), Algebra())}
        for more in ({}, {"subset": 6})
    )
    assert some["works"].rows == every["works"].rows and len(every["needed"].rows) == 16
    assert len(some["needed"].rows) == 6 and set(some["needed"].rows) < set(every["needed"].rows)
    assert some["needed"].lowered.conditions["subset"] == "6 of 16 prompts" and "subset" not in some["works"].lowered.conditions
    evidence = verify(path, Flags(settings={"prompts": 16, "subset": 6}, edges=False))
    assert [claim.verdict.members[0].estimate.n for claim in evidence.claims] == [6, 16]
    assert any(one.name == "subset" and one.origin == "flag" for one in evidence.conditions)


def test_a_toy_is_verified_without_transformers_once_its_token_ids_were_compared(toy, tmp_path):
    """Importing it takes longer than everything else that a toy needs beside torch."""
    script = f"""
import sys
from pathlib import Path
from circuitdsl.borders.flags import Flags
from circuitdsl.pipeline.verifying import verify
verify(Path({str(toy)!r}), Flags(settings={{"prompts": 16}}, edges=False))
sys.exit("transformers" in sys.modules)
"""
    cache = {**os.environ, "CIRCUITDSL_CACHE": str(tmp_path / "cache")}
    first, second = (subprocess.run([sys.executable, "-c", script], env=cache, capture_output=True, text=True) for _ in range(2))
    assert (first.returncode, second.returncode) == (1, 0), first.stderr + second.stderr
