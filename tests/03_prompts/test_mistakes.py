"""What is said about files with mistakes: the code, the place, and a mend."""

import re
from pathlib import Path

import pytest

from circuitdsl.borders import document as doc
from circuitdsl.borders.source import Source
from circuitdsl.language.parser import parse
from circuitdsl.prompts import CODES, build, metrics

V = 'vocab v = "Mary", "John"\nvocab f(c, t) = ("France", "Paris"), ("Japan", "Tokyo")\n'
P = 'prompts clean { "the {A} of {x.c} to"; A in v; x in f; answer x.t wrong A }\n'

CASES = [
    # text, code, what is underlined, a word of message or hint
    ('vocab w = "a", ""', "C203", "w", "empty value"),
    ('vocab w(a, a) = ("x", "y")', "C206", "a", "twice"),
    ('vocab w(first, a) = ("x", "y")', "C206", "first", "another name"),
    ('vocab template = "x"', "C209", "template", "meaning of its own"),
    ('prompts p { "the {END} to"; END in v }', "C209", "END", "meaning of its own"),
    ('prompts p { "the {B} to"; B in vv }', "C210", "vv", "did you mean `v`?"),
    ("prompts p from claen { redraw A }", "C211", "claen", "did you mean `clean`?"),
    ("prompts p from clean { redraw a }", "C212", "a", "did you mean `A`?"),
    ("prompts p from clean { S2 = A }", "C212", "S2", "no slot"),
    ('prompts p { "the {B} to" }', "C212", "{B}", "say what it is: `B in VOCABULARY` or `B = …`"),
    ('prompts p { "the {A1} to {A2}"; A1 in v }', "C212", "{A2}", "did you mean `A1`? Or say what it is: `A2 in VOCABULARY`"),
    ('prompts p from clean { "other {A}" }', "C213", '"other {A}"', "templates"),
    ('prompts p { "the {B}"; B in v; redraw B }', "C213", "redraw B", "from"),
    ("prompts p { B in v }", "C214", "p", "template"),
    ('prompts p { "the {B}"; B in v; B in v }', "C215", "B", "twice"),
    ('prompts p { "the {B}"; B in v; B = "x" }', "C215", "B", "twice"),
    ('prompts p { "the {B}"; B in v; answer B; answer B }', "C215", "answer B", "twice"),
    ('vocab v = "x"', "C215", "v", "twice"),
    ("metric v = kl", "C215", "v", "a metric here"),
    ("feature A = x == x", "C215", "A", "a feature here"),
    ("prompts p from clean { redraw A; A = x.c }", "C215", "p", "twice"),
    ('prompts p { "the {B}"; B, C, D in v distinct }', "C216", "B, C, D in v distinct", "has 2"),
    ("prompts p from clean { redraw A, x distinct; redraw A }", "C215", "p", "`A`"),
    ('prompts p { "the {b}"; b in random tokens 0 }', "C217", "b in random tokens 0", "1 to"),
    ("prompts p from clean { redraw x.c }", "C218", "x.c", "redraw `x`"),
    ('prompts p from clean { x.c = "x" }', "C218", "x.c", "assign `x`"),
    ('prompts p from clean { x = "x" }', "C218", 'x = "x"', "fields"),
    ('prompts p { "the {B}"; B = C; C = B }', "C219", "B = C", "each other"),
    ('prompts p { "the {A"; A in v }', "C220", '"the {A"', "{{"),
    ('prompts p { "the } {A}"; A in v }', "C220", '"the } {A}"', "}}"),
    ('prompts p { "the {A:2}"; A in v }', "C220", '"the {A:2}"', "counted by themselves"),
    ('prompts p { "the {} x" }', "C220", '"the {} x"', "not a slot"),
    ('prompts p { "the {A.first}"; A in v }', "C220", "{A.first}", "whole slot"),
    ('prompts p { "the {x}"; x in f }', "C206", "{x}", "which field"),
    ('prompts p { "the {x.country}"; x in f }', "C206", "{x.country}", "no field"),
    ('prompts p { "the {A} to "; A in v; answer A }', "C223", "answer A", "space"),
    ("metric m = A", "C230", "A", "logit(A)"),
    ('metric m = "Mary"', "C230", '"Mary"', "logit"),
    ("metric m = logit(A) == logit(A)", "C230", "logit(A) == logit(A)", "if"),
    ("metric m = sum(sum(prob(z) for z in v) for y in v)", "C230", "sum(prob(z) for z in v)", "within a fold"),
    ("metric m = sum(loss(A) for y in v)", "C230", "loss(A)", "fold"),
    ("metric m = kl\nmetric o = mm + 1", "C231", "mm", "did you mean `m`?"),
    ("metric m = logits(A)", "C232", "logits", "did you mean `logit`?"),
    ("metric m = median(prob(y) for y in v)", "C232", "median", "did you mean `mean`?"),
    ('metric m = loss("x")', "C233", 'loss("x")', "positions"),
    ("metric m = loss", "C231", "loss", "no metric"),
    ("metric m = logit(A) @ B", "C234", "B", "positions are slots"),
    ("metric m = logit(A) @ A+99", "C234", "A+99", "outside"),
    ("metric m = loss(END-9)", "C234", "END-9", "outside"),
    ("feature g = A and A", "C235", "A", "comparisons"),
    ('feature g = A == (x == "y")', "C235", None, "cannot compare"),
    ("feature g = A < 3", "C235", "A < 3", "integers"),
    ("feature g = v == A", "C235", "v", "not a slot"),
    ("metric m = sum(prob(y) for y in v if y)", "C235", "y", "no condition"),
    ('prompts p { "the {B}"; B in v }\nmetric m = logit(wrong) - logit(C)', "C212", "C", "no slot"),
    ("feature g = bin(A, 1, 2)", "C235", "bin(A, 1, 2)", "integers"),
    ("feature g = bin(template, 2, 1)", "C233", "bin(template, 2, 1)", "rise"),
    ("feature g = bun(template, 2, 1)", "C232", "bun", "bin"),
    ("metric m = logit(A, 2)", "C233", "logit(A, 2)", "without numbers"),
    ("feature g = template == 1.5", "C237", "template == 1.5", "decimals"),
    ('metric m = max(prob(y) for y in v if y == "x")', "C239", None, "nothing to go over"),
    ("metric m = logit(x.t)", "C240", "logit(x.t)", "does not stand in the text"),
    ("metric m = logit(x)", "C206", "x", "which field"),
    ("metric m = logit(AA)", "C212", "AA", "did you mean `A`?"),
    ("metric m = logit(right)", "C212", "right", "known: `A`, `x`, `answer` and `wrong`"),
    ("metric m = sum(prob(A = y) for A in v)", "C215", "A", "another name"),
    ("metric m = sum(prob(y) for y in vv)", "C210", "vv", "did you mean `v`?"),
    ("metric m = m + 1", "C219", "m", "by itself"),
    ("feature g = g == A", "C219", "g", "by itself"),
    ("feature g = AA == x", "C212", "AA", "did you mean `A`?"),
    ('metric m = logit(A = "x{A")', "C220", '"x{A"', "{{"),
]


@pytest.mark.parametrize(("text", "code", "underlined", "said"), CASES, ids=[f"{code} {text[:60]!r}" for text, code, _, _ in CASES])
@pytest.mark.parametrize("use", ["bpe", None])
def test_a_mistake_is_said(make, text, code, underlined, said, use) -> None:
    whole = V + P + text
    space = make(whole, use=use, clean=False)
    if use is None and code == "C223":  # about tokens
        assert not space.errors
        return
    (error,) = [found for found in space.errors if found.code == code][:1] or [None]
    assert error, space.errors
    assert [found.code for found in space.errors] == [code]
    if underlined:
        assert whole[error.span.start : error.span.end].strip() == underlined
    assert said in error.message + error.hint
    assert code in CODES
    if code not in ("C215",):
        assert "clean" in space.distributions


def test_several_wrong_answers_need_a_fold(make) -> None:
    text = V + 'prompts clean { "the {A} to"; A in v; answer A wrong "is", "on" }\nmetric m = logit(answer) - logit(wrong)'
    (error,) = make(text, clean=False).errors
    assert error.code == "C236" and "`max(logit(w) for w in wrong)`" in error.hint
    assert make(text.replace("logit(wrong)", "max(logit(w) for w in wrong)")).metrics


def test_answers_that_are_not_there(make) -> None:
    text = V + 'prompts clean { "the {A} to"; A in v }\nmetric m = logit(answer)\nmetric n = max(logit(w) for w in wrong)'
    assert [error.code for error in make(text, clean=False).errors] == ["C236", "C236"]


def test_folds_have_a_limit(make, monkeypatch) -> None:
    monkeypatch.setattr(metrics, "LARGEST", 3)
    space = make(V + P + "metric m = sum(prob(y) for y in v)", clean=False)
    assert [error.code for error in space.errors] == ["C238"]


def test_warnings_about_the_prompts_themselves(make, codes_of, tokenizers) -> None:
    none = 'prompts clean {{ "{}the {{A}} to"; A, B in v distinct; answer B wrong A }}\n'
    assert codes_of(make(V + none.format(""), count=2)) == []
    three = V.replace('"John"', '"John", "Alice"') + none.format("")
    assert codes_of(make(three, count=6)) == ["W019"]
    free = 'prompts clean { "the {A} to {B}"; A in v; B in v; answer B wrong A }\n'
    assert "W017" in codes_of(make(V + free, count=4))
    assert "W017" not in codes_of(make(V + free.replace("A in v; B in v", "A, B in v distinct"), count=2))
    assert "W017" not in codes_of(make(V + free.replace("A in v; B in v", "A in v; B = A"), count=2))
    bos = tokenizers["bos"].decode([tokenizers["bos"].bos_id])
    assert codes_of(make(V + none.format(bos), count=2, use="bos")) == ["W018"]
    assert codes_of(make(V + none.format(bos), count=2, use="bos", bos=False)) == []


def test_a_counterfactual_without_a_change(make, codes_of) -> None:
    item = doc.PromptsStatement(doc.Name("same"), base=doc.Name("clean"))
    source = Source(V + P)
    space = build([*parse(source).statements, item], None, count=2, seed=0, bos=None, folder=Path(), source=source)
    assert codes_of(space) == ["W023", "W027"]


def test_all_mistakes_at_once_sorted(make) -> None:
    text = V + 'prompts p { "the {B} {C}"; A in vv; D in v; answer E }\nmetric m = logits(A) + logit(Q)\n' + P
    space = make(text, clean=False)
    assert [error.code for error in space.errors] == ["C212", "C212", "C210", "C212", "C232", "C212"]
    assert [error.span.start for error in space.errors] == sorted(error.span.start for error in space.errors)


def test_what_depends_on_a_mistake_is_not_said_again(make) -> None:
    text = 'vocab v = "a", ""\nprompts clean { "the {A}"; A in v; B = A }\nprompts other from clean { redraw A }\n'
    text += "metric m = logit(A)\nfeature g = A == B"
    assert [error.code for error in make(text, clean=False).errors] == ["C203"]


def test_every_code_is_explained() -> None:
    folder = Path(__file__).parents[2] / "circuitdsl" / "prompts"
    raised = {code for path in folder.glob("*.py") if path.name != "codes.py" for code in re.findall(r'"([CW]\d{3})"', path.read_text())}
    assert raised == set(CODES)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert {code for code in CODES if f'"{code}"' not in tests} == set()
    assert all(code.title and code.text.endswith((".", ")")) for code in CODES.values())


def test_nothing_at_all(make) -> None:
    space = make("", clean=False)
    assert (space.distributions, space.default, space.diagnostics) == ({}, "", [])


def test_the_default_is_the_first_of_its_own(make) -> None:
    text = V + P + 'prompts other { "the {A}"; A in v }\nprompts third from other { redraw A }'
    assert make(text).default == "clean"


def test_a_value_with_the_space_that_the_template_has(make) -> None:
    text = 'vocab s = " Mary", "John"\nprompts p { "the {B} to {C}, {D}"; B in s; C = B; D = "John" }\nprompts q from p { redraw B }\n'
    found = [one for one in make(V + text + P, clean=False).diagnostics if one.code == "W037"]
    assert len(found) == 1 and "` Mary`" in found[0].message and "John" not in found[0].message
    apart = text.replace("the {B} to {C}", "the{B} to{C}")
    assert "W037" not in {one.code for one in make(V + apart + P, clean=False).diagnostics}


@pytest.mark.parametrize(
    ("metric", "warned"),
    [
        ("logit(wrong) - logit(answer)", True),
        ("-(prob(answer) - max(prob(w) for w in wrong))", True),
        ("logit(wrong) - logit(answer), lower", False),
        ("logit(answer) - logit(wrong)", False),
        ("logit(answer) - prob(answer)", False),
        ("-0.5 * logit(answer)", False),
        ("logit(A) - logit(wrong)", False),
    ],
)
def test_a_metric_that_falls_as_the_answer_rises(make, metric, warned) -> None:
    space = make(
        V + 'prompts p { "the {A} of {B} to"; A, B in v distinct; answer A wrong B }\nmetric n = ' + metric + "\n" + P, clean=False
    )
    assert ("W038" in {one.code for one in space.diagnostics}) == warned
