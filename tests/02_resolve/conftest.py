"""A small real tokenizer, shapes, and one function from text to hypothesis."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.measure import Measure
from circuitdsl.borders.prompts import Tokenizer
from circuitdsl.borders.source import CircError, Diagnostic, Source
from circuitdsl.borders.units import ModelShape
from circuitdsl.language.parser import parse
from circuitdsl.measures import measures
from circuitdsl.models.tokenizers import FileTokenizer
from circuitdsl.resolve import resolve

SHAPES = {
    "smollm2-135m": ModelShape("smollm2-135m", "llama", 30, 9, 3, 576, 64, 1536, 49152, 2048),
    "parallel": ModelShape("parallel", "gpt_neox", 6, 8, 8, 512, 64, 2048, 50304, 2048, parallel=True),
    "attention-only": ModelShape("attention-only", "gpt2", 4, 8, 8, 256, 32, 0, 50257, 1024, mlps=False),
    "openai-community/gpt2": ModelShape("openai-community/gpt2", "gpt2", 12, 12, 12, 768, 64, 3072, 50257, 1024),
}

NAMES = ("value", "accuracy", "top1", "faithfulness", "minimality.single", "effect", "attention")

WORDS = (
    "When Mary and John went to the store , Alice gave a drink to Kevin . Then Laura said to Peter : the keys on cabinet are old. "
    "The war siege plague strike voyage lasted from the year 17 to school park book ring key books is"
)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Byte-level pieces, so that anything can be encoded; words of the examples are single tokens with their space."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    backend.train_from_iterator([WORDS, "the", "When", "Then", "Alice", "John"] * 3, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    backend.save(str(path))
    return FileTokenizer(path)


def registry() -> dict[str, Measure]:
    """A few of the measures, so that words about them do not change with the list."""
    return {name: measures()[name] for name in NAMES}


Check = Callable[..., Hypothesis]


@pytest.fixture
def check(tokenizer: Tokenizer) -> Check:
    """`check(text, path=None, tokens=True, **flags)`: the hypothesis, of 8 prompts unless told; the shape is the named model's."""

    def run(
        text: str, path: Path | None = None, tokens: bool = True, known: Mapping[str, Measure] | None = None, **flags: Any
    ) -> Hypothesis:
        document = parse(Source(text, path))
        named = next((one for name, one in SHAPES.items() if f'model "{name}"' in text), SHAPES["smollm2-135m"])
        flags = {"prompts": 8, **flags}
        return resolve(document, named, tokenizer if tokens else None, known or registry(), flags, parse=parse)

    return run


@pytest.fixture
def faults(check: Check) -> Callable[..., list[Diagnostic]]:
    """What is wrong with a text: errors and warnings, as `check` finds them; warnings alone where there are no errors."""

    def run(text: str, path: Path | None = None, **options: Any) -> list[Diagnostic]:
        try:
            return list(check(text, path, **options).warnings)
        except CircError as error:
            return list(error.diagnostics)

    return run
