"""Metrics as token ids at positions."""

import numpy as np
import pytest

from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, FoldOver, Pick, SpanLoss
from circuitdsl.borders.source import Severity

DIGITS = 'vocab years = {}\nprompts clean {{ "the war of {{a}}x {{YY}} to x"; YY in years; a in years; answer YY }}\n'


def bound(space, name="m", distribution="clean"):
    return space.metrics[name].bound[distribution]


def test_difference_of_logits(make, ioi) -> None:
    space = make(ioi + "prompts swap from clean { S2 = IO; answer S1 wrong IO }\nmetric m = logit(answer) - logit(wrong) @ END")
    metric = space.metrics["m"]
    assert (metric.text.strip(), metric.position, metric.lower, set(metric.bound)) == (
        "logit(answer) - logit(wrong)",
        "END",
        False,
        {"clean", "swap"},
    )
    for name in ("clean", "swap"):
        prompts, found = space.distributions[name].prompts, bound(space, distribution=name)
        assert isinstance(found, Arithmetic) and found.operator == "-"
        assert isinstance(found.left, Pick) and isinstance(found.right, Pick)
        assert found.left.ids.tolist() == [prompt.answer for prompt in prompts]
        assert found.right.ids.tolist() == [prompt.wrong[0] for prompt in prompts]
        assert found.left.positions.tolist() == [prompt.layout.length - 1 for prompt in prompts] == metric.positions[name].tolist()


def test_a_slot_has_its_token_in_that_very_prompt(make, ioi, tokenizer) -> None:
    space = make(ioi + 'metric m = prob(IO) @ S2+1\nmetric spelled = prob(" {IO}")\nmetric bare = prob("{IO}")\nmetric at = prob(S2[0])')
    prompts = space.distributions["clean"].prompts
    assert [tokenizer.decode([token]) for token in bound(space).ids] == [" " + prompt.values["IO"] for prompt in prompts]
    assert bound(space).positions.tolist() == [prompt.layout.span("S2")[1] for prompt in prompts]
    assert space.metrics["m"].position == "S2+1"
    assert bound(space, "spelled").ids.tolist() == bound(space).ids.tolist()
    assert bound(space, "at").ids.tolist() == [prompt.wrong[0] for prompt in prompts]
    assert not set(bound(space, "bare").ids) & set(bound(space).ids)


@pytest.mark.parametrize(("function", "said"), [("logit", "start"), ("prob", "start")])
def test_a_slot_at_the_start_is_spelled_out(make, function, said) -> None:
    text = 'vocab n = "Mary", "John"\nprompts clean {{ "{{A}} gave to"; A in n }}\nmetric m = {}'
    (error,) = make(text.format(f"{function}(A)"), clean=False).errors
    assert error.code == "C240" and said in error.message and f'{function}(" {{A}}")' in error.hint
    assert bound(make(text.format(f'{function}(" {{A}}")'))).ids.shape == (2,)


def test_different_places_with_different_tokens(make) -> None:
    text = 'vocab n = "Mary", "John"\nprompts clean {{ "({{A}} and {{A}} to"; A in n }}\nmetric m = {}'
    (error,) = make(text.format("logit(A)"), clean=False).errors
    assert error.code == "C240" and "different places" in error.message
    ids = {name: bound(make(text.format(f"logit({name})"))).ids.tolist() for name in ("A:1", "A:2")}
    assert ids["A:1"] != ids["A:2"]


def test_shared_tokens_are_no_target(make) -> None:
    text = 'vocab n = "boo", "par"\nprompts clean { "a {A}k to"; A in n }\nmetric m = logit(A)'
    assert [error.code for error in make(text, clean=False).errors] == ["C240"]


def test_several_tokens_and_which_one(make, tokenizer) -> None:
    text = 'vocab n = "Zyxwvut"\nprompts clean {{ "the {{A}} to"; A in n }}\nmetric m = {}'
    first, last = make(text.format("logit(A)")), make(text.format("logit(A.last)"))
    prompt = first.distributions["clean"].prompts[0]
    start, end = prompt.layout.span("A")
    assert bound(first).ids.tolist() == [prompt.tokens[start]] and bound(last).ids.tolist() == [prompt.tokens[end - 1]]
    assert "W022" in [found.code for found in first.diagnostics] and "W022" not in [found.code for found in last.diagnostics]


def test_every_value_of_several_tokens_that_a_metric_reads_is_named(make) -> None:
    names = [f"Zq{first}{second}x" for first in "abcde" for second in "vwx"]
    listed = ", ".join(f'"{name}"' for name in names)
    text = f'vocab n = {listed}\nprompts clean {{ "the {{A}} to"; A in n }}\nmetric m = logit(A)\nmetric o = logit(" {{A}}")'
    found = [one for one in make(text).diagnostics if one.code == "W022"]
    assert len(found) == 2 and all(name in one.message for one in found for name in names)
    assert all("in 15 of 15 cases" in one.message for one in found)


def test_what_follows_digits_has_no_space(make, tokenizer) -> None:
    text = 'vocab cc = "x1"\nvocab years = "42", "77"\nprompts clean { "year {c}{YY} to {c}"; c = "xx"; YY in years; answer YY }'
    for prompt in make(text).distributions["clean"].prompts:
        assert prompt.answer == prompt.tokens[prompt.layout.span("YY")[0]]


def test_a_fold_over_a_vocabulary_with_a_condition(make, tokenizer) -> None:
    """`prob(YY = y)`: the token that YY would have with that value; the order of integers, not of texts."""
    years = ["8", "9", "10", "11", "100"]
    text = DIGITS.format(", ".join(f'"{year}"' for year in years)).replace(" {{YY}}", "").replace("{a}x {YY}", "{a}x-{YY}-")
    space = make(text + "metric m = sum(prob(YY = y) for y in years if y > YY) - sum(prob(YY = y) for y in years if y <= YY)", count=99)
    found, prompts = bound(space), space.distributions["clean"].prompts
    above, below = found.left, found.right
    assert isinstance(above, FoldOver) and isinstance(above.body, Pick) and above.how == "sum"
    assert above.mask.shape == above.body.ids.shape == (25, 5)
    assert np.array_equal(above.mask, ~below.mask)
    for row, prompt in enumerate(prompts):
        assert above.mask[row].tolist() == [int(year) > int(prompt.values["YY"]) for year in years]
        own = prompt.tokens[prompt.layout.span("YY")[0]]
        assert above.body.ids[row, years.index(prompt.values["YY"])] == own
    assert [tokenizer.decode([token]) for token in above.body.ids[0]] == ["8", "9", "1", "1", "1"]
    assert "W020" in [found.code for found in space.diagnostics]


def test_texts_are_ordered_as_texts(make) -> None:
    space = make('vocab v = "b", "10", "9"\nprompts clean { "x {A} to"; A in v }\nmetric m = sum(prob(y) for y in v if y < A)', use="words")
    for row, prompt in zip(bound(space).mask, space.distributions["clean"].prompts, strict=True):
        assert row.tolist() == [value < prompt.values["A"] for value in ("b", "10", "9")]


def test_folds_over_wrong_answers(make, tmp_path) -> None:
    rows = ['{"clean": "the key", "answer": " is", "wrong": [" are", " to"]}', '{"clean": "a key", "answer": " to", "wrong": " is"}']
    (tmp_path / "f.jsonl").write_text("\n".join(rows))
    text = 'prompts clean from "f.jsonl"\nmetric m = logit(answer) - max(logit(w) for w in wrong)\n'
    space = make(
        text + 'metric part = sum(prob(w) for w in wrong if w != " is")\nmetric spelled = mean(prob("{w}") for w in wrong)', folder=tmp_path
    )
    fold, prompts = bound(space).right, space.distributions["clean"].prompts
    assert fold.how == "max"
    for row, prompt in enumerate(prompts):
        assert fold.body.ids[row][fold.mask[row]].tolist() == list(prompt.wrong)
        assert bound(space, "part").mask[row].sum() == (2 if len(prompt.wrong) == 2 else 0)
        assert bound(space, "spelled").body.ids[row][fold.mask[row]].tolist() == list(prompt.wrong)
    assert sorted(fold.mask.sum(1)) == [1, 2]


def test_loss_of_a_span_is_read_one_earlier(make) -> None:
    text = 'prompts clean { "{block}{block}"; block in random tokens 9 }\n'
    text += "metric m = loss(block:2[1..8]), lower\nmetric all_of_it = loss(block:2)"
    space = make(text)
    found = bound(space)
    assert isinstance(found, SpanLoss) and space.metrics["m"].lower
    assert found.mask.all() and found.positions.shape == (20, 8)
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        assert found.positions[row].tolist() == list(range(9, 17))
        assert found.targets[row].tolist() == list(prompt.tokens[10:18])
    assert bound(space, "all_of_it").positions.shape == (20, 9)


def test_spans_of_different_length_are_masked(make) -> None:
    space = make(
        'vocab n = "Zyxwvut", "Mary"\nprompts clean { "the {A} to"; A in n }\nmetric m = loss(A.first)\nmetric part = loss(A)', use="bpe"
    )
    prompts = space.distributions["clean"].prompts
    spans = [prompt.layout.span("A") for prompt in prompts]
    assert bound(space).mask.all() and bound(space, "part").mask.sum(1).tolist() == [end - start for start, end in spans]
    assert max(end - start for start, end in spans) > 1
    last = make('vocab n = "Zyxwvut", "Mary"\nprompts clean { "the {A} to"; A in n }\nmetric m = loss(A.last)', use="bpe")
    assert bound(last).mask.sum(1).tolist() == [1, 1]


def test_kl_numbers_and_other_metrics(make, ioi) -> None:
    space = make(ioi + "metric far = kl\nmetric base = logit(IO) @ S2\nmetric m = -(base - 2.5) / 2 * logit(S1)\nmetric out = m + far")
    assert isinstance(bound(space, "far"), Divergence)
    found = bound(space)
    assert found.operator == "*" and isinstance(found.left, Arithmetic) and found.left.operator == "/"
    negated = found.left.left
    assert isinstance(negated, Arithmetic) and isinstance(negated.left, Constant) and negated.left.value == 0
    prompts = space.distributions["clean"].prompts
    assert negated.right.left.positions.tolist() == [prompt.layout.span("S2")[0] for prompt in prompts]
    assert found.right.positions.tolist() == [prompt.layout.length - 1 for prompt in prompts]


def test_metrics_are_bound_where_they_can_be(make, ioi) -> None:
    other = 'prompts other { "the {thing} to"; thing in objects }\nprompts odd from clean { redraw IO }\n'
    space = make(ioi + other + "metric m = logit(IO)\nmetric t = logit(thing)\nmetric l = loss(END)")
    assert {name: set(metric.bound) for name, metric in space.metrics.items()} == {
        "m": {"clean", "odd"},
        "t": {"other"},
        "l": {"clean", "odd", "other"},
    }


def test_other_values_in_a_slot(make, ioi, tokenizer) -> None:
    space = make(
        ioi + 'metric m = prob(IO = S1)\nmetric t = prob(IO = "Peter")\nmetric n = sum(prob(n) for n in names if n != IO and not n == S1)'
    )
    prompts = space.distributions["clean"].prompts
    assert bound(space).ids.tolist() == [prompt.wrong[0] for prompt in prompts]
    assert {tokenizer.decode([token]) for token in bound(space, "t").ids} == {" Peter"}
    fold = bound(space, "n")
    assert [tokenizer.decode([token]) for token in fold.body.ids[0]] == [" Mary", " John", " Alice", " Kevin", " Laura", " Peter"]
    assert fold.mask.sum(1).tolist() == [4] * 20


def test_other_values_between_blocks(make, tokenizer) -> None:
    """Only the text between two blocks counts, and a slot may stand at its start."""
    text = 'vocab v = "Mary", "John"\nprompts clean { "{b}: the {A} {b}{B} to"; A, B in v distinct; b in random tokens 3 }\n'
    space = make(text + "metric m = prob(A = B)\nmetric n = prob(B)\nmetric o = sum(prob(A = y) for y in v)")
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        assert tokenizer.decode([bound(space).ids[row]]) == " " + prompt.values["B"]
        assert bound(space, "n").ids[row] == prompt.tokens[prompt.layout.span("B")[0]] != bound(space).ids[row]
        assert [tokenizer.decode([token]) for token in bound(space, "o").body.ids[row]] == [" Mary", " John"]


def test_fields_of_a_fold(make, tokenizer) -> None:
    text = 'vocab f(c, t) = ("France", "Paris"), ("Japan", "Tokyo")\nprompts clean { "The capital of {x.c} is"; x in f; answer x.t }\n'
    space = make(text + "metric m = logit(answer) - max(logit(y.t) for y in f if y.c != x.c)")
    fold = bound(space).right
    for row, prompt in enumerate(space.distributions["clean"].prompts):
        assert tokenizer.decode([prompt.answer]) == " " + prompt.values["x.t"]
        assert [tokenizer.decode([token]) for token in fold.body.ids[row]] == [" Paris", " Tokyo"]
        assert fold.body.ids[row][~fold.mask[row]].tolist() == [prompt.answer]


def test_merging_values_are_left_out_of_a_fold(make) -> None:
    """ "x" + a digit is two tokens and "1" + a digit one: those values have no token of their own."""
    text = 'vocab b = "x", "y", "17"\nprompts clean { "year 1{B} to"; B in b }\nmetric m = sum(prob(B = y) for y in b)'
    space = make(text.replace('"17"', '"7"'), count=2)
    assert bound(space).mask.sum(1).tolist() == [2, 2]
    assert "W029" in [found.code for found in space.diagnostics if found.severity is Severity.WARNING]


@pytest.mark.parametrize("use", ["bpe", "bos", "words", "spm", None])
def test_every_tokenizer_binds_the_same_metrics(make, ioi, use) -> None:
    space = make(ioi + "metric m = logit(answer) - logit(wrong)\nmetric n = sum(prob(IO = y) for y in names if y != S1)", use=use)
    assert set(space.metrics) == {"m", "n"}
    if use:
        assert (bound(space, "n").body.ids >= 0).all()
