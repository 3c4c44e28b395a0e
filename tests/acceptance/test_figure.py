"""`render` and the figure of `verify`, in every format and layout, with and without Graphviz."""

import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SVG = "{http://www.w3.org/2000/svg}"
MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG", "dot": b"digraph"}


@pytest.mark.parametrize("layout", ["graph", "grid"])
@pytest.mark.parametrize("format", MAGIC)
def test_render_draws(circuitdsl, toy, format, layout):
    path = toy.parent / f"picture.{format}"
    ran = circuitdsl("render", toy, "-o", path, "--layout", layout)
    assert ran.status == 0, ran.err
    assert MAGIC[format] in path.read_bytes()[:200]


def test_evidence_is_drawn_with_verdicts_effects_and_tokens(circuitdsl, toy):
    assert circuitdsl("verify", toy).status == 0
    drawn = toy.with_suffix(".svg").read_text()
    ET.fromstring(drawn)
    for word in ("previous", "induction", "logits", "supported"):
        assert word in drawn
    again = toy.parent / "numbers.svg"
    assert circuitdsl("render", toy.with_suffix(".evidence.json"), "-o", again, "--numbers", "--layout", "grid").status == 0
    assert again.read_text() != drawn and "1.0" in again.read_text()


def test_widths_are_measured_effects_ports_are_told_apart_and_verdicts_are_shapes(circuitdsl, toy):
    """Under donors that differ at the cue alone, only its way to the queries and from the induction head matters."""
    assert circuitdsl("verify", toy).status == 0
    drawn = toy.with_suffix(".svg").read_text()
    lines = {}
    for group in ET.fromstring(drawn).iter(f"{SVG}g"):
        if (group.get("id") or "").startswith("e_"):
            lines[group.get("id")] = list(group.iter(f"{SVG}path"))
    width = {name: float(paths[0].get("stroke-width")) for name, paths in lines.items()}
    thick = {"e_embed_induction_q", "e_induction_logits"}
    assert len(width) == 7 and min(width[name] for name in thick) > 2 * max(width[name] for name in width.keys() - thick)
    ends = {port: lines[f"e_embed_previous_{port}"][-1] for port in "qkv"}
    assert len({(end.get("d").count(" L"), end.get("fill") == "#ffffff") for end in ends.values()}) == 3
    assert drawn.count('class="mark"') >= 9 and not set("✓✗✔✘") & set(drawn)
    toy.write_text(toy.read_text().replace("broken)          <= -0.99", "broken)          <= -1.99"))
    assert circuitdsl("verify", toy).status == 1
    assert toy.with_suffix(".svg").read_text().count("refuted") > drawn.count("refuted")


def test_positions_are_columns_with_tokens_below(circuitdsl, toy):
    toy.write_text(toy.read_text().replace("heads 1.0  #", "heads 1.0 @ cue #"))
    assert circuitdsl("verify", "--no-edges", "--layout", "grid", toy).status == 0
    drawn = toy.with_suffix(".svg").read_text()
    assert "cue" in drawn and "&lt;bos&gt;" in drawn


def test_without_dot_and_graphviz_pure_the_figure_is_still_drawn(toy, program, tmp_path):
    """A new process whose PATH is empty and whose interpreter has no graphviz-pure beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = (
        f"import sys; sys.executable = {str(folder / 'python')!r}\n"
        f"sys.argv = ['circuitdsl', 'verify', '--no-edges', {str(toy)!r}]\n"
        "sys.modules['graphviz_pure'] = None\n"
        "from circuitdsl.cli import main; main()"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PATH": str(folder)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ET.fromstring(toy.with_suffix(".svg").read_text())
    assert "grid" in done.stderr


def test_the_tree_in_the_docs_is_what_the_command_draws(circuitdsl, tmp_path):
    ran = circuitdsl("render", ROOT / "hypotheses" / "induction_scrubbed.circ", "--tree", "scrubbed", "-o", tmp_path / "tree.svg")
    assert ran.status == 0, ran.err
    assert (tmp_path / "tree.svg").read_bytes() == (ROOT / "docs" / "scrubbing_tree.svg").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tree", "works"), "hint: its scrub claims are `scrubbed`, `free`, `shared`"),
        (("--tree", "scrubbed", "--row", "360"), "hint: its rows are 0 to 359"),
        (("--tree", "scrubbed", "--format", "graphml"), "C605"),
        (("--tree", "scrubbed", "--layout", "grid"), "a tree has a layout of its own"),
        (("--tree", "scrubbed", "--numbers"), "and no effects"),
        (("--row", "3"), "say which with `--tree LABEL`"),
    ],
)
def test_a_tree_that_cannot_be_drawn(circuitdsl, tmp_path, arguments, words):
    ran = circuitdsl("render", ROOT / "hypotheses" / "induction_scrubbed.circ", *arguments, "-o", tmp_path / "tree.svg")
    assert ran.status == 2 and words in ran.err
    assert not (tmp_path / "tree.svg").exists()
