"""Text → document → hypothesis: a file is read, its model's configuration and tokenizer are found, every name is looked up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.document import Document, ModelStatement
from circuitdsl.borders.flags import Flags, Progress, quiet
from circuitdsl.borders.hypothesis import Hypothesis, ModelName
from circuitdsl.borders.source import CircError

if TYPE_CHECKING:
    from circuitdsl.models.outline import ModelOutline

Located = TypeVar("Located")


def read(path: Path) -> Document:
    """Text to syntax tree. Raises CircError with every syntax error of the file."""
    from circuitdsl.language.parser import parse
    from circuitdsl.language.reading import read_source

    return parse(read_source(path))


def outline(document: Document, flags: Flags) -> "ModelOutline":
    """What is known of the model that a file names without its weights."""
    from circuitdsl.models.outline import outline as look_up

    model, folder = _model(document, flags), document.source.folder
    return _placed(document, flags, lambda: look_up(model, folder))


def resolve(document: Document, flags: Flags, model: "ModelOutline | None" = None) -> Hypothesis:
    """Syntax tree to checked hypothesis. Reads the model's configuration and tokenizer (`model`, if they are read), not its weights.

    Raises CircError with everything that is wrong. Warnings are in the hypothesis.
    """
    from circuitdsl.language.parser import parse
    from circuitdsl.measures import measures
    from circuitdsl.models.readable import check_readable
    from circuitdsl.resolve import resolve as resolve_document

    found = model or outline(document, flags)
    settings = {**flags.settings, **({"model": flags.model} if flags.model else {})}
    try:
        hypothesis = resolve_document(document, found.shape, found.tokenizer, measures(), settings, parse=parse)
        cautions = _placed(document, flags, lambda: check_readable(hypothesis, found))
    finally:
        if found.tokenizer:
            found.tokenizer.keep()
    _check_claims(hypothesis)
    named = _named(document)
    placed = (one if named is None else replace(one, span=named.name.span, source=document.source) for one in cautions)
    return replace(hypothesis, warnings=(*hypothesis.warnings, *placed))


def require_tokenizer(document: Document, flags: Flags, model: "ModelOutline") -> None:
    """Raises CircError C433 for a model without a tokenizer: words stand in for tokens where a file is checked, not where it is run."""
    from circuitdsl.models.outline import require_tokenizer as require

    _placed(document, flags, lambda: require(model))


def conditions_of_run(document: Document, flags: Flags) -> tuple[dict[str, str], dict[str, str]]:
    """Model, prompts, seed and dtype by name: those of the file alone, and those of a run with these flags."""
    from circuitdsl.language.parser import parse
    from circuitdsl.resolve import stated_size

    own = {name: str(value) for name, value in stated_size(document, parse).items()} | {"dtype": Flags().dtype}
    own = {"model": _own_model(document), **own}
    asked = {name: str(value) for name, value in flags.settings.items() if name in own} | {"dtype": flags.dtype}
    return own, own | asked | ({"model": flags.model} if flags.model else {})


def _own_model(document: Document) -> str:
    """The model that the file names; empty where it names none, as it need not where a flag does."""
    try:
        return _model(document, Flags()).name
    except CircError:
        return ""


def _check_claims(hypothesis: Hypothesis) -> None:
    """Raises CircError with the claims that a measure sees at once that it cannot lower."""
    from circuitdsl.measures import measures

    wrong = Diagnostics()
    for claim in hypothesis.claims:
        if refuse := measures()[claim.measure].check:
            with wrong.keeping():
                refuse(claim, hypothesis)
    wrong.raise_any()


def fetch(document: Document, flags: Flags, progress: Progress = quiet) -> None:
    """Downloads the model that a file names, if it is on the Hub and not here: what follows needs its tokenizer."""
    from circuitdsl.models.hub import fetch as fetch_model

    model, folder = _model(document, flags), document.source.folder
    _placed(document, flags, lambda: fetch_model(model, folder=folder, unsafe=flags.unsafe, progress=lambda what: progress(what, 0.0)))


def _model(document: Document, flags: Flags) -> ModelName:
    from circuitdsl.language.parser import parse
    from circuitdsl.resolve import model_name

    return ModelName(flags.model) if flags.model else model_name(document, parse)


def _named(document: Document) -> ModelStatement | None:
    """The statement that names the model."""
    return next((statement for statement in document.statements if isinstance(statement, ModelStatement)), None)


def _placed(document: Document, flags: Flags, find: Callable[[], Located]) -> Located:
    """What `find` gives; an error about the model, which stands nowhere, is put where it is named: at the flag or the statement."""
    try:
        return find()
    except CircError as error:
        if flags.model:
            raise CircError([replace(one, message=f"--model: {one.message}") for one in error.diagnostics]) from None
        named = _named(document)
        if named is None:
            raise
        raise CircError([replace(one, span=named.name.span, source=document.source) for one in error.diagnostics]) from None
