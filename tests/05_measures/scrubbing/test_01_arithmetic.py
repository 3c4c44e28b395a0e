"""Causal scrubbing on arithmetic that can be done on paper: exact, by going through every draw. One token says all inputs."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.units import Unit
from circuitdsl.engine.executor import execute
from circuitdsl.models.toys import Draft
from circuitdsl.planning import plan

A, B, C = (Unit("head", 0, index) for index in range(3))


def no_leaf(draw):
    """Of heads of the first layer `embed` delivers everything: what else they would read does not matter."""
    return draw.path.count("/") > 1 and draw.path.endswith("rest")


@pytest.mark.parametrize("n", [2, 4])
def test_an_input_that_two_nodes_share_is_drawn_twice(scrub, n):
    toy = scrub.Sums(product(range(n), repeat=3), [lambda x, y, z: x + z, lambda x, y, z: y - z], 2)
    nodes = [scrub.node("a", A, carries="x"), scrub.node("b", B, carries="y")]
    file = toy.graph(nodes, {"x": lambda x, y, z: x, "y": lambda x, y, z: y})
    found = scrub.outcomes(file, toy.adapter, lambda d: d.path.endswith("rest"))
    rows = len(toy.inputs)
    assert scrub.expectation(found, lambda o: abs(o.value - toy.model[o.row]), rows) == pytest.approx((n * n - 1) / (3 * n))
    assert scrub.expectation(found, lambda o: (o.value - toy.model[o.row]) ** 2, rows) == pytest.approx((n * n - 1) / 6)


def test_a_diamond_cancels_only_where_draws_are_shared(scrub):
    toy = scrub.Sums(product((0, 1), repeat=2), [lambda f, g: f + g, lambda f, g: f - g], 2)
    file = toy.graph([scrub.node("m", A, B, carries="f")], {"f": lambda f, g: f})
    for sampling, error in (("tree", 0.5), ("shared", 0.0)):
        found = scrub.outcomes(file, toy.adapter, lambda d: d.path.endswith("rest"), sampling=sampling)
        assert scrub.expectation(found, lambda o: (o.value - toy.model[o.row]) ** 2, 4) == pytest.approx(error)


def test_what_is_left_out_is_one_prompt_unless_it_is_taken_apart(scrub):
    toy = scrub.Sums(product((0, 1), repeat=2), [lambda f, g: f, lambda f, g: g, lambda f, g: -g])
    nodes = [scrub.node("a", A), scrub.node("u1", B), scrub.node("u2", C), scrub.node("u", B, C)]
    edges = [("embed", "a", None), ("a", "logits", None)]
    file = toy.graph(nodes, {}, edges)
    for others, error in (((), 0), (("u1", "u2"), 0.5), (("u1",), 0.5), (("u",), 0)):
        found = scrub.outcomes(file, toy.adapter, no_leaf, others=others)
        assert scrub.expectation(found, lambda o: (o.value - toy.model[o.row]) ** 2, 4) == pytest.approx(error)


def test_errors_that_go_together_have_to_be_drawn_together(scrub):
    toy = scrub.Sums(product((-1, 1), repeat=2), [lambda y, e: y, lambda y, e: e, lambda y, e: e])
    for together, mean_square in ((False, 2), (True, 4)):
        nodes = [scrub.node("y", A, carries="y"), scrub.node("e", B, C, carries="none", together=together)]
        file = toy.graph(nodes, {"y": lambda y, e: y, "none": lambda y, e: 0})
        found = scrub.outcomes(file, toy.adapter, lambda d: d.path.endswith("rest"))
        assert scrub.expectation(found, lambda o: (o.value - toy.inputs[o.row][0]) ** 2, 4) == pytest.approx(mean_square)


def test_leaving_out_what_opposes_scores_above_one(scrub):
    toy = scrub.Sums([(-1,), (1,)], [lambda y: y, lambda y: -y / 2], 2)
    file = toy.graph([scrub.node("y", A, carries="y")], {"y": lambda y: y})
    found = scrub.outcomes(file, toy.adapter, no_leaf)
    model = np.mean([y * out for (y,), out in zip(toy.inputs, toy.model, strict=True)])
    assert model == 0.5
    assert scrub.expectation(found, lambda o: toy.inputs[o.row][0] * o.value, 2) == 1


class Gates:
    """Inputs enumerated; heads a, b, c tell MLP 0 what they are; MLP 1 is a function of two sums of its neurons."""

    def __init__(self, inputs, first, second, up, bias, down, activation="relu"):
        """Heads 0.0 and 0.1 write `first` and `second` of the input; MLP 1 has `up` [n, 2], `bias` [n], `down` [n]."""
        self.inputs = list(inputs)
        n = len(self.inputs)
        toy = Draft(1, 2, n, 1, [*map(str, self.inputs), "out"], {"token": n + 1, "read": 2, "out": 1}, mlp_width=len(up))
        toy.embed(toy.read("token"))
        for index, function in enumerate((first, second)):
            table = np.zeros((1, n + 1))
            table[0, :n] = [function(*one) for one in self.inputs]
            toy.head(0, index, v=toy.read("token", table), out=toy.write("read", np.eye(2)[:, [index]]))
        toy.mlp(0, toy.read("read", up), toy.write("out", np.asarray(down, dtype=float)[None]), up_bias=bias)
        toy.unembed(np.vstack([np.zeros((n, toy.width)), toy.read("out")]))
        from circuitdsl.models.adapter import adapt
        from circuitdsl.models.toy import build_toy

        self.adapter = adapt(build_toy({**toy.config, "activation": activation}, toy.weights), "gate")

    def error(self, scrub, nodes, features=None, prompts=False):
        """Expected absolute error; by prompt if asked for, the expected number of each."""
        n, mlp = len(self.inputs), Unit("mlp", 0)
        classes = {name: scrub.ranks([function(*one) for one in self.inputs]) for name, function in (features or {}).items()}
        named = {one.name: one for one in [*nodes, scrub.node("gate", mlp, carries="none" if "none" in classes else None)]}
        edges = [(a, b, None) for one in nodes for a, b in (("embed", one.name), (one.name, "gate"))] + [("gate", "logits", None)]
        file = scrub.Graph(self.adapter.shape, scrub.prompts([[t] for t in range(n)]), [n] * n, classes, named, edges).hypothesis()
        whole = len(nodes) == 2  # then nothing that the gate reads is left out
        found = scrub.outcomes(file, self.adapter, lambda d: d.path.endswith("rest") and (whole or not d.path.endswith("mlp 0/rest")))
        model = self.model(file)
        if prompts:
            each = [sum(o.odds * Fraction(o.value).limit_denominator(10**6) for o in found if o.row == row) for row in range(n)]
            return np.array(each, dtype=float), model
        return scrub.expectation(found, lambda o: abs(o.value - model[o.row]), n)

    def model(self, file):
        from circuitdsl.borders.readouts import MetricValue
        from circuitdsl.borders.values import Algebra, Run

        readout = MetricValue(Algebra().logits(Run("clean")), "clean", "m")
        return execute(plan([Request(readout, tuple(range(len(self.inputs))))], file), self.adapter, file)[readout.digest]


def test_xor_is_lost_with_one_input(scrub):
    toy = Gates(product((0, 1), repeat=2), lambda a, b: a, lambda a, b: b, [[1, -1], [-1, 1]], [0, 0], [1, 1])
    assert toy.error(scrub, [scrub.node("a", A)]) == pytest.approx(1 / 2)
    assert toy.error(scrub, [scrub.node("a", A), scrub.node("b", B)]) == 0


def test_a_disjunction_of_thresholds(scrub):
    """(x > 3) or (y > 3) over 0..9, in units of two: the odds are the same over 0..4 with thresholds 1 and, wrongly, 2."""
    toy = Gates(product(range(5), repeat=2), lambda x, y: x > 1, lambda x, y: y > 1, [[1, 1]], [-0.5], [1], activation="step")
    features = {"x": lambda x, y: x > 1, "y": lambda x, y: y > 1, "wrong": lambda x, y: x > 2}

    def error(first, second):
        heads = [scrub.node("a", A, carries=first)] if first else []
        heads += [scrub.node("b", B, carries=second)] if second else []
        return Fraction(toy.error(scrub, heads, features)).limit_denominator(10**4)

    assert error("x", "y") == 0
    assert error("x", None) == Fraction(24, 125)
    assert error(None, None) == Fraction(168, 625)
    assert error("wrong", "y") == Fraction(8, 75)


def test_a_mean_that_is_right_for_the_wrong_reason(scrub):
    """f = 1 + g·h with g = x, h = x²: the mean of f is kept by either alone, its values are not."""
    product_of = [[1, 1], [-1, 1]], [-1, -1], [1, -1]
    toy = Gates([(-1,), (0,), (1,)], lambda x: x, lambda x: x * x, *product_of)
    for unit, change in ((A, 2 / 9), (B, 2 / 3)):
        means, model = toy.error(scrub, [scrub.node("only", unit)], prompts=True)
        assert means.mean() == pytest.approx(model.mean())
        assert np.abs(means - model).mean() == pytest.approx(change)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_chain_of_diamonds_is_a_sum_of_as_many_independent_draws_as_it_has_paths(scrub, depth):
    toy = chain(depth)
    named = {f"m{layer}": scrub.node(f"m{layer}", Unit("head", layer, 0), Unit("head", layer, 1), carries="none") for layer in range(depth)}
    names = ["embed", *named, "logits"]
    edges = [(a, b, None) for a, b in pairwise(names)]
    file = scrub.Graph(toy.shape, scrub.prompts([[0], [1]]), [2, 2], {"none": [0, 0]}, named, edges).hypothesis()
    last = "head 0.0", "head 0.1"
    leaf = lambda d: not (d.feature and d.path.split("<")[-1] in last)  # noqa: E731
    found = scrub.outcomes(file, toy, leaf)
    assert scrub.expectation(found, lambda o: o.value**2, 2) == 2**depth / 4


def chain(depth):
    """Each layer's two heads add what the layer before gave: ±1/2 from the token."""
    spaces = {f"s{layer}": 1 for layer in range(depth + 1)}
    toy = Draft(depth, 2, 1, 1, ["a", "b", "out"], spaces)
    toy.embed(np.array([[0.5], [-0.5], [0.0]]) @ toy.read("s0"))
    for layer in range(depth):
        for index in (0, 1):
            toy.head(layer, index, v=toy.read(f"s{layer}"), out=toy.write(f"s{layer + 1}"))
    toy.unembed(np.vstack([np.zeros((2, toy.width)), toy.read(f"s{depth}")]))
    return toy.adapter()
