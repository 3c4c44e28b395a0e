"""Text → document → hypothesis: a file is read, its model's configuration and tokenizer are found, every name is looked up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from circuitdsl.borders.document import Document, ModelStatement
from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Hypothesis, ModelName
from circuitdsl.borders.source import CircError, Diagnostic

Located = TypeVar("Located")


def read(path: Path) -> Document:
    """Text to syntax tree. Raises CircError with every syntax error of the file."""
    from circuitdsl.language.parser import parse
    from circuitdsl.language.reading import read_source

    return parse(read_source(path))


def resolve(document: Document, flags: Flags) -> Hypothesis:
    """Syntax tree to checked hypothesis. Reads the model's configuration and tokenizer, not its weights.

    Raises CircError with everything that is wrong. Warnings are in the hypothesis.
    """
    from circuitdsl.language.parser import parse
    from circuitdsl.measures import measures
    from circuitdsl.models.readable import check_readable
    from circuitdsl.models.shapes import find_shape
    from circuitdsl.models.tokenizers import load_tokenizer
    from circuitdsl.resolve import resolve as resolve_document

    model, folder = _model(document, flags), document.source.folder
    shape, tokenizer = _placed(document, flags, lambda: (find_shape(model, folder), load_tokenizer(model, folder)))
    settings = {**flags.settings, **({"model": flags.model} if flags.model else {})}
    try:
        hypothesis = resolve_document(document, shape, tokenizer, measures(), settings, parse=parse)
        _placed(document, flags, lambda: check_readable(hypothesis, tokenizer))
    finally:
        if tokenizer:
            tokenizer.keep()
    _check_claims(hypothesis)
    return hypothesis


def _check_claims(hypothesis: Hypothesis) -> None:
    """Raises CircError with the claims that a measure sees at once that it cannot lower."""
    from circuitdsl.measures import measures

    wrong: list[Diagnostic] = []
    for claim in hypothesis.claims:
        if refuse := measures()[claim.measure].check:
            try:
                refuse(claim, hypothesis)
            except CircError as error:
                wrong += error.diagnostics
    if wrong:
        raise CircError(wrong)


def fetch(document: Document, flags: Flags, progress: Progress = quiet) -> None:
    """Downloads the model that a file names, if it is on the Hub and not here: what follows needs its tokenizer."""
    from circuitdsl.models.hub import fetch as fetch_model

    model, folder = _model(document, flags), document.source.folder
    _placed(document, flags, lambda: fetch_model(model, folder=folder, unsafe=flags.unsafe, progress=lambda what: progress(what, 0.0)))


def _model(document: Document, flags: Flags) -> ModelName:
    from circuitdsl.language.parser import parse
    from circuitdsl.resolve import model_name

    return ModelName(flags.model) if flags.model else model_name(document, parse)


def _placed(document: Document, flags: Flags, find: Callable[[], Located]) -> Located:
    """What `find` gives; an error about the model, which stands nowhere, is put where it is named: at the flag or the statement."""
    try:
        return find()
    except CircError as error:
        if flags.model:
            raise CircError([replace(one, message=f"--model: {one.message}") for one in error.diagnostics]) from None
        named = next((statement for statement in document.statements if isinstance(statement, ModelStatement)), None)
        if named is None:
            raise
        raise CircError([replace(one, span=named.name.span, source=document.source) for one in error.diagnostics]) from None
