"""What a later stage refuses although an earlier one has seen to it: measures of others may ask for less than they need."""

from dataclasses import replace

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.source import CircError
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, read, resolve


def with_claim(toy, claim):
    toy.write_text(toy.read_text().split("claims {")[0] + "claims {\n" + claim + "\n}\n")
    return resolve(read(toy), Flags(settings={"prompts": 16}))


def test_a_circuit_without_an_ablation(toy):
    hypothesis = with_claim(toy, "faithful: faithfulness(copied) >= 0.5")
    (claim,) = (replace(claim, options={**claim.options, "ablate": None}) for claim in hypothesis.claims)
    bare = replace(hypothesis, claims=(claim,), settings=replace(hypothesis.settings, ablate=None))
    with pytest.raises(CircError, match="C370"):
        lower(bare, Algebra())


def test_a_search_without_prompts_to_choose_on(toy):
    hypothesis = with_claim(toy, "complete: completeness(copied) <= 0.2")
    with pytest.raises(CircError, match="C373"):
        lower(replace(hypothesis, exploring=()), Algebra())
