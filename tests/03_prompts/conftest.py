"""Real tokenizers, small ones trained here: a byte-level BPE as GPT-2 and SmolLM2 have it, and one that knows whole words only."""

import string
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from circuitdsl.borders import document as doc
from circuitdsl.borders.source import Severity, Source
from circuitdsl.language.parser import parse
from circuitdsl.models.tokenizers import FileTokenizer
from circuitdsl.prompts import PromptSpace, build

NAMES = ("Mary", "John", "Alice", "Kevin", "Laura", "Peter")
TEXT = [
    *(f"When {a} and {b} went to the store, {b} gave a drink to {a}. {a}, {b}" for a in NAMES for b in NAMES),
    *(f"The war lasted from the year {n}. to the school, the park, a book, a ring, {n}" for n in range(10, 99)),
    *(f"The capital of {c} is {t}." for c, t in [("France", "Paris"), ("Japan", "Tokyo"), ("Italy", "Rome"), ("Spain", "Madrid")] * 8),
    *["the keys to the cabinet are on the table", "the key to the cabinets is on the table"] * 4,
] * 3


def bpe(folder: Path, bos: bool = False, name: str = "bpe") -> FileTokenizer:
    """Byte-level BPE: a space belongs to the word after it; unknown words fall into several tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXT, trainer)
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", backend.token_to_id("<s>"))])
    return _saved(backend, folder / f"{name}{bos}")


def words(folder: Path) -> FileTokenizer:
    """One token a word, spaces in none."""
    backend = Tokenizer(models.WordLevel(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(TEXT, trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False))
    return _saved(backend, folder / "words")


def sentencepiece(folder: Path) -> FileTokenizer:
    """As Llama 2 and Mistral have it: a mark for the space before each word, also before the first, and BOS."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    backend.train_from_iterator(
        (word.strip(".,") for text in TEXT for word in text.split(" ")),
        trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>"], initial_alphabet=list(string.printable), show_progress=False),
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _saved(backend, folder / "sentencepiece")


def _saved(backend: Tokenizer, folder: Path) -> FileTokenizer:
    folder.mkdir()
    backend.save(str(folder / "tokenizer.json"))
    return FileTokenizer(folder / "tokenizer.json")


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {"bpe": bpe(folder), "bos": bpe(folder, bos=True), "words": words(folder), "spm": sentencepiece(folder)}


@pytest.fixture(scope="session")
def tokenizer(tokenizers: dict[str, FileTokenizer]) -> FileTokenizer:
    return tokenizers["bpe"]


Make = Callable[..., PromptSpace]


@pytest.fixture(scope="session")
def make(tokenizers: dict[str, FileTokenizer], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make(text, count=…, …)`: the space of a file's statements; with `clean=True` it must have no errors."""
    nowhere = tmp_path_factory.mktemp("folder")

    def space(
        text: str,
        *,
        count: int = 20,
        seed: int = 0,
        bos: bool | None = None,
        use: str | None = "bpe",
        folder: Path = nowhere,
        exact: bool = False,
        leave_out: bool = False,
        clean: bool = True,
    ) -> PromptSpace:
        source = Source(text, folder / "test.circ")
        kinds = (doc.VocabStatement, doc.PromptsStatement, doc.FeatureStatement, doc.MetricStatement)
        statements = [statement for statement in parse(source).statements if isinstance(statement, kinds)]
        tokenizer = tokenizers[use] if use else None
        found = build(
            statements, tokenizer, count=count, seed=seed, bos=bos, folder=folder, source=source, exact=exact, leave_out=leave_out
        )
        if clean:
            assert not found.errors, found.errors
        return found

    return space


def codes(space: PromptSpace, severity: Severity | None = None) -> list[str]:
    return [found.code for found in space.diagnostics if severity in (None, found.severity)]


IOI = """
vocab names   = "Mary", "John", "Alice", "Kevin", "Laura", "Peter"
vocab places  = "store", "school", "park"
vocab objects = "drink", "book", "ring"
prompts clean {
  "When {IO} and {S1} went to the {place}, {S2} gave a {object} to"
  "When {S1} and {IO} went to the {place}, {S2} gave a {object} to"
  IO, S1 in names distinct
  S2 = S1
  place in places
  object in objects
  answer IO wrong S1
}
"""


@pytest.fixture(scope="session")
def ioi() -> str:
    return IOI


@pytest.fixture(scope="session")
def codes_of() -> Callable[..., list[str]]:
    return codes
