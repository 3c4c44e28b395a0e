"""Commands that need no weights: check, fmt, explain, init, cache, models."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.source import CircError, Diagnostic
from circuitdsl.cli.app import BAD_FILE, app, report
from circuitdsl.cli.streams import as_utf8, colored

if TYPE_CHECKING:
    from circuitdsl.borders.hypothesis import Hypothesis

FilesArgument = Annotated[list[Path], typer.Argument(help="One or more .circ files.", show_default=False)]
ModelOption = Annotated[str | None, typer.Option(help="Another model: a Hub id, a folder, a GGUF file, or a bundled name.")]
PromptsOption = Annotated[int | None, typer.Option(help="How many prompts to draw; wins over the file's settings.", min=2)]
SeedOption = Annotated[int | None, typer.Option(help="The seed of every draw; wins over the file's settings.", min=0)]


@app.command()
def check(
    files: FilesArgument,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show each layout's first prompt, token by token, with positions and roles.")
    ] = False,
    model: ModelOption = None,
    prompts: PromptsOption = None,
    seed: SeedOption = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="How to say what is wrong.")] = "text",
) -> int:
    """Parse, resolve and check files without loading any weights.

    Everything that is wrong with a file is said at once. Exit status: 0 clean, 2 errors.
    """
    from circuitdsl.cli.options import flags_of
    from circuitdsl.language.rendering import render, to_json
    from circuitdsl.pipeline import read, resolve

    if tokens and format == "json":
        raise typer.BadParameter("tokens are told as text", param_hint="--tokens")
    status = 0
    found: list[Diagnostic] = []
    flags = flags_of(model=model, prompts=prompts, seed=seed)
    for path in files:
        try:
            hypothesis = resolve(read(path), flags)
        except CircError as error:
            found += error.diagnostics
            status = BAD_FILE
            if format == "text":
                report(error)
            continue
        found += hypothesis.warnings
        if format == "text":
            if hypothesis.warnings:
                print(render(hypothesis.warnings, color=colored(sys.stderr)), file=sys.stderr, end="")
            print(f"{path}: {summary(hypothesis)}{_unchecked(hypothesis)}")
            if tokens:
                print(_tokens(hypothesis))
    if format == "json":
        as_utf8()
        print(json.dumps(to_json(found), indent=1, ensure_ascii=False))
    return status


def _unchecked(hypothesis: "Hypothesis") -> str:
    from circuitdsl.models.locate import locate
    from circuitdsl.models.tokenizers import tokenizer_at

    location = locate(hypothesis.model, hypothesis.source.folder)
    if location.path is None:
        return f"; tokens not checked: `{hypothesis.model.name}` is not on this machine"
    return "" if tokenizer_at(location) else f"; tokens not checked: `{hypothesis.model.name}` has no tokenizer"


def _tokens(hypothesis: "Hypothesis") -> str:
    from circuitdsl.models.tokenizers import load_tokenizer
    from circuitdsl.prompts.show import show_prompts

    return show_prompts(hypothesis, load_tokenizer(hypothesis.model, hypothesis.source.folder))


def counted(number: int, what: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {what}{'s' * (number != 1)}"


def summary(hypothesis: "Hypothesis") -> str:
    """What a clean file holds, in one line."""
    claims = [claim for claim in hypothesis.claims if claim.comparison]
    prompts = hypothesis.distributions.get(hypothesis.default)
    edges = counted(len(hypothesis.edges), "edge") + f" as written ({len(hypothesis.links)} between units)"
    parts = [
        counted(len([node for node in hypothesis.nodes.values() if node.name not in ("embed", "logits")]), "node"),
        edges,
        counted(len(claims), "claim"),
        counted(len(hypothesis.claims) - len(claims), "measurement"),
        f"{counted(len(prompts), 'prompt')} in {counted(len(prompts.rows_by_layout()), 'layout')}" if prompts else "no prompts",
    ]
    return "ok: " + ", ".join(parts)


@app.command()
def fmt(
    files: Annotated[list[Path], typer.Argument(help="Files to lay out; `-` reads standard input and prints.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit status 1 if a file is laid out otherwise.")] = False,
) -> int:
    """Lay files out canonically, comments kept."""
    from circuitdsl.borders.source import LARGEST
    from circuitdsl.language.formatter import format_document
    from circuitdsl.language.parser import parse
    from circuitdsl.language.reading import read_source, source_of

    status = 0
    for path in files:
        try:
            source = source_of(sys.stdin.buffer.read(LARGEST + 1)) if str(path) == "-" else read_source(path)
            text = format_document(parse(source))
        except CircError as error:
            status = report(error)
            continue
        if str(path) == "-" and not check:
            as_utf8()
            print(text, end="")
        elif text == source.text:
            continue
        elif check:
            print(f"{path}: would be laid out otherwise")
            status = status or 1
        else:
            status = _laid_out(path, text) or status
    return status


def _laid_out(path: Path, text: str) -> int:
    """Puts the text in the file's place and says so; the exit status."""
    from circuitdsl.borders.writing import write_bytes

    try:
        write_bytes(path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return report(refusal("C592", f"{path} cannot be laid out: {reason}", hint="`fmt - < FILE` prints it laid out"))
    print(f"{path}: laid out")
    return 0


@app.command()
def explain(
    name: Annotated[
        str | None, typer.Argument(help="A code such as C012, a measure such as faithfulness, or a setting such as explore.")
    ] = None,
) -> int:
    """Tell what a code, a measure or a setting means; without a name, list them all."""
    from circuitdsl.cli.explanations import catalogue, explanation

    if name is None:
        print(catalogue())
        return 0
    text = explanation(name)
    if text is None:
        from circuitdsl.cli.explanations import nearest

        print(f"there is no code, measure or setting `{name}`" + nearest(name), file=sys.stderr)
        return BAD_FILE
    print(text)
    return 0


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("circuit.circ"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> int:
    """Write a commented starter file that verifies."""
    from importlib.resources import files as resources

    from circuitdsl.borders.writing import write_bytes

    if path.exists() and not force:
        message = f"{path} is there already"
        raise refusal("C591", message, hint="name another file, or say --force")
    write_bytes(path, resources("circuitdsl.cli").joinpath("starter.circ").read_bytes())
    print(f"wrote {path}\nnext: circuitdsl check --tokens {path}\n      circuitdsl verify {path}")
    return 0


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Delete it. That loses nothing but time.")] = False) -> int:
    """Show what is kept between runs, where, and how large it is. CIRCUITDSL_CACHE names another folder."""
    from circuitdsl.borders.folders import cache_folder
    from circuitdsl.models.cache import KINDS, contents
    from circuitdsl.models.cache import clear as clear_all

    print(cache_folder())
    for kind, (files, size) in contents().items():
        print(f"  {KINDS[kind]:<28}{counted(files, 'file'):>10}{size / 1e6:>10,.1f} MB")
    if clear:
        clear_all()
        print("cleared")
    return 0


@app.command()
def models() -> int:
    """List the models that can be named: bundled, in the local cache, and well-known shapes."""
    from circuitdsl.models.catalogue import listing

    print(listing())
    return 0
