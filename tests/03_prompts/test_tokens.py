"""Where slots stand in tokens."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitdsl.prompts.template import parse_template
from circuitdsl.prompts.tokens import Tokens, WordTokenizer, joint, shares, span_of


def decoded(tokenizer, prompt, slot, occurrence=1):
    return tokenizer.decode(prompt.tokens[slice(*prompt.layout.span(slot, occurrence))])


@pytest.mark.parametrize("use", ["bpe", "bos", "words", "spm"])
def test_spans_hold_the_slot_with_its_space(make, ioi, tokenizers, use) -> None:
    tokenizer = tokenizers[use]
    prompts = make(ioi, count=60, use=use).distributions["clean"].prompts
    for prompt in prompts:
        for slot in ("IO", "S1", "S2", "place", "object"):
            assert decoded(tokenizer, prompt, slot).strip() == prompt.values[slot]
        assert prompt.layout.length == len(prompt.tokens)
        assert prompt.layout.span("END") == (len(prompt.tokens) - 1, len(prompt.tokens))
        assert prompt.tokens == tokenizer.encode(prompt.text).ids


def test_bos_as_the_tokenizer_or_the_setting_has_it(make, ioi, tokenizers) -> None:
    bos = tokenizers["bos"].bos_id
    for use, setting, first in [("bos", None, bos), ("bos", False, None), ("bos", True, bos), ("bpe", None, None), ("words", None, None)]:
        prompt = make(ioi, use=use, bos=setting).distributions["clean"].prompts[0]
        assert (prompt.tokens[0] == bos) is (first is not None) or use == "words"
    plain = make(ioi, use="bos", bos=False).distributions["clean"].prompts[0]
    with_bos = make(ioi, use="bos").distributions["clean"].prompts[0]
    assert with_bos.tokens == (bos, *plain.tokens)
    assert with_bos.layout.span("S2") == tuple(end + 1 for end in plain.layout.span("S2"))


def test_bos_that_does_not_exist(make, ioi, codes_of) -> None:
    assert codes_of(make(ioi, use="words", bos=True, clean=False)) == ["C241"]


def test_repeated_slots_are_counted(make, tokenizer) -> None:
    space = make('vocab n = "Mary", "John"\nprompts clean { "{A} and {A} and {A}"; A in n }')
    prompt = space.distributions["clean"].prompts[0]
    assert [prompt.layout.span("A", number) for number in (1, 2, 3)] == [
        (0, prompt.layout.span("A")[1]),
        *[prompt.layout.span("A", number) for number in (2, 3)],
    ]
    assert [decoded(tokenizer, prompt, "A", number).strip() for number in (1, 2, 3)] == [prompt.values["A"]] * 3
    assert space.occurrences["clean"] == {"A": 3}


def test_a_slot_of_several_tokens_has_them_all(make, tokenizer) -> None:
    prompt = make('vocab n = "Zyxwvut"\nprompts clean { "the {A} to"; A in n }').distributions["clean"].prompts[0]
    start, end = prompt.layout.span("A")
    assert end - start > 1
    assert decoded(tokenizer, prompt, "A").strip() == "Zyxwvut"


def test_blocks_are_put_in_as_ids(make, tokenizers) -> None:
    for use in ("bpe", "bos", "words"):
        space = make('vocab n = "Mary"\nprompts clean { "the {A}:{block} and {block}{block}"; A in n; block in random tokens 7 }', use=use)
        plain = set(tokenizers[use].plain_ids())
        for prompt in space.distributions["clean"].prompts:
            blocks = [prompt.tokens[slice(*prompt.layout.span("block", number))] for number in (1, 2, 3)]
            assert blocks[0] == blocks[1] == blocks[2]
            assert len(blocks[0]) == 7 and set(blocks[0]) <= plain
            between = prompt.tokens[prompt.layout.span("block", 1)[1] : prompt.layout.span("block", 2)[0]]
            assert between == tokenizers[use].encode(" and ", False).ids
            assert decoded(tokenizers[use], prompt, "A").strip() == "Mary"
        assert space.blocks == {"block"}
        assert space.distributions["clean"].prompts[0].tokens[0] == (
            tokenizers[use].bos_id if use == "bos" else blocks and prompt.tokens[0]
        )


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=12), st.text(min_size=1, max_size=8), st.text(max_size=12))
def test_spans_cover_exactly_the_characters(tokenizers, left: str, value: str, right: str) -> None:
    """Whatever the text: without sharing, the span's tokens hold the slot's characters and at most space before them."""
    for tokenizer in tokenizers.values():
        tokens = Tokens(tokenizer)
        template = parse_template("{A}", lambda message, hint: None).pieces
        placed = tokens.place(0, [(left, left), (template[0], value), (right, right)])
        encoding = tokens.whole(placed.text)
        chars = placed.chars["A", 1]
        start, end = placed.layout.span("A")
        assert 0 <= start <= end <= len(placed.ids)
        covered = {index for low, high in encoding.offsets[start:end] for index in range(low, high)}
        outside = {index for low, high in (*encoding.offsets[:start], *encoding.offsets[end:]) for index in range(low, high)}
        assert not outside & set(range(*chars))
        if ("A", 1) not in placed.shared:
            assert covered - set(range(*chars)) <= {index for index in range(chars[0]) if placed.text[index].isspace()} | {
                index for index in range(chars[1], len(placed.text)) if placed.text[index].isspace()
            }


@pytest.mark.parametrize(
    ("ending", "value", "space"),
    [
        ("gave to", "Mary", " "),
        ("gave to ", "Mary", ""),
        ("gave to", " Mary", ""),
        ('he said: "', "Mary", ""),
        ("he said: (", "Mary", ""),
        ("year 17", "32", ""),
        ("is", "32", " "),
        ("Mary", ".", ""),
        ("Mary", "'s", ""),
        ("don't", "know", " "),
        ('said "yes"', "and", " "),
        ("東京", "は", ""),
        ("x =", "3", " "),
        ("", "Mary", ""),
        ("line\n", "Mary", ""),
    ],
)
def test_the_space_between(ending: str, value: str, space: str) -> None:
    assert joint(ending, value) == space


def test_stand_in_tokens_are_words(make, ioi) -> None:
    space = make(ioi, use=None)
    assert not space.checked
    prompt = space.distributions["clean"].prompts[0]
    assert prompt.layout.length == len(prompt.text.replace(",", " ,").split())
    assert WordTokenizer().encode("a b").ids == WordTokenizer().encode("a  b").ids


def test_a_slot_of_characters_without_a_token(tokenizer) -> None:
    encoding = tokenizer.encode("a b", False)
    assert shares(encoding, "a b", (3, 3), (2, 2)) and span_of(encoding, (3, 3)) == (len(encoding.ids),) * 2


def test_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, circuitdsl.prompts; sys.exit('torch' in sys.modules or 'transformers' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
