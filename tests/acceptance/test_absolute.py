"""What queries, keys and values of a hand-written induction head carry, with donors of any layout, through the whole program."""

import re
import shutil
from pathlib import Path

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.models.toys import TOYS
from circuitdsl.pipeline.verifying import verify

FOLDER = Path(__file__).parents[2] / "hypotheses"
FILE = FOLDER / "induction_ports.circ"


def carried(tmp_path, *changes):
    """The verdict on the claim `carried` alone, of the file with some words changed."""
    text = re.sub(r"\n  (no_\w+|works): .*", "", FILE.read_text(encoding="utf-8")).replace("replicates = 4", "replicates = 32")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    shutil.copytree(FOLDER / "toys", tmp_path / "toys")
    shutil.copy(FOLDER / "induction_ports.jsonl", tmp_path)
    (tmp_path / "changed.circ").write_text(text, encoding="utf-8")
    (claim,) = verify(tmp_path / "changed.circ", Flags(edges=False)).claims
    return claim


def test_the_file_is_supported_whole():
    claims = verify(FILE, Flags(edges=False)).claims
    assert {claim.label: claim.verdict.outcome for claim in claims} == dict.fromkeys(
        ("works", "carried", "no_query", "no_key", "no_value"), "supported"
    )
    carried = next(claim for claim in claims if claim.label == "carried")
    assert carried.verdict.members[0].estimate.value == pytest.approx(1)
    assert carried.conditions["donor has another layout (last)"] == "66.7% of draws"


@pytest.mark.parametrize(
    ("old", "new", "exact"),
    [("carries place_label", "carries label", 1 / 2), ("carries last_place", "carries place", 37 / 72)],
    ids=["values without their place", "keys with nothing but their place"],
)
def test_a_value_that_lacks_what_it_needs_is_refuted_at_the_exact_number(tmp_path, old, new, exact):
    claim = carried(tmp_path, (old, new))
    (member,) = claim.verdict.members
    assert claim.verdict.outcome == "refuted"
    assert member.estimate.value == pytest.approx(exact, abs=0.06)


def test_with_donors_of_one_layout_the_missing_place_is_not_missed(tmp_path):
    """The place stays fixed without being claimed; under `absolute` the same claim is refuted."""
    assert (
        carried(tmp_path, ("carries place_label", "carries label"), ("align = absolute", "align = layout")).verdict.outcome == "supported"
    )


def test_the_shipped_model_is_the_one_that_the_code_writes(tmp_path):
    TOYS["ports"]().save(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FOLDER / "toys" / "ports" / path.name).read_bytes()
