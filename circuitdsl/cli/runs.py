"""Commands that run or draw: plan, verify, render."""

import shlex
import struct
import sys
import time
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.cli.app import BAD_FILE, GUARD, app, report
from circuitdsl.cli.documents import FilesArgument, ModelOption, PromptsOption, SeedOption
from circuitdsl.cli.options import flags_of
from circuitdsl.cli.streams import as_utf8, colored, columns

if TYPE_CHECKING:
    from circuitdsl.borders.evidence import GraphRecord

DtypeOption = Annotated[
    Literal["float32", "float64", "bfloat16", "float16"],
    typer.Option(help="What numbers are computed in, whatever the weights are stored in."),
]
DeviceOption = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
MemoryOption = Annotated[str | None, typer.Option(help="Most memory to use beyond the model, such as 2GB; prompts are chunked to fit.")]
CacheOption = Annotated[
    str | None,
    typer.Option(help="Disk space for plain runs of the model, which the next run reads: 2GB, or what CIRCUITDSL_CACHE_SIZE says, or off."),
]
LayoutOption = Annotated[
    Literal["graph", "grid"] | None, typer.Option(help="graph: Graphviz's own. grid: columns are positions, rows are layers.")
]
FigureFormatOption = Annotated[
    Literal["svg", "pdf", "png", "dot", "graphml"] | None,
    typer.Option("--format", help="Default: by the output's ending; svg without one."),
]


LARGE = 6_000
"""Pixels along a side of a picture, above which its size is said."""


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A .circ file.", show_default=False)],
    model: ModelOption = None,
    prompts: PromptsOption = None,
    seed: SeedOption = None,
    memory: MemoryOption = None,
    edges: Annotated[bool, typer.Option("--edges/--no-edges", help="Count the effects of nodes and edges that the figure shows.")] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each pass of the planner saves.")] = False,
) -> int:
    """Show what verify would run: values, forward-pass equivalents, memory, time. No weights are loaded."""
    begun = time.process_time()
    from circuitdsl.borders.measured import SearchingClaim
    from circuitdsl.borders.values import Algebra
    from circuitdsl.cli.progress import progress
    from circuitdsl.pipeline import lower, lower_figure, machine, read, resolve
    from circuitdsl.pipeline import plan as make_plan
    from circuitdsl.planning.cost import loading_seconds
    from circuitdsl.reports.plans import describe

    flags = flags_of(model=model, prompts=prompts, seed=seed, memory=memory)
    measured = machine(flags)
    calibrating = time.process_time() - begun
    with progress() as tell:
        tell("reading the file", 0.0)
        hypothesis = resolve(read(file), flags)
        algebra = Algebra()
        asked = [*lower(hypothesis, algebra), *lower_figure(hypothesis, algebra, edges)]
        tell("planning", 0.0)
        planned = make_plan(hypothesis, asked, flags.memory, measured)
    looking = sum(isinstance(one, SearchingClaim) for one in asked)
    planning, loading = time.process_time() - calibrating, loading_seconds(hypothesis.shape)
    print(describe(planned, hypothesis, looking, explain, planning=planning, loading=loading))
    return 0


@app.command()
def verify(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the evidence and the figure; default: beside each file.")
    ] = None,
    model: ModelOption = None,
    prompts: PromptsOption = None,
    seed: SeedOption = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="The report as text, or the evidence as JSON.")] = "text",
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "float32",
    memory: MemoryOption = None,
    cache: CacheOption = None,
    edges: Annotated[bool, typer.Option("--edges/--no-edges", help="Measure the effect of each node and edge for the figure.")] = True,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Stop as soon as claims about shares and attention are decided; valid whenever it stops.")
    ] = False,
    layout: LayoutOption = None,
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw the circuit, and measure what it shows.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Write over evidence of another model, seed, number of prompts or dtype.")] = False,
    unsafe: Annotated[bool, typer.Option("--allow-pickle", help="Also read pickled weights, which can run code. Off by default.")] = False,
) -> int:
    """Measure every claim on the model and judge it.

    Writes NAME.evidence.json and NAME.svg; what --model, --prompts, --seed and --dtype change is in the names: NAME.seed-1.svg.

    Exit status: 0 all supported, 1 some refuted, 3 none refuted but some inconclusive or not testable, 2 a bad file or usage,
    4 the model fails a guard, 130 interrupted.
    """
    from circuitdsl.cli.progress import progress
    from circuitdsl.pipeline.reading import conditions_of_run, read
    from circuitdsl.pipeline.verifying import verify as run
    from circuitdsl.reports.files import check_output, stem_of, write_evidence
    from circuitdsl.reports.text import render as render_text
    from circuitdsl.reports.text import status as status_of

    if output and len({path.stem for path in files}) < len({path.resolve() for path in files}):
        raise typer.BadParameter("several files of one name would write over each other", param_hint="--output")
    for path in files:
        _not_over(path, (output or path.parent) / f"{path.stem}.svg")
    statuses: list[int] = []
    for path in files:
        command = shlex.join(["circuitdsl", *sys.argv[1:]]) if sys.argv[1:2] == ["verify"] else "circuitdsl verify"
        flags = flags_of(
            model=model,
            prompts=prompts,
            seed=seed,
            memory=memory,
            cache=cache,
            device=device,
            dtype=dtype,
            edges=edges,
            figure=figure,
            sequential=sequential,
            unsafe=unsafe,
            command=command,
        )
        folder = output or path.parent
        about = f"{path.name}: " if len(files) > 1 else ""
        try:
            own, conditions = conditions_of_run(read(path), flags)
            stem = stem_of(path.stem, own, conditions)
            check_output(folder, stem, None if force else conditions)
            with progress(about) as tell:
                evidence = run(path, flags, tell)
        except (CircError, GuardError) as error:
            statuses.append(report(error))
            continue
        written: list[Path] = []
        unwritten = False
        try:
            written.append(write_evidence(evidence, folder, stem, force))
            if figure:
                written += _draw(evidence.graph, folder / f"{stem}.svg", layout, about=about)
        except CircError as error:  # what was measured is told all the same
            unwritten = True
            statuses.append(report(error))
        if format == "json":
            as_utf8()
            print(evidence.model_dump_json(indent=1))
        else:
            print(render_text(evidence, width=columns(), color=colored(sys.stdout), files=written, unwritten=unwritten))
        statuses.append(status_of(evidence))
    return next((code for code in (BAD_FILE, GUARD, 1, 3) if code in statuses), 0)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="The .evidence.json of a run.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="That of a later run.", show_default=False)],
) -> int:
    """Say which claims changed between two runs, and because of which condition.

    Numbers that hold under different conditions are not compared. Exit status: 0 the same, 1 something differs.
    """
    from circuitdsl.reports.diff import diff as differences
    from circuitdsl.reports.diff import render as render_differences
    from circuitdsl.reports.files import read_evidence

    found = differences(read_evidence(before), read_evidence(after))
    names = (before.name, after.name) if before.name != after.name else (str(before), str(after))
    print(render_differences(found, names), end="")
    return 0 if found.same else 1


@app.command()
def render(
    file: Annotated[Path, typer.Argument(help="A .circ file, or the .evidence.json of a run.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The picture's file; default: the file's name with .svg.")] = None,
    format: FigureFormatOption = None,
    layout: LayoutOption = None,
    width: Annotated[float, typer.Option(help="Width in inches: 5.5 a page, 3.25 a column.", min=1, max=100)] = 5.5,
    numbers: Annotated[bool, typer.Option("--numbers", help="Write effects and their intervals on arrows and boxes.")] = False,
    tree: Annotated[
        str | None, typer.Option(help="Draw the tree of calls of a scrub claim instead, by its label, with the donors that are drawn.")
    ] = None,
    row: Annotated[int | None, typer.Option(help="The prompt that the tree is for, counted from 0; default: the first judged.")] = None,
    model: ModelOption = None,
) -> int:
    """Draw the circuit as SVG, PDF, PNG or DOT, or write it as GraphML for other programs."""
    from circuitdsl.pipeline.drawing import graph_of

    if isnan(width):
        raise typer.BadParameter("a width is a number of inches", param_hint="--width")
    if tree is None and row is not None:
        raise typer.BadParameter("it chooses the prompt of a tree: say which with `--tree LABEL`", param_hint="--row")
    if tree is not None and (layout is not None or numbers):
        raise typer.BadParameter("a tree has a layout of its own, and no effects", param_hint="--layout" if layout else "--numbers")
    if tree is not None and file.suffix == ".json":
        raise typer.BadParameter("a tree is drawn from the `.circ` file, not from evidence", param_hint="--tree")
    if model is not None and file.suffix == ".json":
        raise typer.BadParameter("evidence holds for the model that it names", param_hint="--model")
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder", param_hint="file")
    ending = format or (output.suffix.lstrip(".").lower() if output else "svg")
    if ending == "graphml" and (layout is not None or numbers):
        raise typer.BadParameter("GraphML is laid out by the program that reads it", param_hint="--layout" if layout else "--numbers")
    name = file.name.removesuffix(".json").removesuffix(".evidence").removesuffix(".circ")
    path = output or file.with_name(f"{name}.{tree}.{ending}" if tree else f"{name}.{ending}")
    _not_over(file, path)
    if tree is not None:
        from circuitdsl.figures import draw_tree
        from circuitdsl.pipeline.drawing import tree_of

        _tell_size(path, ending, draw_tree(tree_of(file, flags_of(model=model), tree, row), path, format=ending, width_in=width))
        print(f"wrote {path}")
        return 0
    graph = graph_of(file, flags_of(model=model))
    if ending == "graphml":
        from circuitdsl.borders.writing import write_bytes
        from circuitdsl.reports.networks import graphml

        write_bytes(path, graphml(graph))
        print(f"wrote {path}")
        return 0
    for written in _draw(graph, path, layout, ending, width, numbers):
        print(f"wrote {written}")
    return 0


def _not_over(file: Path, figure: Path) -> None:
    if figure.resolve() == file.resolve():
        raise typer.BadParameter(f"the figure would be written over {file}", param_hint="--output")


def _draw(
    graph: "GraphRecord",
    path: Path,
    layout: str | None,
    format: str = "svg",
    width: float = 5.5,
    numbers: bool = False,
    about: str = "",
) -> list[Path]:
    """Draws a graph that has nodes. Without a layout: Graphviz's own where there is a Graphviz, else the grid."""
    from circuitdsl.cli.progress import progress
    from circuitdsl.figures import default_layout, draw

    if not graph.nodes:
        return []
    chosen, note = (layout, "") if layout else default_layout(graph)
    if note:
        print(note, file=sys.stderr)
    with progress(about) as tell:
        body = draw(graph, path, format=format, layout=chosen, width_in=width, numbers=numbers, progress=tell)
    _tell_size(path, format, body)
    return [path]


def _tell_size(path: Path, format: str, body: bytes) -> None:
    """A picture that few programs show whole is said to be that large."""
    if format == "png":
        across, down = struct.unpack(">II", body[16:24])
        if max(across, down) > LARGE:
            print(f"{path} has {across:,} by {down:,} pixels; SVG and PDF are sharp at any size", file=sys.stderr)
