"""Nothing overlaps, nothing is cut, everything has an id, and every format opens."""

import io
import random
import re
import sys
import time
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from circuitdsl import figures
from circuitdsl.borders.evidence import EffectRecord
from circuitdsl.borders.source import CircError
from circuitdsl.figures import dot, labels, raster, routing
from circuitdsl.figures.compose import compose
from circuitdsl.figures.content import FigureArrow, content, effect_text
from circuitdsl.figures.fonts import measure
from circuitdsl.figures.nearby import Points, Rects
from circuitdsl.figures.positions import Box, Line, Mark, Rect
from circuitdsl.figures.svg import svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("width", [5.5, 3.25])
@pytest.mark.parametrize("numbers", [False, True])
def test_nothing_overlaps_and_nothing_is_cut(graph, layout, width, numbers, assert_clean):
    assert_clean(compose(graph, layout=layout, width_in=width, numbers=numbers))


def test_every_edge_has_its_label(graph, layout):
    figure = compose(graph, layout=layout)
    counts = sorted(f"×{edge.links}" for edge in graph.edges if edge.links > 1)
    assert sorted(text.text for text in figure.labels if text.kind == "edge") == counts


@pytest.mark.parametrize(("gap", "texts"), [(40, []), (90, ["×9, −6.4 ± 0.6"])])
def test_a_verdict_is_shown_where_its_number_has_no_room(gap, texts):
    boxes = [Box("a", "node", Rect(0, 0, 60, 200)), Box("b", "node", Rect(60 + gap, 0, 200, 200))]
    arrow = FigureArrow("e", "a", "b", None, 1, 1.0, "supported", "×9, −6.4 ± 0.6", "")
    _, written, marks, without = labels.place([Line("e", ((60, 100), (60 + gap, 100)))], {"e": arrow}, boxes, [])
    assert [mark.outcome for mark in marks] == ["supported"]
    assert [label.text for label in written] == texts and bool(without) != bool(texts)


@pytest.mark.parametrize(
    ("ends", "corner"),
    [([], (58.5, 0.5)), ([(61, 1)], (1.5, 0.5)), ([(61, 1), (-1, 1)], (58.5, 39.5)), ([(61, 1), (-1, 1), (61, 39)], (1.5, 39.5))],
)
def test_a_verdict_hides_no_arrow_head(ends, corner):
    """It stands in the first corner of its box where no arrow ends."""
    lines = [Line(str(number), ((30 + 3 * (x - 30), y), (x, y))) for number, (x, y) in enumerate(ends)]
    box, mark = Box("a", "node", Rect(0, 0, 60, 40)), Mark("supported", 58.5, 0.5, 9.0, corner_of="a")
    (found,) = labels.uncover([mark], lines, [box], [])
    assert (found.x, found.y) == corner


@pytest.mark.parametrize("make", ["ioi", "tiny", "greater_than"])
def test_the_columns_width_is_kept(make, layout, graphs):
    figure = compose(graphs[make], layout=layout, width_in=5.5)
    assert figure.width == pytest.approx(72 * 5.5)


def test_a_figure_that_cannot_be_so_narrow_says_so(graphs):
    figure = compose(graphs["ioi"], layout="grid", width_in=2)
    assert figure.width > 72 * 2
    assert any("at 2 in the text would be smaller than 7 pt" in text.text for text in figure.labels)


def test_lines_of_the_grid_stay_out_of_boxes(graph):
    """An arrow meets only the boxes at its ends, and no two arrows share a track."""
    figure = compose(graph, layout="grid")
    names = {item.id: item for item in figure.boxes if item.kind in ("node", "embed", "logits")}
    for line in figure.lines:
        for x, y in line.samples(1.0)[3:-3]:
            for box in names.values():
                r = box.rect.grown(-1)
                assert not (r.left < x < r.right and r.top < y < r.bottom), (line.id, box.id)


def test_rows_are_layers_upward_and_columns_the_order_of_the_prompt(graphs):
    figure = compose(graphs["ioi"], layout="grid")
    y = {box.id: box.rect.middle[1] for box in figure.boxes}
    assert y["logits"] < y["a29_1"] == y["a29_0"] < y["a24_4"] < y["a23_0"] == y["a23_3"] < y["a20_0"] < y["a19_2"] < y["a4_2"] < y["embed"]
    x = {box.id: box.rect.middle[0] for box in figure.boxes}
    assert x["n_body"] < x["n_duplicate_token"] < x["n_s_inhibition"]


def test_runs_of_units_are_one_box(graphs):
    figure = compose(graphs["ioi"], layout="grid")
    assert [box.id for box in figure.boxes if box.kind == "mlp"] == ["m0_to_m29"]
    assert {"mlps", "0..29"} <= {text.text for text in figure.labels}
    assert any(text.text == "mlps 0..29" for text in compose(graphs["ioi"], layout="graph").labels)


def test_equal_graphs_give_equal_bytes(graph, layout):
    first = figures.draw(graph, format="svg", layout=layout)
    assert first == figures.draw(graph.model_copy(deep=True), format="svg", layout=layout)
    assert figures.draw(graph, format="dot") == figures.draw(graph, format="dot")


def test_svg_is_well_formed_with_ids_titles_and_selectable_labels(graph, layout):
    root = ET.fromstring(figures.draw(graph, format="svg", layout=layout, about={"seed": "0", "file": "a<b>.circ"}))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in ids)
    assert root.get("role") == "img" and root.get("aria-labelledby") == "figure_title figure_desc"
    assert root.find(f"{SVG}title").text and root.find(f"{SVG}desc").text.startswith(graph.caption.rstrip(".") or "Nodes")
    about = {element.get("name"): element.text for element in root.find(f"{SVG}metadata")}
    assert about["seed"] == "0" and about["file"] == "a<b>.circ" and about["layout"] == layout
    texts = [element.text for element in root.iter(f"{SVG}text")]
    for node in graph.nodes:
        first = next(name for name in re.split(r"[_.]", node.name))
        assert any(text and (text.startswith(first[:5])) for text in texts), node.name
    tooltips = [element.text for element in root.iter(f"{SVG}title")]
    assert all(any(edge.label in (tip or "") for tip in tooltips) for edge in graph.edges)


def test_labels_of_units_in_three_ways(graphs):
    for style, text in (("9.6", "23.0"), ("L9H6", "L23H0"), ("a9.h6", "a23.h0")):
        assert f">{text}</text>" in figures.draw(graphs["ioi"], layout="grid", labels=style).decode()


def test_effects_and_intervals_on_arrows(graphs):
    texts = [text.text for text in compose(graphs["ioi"], layout="grid", numbers=True).labels]
    assert "×5, −1.90 ± 0.05" in texts


def test_verdicts_are_shapes_and_untested_is_not_passed(graphs):
    figure = compose(graphs["ioi"], layout="grid")
    drawn = svg(figure).decode()
    assert not set("✓✗✔✘") & set(drawn)
    assert drawn.count('class="mark"') == len(figure.marks)
    assert {mark.outcome for mark in figure.marks} == {"supported", "refuted", "inconclusive", None}
    assert [text.text for text in figure.labels if text.text == "untested"]
    body = next(box for box in figure.boxes if box.id == "n_body")
    near = [mark for mark in figure.marks if body.rect.grown(6).overlaps(mark.rect)]
    assert None in {mark.outcome for mark in near} and "supported" not in {mark.outcome for mark in near}


def test_a_graph_without_evidence_has_no_marks(graphs):
    assert not compose(graphs["greater_than"], layout="grid").marks


def test_refuted_edges_stay_and_are_grey(graphs):
    root = ET.fromstring(figures.draw(graphs["ioi"], layout="grid"))
    edge = next(e for e in root.iter() if e.get("id") == "e_body_movers")
    assert {path.get("stroke") for path in edge.iter(f"{SVG}path")} == {"#b0b0b0"}


def test_ports_and_signs_differ_without_colour(graphs):
    """q, k, v and `in` end in different shapes, and hindering edges are dashed with a bar: in grey too."""
    root = ET.fromstring(figures.draw(graphs["ioi"], layout="grid"))
    edges = {e.get("id"): list(e.iter(f"{SVG}path")) for e in root.iter() if (e.get("id") or "").startswith("e_")}
    shapes = {name: (paths[-1].get("d").count(" L"), paths[-1].get("fill") == "#ffffff") for name, paths in edges.items()}
    ends = [shapes["e_s_inhibition_movers_q"], shapes["e_embed_movers_k"], shapes["e_embed_movers_v"]]
    assert len(set(ends)) == 3
    assert edges["e_body_s_inhibition"][0].get("stroke-dasharray") and len(edges["e_body_s_inhibition"]) == 3
    assert not edges["e_embed_body"][0].get("stroke-dasharray") and len(edges["e_embed_body"]) == 2
    widths = {name: float(paths[0].get("stroke-width")) for name, paths in edges.items()}
    assert widths["e_movers_logits"] == 3.0 > widths["e_embed_movers_v"] > widths["e_embed_s_inhibition_q"] >= 0.8


def test_too_many_nodes_are_pruned_by_effect(crowd):
    figure = compose(crowd, layout="graph")
    note = next(text.text for text in figure.labels if text.kind == "note")
    found = re.match(r"(\d+) of (\d+) edges, (\d+)% of the effect", note)
    assert found and int(found[2]) == len(crowd.edges) and 0 < int(found[1]) < int(found[2]) and 0 < int(found[3]) < 100
    assert sum(box.kind in ("node", "embed", "logits") for box in figure.boxes) <= 60


def test_crowded_grid_overlaps_nothing(crowd, assert_clean):
    assert_clean(compose(crowd, layout="grid"))


def test_groups_over_several_columns_give_their_arrows_to_the_members(graphs, layout, assert_clean):
    graph = graphs["ioi"]
    both = ("duplicate_token", "name_mover")
    nodes = (*graph.nodes, graph.nodes[1].model_copy(update={"name": "both", "members": both}))
    edges = (*graph.edges, graph.edges[0].model_copy(update={"sender": "body", "receiver": "both", "label": "body -> both"}))
    figure = compose(graph.model_copy(update={"nodes": nodes, "edges": edges}), layout=layout)
    assert {line.receiver for line in figure.lines if line.text.startswith("body -> both")} == set(both)
    assert_clean(figure)


def test_png_and_pdf_open(graph, tmp_path):
    png = figures.draw(graph, tmp_path / "x.png", layout="grid")
    image = Image.open(io.BytesIO(png)).convert("L")
    assert image.width == pytest.approx(300 * 5.5, rel=0.02)
    assert image.getextrema()[1] == 255 and image.getextrema()[0] < 90
    pdf = figures.draw(graph, tmp_path / "x.pdf", layout="grid")
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert (tmp_path / "x.pdf").read_bytes() == pdf
    fonts = raster._fonts(pdf)
    assert fonts and all("DejaVuSans" in font for font in fonts)


def test_dot_is_read_by_graphviz(graph):
    answer = dot._run(figures.draw(graph, format="dot").decode())
    nodes = [entry for entry in answer["objects"] if "pos" in entry]
    assert len(nodes) == sum(not node.members for node in graph.nodes)
    assert len(answer["edges"]) == len(graph.edges)


def test_text_is_measured_as_the_font_measures_it():
    from fontTools.ttLib import TTFont

    paths = [p for p in _font_files() if p.endswith("DejaVuSans.ttf")]
    if not paths:
        pytest.skip("DejaVu Sans is not installed")
    font = TTFont(paths[0])
    advances, names = font["hmtx"], font.getBestCmap()
    for text in ("name_mover", "×114  −1.9 ± 0.05", "ein_König", "9.10"):
        real = sum(advances[names[ord(c)]][0] for c in text) / font["head"].unitsPerEm * 7
        assert measure(text, 7) >= real - 0.1
        assert measure(text, 7) <= 1.1 * real


def _font_files():
    import subprocess

    try:
        return subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True).stdout.split()
    except OSError:
        return []


def code(error) -> str:
    return error.value.diagnostics[0].code


def test_without_graphviz_the_grid_is_drawn_and_graph_says_what_to_install(graphs, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dot.sys, "executable", str(tmp_path / "python"))
    assert figures.default_layout(graphs["ioi"])[0] == "grid" and "circuitdsl[figures]" in figures.default_layout(graphs["ioi"])[1]
    assert figures.draw(graphs["tiny"]).startswith(b"<?xml")
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], layout="graph")
    assert code(error) == "C601" and "grid" in error.value.diagnostics[0].hint


def test_graphviz_that_fails(graphs, monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'out of cheese' >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], layout="graph")
    assert code(error) == "C604" and "out of cheese" in str(error.value)


def test_without_cairosvg(graphs, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], format="pdf", layout="grid")
    assert code(error) == "C602" and "circuitdsl[figures]" in error.value.diagnostics[0].hint


def test_a_missing_font_is_an_error(graphs, monkeypatch):
    monkeypatch.setattr(raster, "FONT_FAMILY", "No Such Font At All")
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], format="png", layout="grid")
    assert code(error) == "C603"


def test_unknown_format_and_unwritable_folder(graphs, tmp_path):
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], tmp_path / "x.bmp", layout="grid")
    assert code(error) == "C605"
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], layout="spiral")
    assert code(error) == "C605"
    with pytest.raises(CircError) as error:
        figures.draw(graphs["tiny"], tmp_path / "none" / "x.svg", layout="grid")
    assert code(error) == "C606"


def test_degenerate_graphs(layout, graphs):
    empty = graphs["tiny"].model_copy(update={"nodes": (), "edges": (), "tokens": (), "roles": {}, "title": ""})
    ends = graphs["tiny"].model_copy(update={"nodes": (graphs["tiny"].nodes[0], graphs["tiny"].nodes[-1]), "edges": ()})
    bare = graphs["tiny"].model_copy(update={"nodes": (graphs["tiny"].nodes[1].model_copy(update={"units": ()}),), "edges": ()})
    for graph in (empty, ends, bare):
        ET.fromstring(figures.draw(graph, layout=layout))


def test_a_figure_of_a_thousand_arrows_takes_seconds_and_says_what_it_lacks(thicket, monkeypatch):
    """In the search for free tracks and for room for labels, time does not grow with the square of the arrows."""
    monkeypatch.setattr(routing, "PATIENCE", 50_000)
    told = []
    started = time.process_time()
    figure = compose(thicket, layout="grid", progress=lambda what, share: told.append((what, share)))
    assert time.process_time() - started < 30
    assert sum(bool(line.sender) for line in figure.lines) == 1056
    (said,) = [label.text for label in figure.labels if "run over others" in label.text]
    assert re.fullmatch(r"[\d,]+ of 1,056 arrows run over others in part", said)
    for step in ("laying arrows", "placing labels"):
        shares = [share for what, share in told if what.endswith(step)]
        assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] <= 1
    assert figures.default_layout(thicket)[0] == "grid"


def test_what_lies_near_is_what_a_look_at_everything_finds():
    drawn = random.Random(0)

    def rect():
        left, top = drawn.uniform(-50, 50), drawn.uniform(-50, 50)
        return Rect(left, top, left + drawn.uniform(0, 40), top + drawn.choice([0.5, 4.0, 30.0]))

    rects = [rect() for _ in range(60)] * 2
    points = [(drawn.choice([drawn.uniform(-60, 60), drawn.randint(-30, 30)]), float(drawn.randint(-60, 60))) for _ in range(500)]
    near, lying = Rects(rects), Points(points)
    for asked in [rect() for _ in range(200)] + [Rect(-10.0, -4.0, 10.0, 8.0)]:
        assert sorted(map(str, near.overlapping(asked))) == sorted(str(other) for other in rects if asked.overlaps(other))
        assert lying.within(asked) == sum(asked.left < x < asked.right and asked.top < y < asked.bottom for x, y in points)


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (0.0, 0.0, "0"),
        (-3e-9, 1e-9, "0"),
        (-1.0000001, 1e-7, "−1"),
        (0.25, 0.0, "0.25"),
        (-0.00004, 0.001, "0.000 ± 0.001"),
        (-0.5, 0.1, "−0.5 ± 0.1"),
    ],
)
def test_exact_numbers_have_no_interval_and_nothing_is_not_negative(value, spread, text):
    assert effect_text(EffectRecord(value=value, low=value - spread, high=value + spread)) == text


def test_effects_that_are_rounding_alone_give_no_widths(graphs):
    graph = graphs["ioi"]
    tiny = EffectRecord(value=3e-8, low=2e-8, high=4e-8)
    nothing = graph.model_copy(update={"edges": tuple(one.model_copy(update={"effect": tiny}) for one in graph.edges)})
    drawn = content(nothing, numbers=True)
    assert drawn.strongest is None and len({arrow.width for arrow in drawn.arrows}) == 1 and {arrow.sign for arrow in drawn.arrows} == {0}
    assert any("marks are of the claims" in note for note in drawn.notes) and not content(nothing).notes
