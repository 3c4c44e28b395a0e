"""With SmolLM2's own tokenizer, as its GGUF file has it."""

from pathlib import Path

import pytest

from circuitdsl.borders import document as doc
from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.source import Source
from circuitdsl.language.parser import parse
from circuitdsl.models.tokenizers import FileTokenizer, load_tokenizer
from circuitdsl.prompts import PromptSpace, build
from circuitdsl.prompts.show import show_prompts

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def smollm2() -> FileTokenizer:
    found = load_tokenizer(ModelName("smollm2-135m"), Path.cwd())
    assert found is not None
    return found


def space(text: str, tokenizer: FileTokenizer, count: int = 64) -> PromptSpace:
    source = Source(text)
    kinds = (doc.VocabStatement, doc.PromptsStatement, doc.FeatureStatement, doc.MetricStatement)
    statements = [statement for statement in parse(source).statements if isinstance(statement, kinds)]
    return build(statements, tokenizer, count=count, seed=0, bos=None, folder=Path.cwd(), source=source)


def test_indirect_objects(ioi, smollm2) -> None:
    """14 tokens a prompt, no BOS, every slot one token."""
    found = space(ioi + "prompts abc from clean { redraw IO, S1, S2 distinct }\nmetric m = logit(answer) - logit(wrong)", smollm2)
    assert found.diagnostics == []
    for name in ("clean", "abc"):
        prompts = found.distributions[name].prompts
        assert {prompt.layout.length for prompt in prompts} == {14}
        for prompt in prompts:
            assert all(end - start == 1 for _, (start, end) in prompt.layout.spans)
            assert smollm2.decode([prompt.answer]) == " " + prompt.values["IO"]
            assert prompt.answer in prompt.tokens


def test_random_blocks(smollm2) -> None:
    found = space('prompts clean { "{block}{block}"; block in random tokens 25 }\nmetric m = loss(block:2[1..24]), lower', smollm2)
    assert found.diagnostics == [] and found.distributions["clean"].prompts[0].layout.length == 50
    assert "block:2[24], END" in show_prompts(found, smollm2)


def test_digits_are_tokens_of_their_own(smollm2) -> None:
    """So a year's target is its first digit, which is said, with the years that share it."""
    text = 'vocab years = "02".."98"\nprompts clean { "The war lasted from the year 17{YY} to the year 17"; YY in years; answer YY }\n'
    found = space(text + "metric m = sum(prob(YY = y) for y in years if y > YY)", smollm2)
    assert {"W020", "W022"} == {one.code for one in found.diagnostics}
    for prompt in found.distributions["clean"].prompts:
        assert smollm2.decode([prompt.answer]) == prompt.values["YY"][0]


def test_a_prompt_that_ends_with_a_space(ioi, smollm2) -> None:
    assert [one.code for one in space(ioi.replace('{object} to"', '{object} to "'), smollm2).errors] == ["C223"]
