"""What a newcomer is told when a command is called in a way that it does not take."""

import re
import subprocess
import sys

import pytest

from circuitdsl.cli.documents import counted

# Twelve prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["render", "x.circ", "--format", "tikz"], "'tikz' is not one of 'svg', 'pdf', 'png', 'dot'"),
        (["verify", "x.circ", "--layout", "tree"], "'tree' is not one of 'graph', 'grid'"),
        (["render", "x.circ", "--width", "-1"], "--width"),
        (["verify", "x.circ", "--prompts", "1"], "Invalid value for '--prompts'"),
        (["verify", "x.circ", "--prompts", "1e3"], "'1e3' is not a whole number"),
        (["render", "x.circ", "--width", "wide"], "'wide' is not a number"),
        (["render", "x.evidence.json", "--model", "gpt2"], "evidence holds for the model that it names"),
        (["render", "x.evidence.json", "--tree", "scrubbed"], "not from evidence"),
        (["render", "x.circ", "--row", "1"], "--tree LABEL"),
        (["render", "x.circ", "--tree", "scrubbed", "--numbers"], "--numbers"),
        (["render", "x.circ", "--format", "graphml", "--layout", "grid"], "--layout"),
        (["render", "x.circ", "-o", "x.graphml", "--numbers"], "--numbers"),
        (["render", "."], ". is a folder"),
        (["render", "x.circ", "-o", "x.circ", "--format", "svg"], "written over x.circ"),
        (["render", "x.evidence.json", "-o", "./x.evidence.json", "--format", "svg"], "written over x.evidence.json"),
        (["verify", "x.svg"], "written over x.svg"),
        (["check", "x.circ", "--tokens", "--format", "json"], "tokens are told as text"),
        (["render", "/"], "/ is a folder"),
        (["chek", "x.circ"], "Did you mean 'check', 'cache'?"),
    ],
)
def test_usage(circuitdsl, arguments, words):
    ran = circuitdsl(*arguments)
    assert ran.status == 2 and words in ran.err and "Value error" not in ran.err and "--help" in ran.err


def test_evidence_that_could_not_be_written_is_said_before_anything_is_measured(circuitdsl, toy, monkeypatch):
    from circuitdsl.pipeline import verifying as run

    monkeypatch.setattr(run, "verify", lambda *_: pytest.fail("measured"))
    toy.with_suffix(".evidence.json").mkdir()
    ran = circuitdsl("verify", toy)
    assert ran.status == 2 and ran.out == "" and "C650" in ran.err and "is a folder" in ran.err


def test_a_folder_that_is_a_link_to_nowhere_is_said_before_anything_is_measured(circuitdsl, toy, monkeypatch):
    from circuitdsl.pipeline import verifying as run

    monkeypatch.setattr(run, "verify", lambda *_: pytest.fail("measured"))
    link = toy.with_name("link")
    link.symlink_to("nowhere")
    ran = circuitdsl("verify", toy, "-o", link)
    assert ran.status == 2 and "C650" in ran.err and "leads nowhere" in ran.err


def test_a_figure_that_cannot_be_written_takes_no_verdict_away(circuitdsl, toy):
    toy.with_suffix(".prompts-12.svg").mkdir()
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", toy)
    assert ran.status == 2 and "C606" in ran.err and "8 supported" in ran.out and "evidence.json" in ran.out
    assert "exit status 2: not everything could be written" in ran.out
    assert toy.with_suffix(".prompts-12.evidence.json").exists()


@pytest.mark.parametrize("epoch", ["noon", "9" * 30])
def test_a_time_that_is_none_is_the_clock(circuitdsl, toy, monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert circuitdsl("verify", "--prompts", 12, "--no-edges", toy).status == 0


def test_a_figure_into_a_pipe(program, toy):
    ran = program("render", "--format", "svg", "-o", "/dev/stdout", toy)
    assert ran.status == 0 and ran.out.startswith("<?xml") and ran.out.endswith("</svg>\nwrote /dev/stdout\n")


def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(circuitdsl, tmp_path):
    path = tmp_path / "nowhere" / "my.circ"
    ran = circuitdsl("init", path)
    assert ran.status == 2 and ran.err == f"error C590: {path}: No such file or directory\n"


@pytest.mark.parametrize("command", ["check", "plan", "verify", "fmt"])
def test_evidence_in_the_place_of_a_circuit(circuitdsl, tmp_path, command):
    path = tmp_path / "my.evidence.json"
    path.write_text('{"schema_version": 1, "claims": [')
    ran = circuitdsl(command, path)
    assert ran.status == 2 and ran.err.count("error ") == 1 and "C036" in ran.err and "circuitdsl render" in ran.err


def test_one_of_a_thing_is_not_many(circuitdsl, toy):
    toy.write_text(toy.read_text().replace('  "{c} {first} {next} {d} {cue}"\n  "{c} {d} {first} {next} {cue}"\n', ""))
    assert circuitdsl("check", toy).out.rstrip().endswith("120 prompts in 1 layout")
    assert [counted(number, "claim") for number in (0, 1, 2)] == ["0 claims", "1 claim", "2 claims"]


def test_the_command_line_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "circuitdsl", "--version"], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("circuitdsl ")


def test_plan_says_that_memory_cannot_be_kept_to(circuitdsl, toy):
    less, more = (
        [line for line in circuitdsl("plan", toy, "--memory", size).out.splitlines() if "memory" in line] for size in ("1kB", "2GB")
    )
    assert less[0].endswith("1 kB allowed, which is too little") and more[0].endswith(" allowed")


def test_a_plan_that_is_explained_has_a_line_a_pass_with_what_it_saved(circuitdsl, toy):
    plain, shown = (circuitdsl("plan", toy, *flags).out.splitlines() for flags in ((), ("--explain",)))
    lines = [line[15:] for line in shown if line not in plain]
    assert [line[:25].strip() for line in lines] == [
        "equal values once", "equal positions once", "dead values dropped", "only where they are read", "cached keys and values",
        "one norm for all readers", "common senders once", "shared sums kept", "named tokens only", "donors from one run",
        "runs stopped early", "last layers where read", "heads together", "whole layers", "variants on one axis",
        "backgrounds on one axis", "rows together", "sorted by length",
    ]  # fmt: skip
    for line in lines:
        before, after, share, unit = re.fullmatch(r"([\d,]+) → +([\d,]+) +(–|−[\d.]+ %)  (\S.*)", line[25:].strip()).groups()
        assert (share == "–") == (before == after) and unit
        assert int(after.replace(",", "")) <= int(before.replace(",", ""))


def test_tokens_that_nobody_knows_are_not_counted(circuitdsl, tmp_path):
    path = tmp_path / "far.circ"
    path.write_text('model "gpt2"\nvocab names = "Mary", "John"\nprompts clean { "{A} and {B}"; A, B in names distinct }\n')
    ran = circuitdsl("check", "--tokens", path)
    assert ran.status == 0 and "tokens not checked" in ran.out and "  2 prompts of template 1: '" in ran.out
