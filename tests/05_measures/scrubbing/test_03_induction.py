"""A hand-written induction transformer whose scrubbed numbers can be worked out: 36 prompts, all draws enumerated.

Prompts are BOS and four tokens out of {0, 1, 2}, the last of which occurred exactly once before; after that place, p*, stands the
label. 0.0 gives the current token to the query, 0.1 the previous token to the key, 0.2 the current token to the value of 1.0,
whose attention is hard. The number is the attention that the label gets.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from circuitdsl.borders.hypothesis import Settings
from circuitdsl.borders.units import Layout, Role, Unit
from circuitdsl.models.toys import ports

Q, K, V, INDUCTION = Unit("head", 0, 0), Unit("head", 0, 1), Unit("head", 0, 2), Unit("head", 1, 0)
STRINGS = [s for s in product(range(3), repeat=4) if s[:3].count(s[3]) == 1]
AFTER = [s.index(s[3]) + 2 for s in STRINGS]
LAYOUTS = [Layout(at, 5, ((("after", 1), (at, at + 1)),)) for at in AFTER]
"""As if a template for each p* had made the prompts."""
LABELS = [(None, *s)[at] for s, at in zip(STRINGS, AFTER, strict=True)]
FEATURES = {
    "last": [s[3] for s in STRINGS],
    "place": AFTER,
    "label": LABELS,
    "last_place": [3 * at + s[3] for s, at in zip(STRINGS, AFTER, strict=True)],
    "place_label": [3 * at + label for at, label in zip(AFTER, LABELS, strict=True)],
    "none": [0] * len(STRINGS),
}


@pytest.fixture(scope="module")
def model():
    return ports().adapter()


@pytest.fixture(params=[(None, "layout"), (LAYOUTS, "absolute")], ids=["one layout", "three layouts, absolute"])
def score(request, scrub, model):
    """The exact score: what is true of prompts of one layout is true of several, as long as donors may have any of them."""
    layouts, align = request.param
    return lambda **claimed: exact_score(scrub, model, layouts, align, **claimed)


def exact_score(
    scrub, model, layouts, align, q="exact", k="exact", v="exact", root="exact", joint=None, together=False, at=None, column="F(scrub)"
):
    """The exact mean over all draws. Each port's sender carries a feature, everything ("exact"), or is left out (None).

    `at`: positions of the key's sender; the others' are all.
    """
    senders = {"q": (Q, q), "k": (K, k), "v": (V, v)}
    nodes, edges = {}, []
    if joint:
        nodes["joint"] = scrub.node("joint", Q, K, carries=joint, together=together)
        edges += [("embed", "joint", None), ("joint", "induction", None)]
        senders = {"v": (V, v)}
    for port, (unit, carries) in senders.items():
        nodes[port] = scrub.node(port, unit, carries=None if carries == "exact" else carries, roles=at if port == "k" else None)
        edges += [("embed", port, None), (port, "induction", port)] if carries else []
    nodes["induction"] = scrub.node("induction", INDUCTION, carries=None if root == "exact" else root)
    edges.append(("induction", "logits", None))
    whole = None not in (q, k, v) and at is None
    prompts = scrub.prompts([(0, *(token + 1 for token in s)) for s in STRINGS], layouts)
    file = scrub.Graph(model.shape, prompts, [label + 1 for label in LABELS], FEATURES, nodes, edges).hypothesis()
    file = replace(file, settings=Settings(align=align))

    def still(draw):  # layer 0 is delivered all that it reads, and the logits read 1.0 alone
        return draw.path.endswith("/rest") and (whole or not draw.path.endswith("head 1.0/rest"))

    found = scrub.outcomes(file, model, still, column)
    return sum(Fraction(o.value).limit_denominator(60) * o.odds for o in found) / len(STRINGS)


def test_there_are_36_prompts_and_the_clean_model_is_right(score):
    assert len(STRINGS) == 36
    assert score() == 1


def test_an_unconditional_root_is_chance(score):
    assert score(root="none") == Fraction(1, 3)


def test_the_query_carries_the_last_token(score):
    assert score(q="last") == 1


def test_a_coarse_hypothesis_that_is_valid(score):
    assert score(q="last", k="last_place", v="place_label") == 1


@pytest.mark.parametrize(
    ("port", "carries", "wanted"),
    [
        ("q", None, Fraction(23, 45)),
        ("k", None, Fraction(17, 36)),
        ("v", None, Fraction(1, 3)),
        ("v", "label", Fraction(1, 2)),
        ("k", "place", Fraction(37, 72)),
    ],
)
def test_what_is_missing_costs_what_it_should_while_the_other_ports_are_exact(score, port, carries, wanted):
    assert score(**{port: carries}) == wanted


@pytest.mark.parametrize(("port", "wanted"), [("q", Fraction(37, 72)), ("k", Fraction(17, 36)), ("v", Fraction(1, 3))])
def test_a_port_left_out_of_the_coarse_hypothesis(score, port, wanted):
    """The numbers of `hypotheses/induction_ports.circ`."""
    assert score(**{"q": "last", "k": "last_place", "v": "place_label", port: None}) == wanted


def test_query_and_key_that_carry_the_place_have_to_be_drawn_together(score):
    assert score(joint="place", together=True) == 1
    assert score(joint="place", together=False) == Fraction(37, 72)


def test_donors_of_one_layout_keep_the_place_without_its_being_claimed(scrub, model):
    """Why `align = absolute` is there: that the value carries the label alone is false, and accepted."""
    assert exact_score(scrub, model, LAYOUTS, "layout", v="label") == 1
    assert exact_score(scrub, model, LAYOUTS, "absolute", v="label") == Fraction(1, 2)


def attention(query, keys, values, wanted):
    """Hard attention by hand: equal shares to the best keys, of which those count whose value is wanted."""
    best = [at for at, key in enumerate(keys) if key == query] or list(range(len(keys)))
    return Fraction(sum(values[at] == wanted for at in best), len(best))


@pytest.mark.parametrize("carries", ["last", "last_place"])
def test_a_value_is_delivered_where_its_donor_has_the_position(scrub, model, carries):
    """The key's sender at p* alone: its donor's key stands at the donor's p*, and one more prompt's keys stand elsewhere."""
    tokens = [("bos", *s) for s in STRINGS]
    total = Fraction(0)
    for row, (own, label) in enumerate(zip(tokens, LABELS, strict=True)):
        donors = [y for y in range(36) if FEATURES[carries][y] == FEATURES[carries][row]]
        for y in donors:
            for rest in tokens:
                keys = [None, *rest[:-1]]
                keys[AFTER[y]] = tokens[y][AFTER[y] - 1]
                total += attention(own[-1], keys, own, label) / len(donors) / 36 / 36
    found = exact_score(scrub, model, LAYOUTS, "absolute", k=carries, at=(Role("after"),))
    assert found == total.limit_denominator(10**6)


def test_the_other_way_to_draw_them_stands_beside_the_score(score):
    """The column is the one that the other hypothesis is scored by."""
    assert score(joint="place", together=False, column="F(scrub), drawn together") == 1
    assert score(joint="place", together=True, column="F(scrub), drawn apart") == Fraction(37, 72)
