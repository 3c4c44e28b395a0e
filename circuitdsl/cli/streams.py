"""Standard input, output and error as they come: closed, in an encoding without some of our signs, without colours, narrow."""

import codecs
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

NARROWEST, WIDEST = 40, 120
"""Columns of a report on a terminal."""
IN_A_PIPE = 100
"""Columns where there is no terminal."""
_PLAIN = {
    "✓": "+", "✗": "x", "·": ".", "−": "-", "–": "-", "→": "->", "…": "...", "∞": "inf", "∅": "0", "‖": "||", "×": "x",
    "«": '"', "»": '"', "│": "|", "─": "-",
}  # fmt: skip
"""Signs of reports for terminals that have only ASCII; a lost minus would be another number."""


def prepare() -> None:
    """Makes sure that whatever is printed can be: also where a stream is closed, or its encoding lacks a sign."""
    codecs.register_error("plain", _plain)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (it stays open)
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def as_utf8() -> None:
    """What follows on standard output is for programs (JSON, a `.circ` file), and is UTF-8 wherever it goes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def drop_output() -> None:
    """Nobody reads any more: what is left in the buffers goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def colored(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal, unless the user says no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """The width of a report."""
    if not sys.stdout.isatty():
        return IN_A_PIPE
    return min(max(shutil.get_terminal_size((IN_A_PIPE, 24)).columns, NARROWEST), WIDEST)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A handler of encoding errors: a sign's stand-in in ASCII, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs), error.end
