"""Edges: products, chains, `*`, ports, sender positions, the order of the architecture."""

import pytest

from circuitdsl.borders.hypothesis import Link
from circuitdsl.borders.units import LOGITS, Role

HEAD = """model "{model}"
vocab names = "Mary", "John", "Alice", "Kevin"
prompts clean {{
  "When {{IO}} and {{S1}} went to the store, {{S2}} gave a drink to"
  IO, S1 in names distinct
  S2 = S1
}}
nodes {{
{nodes}
}}
"""


def file(nodes, edges, model="smollm2-135m"):
    return HEAD.format(nodes=nodes, model=model) + (f"edges {{\n{edges}\n}}\n" if edges != "all" else "edges all\n")


def labels(found):
    return [edge.label for edge in found.edges]


TWO = "a = heads 1.1\nb = heads 2.2, mlps 2"


def test_lists_make_the_product(check):
    found = check(file(TWO, "embed, a -> b\nembed -> a\nb -> logits"))
    assert labels(found) == ["embed -> b", "a -> b", "embed -> a", "b -> logits"]


def test_chains(check):
    assert labels(check(file(TWO, "embed -> a -> b -> logits"))) == ["embed -> a", "a -> b", "b -> logits"]


def test_an_edge_goes_into_every_port_unless_told(check):
    found = check(file("a = heads 1.1\nb = heads 2.2", "embed -> a -> b.q -> logits"))
    into_a, into_b, out = found.edges
    assert [link.port for link in into_a.links] == ["q", "k", "v"]
    assert [link.port for link in into_b.links] == ["q"]
    assert [(link.receiver.unit, link.port) for link in out.links] == [(LOGITS, "in")]


def test_pairs_that_the_model_lacks_are_left_out(check):
    found = check(file("a = heads 1.1, 3.3\nb = heads 2.2", "embed -> a, b\na -> b\na, b -> logits"))
    links = next(edge.links for edge in found.edges if edge.label == "a -> b")
    assert {str(link.sender.unit) for link in links} == {"head 1.1"}


def test_heads_are_read_by_the_mlp_of_their_layer_unless_parallel(check, faults):
    nodes, edges = "a = heads 1.1\nb = mlps 1", "embed -> a -> b -> logits"
    assert labels(check(file(nodes, edges)))[1] == "a -> b"
    found = faults(file(nodes, edges, "parallel"))
    assert [one.code for one in found] == ["C154"] and "parallel" in found[0].message


def test_star_is_every_node_and_logits(check):
    found = check(file(f"{TWO}\ngroup = a, b", "embed -> *\n* -> logits"))
    assert labels(found) == ["embed -> a", "embed -> b", "embed -> logits", "a -> logits", "b -> logits"]


def test_star_with_a_port_is_every_node_of_heads(check):
    found = check(file("a = heads 1.1\nb = mlps 2", "embed -> *.k\nembed -> b\na -> b -> logits"))
    assert labels(found)[0] == "embed -> a.k"


def test_an_edge_that_star_repeats_is_left_out(check):
    found = check(file(TWO, "embed -> a\nembed -> *\n* -> logits\na -> logits"))
    assert labels(found).count("embed -> a") == 1 and labels(found).count("a -> logits") == 1


def test_a_value_is_delivered_where_the_file_says(check):
    found = check(file("a = heads 1.1 @ (S1, S2)\nb = heads 2.2 @ END", "embed @ IO -> a\na @ S2 -> b.v\nb -> logits"))
    first, second, last = found.edges
    assert first.roles == (Role("IO"),) and first.label == "embed @ IO -> a"
    assert second.links == (Link(found.nodes["a"].places[0], found.nodes["b"].places[0], "v", (Role("S2"),)),)
    assert second.links[0].sender.roles == (Role("S1"), Role("S2"))
    assert last.roles is None and last.links[0].roles is None


def test_edges_at_different_positions_are_different(check):
    found = check(file("a = heads 1.1", "embed @ IO -> a\nembed @ S1 -> a\na -> logits"))
    assert labels(found) == ["embed @ IO -> a", "embed @ S1 -> a", "a -> logits"]
    assert not found.warnings


def test_edges_all(check):
    found = check(file(TWO, "all"))
    assert found.all_edges
    assert labels(found) == ["embed -> a", "embed -> b", "embed -> logits", "a -> b", "a -> logits", "b -> b", "b -> logits"]
    assert list(found.nodes) == ["embed", "a", "b", "logits"]


def test_links_are_counted_once(check):
    found = check(file("a = heads 1.1\ng = a", "embed -> a, g\ng -> logits"))
    assert [one.code for one in found.warnings] == ["W031"]
    assert len(found.links) == 4


def test_without_edges_nodes_need_no_path(check):
    found = check(HEAD.format(nodes=TWO, model="smollm2-135m"))
    assert not found.edges and list(found.nodes) == ["a", "b"]


@pytest.mark.parametrize("edges", ["embed -> a\nb -> logits", "embed -> a -> b"])
def test_every_node_needs_a_path(edges, faults):
    assert {one.code for one in faults(file(TWO, edges))} == {"C156"}


def test_a_broken_edge_says_nothing_about_paths(faults):
    assert [one.code for one in faults(file(TWO, "embed -> a -> bb -> logits"))] == ["C111"]
