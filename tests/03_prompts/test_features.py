"""Features as classes of rows."""

import pytest


def classes(space, name, distribution="clean"):
    return space.features[name][distribution]


def test_slots_and_template_are_features(make, ioi) -> None:
    space = make(ioi + "prompts abc from clean { redraw IO, S1, S2 distinct }", count=60)
    names = ["Alice", "John", "Kevin", "Laura", "Mary", "Peter"]
    for distribution in ("clean", "abc"):
        prompts = space.distributions[distribution].prompts
        assert classes(space, "IO", distribution) == tuple(names.index(prompt.values["IO"]) for prompt in prompts)
        assert classes(space, "template", distribution) == tuple(prompt.layout.template for prompt in prompts)


def test_equality_tuples_and_logic(make, ioi) -> None:
    text = """
feature same = IO == "Mary"
feature both = IO, S1
feature logic = not (IO == "Mary" or S1 == "Mary") and place != "park"
feature first = template == 1
feature nested = same and first
feature pair = both, same
feature order = IO < S1
"""
    space = make(ioi + text, count=400)
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        io, s1 = prompt.values["IO"], prompt.values["S1"]
        assert classes(space, "same")[row] == (io == "Mary")
        assert classes(space, "logic")[row] == ("Mary" not in (io, s1) and prompt.values["place"] != "park")
        assert classes(space, "first")[row] == (prompt.layout.template == 0)
        assert classes(space, "nested")[row] == (io == "Mary" and prompt.layout.template == 0)
        assert classes(space, "order")[row] == (io < s1)
    assert len(set(classes(space, "both"))) == 30 == max(classes(space, "both")) + 1
    assert len(set(classes(space, "pair"))) == 30


def test_a_class_means_the_same_in_every_distribution(make, ioi) -> None:
    """Also where a distribution has only one of the values."""
    space = make(ioi + 'prompts mary from clean { IO = "Mary" }\nfeature is_mary = IO == "Mary"')
    assert set(classes(space, "is_mary", "mary")) == {1}
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        assert (classes(space, "IO")[row] == classes(space, "IO", "mary")[row]) is (prompt.values["IO"] == "Mary")


def test_integers_are_compared_as_numbers(make) -> None:
    text = 'vocab v = "9", "10", "11"\nprompts clean { "the {A} to {B}"; A, B in v }\nfeature f = A < B\nfeature g = A >= 10\n'
    space = make(text + "feature h = A == 10\nfeature cut = bin(A, 10, 11)\nfeature odd = bin(template, -1, 1, 2)")
    assert set(classes(space, "odd")) == {0}
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        a, b = int(prompt.values["A"]), int(prompt.values["B"])
        assert (classes(space, "f")[row], classes(space, "g")[row], classes(space, "h")[row]) == (a < b, a >= 10, a == 10)
        assert classes(space, "cut")[row] == a - 9


def test_fields_blocks_and_occurrences(make) -> None:
    text = """
vocab f(c, t) = ("France", "Paris"), ("Japan", "Tokyo")
prompts clean { "of {x.c} is {block}{block}"; x, y in f; block in random tokens 3 }
prompts other from clean { redraw block:2 }
feature same = x == y
feature town = x.t == "Paris"
"""
    space = make(text, count=9)
    assert {"x", "y", "x.c", "x.t", "block", "same", "town", "template"} <= set(space.features)
    assert classes(space, "x") == classes(space, "x.c")
    assert len(set(classes(space, "block"))) == 9
    assert set(space.features["block:2"]) == {"other"}


def test_features_where_the_slots_are(make, ioi) -> None:
    space = make(ioi + 'prompts other { "the {thing} to"; thing in objects }\nfeature f = thing == "book"\nfeature g = answer == "Mary"')
    assert set(space.features["f"]) == {"other"} and set(space.features["g"]) == {"clean"}


@pytest.mark.parametrize("use", ["bpe", None])
def test_features_do_not_need_a_tokenizer(make, ioi, use) -> None:
    assert make(ioi, use=use).features == make(ioi).features
