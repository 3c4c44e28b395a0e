"""`draw` and `draw_tree`: a record in, the bytes of a figure out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast, get_args

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.evidence import GraphRecord
from circuitdsl.borders.flags import Progress, quiet
from circuitdsl.borders.tree import TreeRecord
from circuitdsl.borders.writing import write_bytes
from circuitdsl.figures import dot
from circuitdsl.figures.blocks import compact
from circuitdsl.figures.compose import MANY, LayoutName, compose
from circuitdsl.figures.content import UnitLabels, content
from circuitdsl.figures.positions import Figure
from circuitdsl.figures.raster import DPI, MOST_PIXELS, pdf, png
from circuitdsl.figures.svg import svg
from circuitdsl.figures.tree import compose_tree, tree_source

Format = Literal["svg", "pdf", "png", "dot"]
FORMATS: tuple[str, ...] = get_args(Format)


def default_layout(graph: GraphRecord) -> tuple[LayoutName, str]:
    """`graph` where a Graphviz program is and edges are not very many, else `grid` with a note that says why."""
    if len(graph.edges) > MANY:
        return "grid", f"drawn in the layout grid: with {len(graph.edges):,} edges Graphviz's own would be too wide to read"
    if dot.program():
        return "graph", ""
    return "grid", "drawn in the layout grid: Graphviz is not here; `pip install 'circuitdsl[figures]'` brings it"


def draw(
    graph: GraphRecord,
    path: Path | None = None,
    *,
    format: str | None = None,
    layout: str | None = None,
    width_in: float = 5.5,
    labels: UnitLabels = "9.6",
    numbers: bool = False,
    about: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> bytes:
    """Draws a graph and returns the file's bytes; with `path` they are also written there, in one step.

    `format` is svg, pdf, png or dot, and by default what `path` ends in, svg without a path. `layout` is graph or grid, by default what
    this machine can. `width_in` is the column's width in inches (5.5 and 3.25 are papers' usual ones). With `numbers` effects and their
    intervals stand on arrows and boxes. `about` goes into the metadata. Equal arguments give equal bytes (SVG, DOT).

    `progress` is told how far it is: a thousand arrows take seconds.

    Raises CircError C601 to C606, C611: a program, library or font is missing, or the file cannot be written.
    """
    kind = _format(path, format, "; `circuitdsl render` also writes graphml, for other programs")
    chosen = layout or default_layout(graph)[0]
    if chosen not in get_args(LayoutName):
        raise refusal("C605", f"{chosen!r} is not a layout", hint=f"layouts are {', '.join(get_args(LayoutName))}")
    if kind == "dot":
        found = content(graph, labels=labels, numbers=numbers)
        sizes = {name: compact(item, 3) for name, item in found.items.items()}
        body = dot.source(found, sizes).encode()
    else:
        figure = compose(
            graph, layout=cast(LayoutName, chosen), width_in=width_in, units=labels, numbers=numbers, about=about, progress=progress
        )
        body = _bytes(figure, kind)
    if path is not None:
        _write(path, body)
    return body


def draw_tree(
    tree: TreeRecord,
    path: Path | None = None,
    *,
    format: str | None = None,
    width_in: float = 5.5,
    about: Mapping[str, str] | None = None,
) -> bytes:
    """Draws the tree of a scrubbed hypothesis as `draw` does a graph; no other program is needed for its layout.

    Raises CircError C602, C603, C605, C606 or C611.
    """
    kind = _format(path, format)
    body = tree_source(tree).encode() if kind == "dot" else _bytes(compose_tree(tree, width_in=width_in, about=about), kind)
    if path is not None:
        _write(path, body)
    return body


def _format(path: Path | None, format: str | None, others: str = "") -> str:
    kind = format or (path.suffix.removeprefix(".").lower() if path else "svg")
    hint = f"formats are {', '.join(FORMATS)}{others}"
    if not kind:
        raise refusal("C605", f"the name {path} does not end in a format", hint=hint)
    if kind not in FORMATS:
        raise refusal("C605", f"{kind!r} is not a format of figures", hint=hint)
    return kind


def _bytes(figure: Figure, kind: str) -> bytes:
    drawn = svg(figure)
    if kind == "png" and (largest := max(figure.width, figure.height) / 72 * DPI) > MOST_PIXELS:
        raise refusal(
            "C611", f"as PNG the figure would be {largest:,.0f} pixels long", hint="SVG and PDF have no such bound; or draw a part of it"
        )
    return drawn if kind == "svg" else pdf(drawn) if kind == "pdf" else png(drawn)


def _write(path: Path, body: bytes) -> None:
    try:
        write_bytes(path, body)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise refusal("C606", f"the figure cannot be written to {path}: {reason}", hint="name another place with --output") from error
