"""The application and what every command shares: exit codes, errors in the user's words, interruption."""

import sys

import typer

from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.cli.streams import colored

BAD_FILE, GUARD, INTERNAL, INTERRUPTED = 2, 4, 70, 130
READER_GONE = 141
"""The program that reads the output has left; 128 and the number of SIGPIPE, as shells have it."""

app = typer.Typer(
    name="circuitdsl",
    help=(
        "State a circuit and claims about it in a .circ file, and check them on the model.\n\n"
        "Start with [bold]circuitdsl init my.circ[/bold], then [bold]circuitdsl verify my.circ[/bold]."
    ),
    epilog="Exit status of verify: 0 all claims supported, 1 some refuted, 3 none refuted but some open, "
    "2 a bad file or usage, 4 the model fails a guard, 130 interrupted, 141 nobody reads the output.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def report(error: CircError | GuardError) -> int:
    """Says what is wrong with the input, or the model; the exit status that this has."""
    if isinstance(error, GuardError):
        print(f"error {error.code}: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return GUARD
    from circuitdsl.language.rendering import render

    print(render(error.diagnostics, color=colored(sys.stderr)), file=sys.stderr, end="")
    return BAD_FILE


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True)) -> None:
    """Options of the program itself."""
    if version:
        from circuitdsl import __version__

        print(f"circuitdsl {__version__}")
        raise typer.Exit
