"""A hand-written induction transformer whose scrubbed numbers can be worked out: 36 prompts, all draws enumerated.

Prompts are BOS and four tokens out of {0, 1, 2}, the last of which occurred exactly once before; after that place, p*, stands the
label. 0.0 gives the current token to the query, 0.1 the previous token to the key, 0.2 the current token to the value of 1.0,
whose attention is hard. The number is the attention that the label gets.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from circuitdsl.borders.units import Unit
from circuitdsl.models.toys import Draft

Q, K, V, INDUCTION = Unit("head", 0, 0), Unit("head", 0, 1), Unit("head", 0, 2), Unit("head", 1, 0)
STRINGS = [s for s in product(range(3), repeat=4) if s[:3].count(s[3]) == 1]
AFTER = [s.index(s[3]) + 2 for s in STRINGS]
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
    toy = Draft(2, 3, 5, 5, ["bos", "0", "1", "2"], {"token": 4, "position": 5, "query": 4, "previous": 4, "own": 4, "copied": 4})
    toy.embed(toy.read("token"), toy.read("position"))
    here = {"q": toy.read("position"), "k": toy.read("position"), "v": toy.read("token")}
    before = here | {"q": toy.read("position", np.eye(5, k=-1).T)}
    toy.head(0, 0, **here, out=toy.write("query"))
    toy.head(0, 1, **before, out=toy.write("previous"))
    toy.head(0, 2, **here, out=toy.write("own"))
    toy.head(1, 0, q=toy.read("query"), k=toy.read("previous"), v=toy.read("own"), out=toy.write("copied"))
    toy.unembed(toy.read("copied"))
    return toy.adapter()


def score(scrub, model, q="exact", k="exact", v="exact", root="exact", joint=None, together=False, column="F(scrub)"):
    """The exact mean over all draws. Each port's sender carries a feature, everything ("exact"), or is left out (None)."""
    senders = {"q": (Q, q), "k": (K, k), "v": (V, v)}
    nodes, edges = {}, []
    if joint:
        nodes["joint"] = scrub.node("joint", Q, K, carries=joint, together=together)
        edges += [("embed", "joint", None), ("joint", "induction", None)]
        senders = {"v": (V, v)}
    for port, (unit, carries) in senders.items():
        nodes[port] = scrub.node(port, unit, carries=None if carries == "exact" else carries)
        edges += [("embed", port, None), (port, "induction", port)] if carries else []
    nodes["induction"] = scrub.node("induction", INDUCTION, carries=None if root == "exact" else root)
    edges.append(("induction", "logits", None))
    whole = None not in (q, k, v)
    prompts = scrub.prompts([(0, *(token + 1 for token in s)) for s in STRINGS])
    file = scrub.Graph(model.shape, prompts, [label + 1 for label in LABELS], FEATURES, nodes, edges).hypothesis()

    def still(draw):  # layer 0 is delivered all that it reads, and the logits read 1.0 alone
        return draw.path.endswith("/rest") and (whole or not draw.path.endswith("head 1.0/rest"))

    found = scrub.outcomes(file, model, still, column)
    return sum(Fraction(o.value).limit_denominator(60) * o.odds for o in found) / len(STRINGS)


def test_there_are_36_prompts_and_the_clean_model_is_right(scrub, model):
    assert len(STRINGS) == 36
    assert score(scrub, model) == 1


def test_an_unconditional_root_is_chance(scrub, model):
    assert score(scrub, model, root="none") == Fraction(1, 3)


def test_the_query_carries_the_last_token(scrub, model):
    assert score(scrub, model, q="last") == 1


def test_a_coarse_hypothesis_that_is_valid(scrub, model):
    assert score(scrub, model, "last", "last_place", "place_label") == 1


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
def test_what_is_missing_costs_what_it_should_while_the_other_ports_are_exact(scrub, model, port, carries, wanted):
    assert score(scrub, model, **{port: carries}) == wanted


def test_query_and_key_that_carry_the_place_have_to_be_drawn_together(scrub, model):
    assert score(scrub, model, joint="place", together=True) == 1
    assert score(scrub, model, joint="place", together=False) == Fraction(37, 72)


def test_the_other_way_to_draw_them_stands_beside_the_score(scrub, model):
    """The column is the one that the other hypothesis is scored by."""
    assert score(scrub, model, joint="place", together=False, column="F(scrub), drawn together") == 1
    assert score(scrub, model, joint="place", together=True, column="F(scrub), drawn apart") == Fraction(37, 72)
