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


@pytest.fixture
def checked(monkeypatch):
    """What the guards are given, in the place of a run."""
    seen = {}

    def check(adapter, *batches):
        seen["batches"] = batches
        raise InterruptedError

    monkeypatch.setattr("circuitdsl.models.parity.check_parity", check)
    monkeypatch.setattr("circuitdsl.models.tokenizers._compare", lambda _, path, texts, folder: seen.update(texts=texts))
    monkeypatch.setattr("circuitdsl.models.tokenizers.entry", lambda kind, key, make: make(None))
    return seen


LONGER = """prompts longer {
  "{d} {c} {first} {next} {c} {d} {cue}"
  first, next, c, d in colours distinct
  cue = first
  answer next wrong c
}
"""


def test_the_model_is_checked_on_the_longest_prompts(toy, checked):
    """A window that the engine does not know of shows in no shorter one."""
    text = toy.read_text().replace('"{first} {next} {c} {d} {cue}"', '"{c} {d} {first} {next} {c} {d} {cue}"')
    toy.write_text(text.split("claims {")[0] + "claims {\nworks: value(copied, of = model) = 1 +- 0.1\n}\n")
    with pytest.raises(InterruptedError):
        run.verify(toy, Flags(settings={"prompts": 16}))
    lengths = [len(prompt.tokens) for prompt in resolve(read(toy), Flags()).distributions["repeated"].prompts]
    (batch,) = checked["batches"]
    assert lengths[0] < max(lengths) and {len(tokens) for tokens in batch} == {max(lengths)}


def test_every_distribution_is_checked_and_not_only_the_default(toy, checked):
    """Its longest prompts by the engine's pieces, and the token ids of all of its prompts."""
    text = toy.read_text().replace("metric copied", LONGER + "metric copied")
    toy.write_text(text.split("claims {")[0] + "claims {\nworks: value(copied, on = longer) = 1 +- 0.1\n}\n")
    with pytest.raises(InterruptedError):
        run.verify(toy, Flags(settings={"prompts": 16}))
    distributions = resolve(read(toy), Flags(settings={"prompts": 16})).distributions
    longer = {prompt.tokens for prompt in distributions["longer"].prompts}
    assert [{len(tokens) for tokens in batch} for batch in checked["batches"]] == [{6}, {8}]
    assert set(checked["batches"][1]) <= longer
    assert all(prompt.text in checked["texts"] for found in distributions.values() for prompt in found.prompts)
