"""The design's four example files, as far as today's measures go, become hypotheses without a word."""

from pathlib import Path

import pytest

GOOD = Path(__file__).parent / "good"
FILES = sorted(GOOD.glob("*.circ"))


@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "no tokens"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_resolved(path, tokens, check):
    found = check(path.read_text(encoding="utf-8"), path, tokens=tokens, prompts=4 if path.stem == "agreement" else 12)
    assert found.claims and found.edges and found.distributions[found.default].prompts
    assert not [one for one in found.warnings if one.code.startswith("W03")]


def test_there_are_four():
    assert [path.stem for path in FILES] == ["agreement", "greater_than", "induction", "ioi"]


def test_indirect_objects(check):
    path = GOOD / "ioi.circ"
    found = check(path.read_text(encoding="utf-8"), path)
    assert list(found.nodes) == [
        *["embed", "duplicate_token", "s_inhibition", "name_mover", "negative", "body", "movers", "logits"],
    ]
    movers = found.nodes["movers"]
    assert movers.members == ("name_mover", "negative")
    assert movers.places == found.nodes["name_mover"].places + found.nodes["negative"].places
    assert [str(role) for role in found.nodes["duplicate_token"].places[0].roles] == ["S2"]
    assert found.nodes["name_mover"].carries == "IO"
    labels = [edge.label for edge in found.edges]
    assert labels[:5] == ["embed -> duplicate_token", "embed -> s_inhibition.q", "embed -> movers.k", "embed -> movers.v", "embed -> body"]
    assert labels[-6:] == [f"body -> {name}" for name in ("duplicate_token", "s_inhibition", "name_mover", "negative", "body", "logits")]
    by_label = {edge.label: edge for edge in found.edges}
    assert len(by_label["embed -> movers.k"].links) == 5
    assert len(by_label["body -> body"].links) == 30 * 29 // 2
    # Layers 0 to 2 come before head 3.0, 0 to 3 before 4.2, and each is read by three ports.
    assert len(by_label["body -> duplicate_token"].links) == (3 + 4) * 3
    assert found.all_edges is False
    assert found.citations == ("arXiv:2211.00593",)
    assert found.model.name == "smollm2-135m"


def test_measurements_and_verdicts_use_different_prompts(check):
    path = GOOD / "ioi.circ"
    found = check(path.read_text(encoding="utf-8"), path, prompts=20)
    assert len(found.exploring) == len(found.verifying) == 10
    assert set(found.exploring) | set(found.verifying) == set(range(20))
    senders = next(claim for claim in found.claims if claim.label == "senders")
    assert senders.comparison is None
    # Heads of the layers below 20 come before head 20.0; later ones are left out of the sweep.
    assert len(senders.paths[0].start) == 20 * 9
    assert senders.paths[0].each == 0
    assert senders.text == "effect(each heads * -> s_inhibition.v, from = abc)"
