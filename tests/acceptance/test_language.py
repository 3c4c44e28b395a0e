"""The language as a whole, through `check`, `fmt` and `verify`."""

import dataclasses
import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitdsl.borders import document as doc

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
GENERATED = spec_from_file_location("roundtrip", ROOT / "tests" / "01_language" / "test_roundtrip.py")
roundtrip = module_from_spec(GENERATED)
GENERATED.loader.exec_module(roundtrip)
LINE = {
    "clean": "red blue red",
    "counterfactual": "red blue green",
    "answer": " blue",
    "wrong": [" red"],
    "positions": {"cue": 2},
    "kind": "short",
}


@pytest.fixture
def whole(toy):
    path = toy.with_name("whole.circ")
    path.write_text(MAIN, encoding="utf-8")
    path.with_name("shared.circ").write_text(SHARED, encoding="utf-8")
    lines = [LINE, LINE | {"clean": "tan gold tan", "counterfactual": "tan gold plum", "answer": " gold", "wrong": [" tan"]}] * 8
    path.with_name("lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_file_with_every_part_is_checked_and_measured(circuitdsl, whole):
    ran = circuitdsl("check", whole)
    assert ran.status == 0 and "4 claims, 4 measurements" in ran.out, ran.err
    ran = circuitdsl("verify", "--format", "json", whole)
    outcomes = {claim["label"]: claim["verdict"]["outcome"] for claim in json.loads(ran.out)["claims"]}
    assert {outcomes[label] for label in ("looks", "loss", "surely", "far")} == {"measured"}
    assert outcomes["works"] == outcomes["best"] == "supported"
    assert outcomes["faithful"] == "inconclusive"  # the same number on every prompt, and a difference of logits has no bounds
    assert ran.status in (0, 3)


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


CLAIMS = st.builds(doc.Document, st.tuples(st.builds(doc.ClaimsStatement, roundtrip.several(roundtrip.claims, least=2, most=4))))


@settings(deadline=None, max_examples=60)
@given(roundtrip.documents | CLAIMS)
def test_print_then_parse_is_the_identity_on_generated_documents(document):
    from circuitdsl.borders.source import Source
    from circuitdsl.language.formatter import format_document
    from circuitdsl.language.parser import parse

    text = format_document(document)
    assert parse(Source(text)) == document
    assert format_document(parse(Source(text))) == text


def test_the_syntax_tree_is_frozen_and_says_where_each_part_stands(whole):
    from circuitdsl.pipeline import read

    document = read(whole)
    text, seen = document.source.text, []

    def look(part):
        if isinstance(part, tuple):
            for one in part:
                look(one)
        elif isinstance(part, doc.Syntax):
            seen.append(part)
            with pytest.raises(dataclasses.FrozenInstanceError):
                part.span = None
            for one in dataclasses.fields(part):
                if one.name not in ("source", "comments", "span"):
                    look(getattr(part, one.name))

    look(document)
    names = [part for part in seen if isinstance(part, doc.Name) and "." not in part.text]
    assert len(seen) > 200 and len(names) > 60
    assert all(text[name.span.start : name.span.end] == name.text for name in names)


def test_features_and_what_nodes_carry_are_resolved_and_checked(circuitdsl, whole):
    from circuitdsl.borders.flags import Flags
    from circuitdsl.pipeline import read, resolve

    hypothesis = resolve(read(whole), Flags())
    assert hypothesis.nodes["induction"].carries == "x"
    words = [prompt.text.split() for prompt in hypothesis.distributions["clean"].prompts]
    classes = {name: hypothesis.features[name]["clean"] for name in ("x", "both")}
    for one, other in combinations(range(len(words)), 2):
        assert (classes["x"][one] == classes["x"][other]) == (words[one][-1] == words[other][-1])
        assert (classes["both"][one] == classes["both"][other]) == (words[one][-1::-2][:2] == words[other][-1::-2][:2])
    assert not set(hypothesis.features["same"]["clean"]) & set(hypothesis.features["same"]["other"])
    whole.write_text(MAIN.replace("carries x", "carries z"))
    ran = circuitdsl("check", whole)
    assert ran.status == 2 and "`z`" in ran.err


@pytest.mark.parametrize("family", ["llama"])
@pytest.mark.parametrize("adds", [True, False], ids=["BOS", "no BOS"])
def test_bos_and_token_ids_are_exactly_those_of_the_models_own_tokenizer(circuitdsl, model_file, adds):
    """As transformers reads the folder; `bos` in the settings says otherwise; `check --tokens` shows them."""
    from transformers import AutoTokenizer

    from circuitdsl.borders.flags import Flags
    from circuitdsl.pipeline import read, resolve

    path = model_file.parent / "model" / "tokenizer.json"
    if not adds:
        path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    own = AutoTokenizer.from_pretrained(model_file.parent / "model")
    hypothesis = resolve(read(model_file), Flags())
    prompts = [prompt for distribution in hypothesis.distributions.values() for prompt in distribution.prompts]
    assert len(prompts) == 20 and all(list(prompt.tokens) == own(prompt.text).input_ids for prompt in prompts)
    assert {prompt.tokens[0] == own.bos_token_id for prompt in prompts} == {adds}
    assert ("<s>" in circuitdsl("check", "--tokens", model_file).out) == adds
    model_file.write_text(model_file.read_text().replace("settings {", f"settings {{ bos = {str(not adds).lower()};"))
    turned = resolve(read(model_file), Flags()).distributions["clean"].prompts
    assert {prompt.tokens[0] == own.bos_token_id for prompt in turned} == {not adds}
    bare = [own(prompt.text, add_special_tokens=False).input_ids for prompt in turned]
    assert [list(prompt.tokens[not adds :]) for prompt in turned] == bare


@pytest.mark.real
def test_token_ids_of_the_real_models_prompts_are_transformers_own():
    from transformers import AutoTokenizer

    from circuitdsl.borders.flags import Flags
    from circuitdsl.models.locate import locate
    from circuitdsl.pipeline import read, resolve

    hypothesis = resolve(read(ROOT / "hypotheses" / "ioi_smollm2.circ"), Flags(settings={"prompts": 32}))
    path = locate(hypothesis.model, hypothesis.source.folder).path
    own = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    for distribution in hypothesis.distributions.values():
        assert all(list(prompt.tokens) == own(prompt.text).input_ids for prompt in distribution.prompts)
