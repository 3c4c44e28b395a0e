"""Whatever is broken, from the file to the disk: a coded error in words, never a traceback, and nothing lost."""

import json
import random
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

# A few prompts stand for all that there are: what is the same on each of them is then known, and claims about it are decided.
pytestmark = pytest.mark.usefixtures("whole_population")

ROOT = Path(__file__).parents[2]
BAD = sorted(path for folder in ("01_language", "02_resolve") for path in (ROOT / "tests" / folder / "bad").glob("*.circ"))
SHIPPED = {path.stem: path for path in sorted((ROOT / "hypotheses").glob("*.circ"))}
MODEL = SHIPPED["induction_toy"].parent / "toys" / "induction"


@pytest.mark.parametrize("name", ["greater_than_gpt2", "induction_toy", "ioi_gpt2", pytest.param("ioi_smollm2", marks=pytest.mark.real)])
@pytest.mark.parametrize("command", ["check", "fmt", "render"])
def test_damaged_bytes_of_the_shipped_files(circuitdsl, toy, name, command):
    """Bytes dropped, doubled, exchanged, or replaced: any answer but a failure of the program."""
    draw = random.Random(f"{name} {command}")
    whole = SHIPPED[name].read_bytes().replace(b"prompts = 256", b"prompts = 8").replace(b"prompts = 128", b"prompts = 8")
    path = toy.with_name("damaged.circ")
    rounds = 12 if command == "check" else 4
    for _ in range(rounds):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(content))
            end = min(len(content), start + draw.choice([1, 1, 2, 8, 60]))
            other = draw.randrange(len(content))
            replacements = [b"", content[start:end] * 2, content[other : other + 8], bytes([draw.randrange(256)])]
            content[start:end] = draw.choice(replacements)
        path.write_bytes(content)
        ran = circuitdsl(command, *(["--prompts", 8] if command == "check" else []), path)
        assert ran.status in (0, 2)
        assert (ran.status == 2) == ("error" in ran.err), (ran, bytes(content))


@pytest.mark.parametrize("name", ["lines.jsonl", "words.txt", "shared.circ", "before.evidence.json"])
def test_damaged_bytes_of_the_files_that_a_file_names(circuitdsl, toy, name):
    """Prompts, a vocabulary, a used file, the evidence of an earlier run: the file that names it is judged or refused in words."""
    draw = random.Random(name)
    line = {"clean": "red blue red", "counterfactual": "red blue tan", "answer": " blue", "wrong": [" red"], "positions": {"cue": 2}}
    files = {
        "lines.jsonl": json.dumps(line) + "\n" + json.dumps(line | {"clean": "tan blue tan"}) + "\n",
        "words.txt": "red\nblue\ngreen\nwhite\n",
        "shared.circ": 'vocab more = "gold", "tan"\n',
        "before.evidence.json": json.dumps({"looked_at": ["0123456789abcdef"], "model": {"name": "./toys/induction"}}),
    }
    for file, text in files.items():
        toy.with_name(file).write_text(text)
    head = 'use "shared.circ"\nvocab words from "words.txt"\nprompts lines from "lines.jsonl"\n'
    text = toy.read_text().replace("seed = 0;", 'seed = 0; found_on = "before.evidence.json";').replace("prompts = 360", "prompts = 8")
    toy.write_text(text.replace("metric copied", head + "metric copied").replace("of = model)", "of = model, on = lines)", 1))
    assert circuitdsl("check", toy).status == 0
    refused = 0
    for _ in range(15):
        content = bytearray(files[name].encode())
        start = draw.randrange(len(content))
        end = min(len(content), start + draw.choice([1, 2, 8, 60]))
        content[start:end] = draw.choice(
            [b"", content[start:end] * 2, bytes([draw.randrange(256)]), b'{"a": ' * 2000, b"\0", b"NaN", b"1e999"]
        )
        toy.with_name(name).write_bytes(content)
        ran = circuitdsl("check", toy)
        assert ran.status in (0, 2) and (ran.status == 2) == ("error C" in ran.err), (ran, bytes(content))
        refused += ran.status == 2
    assert refused


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.7, 0.9, 0.99])
def test_files_that_were_cut_off(circuitdsl, toy, share):
    whole = toy.read_bytes()
    toy.write_bytes(whole[: int(len(whole) * share)])
    ran = circuitdsl("check", toy)
    assert ran.status == 2 and "error C" in ran.err


def test_broken_files_of_the_corpus_give_sorted_errors(circuitdsl):
    """A quarter of it: the words are the stages' own tests. Here other models may be meant, so a file may also turn out fine."""
    found, some = 0, BAD[::4]
    for path in some:
        ran = circuitdsl("check", "--format", "json", path)
        errors = [one for one in json.loads(ran.out) if one["severity"] == "error"]
        assert (ran.status, ran.err) == (2 if errors else 0, "")
        own = [one["start"] for one in errors if one.get("file") == str(path)]
        assert own == sorted(own)
        found += bool(errors)
    assert found > 0.9 * len(some)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\xff\xfe", b"\x89PNG\r\n\x1a\n", b"{" * 3000, b"(" * 100_000, b'"' * 999, b"circuit"]
)
def test_files_that_are_something_else(circuitdsl, tmp_path, content):
    path = tmp_path / "x.circ"
    path.write_bytes(content)
    for command in ("check", "plan", "render", "verify"):
        assert circuitdsl(command, path).status == 2


@pytest.mark.parametrize("command", ["check", "plan", "render", "verify", "fmt"])
def test_files_that_are_not_files(circuitdsl, tmp_path, command):
    for path in (tmp_path, tmp_path / "none.circ", "x" * 5000, "/dev/null"):
        ran = circuitdsl(command, path)
        assert ran.status == 2 or (command == "fmt" and path == "/dev/null"), path


def change(toy, old, new):
    text = toy.read_text()
    assert old in text
    toy.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("./toys/inducton", "C401", "does not exist"),
        ("smollm2-135n", "C40", "did you mean `smollm2-135m`"),
        ("./weights.gguf", "C401", "there is no file"),
        ("https://huggingface.co/EleutherAI/pythia-14m", "C401", "id alone: `EleutherAI/pythia-14m`"),
        ("https://example.org/model.gguf", "C401", "download it"),
        ("\\n", "C401", "model"),
        ("../../../../../../etc/passwd", "C401", "model"),
    ],
)
def test_a_model_that_is_not_there(circuitdsl, toy, model, code, words, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    change(toy, "./toys/induction", model)
    ran = circuitdsl("verify", toy)
    assert ran.status == 2 and f"error {code}" in ran.err and words in ran.err


@pytest.mark.parametrize("command", ["check", "plan", "verify", "render"])
def test_a_model_that_the_flag_names_is_spoken_of_as_the_flag(circuitdsl, toy, command):
    ran = circuitdsl(command, "--model", "./none", toy)
    assert ran.status == 2 and ran.err.startswith("error C401: --model: the model folder `./none`") and "toys/induction" not in ran.err


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def save(folder, tensors):
    from safetensors.numpy import save_file

    save_file(tensors, folder / "model.safetensors")


def not_a_number(folder):
    tensors = weights(folder)
    tensors["unembed.weight"][3, 4] = np.nan
    save(folder, tensors)


def other_shape(folder):
    save(folder, {**weights(folder), "unembed.weight": np.zeros((2, 2))})


def unknown_tensor(folder):
    save(folder, {**weights(folder), "surprise": np.zeros(3)})


def cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def bad_config(folder):
    (folder / "config.json").write_text('{"model_type": "circuitdsl_toy", "layers": "two"}')


def other_family(folder):
    (folder / "config.json").write_text('{"model_type": "t5"}')


def bad_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"model": 3}')


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (not_a_number, "C407"),
        (other_shape, "C406"),
        (unknown_tensor, "C406"),
        (cut_off, "C405"),
        (pickled, "C404"),
        (bad_config, "C411"),
        (other_family, "C408"),
        (bad_tokenizer, "C413"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_model_that_is_broken(circuitdsl, toy, damage, code):
    damage(toy.parent / "toys" / "induction")
    ran = circuitdsl("verify", toy)
    assert ran.status == 2 and f"error {code}" in ran.err
    assert not list(toy.parent.glob("*.json"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--memory", "0"],
        ["--dtype", "int8"],
        ["--device", "toaster"],
        ["--seed", "-1"],
        ["--prompts", "0"],
        ["--memory", "-1GB"],
        ["--layout", "spiral"],
        ["--model", ""],
    ],
)
def test_wrong_flags(circuitdsl, toy, flags):
    ran = circuitdsl("verify", *flags, toy)
    assert ran.status == 2 and "error" in ran.err and not ran.out


def test_more_prompts_than_there_are(circuitdsl, toy):
    ran = circuitdsl("check", "--prompts", 10**9, toy)
    assert ran.status in (0, 2) and "prompts" in ran.out + ran.err


@pytest.mark.parametrize("command", ["verify", "render"])
def test_an_output_that_cannot_be_written(circuitdsl, toy, command):
    (toy.parent / "out").write_text("mine")
    path = toy.parent / "out" if command == "verify" else toy.parent / "out" / "x.svg"
    ran = circuitdsl(command, *(["--prompts", 8] if command == "verify" else []), "-o", path, toy)
    assert ran.status == 2 and "error C" in ran.err and str(toy.parent / "out") in ran.err
    assert (toy.parent / "out").read_text() == "mine"


def test_an_output_that_cannot_be_written_is_said_before_anything_is_measured(circuitdsl, toy, monkeypatch):
    (toy.parent / "out").write_text("mine")
    monkeypatch.setattr("circuitdsl.pipeline.verifying.measure", lambda *arguments: pytest.fail("measured"))
    assert "error C650" in circuitdsl("verify", "-o", toy.parent / "out", toy).err


def test_files_of_one_name_do_not_write_over_each_other(circuitdsl, toy):
    (toy.parent / "other").mkdir()
    other = shutil.copy(toy, toy.parent / "other")
    ran = circuitdsl("verify", "-o", toy.parent / "out", toy, other)
    assert ran.status == 2 and "write over each other" in ran.err and not (toy.parent / "out").exists()


def test_links_devices_and_folders_are_not_replaced(circuitdsl, toy):
    """What a link leads to is laid out, its permissions kept; what is no file is written to, or refused."""
    toy.write_text(toy.read_text().replace("  previous  =", " previous="))
    toy.chmod(0o640)
    (toy.parent / "link.circ").symlink_to(toy)
    assert circuitdsl("fmt", toy.parent / "link.circ").out.endswith("laid out\n")
    assert (toy.parent / "link.circ").is_symlink() and circuitdsl("fmt", "--check", toy).status == 0
    assert toy.stat().st_mode & 0o777 == 0o640
    (toy.parent / "null.svg").symlink_to("/dev/null")
    assert circuitdsl("render", toy, "-o", toy.parent / "null.svg").status == 0
    assert (toy.parent / "null.svg").is_char_device() and (toy.parent / "null.svg").is_symlink()
    for folder in (toy.parent, "."):
        ran = circuitdsl("init", "--force", folder)
        assert ran.status == 2 and ran.err == f"error C590: {folder}: Is a directory\n"


def test_a_width_that_is_no_number(circuitdsl, toy):
    ran = circuitdsl("render", "--width", "nan", toy)
    assert ran.status == 2 and "--width" in ran.err


def test_a_link_to_itself_is_not_suggested(circuitdsl, toy):
    loop = toy.with_name("loop.circ")
    loop.symlink_to("loop.circ")
    ran = circuitdsl("check", loop)
    assert ran.status == 2 and "error C030" in ran.err and "did you mean" not in ran.err


def test_a_full_disk_loses_nothing(program, toy):
    """No file may grow beyond 3 kB, as on a disk with that much left."""
    kept = toy.with_suffix(".prompts-8.evidence.json")
    kept.write_text("earlier")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    ran = program("verify", "--prompts", 8, toy, preexec_fn=limit)
    assert ran.status == 2 and "error C650" in ran.err and "Traceback" not in ran.err
    assert kept.read_text() == "earlier"
    assert {path.name for path in toy.parent.iterdir()} == {toy.name, kept.name, "toys"}


def test_a_reader_that_goes_away(toy):
    """`circuitdsl explain | head -1`."""
    import subprocess
    import sys

    program = Path(sys.executable).with_name("circuitdsl")
    done = subprocess.run(f"'{program}' explain | head -1", shell=True, capture_output=True, text=True)
    assert done.stdout == "measures\n" and done.stderr == ""


def test_evidence_that_was_damaged(circuitdsl, toy):
    assert circuitdsl("verify", "--prompts", 12, "--no-edges", toy).status == 0
    path = toy.with_suffix(".prompts-12.evidence.json")
    whole = path.read_bytes()
    for content in (whole[:-40], b"", b"[]", whole.replace(b'"schema_version": 1', b'"schema_version": 99'), b"\xff" + whole):
        path.write_bytes(content)
        ran = circuitdsl("render", path)
        assert ran.status == 2 and "error C65" in ran.err


def test_one_broken_file_among_several_does_not_stop_the_others(circuitdsl, toy):
    broken = Path(shutil.copy(toy, toy.with_name("broken.circ")))
    change(broken, "heads 1.0", "heads 9.0")
    ran = circuitdsl("verify", "--prompts", 12, "--no-edges", broken, toy)
    assert ran.status == 2 and "error C1" in ran.err and "exit status 0" in ran.out


def test_claims_that_have_no_prompts_are_refused_before_anything_runs(circuitdsl, toy):
    """A part that holds none, and one that cannot be divided; measurements alone may look at all of them."""
    head, text = toy.read_text().split("claims {")[0], "claims { it: %s }\n"
    few = head.replace("prompts = 360", "prompts = 2; explore = 0.5")
    for start, claim in (
        (few, "completeness(copied, ablate = zero)"),
        (head.replace("seed = 0;", "explore = 1;"), "value(copied) >= 0.5"),
        (head.replace("seed = 0;", "explore = 0;"), "completeness(copied, ablate = zero) <= 0.5"),
    ):
        toy.write_text(start + text % claim)
        ran = circuitdsl("check", toy)
        assert ran.status == 2 and "error C328" in ran.err, claim
    toy.write_text(head.replace("seed = 0;", "explore = 1;") + text % "value(copied)")
    ran = circuitdsl("verify", "--prompts", 8, toy)
    assert ran.status == 0 and "Measurements (no verdict)" in ran.out


@pytest.mark.parametrize(
    "draws",
    ["draws = 1e9", "draws = 0", "draws = 2.5", "draws = -3"],
)
def test_more_random_circuits_than_anybody_would_run(circuitdsl, toy, draws):
    toy.write_text(toy.read_text().split("claims {")[0] + f"claims {{ it: rank_among_random(copied, {draws}) <= 0.1 }}\n")
    ran = circuitdsl("plan", toy)
    assert ran.status == 2 and "error C375: `draws` is a whole number from 1 to 10,000" in ran.err


@pytest.mark.parametrize("flags", [["--seed", 2**32], ["--prompts", 10**7]])
def test_a_flag_that_a_setting_does_not_take_is_spoken_of_as_the_flag(circuitdsl, toy, flags):
    ran = circuitdsl("check", *flags, toy)
    assert ran.status == 2 and ran.err.startswith(f"error C302: {flags[0]} takes a whole number") and "^" not in ran.err
    (error,) = json.loads(circuitdsl("check", "--format", "json", *flags, toy).out)
    assert error["code"] == "C302" and "line" not in error


def test_a_figure_without_an_ending_is_refused(circuitdsl, toy):
    ran = circuitdsl("render", "-o", toy.with_name("figure"), toy)
    assert ran.status == 2 and "error C605" in ran.err and "graphml" in ran.err and not toy.with_name("figure").exists()
    assert circuitdsl("render", "--format", "svg", "-o", toy.with_name("figure"), toy).status == 0
