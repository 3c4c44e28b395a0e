"""The application and what every command shares: exit codes, errors in the user's words, interruption."""

import sys
from collections.abc import Sequence

import typer

from circuitdsl.borders.source import CircError, GuardError

BAD_FILE, GUARD, INTERNAL, INTERRUPTED = 2, 4, 70, 130

app = typer.Typer(
    name="circuitdsl",
    help=(
        "State a circuit and claims about it in a .circ file, and check them on the model.\n\n"
        "Start with [bold]circuitdsl init my.circ[/bold], then [bold]circuitdsl verify my.circ[/bold]."
    ),
    epilog="Exit status of verify: 0 all claims supported, 1 some refuted, 3 none refuted but some open, "
    "2 a bad file or usage, 4 the model fails a guard, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and leaves with its exit status. What is wrong with the input is said in words, never as a traceback."""
    from circuitdsl.cli import documents, runs  # noqa: F401  (they add their commands to the application)

    try:
        status = app(args=arguments, standalone_mode=False)
    except CircError as error:
        status = report(error)
    except GuardError as error:
        print(f"error {error.code}: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""), file=sys.stderr)
        status = GUARD
    except (KeyboardInterrupt, typer.Abort):
        print("\ninterrupted", file=sys.stderr)
        status = INTERRUPTED
    except typer.TyperException as error:
        where = getattr(error, "ctx", None)
        print(f"error: {error.format_message()}\n  hint: {where.command_path if where else 'circuitdsl'} --help", file=sys.stderr)
        status = BAD_FILE
    except BrokenPipeError:
        sys.stderr.close()
        status = 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error C590: {where}{error.strerror or error}", file=sys.stderr)
        status = BAD_FILE
    except Exception as error:
        status = _unexpected(error)
    raise SystemExit(status or 0)


def _unexpected(error: Exception) -> int:
    """A mistake of the program itself: one line, and the traceback in a file that can be sent along."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="circuitdsl-", suffix=".traceback.txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    print(
        f"error C599: the program itself failed: {type(error).__name__}: {error}\n  hint: please report it with {file.name}",
        file=sys.stderr,
    )
    return INTERNAL


def report(error: CircError) -> int:
    """Says what is wrong with the input."""
    from circuitdsl.language.diagnostics import render

    print(render(error.diagnostics, color=sys.stderr.isatty()), file=sys.stderr, end="")
    return BAD_FILE


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True)) -> None:
    """Options of the program itself."""
    if version:
        from circuitdsl import __version__

        print(f"circuitdsl {__version__}")
        raise typer.Exit
