"""One way to say what is wrong with a model."""

from circuitdsl.borders.source import CircError, Diagnostic, Span


def model_error(code: str, message: str, hint: str = "") -> CircError:
    """A `CircError` with one diagnostic. It has no span: whoever knows where the file names its model adds that."""
    return CircError([Diagnostic(code, message, Span(), hint=hint)])
