"""Quoted strings, there and back."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circuitdsl.language.strings import decode, encode


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",))) | st.text('"\\\n\r\t'), st.booleans())
@example('"""', True)
@example('a\\"', True)
@example('""""', True)
@example('\\"""\\', True)
def test_encoding_is_undone_by_decoding(text, triple):
    assert decode(encode(text, triple)) == (text, [])


def test_ordinary_texts_stay_readable():
    assert encode("Café → 日本") == '"Café → 日本"'
    assert encode('one\n"two"\n', triple=True) == '"""one\n"two"\n"""'
    assert encode("\x1b\u202e") == r'"\x1b\u202e"'


@pytest.mark.parametrize("escape", [r"\q", r"\x4", r"\ud800", r"\U00110000", r"\1"])
def test_escapes_that_mean_nothing_are_told_with_their_place(escape):
    text, wrong = decode(f'"ab{escape}"')
    assert text.startswith("ab")
    (found,) = wrong
    assert found[0] == 3
    assert escape.startswith(found[2])
