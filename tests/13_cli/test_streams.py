"""Whatever output goes to: a terminal of any width, an encoding without our signs, a reader that leaves, nothing at all."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from circuitdsl.cli import streams

# Twelve prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("circuitdsl")
SAID = {"LC_ALL", "PYTHONUTF8", "PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "LINES"}
STRANGE = {name: value for name, value in os.environ.items() if name not in SAID}
ASCII = STRANGE | {"PYTHONIOENCODING": "ascii"}


def in_a_terminal(*command: object, columns: int = 80, **environment: str) -> str:
    """What a command shows on a terminal of so many columns."""
    child, terminal = pty.fork()
    if child == 0:
        ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execvpe(str(command[0]), [*map(str, command)], STRANGE | {"TERM": "xterm"} | environment)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.waitpid(child, 0)
    os.close(terminal)
    return shown.decode()


def last_report(shown: str) -> list[str]:
    """The lines of a report, without the progress before it and without colours."""
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown).replace("\r\n", "\n").rsplit("\r", 1)[-1]
    return lines[lines.index("Induction in a transformer") :].splitlines()


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=lambda one: next(iter(one.values())),
)
@pytest.mark.parametrize("arguments", [("explain", "faithfulness"), ("check", "--tokens", "hypotheses/induction_toy.circ")])
def test_an_encoding_without_our_signs(arguments, environment):
    done = subprocess.run([PROGRAM, *arguments], env=STRANGE | environment, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b"" and len(done.stdout) > 500


def test_a_minus_is_never_lost_and_what_has_no_stand_in_is_an_escape():
    streams.prepare()
    assert "−4.5 → ✓ é \udcff".encode("ascii", "plain") == rb"-4.5 -> + \xe9 \udcff"


def test_what_programs_read_is_utf8_everywhere(program, toy):
    text = toy.read_text().replace('circuit "Induction', 'circuit "Índuction → Induction')
    toy.write_text(text)
    assert program("fmt", "-", input=text, env=ASCII).out == text
    (found,) = json.loads(program("check", "--format", "json", toy.with_name("é.circ"), env=ASCII).out)
    assert found["code"] == "C030" and Path(found["file"]).name == "é.circ"
    ran = program("verify", "--prompts", 12, "--no-edges", "--format", "json", toy, env=ASCII)
    assert ran.status == 3 and json.loads(ran.out)["graph"]["title"].startswith("Índuction →")


def test_a_file_whose_name_is_no_text(circuitdsl, toy):
    path = Path(os.fsdecode(os.fsencode(toy.parent) + b"/b\xffd.circ"))
    toy.rename(path)
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", path)
    assert ran.status == 0 and rb"b\udcffd.prompts-12.evidence.json" in ran.out.encode(errors="surrogateescape")
    assert json.loads(path.with_suffix(".prompts-12.evidence.json").read_bytes())["file"]["name"] == "b?d.circ"


def test_standard_input_that_is_no_utf8():
    done = subprocess.run([PROGRAM, "fmt", "-"], input=b"nodes \xff\n", capture_output=True, check=False)
    assert done.returncode == 2 and b"error C033" in done.stderr


def test_fmt_checks_standard_input(program):
    assert program("fmt", "--check", "-", input="nodes{a=heads 1.0}\n").status == 1
    ran = program("fmt", "--check", "-", input="nodes {\n  a = heads 1.0\n}\n")
    assert ran.status == 0 and ran.out == ""


# ---------------------------------------------------------------- readers that leave, streams that are closed


COMMANDS = ["explain C012", "check hypotheses/induction_toy.circ", "check nowhere.circ", "--help", "check"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_leaves_is_no_verdict(command):
    """The status is that of SIGPIPE in a shell, never 1, which says that a claim is refuted."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([PROGRAM, *command.split()], stdout=writing, stderr=writing, check=False, cwd=ROOT)
    os.close(writing)
    assert done.returncode == 141


def test_nothing_is_said_of_a_reader_that_leaves():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([PROGRAM, "explain"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 141 and done.stderr == b""


@pytest.mark.parametrize(("line", "status"), [
    ("explain C012 >&-", 0), ("check nowhere.circ 2>&-", 2), ("fmt - <&-", 0), ("explain C012 > /dev/full", 2),
])  # fmt: skip
def test_a_stream_that_is_closed_or_full(line, status):
    done = subprocess.run(f"'{PROGRAM}' {line}", shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == status and "C599" not in done.stderr and "Traceback" not in done.stderr


def test_a_verdict_with_nobody_to_tell(toy):
    line = f"'{PROGRAM}' verify --prompts 12 --no-edges '{toy}' >&- 2>&-"
    assert subprocess.run(line, shell=True, check=False).returncode == 3  # twelve prompts are a sample
    assert toy.with_suffix(".prompts-12.evidence.json").exists()


# ---------------------------------------------------------------- terminals


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_unless_the_user_says_no(tmp_path, environment):
    path = tmp_path / "wrong.circ"
    path.write_text("wrong\n")
    command = (PROGRAM, "check", path)
    assert "\x1b[" in in_a_terminal(*command) and "\x1b[" not in in_a_terminal(*command, **environment)


@pytest.mark.parametrize("columns", [50, 118])
def test_a_report_is_as_wide_as_its_terminal(toy, columns):
    command = (PROGRAM, "verify", "--prompts", 12, "--no-edges", toy)
    lines = last_report(in_a_terminal(*command, columns=columns))
    assert columns - 12 < max(len(line) for line in lines if not line.startswith("written")) <= columns
    assert lines[-3] == f"written    {toy.with_suffix('.prompts-12.evidence.json')}"  # never broken


def test_a_dumb_terminal_gets_the_report_and_nothing_else(toy):
    shown = in_a_terminal(PROGRAM, "verify", "--prompts", 12, "--no-edges", toy, TERM="dumb")
    assert shown.startswith("Induction in a transformer written by hand") and "\x1b" not in shown


def test_a_report_is_never_too_narrow_nor_too_wide(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for columns, expected in ((5, 40), (77, 77), (500, 120)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert streams.columns() == expected
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert streams.columns() == 100


# ---------------------------------------------------------------- progress in a pipe


def test_a_pipe_is_told_how_far_a_long_run_is(toy, circuitdsl, monkeypatch):
    """Also while a step says nothing for long, and with the evidence alone on standard output."""
    from circuitdsl.cli import progress
    from circuitdsl.pipeline import verifying

    verify = verifying.verify

    def slow(path, flags, tell):
        tell("measuring", 0.25)
        time.sleep(0.5)
        return verify(path, flags)

    monkeypatch.setattr(progress, "EVERY", 0.1)
    monkeypatch.setattr(verifying, "verify", slow)
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", "--format", "json", toy, toy)
    lines = ran.err.splitlines()
    assert len(lines) >= 4
    assert re.fullmatch(r"\d+ s  induction_toy\.circ: measuring: 25%, about \d+ s left", lines[1])
    first, end = json.JSONDecoder().raw_decode(ran.out)
    assert json.loads(ran.out[end:])["claims"] == first["claims"]


def test_what_is_left_of_a_step_is_reckoned_from_what_took_so_long(monkeypatch):
    from circuitdsl.cli import progress

    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = progress._Lines("")
    assert lines.line(103.0) == "3 s  starting"
    now[0] = 110.0
    lines.tell("measuring", 0.0)
    lines.tell("measuring", 0.2)
    assert lines.line(130.0) == "30 s  measuring: 20%, about 80 s left"
    lines.tell("measuring", 0.05)
    assert lines.line(130.0) == "30 s  measuring: 5%, about 6 min left"
    lines.tell("measuring", 1.0)
    assert lines.line(130.0) == "30 s  measuring: 100%"
