"""What a later stage refuses although an earlier one has seen to it: measures of others may ask for less than they need."""

from dataclasses import replace

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, read, resolve


def test_a_search_without_prompts_to_choose_on(toy):
    """A measure that searches and does not say so in its signature: a mistake of the measure, not of the file."""
    toy.write_text(toy.read_text().split("claims {")[0] + "claims {\ncomplete: completeness(copied) <= 0.2\n}\n")
    hypothesis = resolve(read(toy), Flags(settings={"prompts": 16}))
    with pytest.raises(AssertionError, match="does not say that it searches"):
        lower(replace(hypothesis, exploring=()), Algebra())
