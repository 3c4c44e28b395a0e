"""One way to say what is wrong with a model."""

from collections.abc import Iterable

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import ModelShape


def model_error(code: str, message: str, hint: str = "") -> CircError:
    """A `CircError` with one diagnostic. It has no span: whoever knows where the file names its model adds that."""
    return refusal(code, message, hint=hint)


def too_long(tokens: int, shape: ModelShape) -> CircError:
    """C415: a prompt that the model cannot read."""
    message = f"a prompt has {tokens} tokens, but {shape.name or 'the model'} reads at most {shape.context}"
    return model_error("C415", message, "use shorter prompts, or a model with a longer context")


def unknown_token(token: int, shape: ModelShape, text: str = "") -> CircError:
    """C418: a token that the tokenizer knows and the model does not."""
    named = f" (“{text}”)" if text else ""
    message = f"token id {token}{named} is outside the model's vocabulary of {shape.vocabulary}"
    return model_error("C418", message, "the tokenizer knows tokens that the model was not given: avoid them in the prompts")


def unsupported(which: str, families: Iterable[str]) -> CircError:
    """C408: models `of type …` that no family serves; `families` are the types that are served."""
    hint = f"supported: {', '.join(sorted(families))}; a new family is one small file, see docs/families.md"
    return model_error("C408", f"models {which} are not supported yet", hint)
