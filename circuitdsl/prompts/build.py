"""From the statements about prompts to a `PromptSpace`."""

from collections.abc import Sequence
from pathlib import Path

from circuitdsl.borders import document as doc
from circuitdsl.borders.prompts import Tokenizer
from circuitdsl.borders.source import Source
from circuitdsl.prompts.space import PromptSpace

PromptStatement = doc.Vocab | doc.Prompts | doc.Feature | doc.Metric


def build(
    statements: Sequence[PromptStatement],
    tokenizer: Tokenizer | None,
    *,
    count: int,
    seed: int,
    bos: bool | None,
    folder: Path,
    source: Source,
) -> PromptSpace:
    """Everything the statements declare, `count` prompts a distribution. Never raises for bad input: see `diagnostics`."""
    return PromptSpace({}, "")
