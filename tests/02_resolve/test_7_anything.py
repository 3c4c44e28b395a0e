"""Whatever is written, the answer is a hypothesis or diagnostics in some file, never an exception of ours."""

import random
import re
from pathlib import Path

import pytest

from circuitdsl.borders.source import CircError, Source
from circuitdsl.language.parser import parse
from circuitdsl.language.rendering import render

FILES = sorted(Path(__file__).parent.glob("*/*.circ"))
PIECES = re.compile(r'\s+|\w+|"[^"\n]*"|[^\w\s]')
WORDS = sorted({word for path in FILES for word in PIECES.findall(path.read_text(encoding="utf-8")) if word.strip()})


def damaged(text, draw):
    """The text with a few of its words dropped, doubled, or replaced by words of other files."""
    pieces = PIECES.findall(text)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(pieces))
        pieces[place] = draw.choice(["", pieces[place] * 2, draw.choice(WORDS), f"{pieces[place]} {draw.choice(WORDS)}"])
    return re.sub(r"prompts = \d+", "prompts = 4", "".join(pieces))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_are_reported(seed, check):
    draw = random.Random(seed)
    path = draw.choice(FILES)
    text = damaged(path.read_text(encoding="utf-8"), draw)
    try:
        parse(Source(text, path))
    except CircError:
        return  # the language's own business
    try:
        found = check(text, path, prompts=4, tokens=draw.random() < 0.7).warnings
    except CircError as error:
        found = error.diagnostics
        assert found
    for one in found:
        assert 0 <= one.span.start <= one.span.end <= len(one.source.text)
    assert render(found).count("\n\n") <= len(found)
