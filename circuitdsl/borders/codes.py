"""What `explain` says about a code."""

from typing import NamedTuple


class Code(NamedTuple):
    """`title` in a few words; `text` says what happened, why it matters, and how to mend it, in short paragraphs."""

    title: str
    text: str
