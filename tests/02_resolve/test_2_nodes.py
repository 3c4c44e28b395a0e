"""Units, positions, nodes and groups."""

import re

import pytest

from circuitdsl.borders.units import Role, Unit

HEAD = """model "smollm2-135m"
vocab names = "Mary", "John", "Alice", "Kevin"
prompts clean {
  "When {IO} and {S1} went to the store, {S2} gave a drink to"
  IO, S1 in names distinct
  S2 = S1
}
"""


def node(check, definition, head=HEAD):
    return check(f"{head}nodes {{ it = {definition} }}\nedges {{ embed -> it -> logits }}\n").nodes["it"]


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ("heads 9.6", [Unit("head", 9, 6)]),
        ("heads 9.6, 3.1", [Unit("head", 3, 1), Unit("head", 9, 6)]),
        ("heads 10.*", [Unit("head", 10, index) for index in range(9)]),
        ("mlps 0..3", [Unit("mlp", layer) for layer in range(4)]),
        ("mlps *", [Unit("mlp", layer) for layer in range(30)]),
        ("heads 0.1, 0.3, mlps 0..1", [Unit("head", 0, 1), Unit("head", 0, 3), Unit("mlp", 0), Unit("mlp", 1)]),
        ("neurons 5.123", [Unit("neuron", 5, 123)]),
        ("heads 29.8, mlps 29", [Unit("head", 29, 8), Unit("mlp", 29)]),
    ],
)
def test_units(written, units, check):
    assert list(node(check, written).units) == units


def test_all_heads(check):
    assert len(node(check, "heads *").units) == 270


@pytest.mark.parametrize(
    ("written", "role", "position"),
    [
        ("END", Role("END"), 13),
        ("END-1", Role("END", shift=-1), 12),
        ("S2", Role("S2"), 9),
        ("S1+1", Role("S1", shift=1), 4),
        ("IO.first", Role("IO", part="first"), 1),
        ("IO.last", Role("IO"), 1),
        ("IO[0]", Role("IO", part=(0, 0)), 1),
        ("S2-9", Role("S2", shift=-9), 0),
    ],
)
def test_positions(written, role, position, check):
    found = check(f"{HEAD}nodes {{ it = heads 9.6 @ {written} }}\nedges {{ embed -> it -> logits }}\n")
    assert found.nodes["it"].places[0].roles == (role,)
    assert str(found.nodes["it"].places[0].roles[0]) == written
    assert {one.layout.positions((role,)) for one in found.distributions["clean"].prompts} == {(position,)}


def test_a_block_is_all_its_tokens(check):
    head = 'model "smollm2-135m"\nprompts clean {\n  "{block}{block}"\n  block in random tokens 5\n}\n'
    assert node(check, "heads 9.6 @ block:2", head).places[0].roles == (Role("block", 2, "all"),)
    assert node(check, "heads 9.6 @ block:2[1..3]", head).places[0].roles == (Role("block", 2, (1, 3)),)


def test_positions_named_by_a_field(check):
    head = """model "smollm2-135m"
vocab facts(country, capital) = ("John", "store"), ("Mary", "drink")
prompts clean {
  "the {fact.country} of"
  fact in facts
}
"""
    assert node(check, "heads 9.6 @ fact.country", head).places[0].roles == (Role("fact.country"),)


def test_several_occurrences_in_one_template_are_told_apart(faults):
    head = HEAD.replace('  "When', '  "{IO} and {S1} saw {IO} at the store, {S2} gave a drink to"\n  "When')
    found = faults(f"{head}nodes {{ it = heads 9.6 @ IO }}\nedges {{ embed -> it -> logits }}\n")
    assert [one.code for one in found] == ["C141"]


def test_an_error_in_one_template_says_how_many_prompts(faults):
    head = HEAD.replace('  "When', '  "{S2} and {IO} and {S1} went"\n  "When')
    found = faults(f"{head}nodes {{ it = heads 9.6 @ S2-1 }}\nedges {{ embed -> it -> logits }}\n")
    assert [one.code for one in found] == ["C140"]
    share = re.search(r"in (\d) of the 8 prompts", found[0].message)
    assert share and 0 < int(share[1]) < 8


def test_one_unit_at_two_positions_is_two_nodes(check):
    found = check(f"{HEAD}nodes {{\n  a = heads 9.6 @ S1\n  b = heads 9.6 @ (S2, END)\n}}\nedges {{ embed -> a, b -> logits }}\n")
    assert [place.node for place in found.places()] == ["a", "b"]


def test_overlap_is_found_by_tokens_not_names(faults):
    text = f"{HEAD}nodes {{\n  a = heads 9.6 @ S1+6\n  b = heads 9.6 @ S2\n}}\nedges {{ embed -> a, b -> logits }}\n"
    assert [one.code for one in faults(text)] == ["C127"]


def test_groups_of_groups(check):
    nodes = "every = some, c\n  some = a, b\n  a = heads 1.1\n  b = heads 2.2\n  c = mlps 3"
    found = check(f"{HEAD}nodes {{\n  {nodes}\n}}\nedges {{ embed -> every -> logits }}\n")
    assert found.nodes["every"].members == ("some", "c")
    assert [str(unit) for unit in found.nodes["every"].units] == ["head 1.1", "head 2.2", "mlp 3"]
    assert [place.node for place in found.nodes["every"].places] == ["a", "b", "c"]


def test_carries_and_marks(check):
    nodes = "a = heads 1.1 carries same together\n  b = heads 2.2 carries template unconnected"
    found = check(f"{HEAD}feature same = IO == S1\nnodes {{\n  {nodes}\n}}\nedges {{ embed -> a -> logits }}\n")
    assert (found.nodes["a"].carries, found.nodes["a"].together, found.nodes["a"].unconnected) == ("same", True, False)
    assert (found.nodes["b"].carries, found.nodes["b"].together, found.nodes["b"].unconnected) == ("template", False, True)


def test_a_broken_node_causes_no_further_errors(faults):
    text = (
        HEAD
        + """nodes {
  it    = heads 40.1
  group = it, other
  other = heads 3.1
}
edges {
  embed -> it, group
  it    -> it
  group -> logits
  other -> *
}
claims { moves: effect(it -> group -> logits, from = clean) }
metric m = logit(IO) @ END
"""
    )
    assert [one.code for one in faults(text)] == ["C120"]


def test_broken_prompts_cause_no_further_errors(faults):
    text = """model "smollm2-135m"
prompts clean {
  "When {IO} went"
  IO in nmes
}
prompts other from clean { redraw IO }
metric m = logit(IO) @ END
nodes { it = heads 9.6 @ IO carries IO }
edges { embed @ IO -> it -> logits }
settings { ablate = resample(other) }
claims {
  a: faithfulness(m) >= 0.5
  b: effect(it -> logits, from = other)
  c: attention(it, query = END, key = IO) >= 0.1
}
"""
    found = faults(text)
    assert len(found) == 1 and found[0].code.startswith("C2"), found


DATA = """model "smollm2-135m"
prompts clean from "pairs.jsonl"
metric m = logit(answer) - logit(wrong) @ END
nodes {{ {name} = heads 9.6 @ subject }}
edges {{ embed -> {name} -> logits }}
settings {{ ablate = resample(counterfactual) }}
claims {{ it: faithfulness(m) >= 0 }}
"""
ROW = '{"clean": "the key on the", "counterfactual": "the book on the", "answer": " is", "wrong": " are", "positions": {"subject": 1}}\n'


def test_names_come_from_a_data_file(check, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(ROW)
    found = check(DATA.format(name="reader"), tmp_path / "file.circ")
    assert found.nodes["reader"].places[0].roles == (Role("subject"),)
    assert found.claims[0].options.ablate.distribution == "counterfactual"


@pytest.mark.parametrize("name", ["counterfactual", "subject"])
def test_a_node_cannot_have_a_name_that_a_data_file_brings(name, faults, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(ROW)
    assert [one.code for one in faults(DATA.format(name=name), tmp_path / "file.circ") if one.code.startswith("C")] == ["C110"]


@pytest.mark.parametrize("content", ["", "{", '{"clean": "the key"}\n', ROW.replace(" key", "")])
def test_an_unreadable_data_file_causes_no_further_errors(content, faults, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(content)
    found = faults(DATA.format(name="reader"), tmp_path / "file.circ")
    assert {one.code[:2] for one in found if one.severity.value == "error"} == {"C2"}
