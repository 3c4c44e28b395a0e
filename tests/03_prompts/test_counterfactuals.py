"""Prompts made from others: values, pairing, equal layouts."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ABC = "prompts abc from clean { redraw IO, S1, S2 distinct }\n"


def pairs(space, name, of="clean"):
    return list(zip(space.distributions[of].prompts, space.distributions[name].prompts, strict=True))


def test_distinct_differs_from_each_other_and_from_the_prompt(make, ioi) -> None:
    space = make(ioi + ABC, count=200)
    assert space.distributions["abc"].paired == "clean"
    for clean, other in pairs(space, "abc"):
        new = [other.values[slot] for slot in ("IO", "S1", "S2")]
        assert len({*new, clean.values["IO"], clean.values["S1"]}) == 5
        assert all(clean.values[slot] == other.values[slot] for slot in ("place", "object"))
        assert clean.layout == other.layout and clean.cluster == other.cluster


def test_redrawn_values_are_uniform_over_those_left(make) -> None:
    """Pairs of distinct values out of the 4 that are left, 12 of them: chi-squared with 11 degrees, 31.3 for 0.001."""
    text = 'vocab n = "a", "b", "c", "d", "e"\nprompts clean { "x {A} {B}"; A in n; B = A; C in m }\nvocab m = "0".."9"\n'
    text = text.replace('"0".."9"', '"000".."999"') + "prompts other from clean { redraw A, B distinct }"
    counts = Counter()
    for clean, other in pairs(make(text, count=2400, use=None), "other"):
        rest = [value for value in "abcde" if value != clean.values["A"]]
        counts[rest.index(other.values["A"]), rest.index(other.values["B"])] += 1
    assert len(counts) == 12
    assert sum((found - 200) ** 2 / 200 for found in counts.values()) < 31.3


def test_defined_slots_follow_until_they_are_set_themselves(make, ioi) -> None:
    for changes, follows in [("redraw S1 distinct", True), ("S1 = place", True), ("redraw S1, S2 distinct", False), ("S2 = IO", False)]:
        for clean, other in pairs(make(ioi + f"prompts other from clean {{ {changes} }}", use=None), "other"):
            assert (other.values["S2"] == other.values["S1"]) is follows
            assert clean.values["IO"] == other.values["IO"]


def test_assignments_happen_at_once_after_redraws(make, ioi) -> None:
    for clean, other in pairs(make(ioi + "prompts other from clean { IO = S1; S1 = IO }"), "other"):
        assert (clean.values["IO"], clean.values["S1"]) == (other.values["S1"], other.values["IO"])
        assert other.values["S2"] == other.values["S1"]
    for clean, other in pairs(make(ioi + "prompts other from clean { redraw IO distinct; S2 = IO }"), "other"):
        assert other.values["S2"] == other.values["IO"] != clean.values["IO"]


def test_answers_are_inherited_with_the_new_values_or_stated(make, ioi, tokenizer) -> None:
    space = make(ioi + ABC + "prompts swap from clean { S2 = IO; answer S1 wrong IO }")
    for _, other in pairs(space, "abc"):
        assert tokenizer.decode([other.answer]) == " " + other.values["IO"]
        assert tokenizer.decode(other.wrong) == " " + other.values["S1"]
    for clean, other in pairs(space, "swap"):
        assert other.values["S2"] == clean.values["IO"]
        assert (other.answer, other.wrong) == (clean.wrong[0], (clean.answer,))


FACTS = """
vocab facts(country, capital) = ("France", "Paris"), ("Japan", "Tokyo"), ("Italy", "Rome"), ("Spain", "Madrid")
prompts clean { "The capital of {fact.country} is"; fact, rival in facts distinct; answer fact.capital wrong rival.capital }
"""


def test_fields_and_answers_before_the_assignment(make, tokenizer) -> None:
    space = make(
        FACTS
        + "prompts other from clean { fact = rival; answer rival.capital wrong fact.capital }\nprompts plain from clean { fact = rival }"
    )
    for clean, other in pairs(space, "other"):
        assert other.values["fact.country"] == clean.values["rival.country"]
        assert tokenizer.decode([clean.answer]) == " " + clean.values["fact.capital"]
        assert (other.answer, other.wrong) == (clean.wrong[0], (clean.answer,))
    for clean, other in pairs(space, "plain"):
        assert other.answer == other.wrong[0] == clean.wrong[0]
    assert "W028" in [found.code for found in space.diagnostics]


def test_one_occurrence_of_a_block(make) -> None:
    text = 'prompts clean { "{block}{block}"; block in random tokens 6 }\n'
    text += "prompts other from clean { redraw block:2 }\nprompts whole from clean { redraw block }"
    space = make(text)
    for clean, other in pairs(space, "other"):
        first, second = other.layout.span("block", 1), other.layout.span("block", 2)
        assert other.tokens[slice(*first)] == clean.tokens[slice(*first)]
        assert other.tokens[slice(*second)] != clean.tokens[slice(*second)]
    for clean, other in pairs(space, "whole"):
        half = other.layout.span("block", 1)[1]
        assert other.tokens[:half] == other.tokens[half:] != clean.tokens[half:]


def test_one_occurrence_of_a_slot(make) -> None:
    text = 'vocab n = "Mary", "John", "Alice", "Kevin"\nprompts clean { "the {A} and {A} to"; A in n }\n'
    for clean, other in pairs(make(text + "prompts other from clean { redraw A:2 distinct }"), "other"):
        assert other.text == f"the {clean.values['A']} and {other.values['A:2']} to" != clean.text


def test_a_new_slot_only_for_the_counterfactual(make, ioi) -> None:
    for clean, other in pairs(make(ioi + "prompts other from clean { third in names; S2 = third }"), "other"):
        assert other.values["S2"] == other.values["third"]
        assert "third" not in clean.values


def test_of_a_counterfactual(make, ioi) -> None:
    space = make(ioi + ABC + "prompts more from abc { redraw place distinct }")
    assert space.distributions["more"].paired == "clean"
    for (_, abc), (clean, more) in zip(pairs(space, "abc"), pairs(space, "more"), strict=True):
        assert abc.values["IO"] == more.values["IO"] and abc.values["place"] != more.values["place"]
        assert clean.layout == more.layout


LONG = ["Mary", "John", "Alice", "Zyxwvut", "Qqqqxyz", "Wvutzyx", "Kevin"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from([*LONG, "Xo", "Ly", "Mo", "Bartholomew", "Jo"]), min_size=4, max_size=11), st.integers(0, 99), st.booleans())
def test_pairs_share_their_layout_whatever_the_vocabulary(make, names, seed, distinct) -> None:
    listed = ", ".join(f'"{name}"' for name in sorted(names))
    text = f'vocab n = {listed}\nprompts clean {{ "When {{A}} and {{B}} met {{A}}, {{B}}\'s to"; A, B in n distinct }}\n'
    space = make(text + f"prompts other from clean {{ redraw A, B {'distinct' if distinct else ''} }}", seed=seed, clean=False)
    if "other" in space.distributions:
        assert all(clean.layout == other.layout for clean, other in pairs(space, "other"))
    else:
        assert {found.code for found in space.errors} == {"C222"} and distinct


def test_redraw_takes_values_of_as_many_tokens(make, tokenizer) -> None:
    listed = ", ".join(f'"{name}"' for name in LONG)
    space = make(f'vocab n = {listed}\nprompts clean {{ "the {{A}} to"; A in n }}\nprompts other from clean {{ redraw A }}', count=7)
    width = {name: len(tokenizer.encode(f" {name}").ids) for name in LONG}
    changed = 0
    for clean, other in pairs(space, "other"):
        assert width[clean.values["A"]] == width[other.values["A"]]
        changed += clean.values["A"] != other.values["A"]
    assert changed


def test_no_value_of_as_many_tokens(make) -> None:
    text = 'vocab n = "Mary", "Zyxwvut"\nprompts clean { "the {A} to"; A in n }\nprompts other from clean { redraw A distinct }'
    found = make(text, clean=False)
    assert [error.code for error in found.errors] == ["C222"]
    assert "2 of 2" in found.errors[0].message and "`A`" in found.errors[0].message
    assert all(f"`{name}`" in found.errors[0].message for name in ("Mary", "Zyxwvut"))
    assert "other" not in found.distributions and "clean" in found.distributions


def test_unequal_layouts_are_shown_side_by_side(make) -> None:
    text = 'vocab n = "Mary", "John"\nprompts clean { "the {A} to"; A in n }\nprompts other from clean { A = "Zyxwvut" }'
    found = make(text, clean=False)
    (error,) = found.errors
    assert error.code == "C221" and error.message.startswith("2 of 2 prompts of `other`")
    table = error.note.splitlines()
    assert table[0].split() == ["clean", "roles", "other", "roles"]
    assert "« Mary»" in error.note or "« John»" in error.note
    assert "!" in error.note and "END" in error.note


def test_the_same_layout_by_chance_is_no_layout_by_right(make, codes_of) -> None:
    """Lengths agree, but the slots do not stand at the same tokens."""
    text = 'vocab n = "Mary"\nvocab l = "Zyxwvut"\nprompts clean { "the {A} and {B} to"; A in n; B in l }\n'
    assert codes_of(make(text + "prompts other from clean { A = B; B = A }", count=1, clean=False)) == ["C221"]


@pytest.mark.parametrize("use", ["bpe", None])
def test_equal_pairs_are_said(make, codes_of, use) -> None:
    text = 'vocab n = "Mary", "John"\nprompts clean { "the {A} to"; A in n }\nprompts other from clean { B in n }'
    assert codes_of(make(text, count=2, use=use)) == ["W027"]
