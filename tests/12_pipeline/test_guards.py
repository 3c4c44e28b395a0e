"""Guards that stand between the stages."""

from dataclasses import replace

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, read, resolve
from circuitdsl.pipeline import verifying as run


def test_a_search_without_prompts_to_choose_on(toy):
    """A measure that searches and does not say so in its signature: a mistake of the measure, not of the file."""
    toy.write_text(toy.read_text().split("claims {")[0] + "claims {\ncomplete: completeness(copied) <= 0.2\n}\n")
    hypothesis = resolve(read(toy), Flags(settings={"prompts": 16}))
    with pytest.raises(AssertionError, match="does not say that it searches"):
        lower(replace(hypothesis, exploring=()), Algebra())


def test_the_model_is_checked_on_the_longest_prompts(toy, monkeypatch):
    """A window that the engine does not know of shows in no shorter one."""
    text = toy.read_text().replace('"{first} {next} {c} {d} {cue}"', '"{c} {d} {first} {next} {c} {d} {cue}"')
    toy.write_text(text.split("claims {")[0] + "claims {\nworks: value(copied, of = model) = 1 +- 0.1\n}\n")
    checked = []

    def check(adapter, tokens):
        checked.append(tokens)
        raise InterruptedError

    monkeypatch.setattr("circuitdsl.models.parity.check_parity", check)
    with pytest.raises(InterruptedError):
        run.verify(toy, Flags(settings={"prompts": 16}))
    lengths = [len(prompt.tokens) for prompt in resolve(read(toy), Flags()).distributions["repeated"].prompts]
    assert lengths[0] < max(lengths) and {len(tokens) for tokens in checked[0]} == {max(lengths)}
