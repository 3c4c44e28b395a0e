"""DOT: the graph in Graphviz's language, written for readers and for the layout `graph`, and positions back from Graphviz."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import graphviz

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.figures import style
from circuitdsl.figures.blocks import Parts, block, compact, compact_cells, line
from circuitdsl.figures.content import FigureContent, dissolved
from circuitdsl.figures.positions import Point, Rect

DASHES = {-1: "dashed", 0: "solid", 1: "solid"}
HEADS = {"triangle": "normal", "open": "empty", "diamond": "diamond", "vee": "vee"}


def program() -> str | None:
    """Graphviz's `dot`, or else the program of the wheel graphviz-pure, also where its folder is not on the path."""
    beside = Path(sys.executable).parent
    for name in ("dot", "graphviz-pure"):
        found = shutil.which(name) or shutil.which(name, path=str(beside))
        if found:
            return found
    return None


def source(found: FigureContent, sizes: Mapping[str, tuple[float, float]], *, ranks: float = 30.0, nodes: float = 16.0) -> str:
    """DOT text; `sizes` are boxes in points by node name, `ranks` and `nodes` the room between them."""
    graph = graphviz.Digraph("circuit", comment=found.graph.title.replace("\n", " "))
    spacing = {"ranksep": f"{ranks / 72:.3f}", "nodesep": f"{nodes / 72:.3f}"}
    graph.attr("graph", rankdir="BT", compound="true", splines="true", outputorder="edgesfirst", newrank="false", **spacing)
    graph.attr("node", fontname="DejaVu Sans", fontsize="7", fixedsize="true", margin="0")
    graph.attr("edge", fontname="DejaVu Sans", fontsize="7", arrowsize="0.6")
    inside = found.inside()
    for name in found.items:
        if name not in inside:
            _node(graph, found, name, sizes)
    for kind, rank in (("embed", "source"), ("logits", "sink")):
        for item in found.items.values():
            if item.kind == kind and item.name not in inside:
                with graph.subgraph() as level:
                    level.attr(rank=rank)
                    level.node(item.id)
    for arrow in found.arrows:
        tail, head = found.leaves(arrow.sender), found.leaves(arrow.receiver)
        ends = {"tooltip": arrow.text, "id": arrow.id}
        if found.items[arrow.sender].kind == "group":
            ends["ltail"] = f"cluster_{found.items[arrow.sender].id}"
        if found.items[arrow.receiver].kind == "group":
            ends["lhead"] = f"cluster_{found.items[arrow.receiver].id}"
        look = style.port_style(arrow.port)
        graph.edge(
            found.items[tail[len(tail) // 2]].id,
            found.items[head[len(head) // 2]].id,
            color=look.color if arrow.outcome != "refuted" else style.FAINT,
            arrowhead=HEADS[look.head] + ("tee" if arrow.sign < 0 else ""),
            style=DASHES[arrow.sign],
            penwidth=f"{arrow.width:.2f}",
            **({"xlabel": arrow.label} if arrow.label else {}),
            **{key: graphviz.escape(value) for key, value in ends.items()},
        )
    return str(graph.source)


def _node(graph: graphviz.Digraph, found: FigureContent, name: str, sizes: Mapping[str, tuple[float, float]]) -> None:
    item = found.items[name]
    if item.kind == "group":
        with graph.subgraph(name=f"cluster_{item.id}") as cluster:
            # a size that leaves room for the title as we set it, whatever font is measured there
            title = graphviz.escape("\n".join(item.title)).replace("\n", r"\n")
            cluster.attr("graph", label=title, labelloc="b", style="rounded", color=style.GREY, margin="9", fontsize="10")
            for member in item.members:
                _node(cluster, found, member, sizes)
        return
    cells = ", ".join(cell.text for cell in item.cells)
    label = graphviz.escape(item.name + (f"\n{cells}" if cells else "")).replace("\n", r"\n")
    width, height = sizes[name]
    _, outline = style.fill(item.outcome)
    more = {"style": "rounded"} if item.kind == "node" else {}
    graph.node(item.id, label, shape="box", width=f"{width / 72:.4f}", height=f"{height / 72:.4f}", color=outline, **more)


def layout(found: FigureContent, per: int, ranks: float, nodes: float) -> tuple[FigureContent, Parts, Rect]:
    """Graphviz's own layout, with the rectangle it takes. `per` is the number of cells in a line of a box.

    Raises CircError C601 if there is no Graphviz, C604 if it fails.
    """
    found = dissolved(found, {name for name, item in found.items.items() if item.kind == "group" and _has_end(found, name)})
    sizes = {name: _size(found, name, per) for name, item in found.items.items() if item.kind != "group"}
    answer = _run(source(found, sizes, ranks=ranks, nodes=nodes))
    ids = {item.id: item for item in found.items.values()}
    height = float(answer["bb"].split(",")[3])
    parts, rects, titles = Parts(), dict[str, Rect](), dict[str, float]()
    objects = {entry["name"]: entry for entry in answer.get("objects", [])}
    for entry in objects.values():
        name = entry["name"].removeprefix("cluster_")
        if name not in ids:
            continue
        item = ids[name]
        if item.kind == "group":
            left, bottom, right, top = map(float, entry["bb"].split(","))
            rects[item.name] = Rect(left, height - top, right, height - bottom)
            titles[item.name] = height - float(entry["lp"].split(",")[1])
        else:
            x, y = map(float, entry["pos"].split(","))
            w, h = sizes[item.name]
            rects[item.name] = Rect(x - w / 2, height - y - h / 2, x + w / 2, height - y + h / 2)
    inside = found.inside()
    for name in sorted(rects, key=lambda name: (found.items[name].kind != "group", -rects[name].width * rects[name].height)):
        item = found.items[name]
        within = found.items[inside[name]].id if name in inside else None
        cells = compact_cells(item, rects[name], per) if item.kind == "node" else []
        parts.extend(block(item, rects[name], cells, within, titles.get(name)))
    ways = {edge["id"]: _points(edge["pos"], height) for edge in answer.get("edges", [])}
    parts.lines = [line(arrow, ways[arrow.id], curved=True) for arrow in found.arrows]
    whole = Rect(0.0, 0.0, float(answer["bb"].split(",")[2]), height)
    return found, parts, whole


def _has_end(found: FigureContent, name: str) -> bool:
    """Arrows from a group to its own member cannot be drawn to its outline."""
    members = {name, *found.leaves(name)}
    return any(arrow.sender in members and arrow.receiver in members and name in (arrow.sender, arrow.receiver) for arrow in found.arrows)


def _size(found: FigureContent, name: str, per: int) -> tuple[float, float]:
    item = found.items[name]
    if item.kind in ("embed", "logits"):
        return max(48.0, item.title_width + 16), 17.0
    return compact(item, per)


def _points(text: str, height: float) -> list[Point]:
    """A spline as Graphviz writes it, the arrow's tip put at the end of its last piece."""
    tip: Point | None = None
    points: list[Point] = []
    for part in text.replace("\\\n", "").split():
        fields = part.split(",")
        x, y = float(fields[-2]), height - float(fields[-1])
        if fields[0] == "e":
            tip = (x, y)
        elif fields[0] != "s":
            points.append((x, y))
    if tip is not None:
        points[-1] = tip
    return points


def _run(text: str) -> dict[str, Any]:
    command = program()
    if command is None:
        raise refusal("C601", "the layout `graph` needs Graphviz, which is not here", hint="`--layout grid` needs no other program")
    try:
        done = subprocess.run([command, "-Tjson"], input=text, capture_output=True, text=True, timeout=60, encoding="utf-8", check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        answer["bb"]
    except subprocess.CalledProcessError as error:
        raise refusal("C604", f"Graphviz failed: {_first(error.stderr)}", hint="try `--layout grid`") from error
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        raise refusal("C604", f"Graphviz ({command}) gave no positions", hint="try `--layout grid`") from error
    return answer


def _first(text: str) -> str:
    return next((part for part in text.splitlines() if part.strip()), "it gave no reason")
