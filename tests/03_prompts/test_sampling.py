"""Prompts from templates: which rows are drawn, and on what that depends."""

from collections import Counter

import pytest

from circuitdsl.borders.source import Severity

PAIRS = 'vocab letters = "a", "b", "c"\nprompts clean {{ "x {{A}} {{B}}"; A, B in letters {distinct} }}'


def texts(space, name="clean"):
    return [prompt.text for prompt in space.distributions[name].prompts]


def test_rows_are_different_and_balanced_over_templates(make, ioi) -> None:
    space = make(ioi, count=101)
    prompts = space.distributions["clean"].prompts
    assert len({prompt.text for prompt in prompts}) == 101
    share = Counter(prompt.layout.template for prompt in prompts)
    assert sorted(share.values()) == [50, 51]
    assert all(prompt.values["S2"] == prompt.values["S1"] != prompt.values["IO"] for prompt in prompts)


def test_all_are_used_where_fewer_exist(make, ioi, codes_of) -> None:
    space = make(ioi, count=10_000)
    found = space.distributions["clean"]
    assert len(found) == found.available == 2 * 6 * 5 * 3 * 3 == len(set(texts(space)))
    assert codes_of(space) == ["W025"]


def test_available_is_not_said_where_it_was_not_reached(make, ioi) -> None:
    assert make(ioi, count=539).distributions["clean"].available is None
    assert make(ioi, count=540).distributions["clean"].available == 540


def test_distinct_keeps_values_apart(make) -> None:
    assert len(make(PAIRS.format(distinct=""), count=99).distributions["clean"]) == 9
    assert len(make(PAIRS.format(distinct="distinct"), count=99).distributions["clean"]) == 6


def test_every_combination_is_equally_likely(make) -> None:
    """Which of 9 prompts comes first over 900 seeds: chi-squared with 8 degrees, 26.1 for 0.001."""
    counts = Counter(texts(make(PAIRS.format(distinct=""), count=1, seed=seed))[0] for seed in range(900))
    assert len(counts) == 9
    assert sum((found - 100) ** 2 / 100 for found in counts.values()) < 26.1


def test_rows_depend_on_seed_and_name_alone(make, ioi) -> None:
    plain = texts(make(ioi))
    assert plain == texts(make(ioi))
    assert plain != texts(make(ioi, seed=1))
    other = 'prompts other { "the {thing}"; thing in objects }\n'
    assert plain == texts(make(other + ioi, count=20)) == texts(make(ioi + other))
    shuffled = ioi.replace("  place in places\n", "").replace("  IO, S1 in", "  place in places\n  IO, S1 in")
    assert plain == texts(make(shuffled))
    assert plain != texts(make(ioi.replace("clean", "dirty")), "dirty")


def test_more_rows_keep_the_first(make, ioi) -> None:
    assert texts(make(ioi, count=30))[:20] == texts(make(ioi, count=20))


def test_counterfactuals_do_not_depend_on_each_other(make, ioi) -> None:
    abc = "prompts abc from clean { redraw IO, S1, S2 distinct }\n"
    other = "prompts other from clean { redraw place }\n"
    assert texts(make(ioi + abc), "abc") == texts(make(ioi + other + abc), "abc")


def test_astronomically_many(make) -> None:
    space = make('prompts clean { "{block}{block}"; block in random tokens 40 }', count=5)
    assert len(set(texts(space))) == 5


def test_slots_outside_the_text(make) -> None:
    space = make('vocab n = "Mary", "John"\nprompts clean { "the {A}"; A, B in n distinct; answer B wrong A }', count=9)
    assert {(p.values["A"], p.values["B"]) for p in space.distributions["clean"].prompts} == {("Mary", "John"), ("John", "Mary")}


def test_definitions_in_any_order(make) -> None:
    space = make('vocab n = "Mary", "John"\nprompts clean { "{A} {C}"; C = B; B = A; A in n; D = "{A}-{B}"; answer D }')
    assert {prompt.values["D"] for prompt in space.distributions["clean"].prompts} == {"Mary-Mary", "John-John"}


def test_prompts_whose_slots_merge_are_replaced(make, codes_of) -> None:
    """In the BPE of these tests a two-digit number is one token, so "1"+"7" merges and "x"+"7" does not."""
    text = 'vocab a = "1", "x", "y"\nvocab b = "{}"\nprompts clean {{ "year {{A}}{{B}} to"; A in a; B in b }}'
    text = text.format('", "'.join(f"{n}" for n in range(2, 10)))
    space = make(text, count=16)
    assert len(space.distributions["clean"]) == 16
    assert {prompt.values["A"] for prompt in space.distributions["clean"].prompts} == {"x", "y"}
    assert "W024" in codes_of(space, Severity.WARNING)


def test_a_slot_that_always_shares_is_kept_and_said(make, codes_of) -> None:
    space = make('vocab n = "boo", "rin"\nprompts clean { "a {noun_stem}k"; noun_stem = x; x in n }'.replace('"rin"', '"par"'), count=9)
    assert len(space.distributions["clean"]) == 2
    assert "W026" in codes_of(space, Severity.WARNING)


@pytest.mark.parametrize("use", ["bpe", "bos", "words", "spm", None])
def test_without_and_with_any_tokenizer_the_rows_are_the_same(make, ioi, use) -> None:
    assert [p.values for p in make(ioi, use=use).distributions["clean"].prompts] == [
        p.values for p in make(ioi).distributions["clean"].prompts
    ]


def test_what_differs_in_a_counterfactual_is_not_alike(make) -> None:
    """Two prompts of one text are one unit only if their counterfactuals are of one text as well."""
    text = 'vocab v = "key", "to", "is"\nprompts clean { "the {A}"; A, B in v; answer B }\n'
    alone = make(text, count=9, clean=False).distributions["clean"]
    assert len(set(alone.units(range(9)))) == 3
    other = make(text + "prompts other from clean { A = B; answer A }\n", count=9, clean=False).distributions["clean"]
    assert len(set(other.units(range(9)))) == 9
