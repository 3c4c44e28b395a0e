"""The language as a whole, through `check`, `fmt` and `verify`."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "hypotheses" / f"{name}.circ" for name in ("greater_than_gpt2", "induction_toy", "ioi_gpt2", "ioi_smollm2")]

SHARED = """
# Vocabularies, with fields too.
vocab colours = "red", "blue", "green", "white", "black", "brown"
vocab pairs(one, two) = ("pink", "grey"), ("gold", "tan"), ("teal", "plum")
"""
MAIN = '''circuit "Every part of the language"
"""
red pink grey red -> pink
"""
cite "arXiv:2209.11895"
use "shared.circ"  # vocabularies
model "./toys/induction"

prompts clean {
  "{x} {pair.one} {pair.two} {again}"
  """{y} {x} {pair.one} {pair.two} {again}"""
  x, y in colours distinct
  pair in pairs
  again = x
  answer pair.one wrong pair.two, "plum"
}
prompts other from clean { redraw again distinct }
prompts lines from "lines.jsonl"
prompts blocks {
  "{block}{block}"
  block in random tokens 4
}

feature same = x == again
feature both = x, pair.one
metric diff = logit(answer) - max(logit(w) for w in wrong) @ END
metric share = sum(prob(again = c) for c in colours if c != x) @ END
metric copy_loss = loss(block:2[1..3]), lower
metric sure = logprob(answer) @ END
metric away = kl @ END, lower

nodes {
  previous  = heads 0.0
  induction = heads 1.0 @ END carries x
  both_     = previous, induction
}
edges {
  embed     -> previous, induction.q, induction.v
  previous  -> induction.k; induction -> logits
}
settings { prompts = 48; seed = 1; explore = 0.5; ablate = resample(other) }
claims {
  works:    accuracy(diff, of = model) >= 0.5
  best:     top1(diff, of = circuit) >= 0.5
  faithful: faithfulness(diff) = 1 +- 0.01
  looks:    attention(each both_, query = END, key = x)
  loss:     value(copy_loss, on = blocks, of = model)
  surely:   value(sure, of = model)
  far:      value(away, of = circuit)
  given:    value(diff, on = lines, of = model) >= 0.9
}
'''
LINE = {
    "clean": "red blue red",
    "counterfactual": "red blue green",
    "answer": "blue",
    "wrong": ["red"],
    "positions": {"cue": 2},
    "kind": "short",
}


@pytest.fixture
def whole(toy):
    path = toy.with_name("whole.circ")
    path.write_text(MAIN, encoding="utf-8")
    path.with_name("shared.circ").write_text(SHARED, encoding="utf-8")
    lines = [LINE, LINE | {"clean": "tan gold tan", "counterfactual": "tan gold plum", "answer": "gold", "wrong": ["tan"]}] * 8
    path.with_name("lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_file_with_every_part_is_checked_and_measured(circuitdsl, whole):
    ran = circuitdsl("check", whole)
    assert ran.status == 0 and "4 claims, 4 measurements" in ran.out, ran.err
    ran = circuitdsl("verify", "--format", "json", whole)
    outcomes = {claim["label"]: claim["verdict"]["outcome"] for claim in json.loads(ran.out)["claims"]}
    assert {outcomes[label] for label in ("looks", "loss", "surely", "far")} == {"measured"}
    assert outcomes["faithful"] == "supported" and ran.status in (0, 3)


def test_check_tokens_shows_every_layout_token_by_token(circuitdsl, whole):
    """BOS as the model's own tokenizer puts it, slots at the tokens where they stand, prompts of different lengths."""
    shown = circuitdsl("check", "--tokens", whole).out
    for pattern in (r"0\s+«?<bos>", r"pair", r"again", r"END", r"block:2"):
        assert re.search(pattern, shown), pattern
    lengths = {int(number) for number in re.findall(r"^\s*(\d+) .*END", shown, re.MULTILINE)}
    assert {4, 5} <= lengths


def test_all_errors_come_at_once_sorted_underlined_and_with_a_suggestion(circuitdsl, whole):
    text = (
        MAIN.replace("x, y in colours", "x, y in colors")
        .replace("heads 1.0", "heads 9.0")
        .replace("faithfulness(diff)", "faithfulnes(diff)")
    )
    whole.write_text(text.replace("induction.q", "inducton.q"))
    ran = circuitdsl("check", whole)
    places = [(int(line), code) for line, code in re.findall(r"whole\.circ:(\d+):\d+: error (C\d{3})", ran.err)]
    assert ran.status == 2 and len(places) >= 4 and places == sorted(places)
    assert ran.err.count("^") >= 4
    for word in ("colours", "induction", "faithfulness"):
        assert f"did you mean `{word}`" in ran.err


@pytest.mark.parametrize("wrong, right", [("→", "->"), ("≥", ">="), ("80%", "0.8"), (".5", "0.5"), ("L9H6", "9.6"), ("induction.Q", ".q")])
def test_habits_from_elsewhere_are_recognised(circuitdsl, whole, wrong, right):
    text = {
        "→": MAIN.replace("induction -> logits", "induction → logits"),
        "≥": MAIN.replace("(diff, of = model) >= 0.5", "(diff, of = model) ≥ 0.5"),
        "80%": MAIN.replace("(diff, of = model) >= 0.5", "(diff, of = model) >= 80%"),
        ".5": MAIN.replace("(diff, of = model) >= 0.5", "(diff, of = model) >= .5"),
        "L9H6": MAIN.replace("heads 0.0", "heads L9H6"),
        "induction.Q": MAIN.replace("induction.q", "induction.Q"),
    }[wrong]
    assert text != MAIN
    whole.write_text(text, encoding="utf-8")
    ran = circuitdsl("check", whole)
    assert ran.status == 2 and right in ran.err


def test_pairs_of_unequal_length_are_an_error_that_shows_both(circuitdsl, whole):
    whole.write_text(MAIN.replace("{ redraw again distinct }", '{ "{x} {again}" }').replace('{ "{x} {again}" }', '{ again = "red red" }'))
    ran = circuitdsl("check", whole)
    assert ran.status == 2 and re.search(r"error C2\d\d", ran.err)


def test_a_claim_that_needs_an_ablation_and_finds_none_is_an_error(circuitdsl, whole):
    whole.write_text(MAIN.replace("; ablate = resample(other)", ""))
    ran = circuitdsl("check", whole)
    assert ran.status == 2 and "ablat" in ran.err


def test_nothing_outside_the_folder_is_read(circuitdsl, whole, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "shared.circ"
    outside.write_text(SHARED)
    whole.with_name("shared.circ").unlink()
    whole.with_name("shared.circ").symlink_to(outside)
    assert circuitdsl("check", whole).status == 2
    whole.write_text(MAIN.replace('"shared.circ"', f'"{outside}"'))
    assert circuitdsl("check", whole).status == 2


def test_fmt_keeps_comments_and_is_idempotent(circuitdsl, whole):
    whole.write_text(MAIN.replace("  ", "      ").replace(" = ", "="), encoding="utf-8")
    assert circuitdsl("fmt", "--check", whole).status == 1
    assert circuitdsl("fmt", whole).status == 0
    once = whole.read_text()
    assert "# vocabularies" in once
    assert circuitdsl("fmt", "--check", whole).status == 0
    assert circuitdsl("fmt", whole).out == "" and whole.read_text() == once
    assert circuitdsl("check", whole).status == 0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_laid_out(circuitdsl, path):
    assert circuitdsl("fmt", "--check", path).status == 0


@pytest.mark.real
def test_a_slot_of_several_tokens_stands_at_its_last_and_its_first_is_the_target(circuitdsl, tmp_path):
    path = tmp_path / "long.circ"
    path.write_text(
        """model "smollm2-135m"
vocab names = "Bartholomew", "Maximilian", "Anna"
prompts clean {
  "{S} saw {IO}, and {S2} gave a drink to"
  S, IO in names distinct
  S2 = S
  answer IO wrong S
}
metric diff = logit(answer) - logit(wrong) @ END
claims { mean: value(diff, of = model) }
"""
    )
    ran = circuitdsl("check", "--tokens", path)
    assert ran.status == 0 and "warning W022" in ran.err and "several tokens" in ran.err
    assert re.search(r"IO\[1\]", ran.out)
