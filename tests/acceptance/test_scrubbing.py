"""The worked example of the docs: what the heads of the induction toy carry, right and wrong, through the whole program."""

from pathlib import Path

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, plan, read, resolve
from circuitdsl.pipeline.verifying import verify

FILE = Path(__file__).parents[2] / "hypotheses" / "induction_scrubbed.circ"


@pytest.fixture
def changed(tmp_path):
    def make(old: str, new: str) -> Path:
        text = FILE.read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "toys").symlink_to(FILE.parent / "toys")
        path = tmp_path / "changed.circ"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return make


def verdicts(path: Path, **settings):
    return {claim.label: claim for claim in verify(path, Flags(edges=False, settings=settings)).claims}


def test_what_the_heads_carry_is_enough():
    found = verdicts(FILE)
    assert {label: claim.verdict.outcome for label, claim in found.items()} == dict.fromkeys(found, "supported")
    (member,) = found["scrubbed"].verdict.members
    assert member.estimate.value == pytest.approx(1)
    assert member.beside["|F(scrub) − F(M)| a prompt"].value == pytest.approx(0, abs=1e-9)
    assert member.beside["F(base)"].low < 0 < member.beside["F(base)"].high
    assert any(name.startswith("lowest of 5 first") for name in member.beside)


def test_a_wrong_feature_is_refuted(changed):
    found = verdicts(changed("heads 0.0 carries first", "heads 0.0 carries c"), prompts=120)["scrubbed"].verdict
    assert found.outcome == "refuted"
    assert found.members[0].estimate.value < 0.4
    assert found.members[0].beside["|F(scrub) − F(M)| a prompt"].value > 0.6


def test_the_plan_says_how_large_the_tree_is():
    hypothesis = resolve(read(FILE), Flags())
    notes = plan(hypothesis, lower(hypothesis, Algebra())).notes
    sizes = "2 recomputations in the tree, 2 with shared draws"
    assert f"scrubbed: {sizes}, 2 draws for each prompt (tree); about 4 recomputations a prompt in all" in notes
    assert any(note.startswith("shared: 2 recomputations in the tree, 2 with shared draws") for note in notes)


def test_a_baseline_has_to_be_stated(changed):
    from circuitdsl.borders.source import CircError

    with pytest.raises(CircError, match="needs `baseline = …`"):
        resolve(read(changed("scrub(copied, baseline = unconditional)", "scrub(copied)")), Flags())


def test_banks_say_what_they_are_off_by(changed, whole_population):
    path = changed("scrub(copied, baseline = shuffle, replicates = 2) ", "scrub(copied, baseline = shuffle, banks = 8)")
    notes = plan(hypothesis := resolve(read(path), Flags()), lower(hypothesis, Algebra())).notes
    assert any(note.startswith("scrubbed: 2 recomputations in the tree") and "2 in banks of 8, 4 draws" in note for note in notes)
    found = verdicts(path, prompts=60)["scrubbed"]
    assert found.verdict.outcome == "supported" and found.conditions["sampling"] == "banks of 8"
    assert found.verdict.members[0].beside["bias of banks of 8"].value == pytest.approx(0, abs=1e-9)


def test_an_adversary_looks_on_other_prompts(changed, whole_population):
    """Head 0.1 is left out everywhere, and nothing of it or of the rest is used: no split lowers the score."""
    path = changed("scrub(copied, baseline = shuffle, replicates = 2) ", "scrub(copied, baseline = shuffle, adversary = 4)")
    hypothesis = resolve(read(path), Flags())
    assert hypothesis.settings.explore == 0.5 and hypothesis.exploring
    found = verdicts(path, prompts=60)["scrubbed"]
    assert found.verdict.outcome == "supported"
    assert found.conditions["adversary"].startswith("no split lowers the score; ")
