"""What may be wrong within an expression, and words for messages."""

from collections.abc import Iterable
from difflib import get_close_matches

from circuitdsl.borders.source import Span


class Mistake(Exception):
    """Something in an expression that is wrong in whatever distribution it is used."""

    def __init__(self, code: str, span: Span, message: str, hint: str = ""):
        self.code, self.span, self.message, self.hint = code, span, message, hint
        super().__init__(message)


class Lacking(Mistake):
    """This distribution has not what the expression needs; another may."""


def similar(word: str, known: Iterable[str]) -> str:
    """ "did you mean `name`?", or nothing if no known word is near."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6 if len(word) > 3 else 0.5)
    return f"did you mean `{folded[near[0]]}`?" if near else ""


def listed(words: Iterable[str], most: int = 8) -> str:
    """`a`, `b` and `c`, for messages; long lists are cut."""
    names = [f"`{word}`" for word in words]
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
