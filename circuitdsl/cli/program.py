"""The program: runs a command and turns what went wrong into words and an exit status."""

import atexit
import gc
import sys
from collections.abc import Sequence

import typer

from circuitdsl.borders.source import CircError, GuardError
from circuitdsl.cli import documents, runs  # noqa: F401  (they add their commands to the application)
from circuitdsl.cli.app import BAD_FILE, INTERNAL, INTERRUPTED, READER_GONE, app, report
from circuitdsl.cli.streams import drop_output, prepare


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and leaves with its exit status. What is wrong with the input is said in words, never as a traceback."""
    gc.set_threshold(500_000, 20, 50)  # more than torch makes: the default looks hundreds of times for garbage while it is imported
    atexit.register(gc.freeze)  # what is left goes with the process: it need not be looked through
    prepare()
    try:
        status = _run(arguments)
    except BrokenPipeError:
        drop_output()
        status = READER_GONE
    raise SystemExit(status or 0)


def _run(arguments: Sequence[str] | None) -> int | None:
    """The command's exit status. Raises BrokenPipeError where nobody reads what is printed."""
    status: int | None
    try:
        status = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except (CircError, GuardError) as error:
        status = report(error)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except typer.Abort as error:  # what typer makes of an EOFError, for programs that ask; this one never does
        status = _unexpected(error.__cause__ or error)
    except typer.TyperException as error:
        where = getattr(error, "ctx", None)
        message = error.format_message().replace("Value error, ", "").removesuffix(".")
        message = message.replace("a valid int range", "a whole number").replace("a valid float range", "a number")
        if message:  # none where no command was named: that shows the help
            print(f"error: {message}\n  hint: {where.command_path if where else 'circuitdsl'} --help", file=sys.stderr)
        status = BAD_FILE
    except BrokenPipeError:
        raise
    except SystemExit as left:  # typer leaves with 1 when nobody reads, which is the status of a refuted claim
        raise left.__context__ if isinstance(left.__context__, BrokenPipeError) else left from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error C590: {where}{error.strerror or error}", file=sys.stderr)
        status = BAD_FILE
    except Exception as error:
        status = _unexpected(error)
    if status == INTERRUPTED:  # typer itself turns Ctrl-C into this status while a command runs
        print("interrupted; nothing half-written is left", file=sys.stderr)
    return status


def _unexpected(error: BaseException) -> int:
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
