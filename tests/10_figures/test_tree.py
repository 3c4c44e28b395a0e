"""The tree of a scrub claim: clean at every size, said by number as well as by colour, and as wide as it says."""

import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from circuitdsl.borders.tree import CallRecord, TreeRecord
from circuitdsl.figures import draw_tree, style
from circuitdsl.figures.tree import compose_tree

PROMPT = "When Mary and John went to the store with the long name, John gave a drink to"


def tree_of(branches: int, depth: int, prompt: str = PROMPT, **more) -> TreeRecord:
    """Every call reads so many others, a rest, and at the end the embedding."""
    calls = [CallRecord("call", None, "logits", "", (), 0)]

    def grow(reader: int, left: int) -> None:
        if left == 0:
            calls.append(CallRecord("embed", reader, "embed", "", (), calls[reader].donor, "same prompt"))
            return
        for number in range(branches):
            port = (("q",), ("k",), ("k", "v"))[number % 3]
            calls.append(CallRecord("call", reader, "a_node_of_some_name", "head 12.11 @ END", port, len(calls), "same feature: value"))
            grow(len(calls) - 1, left - 1)
        calls.append(CallRecord("rest", reader, "rest", "all that is left out", (), len(calls), "any prompt"))

    grow(0, depth)
    donors = tuple(f"{prompt} {number}" for number in range(len(calls)))
    return TreeRecord("A hypothesis", "c: scrub(m)", donors, tuple(calls), len(calls), len(calls), **more)


@pytest.mark.parametrize("width", [5.5, 3.25])
@pytest.mark.parametrize(("branches", "depth"), [(1, 0), (1, 1), (1, 4), (2, 2), (3, 2), (5, 1)])
def test_nothing_overlaps_and_nothing_is_cut(branches, depth, width, assert_clean):
    assert_clean(compose_tree(tree_of(branches, depth), width_in=width))


def test_a_reader_stands_above_what_it_reads_and_the_embedding_lowest():
    tree = tree_of(2, 2)
    rects = {box.id: box.rect for box in compose_tree(tree).boxes}
    for number, call in enumerate(tree.calls):
        if call.reader is not None:
            assert rects[f"call_{call.reader}"].bottom < rects[f"call_{number}"].top


def test_the_column_is_kept_or_the_figure_says_how_wide_it_is():
    assert compose_tree(tree_of(1, 2)).width == pytest.approx(5.5 * 72)
    wide = compose_tree(tree_of(3, 2))
    (note,) = [label.text for label in wide.labels if " in wide: " in label.text]
    assert wide.width > 5.5 * 72 and note.startswith(f"{wide.width / 72:.1f} in wide")


def test_donors_differ_by_number_as_well_as_by_colour():
    figure = compose_tree(tree_of(3, 2))
    marks = {label.within: label.text for label in figure.labels if label.within and label.within.endswith("_donor")}
    donors = {box.id: box.donor for box in figure.boxes if box.kind == "donor"}
    assert marks["call_0_donor"] == "R"
    assert all(text == (str(donors[id]) if donors[id] else "R") for id, text in marks.items())
    assert len({style.donor(number) for number in range(8)}) == 8
    rest = [box for box in figure.boxes if box.kind == "call" and box.faded]
    assert len(rest) == sum(call.part == "rest" for call in tree_of(3, 2).calls)


def test_every_donors_prompt_stands_in_the_legend_whole():
    tree = tree_of(1, 2)
    texts = " ".join(label.text for label in compose_tree(tree).labels if label.kind == "legend")
    assert all(prompt in texts for prompt in tree.donors)


def test_a_tree_that_is_cut_says_so():
    whole = tree_of(1, 2)
    cut = TreeRecord(whole.title, whole.caption, whole.donors, whole.calls, 16, 8191, again=True)
    texts = [label.text for label in compose_tree(cut).labels]
    assert "16 of 8,191 calls, those nearest to the logits" in texts
    assert "a value that several calls read is drawn at the first of them" in texts
    assert not any(" of " in label.text and "nearest" in label.text for label in compose_tree(whole).labels)


def test_every_format_opens_and_equal_trees_give_equal_bytes(tmp_path):
    tree = tree_of(2, 1)
    svg = draw_tree(tree, tmp_path / "tree.svg")
    root = ET.fromstring(svg)
    assert svg == draw_tree(tree) == (tmp_path / "tree.svg").read_bytes()
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {f"call_{number}" for number in range(len(tree.calls))} <= set(ids)
    assert Image.open(io.BytesIO(draw_tree(tree, format="png"))).width > 1000
    assert draw_tree(tree, format="pdf").startswith(b"%PDF")
    dot = draw_tree(tree, format="dot").decode()
    assert dot.startswith("// c: scrub(m)\ndigraph") and "call_1 -> call_0" in dot
