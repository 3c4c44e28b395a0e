"""Flags, lists, files and the way a command ends."""

import json
import re
from pathlib import Path

import pytest
import typer

from circuitdsl.cli import explanations
from circuitdsl.cli.options import flags_of, size

# Twelve prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")


@pytest.mark.parametrize(
    ("text", "count"), [("2GB", 2 * 10**9), ("512MiB", 512 * 2**20), ("1.5g", 1_500_000_000), ("100B", 100), ("3 kb", 3000), ("1Ti", 2**40)]
)
def test_sizes(text, count):
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "GB", "2", "two GB", "-1GB", "1XB", "1e9", "1.GB", "1i", "0", "0.0GB", "9" * 400 + "GB"])
def test_sizes_that_are_none(text):
    with pytest.raises(typer.BadParameter):
        size(text)


def test_flags_that_are_not_given_leave_the_settings_alone():
    assert flags_of().settings == {} and flags_of().memory is None
    assert flags_of(prompts=3, seed=0, memory="1kB").settings == {"prompts": 3, "seed": 0}


def test_every_code_of_a_stage_is_in_the_table_once():
    tables = [
        explanations.runpy.run_path(str(explanations.files("circuitdsl") / stage / "codes.py"))["CODES"] for stage in explanations._STAGES
    ]
    assert sum(map(len, tables)) == len(explanations.codes())


@pytest.mark.parametrize("name", ["c001", "C001", "w050"])
def test_codes_in_small_letters(name):
    assert explanations.explanation(name).startswith(name.upper())


def test_a_name_that_nothing_has(circuitdsl):
    ran = circuitdsl("explain", "nonsense-of-any-kind")
    assert ran.status == 2 and "`circuitdsl explain` lists them" in ran.err


def test_no_arguments_show_help(circuitdsl):
    ran = circuitdsl()
    assert "verify" in ran.out and ran.err == ""


def test_version(circuitdsl):
    from circuitdsl import __version__

    assert circuitdsl("--version").out == f"circuitdsl {__version__}\n"


def test_a_mistake_of_the_program_is_one_line_and_a_report(capfd, toy, monkeypatch):
    """What nobody foresaw: no traceback on the screen, status 70, and a file to send."""
    from circuitdsl import pipeline
    from circuitdsl.cli import main

    def broken(path):
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(pipeline, "read", broken)
    with pytest.raises(SystemExit) as left:
        main(["check", str(toy)])
    said = capfd.readouterr().err
    assert left.value.code == 70 and "C599" in said and "nobody foresaw this" in said and len(said.splitlines()) == 2
    assert "ZeroDivisionError" in Path(said.split("report it with ")[1].strip()).read_text(encoding="utf-8")


def test_fmt_reads_standard_input(program):
    ran = program("fmt", "-", input="nodes{a=heads 1.0}\n")
    assert ran.status == 0 and ran.out == "nodes {\n  a = heads 1.0\n}\n"


def test_init_replaces_a_file_only_if_told_to(circuitdsl, tmp_path):
    path = tmp_path / "mine.circ"
    path.write_text("mine")
    assert circuitdsl("init", path).status == 2 and path.read_text() == "mine"
    assert circuitdsl("init", "--force", path).status == 0 and path.read_text() != "mine"


def test_several_files_are_verified_one_after_the_other_and_the_worst_status_counts(circuitdsl, toy):
    other = toy.with_name("other.circ")
    other.write_text(toy.read_text().replace("= 1 +- 0.001", "= 2 +- 0.001", 1))
    out = toy.parent / "out"
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", "-o", out, toy, other)
    assert ran.status == 1
    assert {path.name for path in out.iterdir()} == {
        f"{name}.prompts-12.{ending}" for name in ("induction_toy", "other") for ending in ("evidence.json", "svg")
    }


def test_a_model_that_fails_a_guard_does_not_keep_the_other_files_from_being_verified(circuitdsl, toy, monkeypatch):
    from circuitdsl.borders.source import GuardError
    from circuitdsl.pipeline import verifying as run

    other, verify = toy.with_name("other.circ"), run.verify
    other.write_text(toy.read_text())

    def guarded(path, *rest):
        if path == toy:
            raise GuardError("C420", "the logits differ")
        return verify(path, *rest)

    monkeypatch.setattr(run, "verify", guarded)
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", toy, other)
    assert ran.status == 4 and ran.err == "error C420: the logits differ\n" and "8 supported" in ran.out
    assert other.with_suffix(".prompts-12.evidence.json").exists()


def test_the_evidence_of_several_files_as_json_is_a_document_each(circuitdsl, toy):
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", "--format", "json", toy, toy)
    first, end = json.JSONDecoder().raw_decode(ran.out)
    second, _ = json.JSONDecoder().raw_decode(ran.out[end:].lstrip())
    assert first["columns"] == second["columns"]


@pytest.fixture
def begun(tmp_path):
    """`begun(statements)`: a file about the toy that is only begun."""
    toy = Path(__file__).parents[2] / "hypotheses" / "toys" / "induction"

    def write(statements: str) -> Path:
        path = tmp_path / "begun.circ"
        path.write_text(f'model "{toy}"\n{statements}\n')
        return path

    return write


def test_a_file_that_is_only_begun_is_checked(circuitdsl, begun):
    for statements in ("", "claims { }", "nodes { a = heads 0.0 }", "settings { seed = 1 }"):
        assert "no prompts" in circuitdsl("check", begun(statements)).out


def test_a_file_that_asks_for_nothing_is_verified(circuitdsl, begun, tmp_path):
    ran = circuitdsl("verify", begun('prompts p { "red blue" }'), "--output", tmp_path / "out")
    assert ran.status == 0 and "no claims" in ran.out


def test_prompts_without_what_the_metric_reads_are_measured_without_it(circuitdsl, begun, tmp_path):
    """The figure's effects need the metric on the first prompts; attention does not."""
    statements = """
vocab v = "red", "blue", "green", "white", "black"
prompts p { "{a} {b}"; a, b in v distinct; answer a }
prompts q from p { redraw a, b distinct; answer a wrong b }
metric m = logit(answer) - logit(wrong)
nodes { h = heads 1.0 }
edges { embed -> h; h -> logits }
settings { ablate = resample(q) }
claims { looks: attention(h, query = b, key = a) >= 0 }
"""
    path = begun(statements)
    assert circuitdsl("plan", path).status == 0
    assert circuitdsl("verify", path, "--output", tmp_path / "out").status in (0, 1, 3)


def test_a_run_with_other_settings_has_files_of_its_own(circuitdsl, toy):
    """Evidence of the file's own settings is never replaced by that of others; of the same conditions it is."""
    text = toy.read_text()
    toy.write_text(text.replace("prompts = 360", "prompts = 12"))
    flags = ("--no-edges", "--no-figure")
    assert circuitdsl("verify", *flags, toy).status == 0
    for more in (("--seed", 0), ("--prompts", 12), ("--dtype", "float32"), ("--model", "./toys/induction")):
        assert circuitdsl("verify", *flags, *more, toy).status == 0
    made = (toy.parent / "toys" / "induction").rename(toy.parent / "toys" / "other one")
    ran = circuitdsl("verify", *flags, "--model", "./toys/other one", "--seed", 1, "--prompts", 13, toy)
    assert ran.status == 0
    made.rename(toy.parent / "toys" / "induction")
    names = {path.name for path in toy.parent.glob("*.json")}
    assert names == {"induction_toy.evidence.json", "induction_toy.model-other-one.prompts-13.seed-1.evidence.json"}

    toy.write_text(text.replace("prompts = 360; seed = 0", "prompts = 12; seed = 1"))
    before = toy.with_suffix(".evidence.json").read_bytes()
    ran = circuitdsl("verify", *flags, toy)
    assert ran.status == 2 and "C610" in ran.err and "seed = 0, not 1" in ran.err and ran.out == ""
    assert toy.with_suffix(".evidence.json").read_bytes() == before
    assert circuitdsl("verify", *flags, "--force", toy).status == 0
    conditions = {one["name"]: one["value"] for one in json.loads(toy.with_suffix(".evidence.json").read_text())["conditions"]}
    assert conditions["seed"] == "1"


def test_evidence_of_other_weights_is_not_written_over_and_the_report_is_told(circuitdsl, toy):
    from safetensors.numpy import load_file, save_file

    flags = ("--no-edges", "--no-figure")
    assert circuitdsl("verify", *flags, toy).status == 0
    before = toy.with_suffix(".evidence.json").read_bytes()
    weights = toy.parent / "toys" / "induction" / "model.safetensors"
    save_file({name: tensor * (1.01 if name == "unembed.weight" else 1) for name, tensor in load_file(weights).items()}, weights)
    ran = circuitdsl("verify", *flags, toy)
    assert ran.status == 2 and "C610" in ran.err and "weights = " in ran.err and "supported" in ran.out
    assert toy.with_suffix(".evidence.json").read_bytes() == before


def test_without_a_figure_nothing_is_drawn_nor_measured_for_it(circuitdsl, toy):
    assert circuitdsl("verify", "--no-figure", toy).status == 0
    assert not toy.with_suffix(".svg").exists()
    graph = json.loads(toy.with_suffix(".evidence.json").read_text())["graph"]
    assert len(graph["edges"]) == 7 and not any(one["effect"] for one in [*graph["nodes"], *graph["edges"]])


def test_fmt_says_that_a_file_is_laid_out_once_it_is(circuitdsl, toy, monkeypatch):
    """And goes on with the others."""
    from circuitdsl.borders import writing

    other = toy.with_name("other.circ")
    text = toy.read_text().replace("  ", " ")
    for path in (toy, other):
        path.write_text(text)
    write = writing.write_bytes

    def refuse(path, body):
        if path == toy:
            raise PermissionError(13, "Permission denied", str(path))
        write(path, body)

    monkeypatch.setattr(writing, "write_bytes", refuse)
    ran = circuitdsl("fmt", toy, other)
    assert ran.status == 2 and ran.out == f"{other}: laid out\n" and "C592" in ran.err
    assert toy.read_text() == text != other.read_text()


def test_a_picture_of_many_pixels_is_said_to_be_one(circuitdsl, toy, monkeypatch):
    from circuitdsl.cli import runs

    path = toy.with_suffix(".png")
    assert circuitdsl("render", "--layout", "grid", "-o", path, toy).err == ""
    monkeypatch.setattr(runs, "LARGE", 1_000)
    assert re.search(r"has 1,\d{3} by [\d,]+ pixels", circuitdsl("render", "--layout", "grid", "-o", path, toy).err)


def test_the_time_of_a_plan_is_that_of_a_whole_run(circuitdsl, toy, monkeypatch):
    """Measuring, what comes before it, and loading the model, which grows with the model."""
    from dataclasses import replace

    from circuitdsl.borders.units import ModelShape
    from circuitdsl.planning import cost

    shape = ModelShape("m", "gpt2", 12, heads=12, kv_heads=12, width=768, head_width=64, mlp_width=3072, vocabulary=50_000, context=9)
    assert cost.loading_seconds(replace(shape, layers=120)) > 4 * cost.loading_seconds(shape) > 4 * (cost.LOADING + 6)
    monkeypatch.setattr(cost, "LOADING", 5000.0)
    said = circuitdsl("plan", toy).out
    whole, loading = re.search(r"time +about (\d+) min of", said), re.search(r"about (\d+) min loading the model", said)
    assert whole and loading and int(whole[1]) >= int(loading[1]) == 83  # the process has done more than this plan: other tests
    assert re.search(r"measuring, on this machine as measured on [\d-]+\n +\S.* reading the file and planning, as it took here; ", said)
