"""The tree that is drawn is the one that is measured."""

from dataclasses import replace
from itertools import pairwise

import pytest

from circuitdsl.borders.hypothesis import Claim, Settings
from circuitdsl.borders.units import Unit
from circuitdsl.borders.values import Draw
from circuitdsl.measures import measures
from circuitdsl.measures.scrub_tree import tree
from circuitdsl.models.toys import Draft, induction
from circuitdsl.planning.dependencies import dependencies


def claim(**options):
    return Claim(
        "s", "scrub", "scrub(m)", metric="m", options=measures()["scrub"].options_of({"baseline": "shuffle", **options}), measured="clean"
    )


def measured_draws(scrub, file, **options):
    found = set()
    for world in dependencies([scrub.lowered(file, **options).readouts["F(scrub)"]]).worlds:
        draw = getattr(world, "draw", None)
        if isinstance(draw, Draw):
            found.add(draw)
    return found


@pytest.fixture
def file(scrub):
    nodes = {
        "a": scrub.node("a", Unit("head", 0, 0), carries="f"),
        "aside": scrub.node("aside", Unit("head", 0, 1)),
        "b": scrub.node("b", Unit("head", 1, 0), Unit("head", 1, 1), carries="g"),
    }
    edges = [("embed", "a", None), ("a", "b", "k"), ("embed", "b", "q"), ("embed", "b", "v"), ("b", "logits", None)]
    prompts = scrub.prompts([[0, 1 + row % 3, 2, 3] for row in range(12)])
    features = {"f": [row % 3 for row in range(12)], "g": [row % 2 for row in range(12)]}
    return scrub.Graph(induction().adapter().shape, prompts, [1] * 12, features, nodes, edges).hypothesis()


@pytest.mark.parametrize("options", [{}, {"sampling": "shared"}, {"others": ("aside",)}], ids=str)
@pytest.mark.parametrize("align", ["layout", "absolute"])
def test_its_draws_are_those_of_the_value(scrub, file, options, align):
    """All of them, but where nothing is left out and so nothing is drawn for it that matters."""
    file = replace(file, settings=Settings(align=align))
    found = tree(claim(**options), file)
    drawn = {call.draw for call in found.calls if call.draw is not None}
    measured = measured_draws(scrub, file, **options)
    assert drawn <= measured
    unread = measured - drawn
    assert all(draw.feature is None for draw in unread)
    assert found.shown == found.total == (4 if options.get("sampling") == "shared" else 5)


def test_each_call_stands_under_its_reader_with_what_it_carries(file):
    calls = tree(claim(), file).calls
    assert [(call.part, call.reader) for call in calls[:4]] == [("call", None), ("call", 0), ("call", 0), ("rest", 0)]
    (a, *_) = [call for call in calls if call.part == "call" and call.places[0].node == "a"]
    assert (a.carries, a.ports) == ("f", ("k",))
    assert calls[a.reader].places[0].unit == Unit("head", 1, 0) and calls[a.reader].carries == "g"
    assert a.draw.given == calls[a.reader].draw
    embeds = [call for call in calls if call.part == "embed" and call.reader == a.reader]
    assert [(call.ports, call.draw) for call in embeds] == [(("q", "v"), calls[a.reader].draw)]


def test_units_with_one_draw_are_one_call(scrub, file):
    nodes = {**file.nodes, "b": replace(file.nodes["b"], together=True)}
    calls = tree(claim(), replace(file, nodes=nodes)).calls
    assert [len(call.places) for call in calls if call.reader == 0 and call.part == "call"] == [2]


def test_what_everything_delivers_leaves_nothing_out(file):
    """Head 0.0 reads the embedding alone, which is delivered whole: its value is its donor's own, and nothing stands under it."""
    calls = tree(claim(), file).calls
    numbers = [number for number, call in enumerate(calls) if call.places[0].node == "a"]
    assert numbers and not any(call.reader in numbers for call in calls)


def test_a_large_tree_is_cut_at_the_calls_nearest_to_the_logits(scrub):
    shape = Draft(8, 2, 1, 1, ["a"], {"s": 1}).adapter().shape
    named = {f"m{layer}": scrub.node(f"m{layer}", Unit("head", layer, 0), Unit("head", layer, 1), carries="f") for layer in range(8)}
    edges = [(a, b, None) for a, b in pairwise(["embed", *named, "logits"])]
    file = scrub.Graph(shape, scrub.prompts([[0], [0]]), [0, 0], {"f": [0, 1]}, named, edges).hypothesis()
    found = tree(claim(), file, most=7)
    assert (found.shown, found.total, found.again) == (7, 511, False)
    assert [call.places[0].node for call in found.calls if call.part == "call"] == ["logits", "m7", "m7", *["m6"] * 4]
    shared = tree(claim(sampling="shared"), file)
    assert shared.total == 17 and not shared.again
    assert [len(call.places) for call in shared.calls if call.part == "call"] == [1, *[2] * 8]
