"""Claims: arguments by signature, options, paths, comparisons."""

import dataclasses
from typing import Literal

import pytest

from circuitdsl.borders.hypothesis import Ablation, Comparison
from circuitdsl.borders.measure import Measure, NumberRange, Signature
from circuitdsl.borders.options import Options, option
from circuitdsl.borders.units import LOGITS, Role
from circuitdsl.measures import measures

HEAD = """model "{model}"
vocab names = "Mary", "John", "Alice", "Kevin", "Laura", "Peter"
prompts clean {{
  "Then {{IO}} and {{S1}} went"
  IO, S1 in names distinct
  answer IO wrong S1
}}
prompts other from clean {{ redraw IO, S1 distinct }}
prompts alone {{
  "Alice saw {{who}}"
  who in names
  answer who wrong "they"
}}
metric m = logit(answer) - logit(wrong) @ END
nodes {{
  early = heads 3.1, 3.2 @ S1
  late  = heads 9.6, 9.7 @ END
  body  = mlps *
  both  = early, late
}}
edges {{ embed, body -> *
  both -> * }}
settings {{ ablate = resample(other) }}
"""


def claim(check, text, model="smollm2-135m", **options):
    return check(HEAD.format(model=model) + f"claims {{ it: {text} }}\n", **options).claims[0]


def codes(faults, text, model="smollm2-135m", **options):
    found = faults(HEAD.format(model=model) + f"claims {{ it: {text} }}\n", **options)
    return [one.code for one in found if one.severity.value == "error" or one.code == "W034"]


def registry(name="test", **signature):
    return {name: dataclasses.replace(measures()["value"], name=name, signature=Signature(**{"options": Options, **signature}))}


# ---------------------------------------------------------------- arguments and options


def test_a_claim_about_a_metric(check):
    found = claim(check, "faithfulness(m, ablate = mean(other)) = 1 +- 0.2")
    assert (found.label, found.measure, found.metric, found.paths, found.each) == ("it", "faithfulness", "m", (), None)
    assert found.options.ablate == Ablation("mean", "other")
    assert found.comparison == Comparison("=", 1.0, 0.2)
    assert found.text == "faithfulness(m, ablate = mean(other)) = 1 +- 0.2"


def test_every_option_of_the_signature_has_a_value(check):
    found = claim(check, "faithfulness(m, on = clean) >= 0.5")
    assert found.options.named().keys() == measures()["faithfulness"].options.keys() - {"on"}
    chosen = {name: found.options.named()[name] for name in ("ablate", "circuit", "norm")}
    assert chosen == {"ablate": Ablation("resample", "other"), "circuit": None, "norm": "live"}
    assert (found.measured, claim(check, "faithfulness(m, on = other) >= 0.5").measured) == ("clean", "other")


def test_the_model_s_own_behaviour_needs_no_ablation(check):
    text = HEAD.format(model="smollm2-135m").replace("settings { ablate = resample(other) }", "")
    assert check(text + "claims { it: accuracy(m, of = model) >= 0.5 }\n").claims[0].options.ablate is None


def test_each_kind_of_option(check):
    kinds = {
        "a": option("ablation"),
        "d": option("distribution"),
        "m": option("metric"),
        "r": option("role"),
        "n": option("node"),
        "ns": option("nodes"),
        "w": option("word"),
        "x": option("number"),
        "s": option("slot"),
        "f": option("feature"),
        "end": option("role", "END"),
    }
    every = dataclasses.make_dataclass(
        "Every", [(name, Literal["model", "layer"], one) for name, one in kinds.items()], bases=(Options,), frozen=True, kw_only=True
    )
    given = "a = zero, d = other, m = m, r = (IO, S1), n = both, ns = (early, body), w = layer, x = 0.5, s = IO, f = template"
    found = claim(check, f"test(m, {given})", known=registry(subject="metric", options=every))
    assert found.options.named() == {
        "a": Ablation("zero"),
        "d": "other",
        "m": "m",
        "r": (Role("IO"), Role("S1")),
        "n": "both",
        "ns": ("early", "body"),
        "w": "layer",
        "x": 0.5,
        "s": "IO",
        "f": "template",
        "end": (Role("END"),),
    }


def test_one_node_where_several_may_stand(check):
    assert claim(check, "faithfulness(m, circuit = early) >= 0").options.circuit == ("early",)


def test_slots_after_the_subject(check, faults):
    takes = registry(subject="node", slots=1)
    assert claim(check, "test(late, IO) >= 0", known=takes).slots == ("IO",)
    assert codes(faults, "test(late, IQ) >= 0", known=takes) == ["C111"]
    assert codes(faults, "test(late) >= 0", known=takes) == ["C312"]


def test_a_metric_is_chosen_by_an_option_or_is_the_first(check):
    assert claim(check, "effect(late -> logits, from = other)").metric == "m"
    assert claim(check, "effect(late -> logits, from = other, metric = m)").metric == "m"


def test_variants_of_a_bare_name(faults):
    known = registry("copying.top5", subject="node") | registry("copying.eigen", subject="node")
    found = faults(HEAD.format(model="smollm2-135m") + "claims { it: copying(each late) >= 0 }\n", known=known)
    assert found[0].code == "C311"
    assert found[0].hint == "`copying.eigen`, `copying.top5`"


def test_each_of_the_circuit(check):
    assert claim(check, "minimality.single(m, each edge) > 0.01").each == "edge"


def test_warn(check):
    assert claim(check, "warn value(m) >= 0").warn


@pytest.mark.parametrize("operator", [">=", ">", "<=", "<"])
def test_comparisons(operator, check):
    assert claim(check, f"value(m) {operator} -1.5").comparison == Comparison(operator, -1.5)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("accuracy(m) >= 80", "C323"),
        ("accuracy(m) <= -0.1", "C323"),
        ("faithfulness(m) = 1 +- -0.1", "C321"),
        ("accuracy(m, of = early) >= 0.5", "C314"),
        ("faithfulness(m, on = early) >= 0.5", "C112"),
        ("effect(early, from = other)", "C312"),
        ("effect(early -> nobody, from = other)", "C111"),
        ("effect(early -> late, from = other, metric = clean)", "C112"),
        ("attention(late, query = END, key = who) >= 0", "C140"),
        ("attention(late, query = END, key = IO, on = alone) >= 0", "C140"),
        ("attention(body, query = END, key = IO) >= 0", "C330"),
        ("value(m, ablate = mean) >= 0", "C303"),
        ("value(m, each node) >= 0", "C318"),
        ("faithfulness(m, keep = embed) >= 0", "C314"),
    ],
)
def test_mistakes(text, code, faults):
    assert codes(faults, text) == [code]


def test_positions_of_nodes_hold_on_every_measured_distribution(faults):
    # `early` is at S1, which `alone` has not: that matters to the circuit, not to the model or to a path without it.
    assert codes(faults, "value(m, of = circuit, on = alone, ablate = zero) >= 0") == ["C140"]
    assert codes(faults, "value(m, on = alone) >= 0") == []
    assert codes(faults, "effect(late -> logits, on = alone, from = alone)") == []
    assert codes(faults, "effect(early -> logits, on = alone, from = alone)") == ["C140"]


def test_all_mistakes_of_a_claim_at_once(faults):
    assert codes(faults, "effect(erly -> lat.q -> logits, frm = other, into = nowhere) >= 0") == ["C111", "C111", "C313", "C111"]


def test_donors_of_unpaired_prompts_must_exist(faults):
    assert codes(faults, "faithfulness(m, ablate = resample(alone)) >= 0") == ["C327"]
    assert codes(faults, "faithfulness(m, ablate = mean(clean)) >= 0") == []
    assert codes(faults, "effect(late -> logits, from = alone)") == ["C327"]


def test_a_row_is_not_its_own_donor(faults):
    text = HEAD.format(model="smollm2-135m") + "claims { it: faithfulness(m, ablate = resample(clean)) >= 0 }\n"
    assert "C327" in [one.code for one in faults(text, prompts=1)]
    assert "C327" not in [one.code for one in faults(text, prompts=8)]


# ---------------------------------------------------------------- paths


def test_kinds_of_steps(check):
    path = claim(check, "effect(early -> late.q ~> logits, from = other)").paths[0]
    assert [(step.kind, step.port) for step in path.steps] == [("direct", "q"), ("all", None)]
    assert path.steps[1].places[0].unit == LOGITS
    assert path.text == "early -> late.q ~> logits"


def test_through_a_group(check):
    step = claim(check, "effect(early -[body]-> logits, from = other)").paths[0].steps[0]
    assert step.kind == "through" and {place.unit.kind for place in step.through} == {"mlp"} and len(step.through) == 30


def test_units_in_place(check):
    path = claim(check, "effect(heads 1.2 -[mlps 4..6]-> late.k -> logits, from = other)").paths[0]
    assert [str(place.unit) for place in path.start] == ["head 1.2"] and path.start[0].roles is None
    assert [str(place.unit) for place in path.steps[0].through] == ["mlp 4", "mlp 5", "mlp 6"]


def test_sweeps_leave_out_what_the_model_lacks(check):
    path = claim(check, "effect(each heads * -> late.v, from = other)").paths[0]
    assert {place.unit.layer for place in path.start} == set(range(9)) and path.each == 0
    path = claim(check, "effect(late -> each heads *, from = other)").paths[0]
    assert {place.unit.layer for place in path.steps[0].places} == set(range(10, 30)) and path.each == 1


def test_what_lies_on_no_whole_way_is_left_out(check):
    path = claim(
        check,
        "effect(heads 1.1, 12.1 -> heads 10.1, 2.2 -> heads 11.0 -> logits, from = other)".replace(
            "heads 1.1, 12.1", "(heads 1.1, 12.1)"
        ).replace("heads 10.1, 2.2", "(heads 10.1, 2.2)"),
    ).paths[0]
    assert [str(place.unit) for place in path.start] == ["head 1.1"]
    assert [str(place.unit) for place in path.steps[0].places] == ["head 2.2", "head 10.1"]


def test_positions_in_a_path(check, faults):
    path = claim(check, "effect(embed @ IO -> late.k -> logits, from = other)").paths[0]
    assert path.start[0].roles == (Role("IO"),)
    assert codes(faults, "effect(early @ IO -> logits, from = other)") == ["C143"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("effect(late -> early -> logits, from = other)", ["C325"]),
        ("effect(heads 3.1 -> heads 3.2, from = other)", ["C325"]),
        ("effect(embed -> embed, from = other)", ["C325"]),
        ("effect(late.q -> logits, from = other)", ["C153"]),
        ("effect(early -> body.q, from = other)", ["C152"]),
        ("effect(heads 31.0 -> logits, from = other)", ["C120"]),
        ("effect(late -[mlps 3]-> logits, from = other)", ["W034"]),
        ("effect(neurons 5.1 -[mlps *]-> logits, from = other)", ["C126"]),
        ("effect(each early -> each late, from = other)", ["C319"]),
    ],
)
def test_mistakes_in_paths(text, expected, faults):
    assert codes(faults, text) == expected


def test_a_parallel_block_has_no_way_from_a_head_to_its_mlp(faults):
    head = HEAD.format(model="parallel").replace("9.6, 9.7", "5.6, 5.7")
    text = head + "claims { it: effect(heads 3.1 ~> mlps 3, from = other) }\n"
    assert [one.code for one in faults(text) if one.severity.value == "error"] == ["C325"]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("0 to 1", NumberRange(0, 1)),
        ("-1 to 1; 0 is chance", NumberRange(-1, 1, says="0 is chance")),
        ("above 0, up to 1; small is special", NumberRange(0, 1, above=True, says="small is special")),
        ("0 and up; 0 is complete", NumberRange(0, says="0 is complete")),
        ("any number; its sign is not flipped", NumberRange(says="its sign is not flipped")),
    ],
)
def test_a_range_in_words(words, numbers):
    assert str(numbers) == words


def test_a_measure_that_searches_keeps_prompts_for_it(check, faults):
    searching = registry(subject="metric", searches=True)
    text = HEAD.format(model="smollm2-135m") + "claims { it: test(m) >= 0 }\n"
    found = check(text, known=searching)
    assert found.settings.explore == 0.5 and found.exploring and found.verifying
    text = text.replace("resample(other)", "resample(other); explore = 0")
    assert [one.code for one in faults(text, known=searching) if one.code.startswith("C")] == ["C328"]


def test_a_claim_that_asks_for_a_search_keeps_prompts_for_it(check):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Looking(Options):
        look: float | None = option("number", searches=True)

    searching = registry(subject="metric", options=Looking)
    text = HEAD.format(model="smollm2-135m")
    assert check(text + "claims { it: test(m) >= 0 }\n", known=searching).settings.explore == 0
    found = check(text + "claims { it: test(m, look = 3) >= 0 }\n", known=searching)
    assert found.settings.explore == 0.5 and found.exploring and found.verifying


def test_the_measures_themselves_accept_what_is_resolved(check):
    """Every built-in measure lowers a claim that the resolver accepts."""
    from circuitdsl.borders.values import Algebra

    lines = [
        *["value(m)", "accuracy(m, of = circuit) >= 0.5", "top1(m) >= 0.1", "faithfulness(m, circuit = both) >= 0.5"],
        *["minimality.single(m, each node) > 0.01", "effect(embed @ IO -> each late.k ~> logits, from = other)"],
        "attention(each late, query = END, key = (IO, S1)) >= 0.1",
    ]
    claims = "".join(f"  c{number}: {line}\n" for number, line in enumerate(lines))
    found = check(HEAD.format(model="smollm2-135m") + f"claims {{\n{claims}}}\n")
    known: dict[str, Measure] = dict(measures())
    for claim_found in found.claims:
        assert known[claim_found.measure].lower(claim_found, found, Algebra()).members
