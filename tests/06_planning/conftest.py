"""A small space without a model: two templates, a paired counterfactual, an unpaired pool, and a logit difference at END."""

from collections.abc import Callable

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Hypothesis, ModelName, Settings
from circuitdsl.borders.prompts import Arithmetic, Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import Layout, ModelShape

SHAPE = ModelShape("small", "gpt2", layers=3, heads=4, kv_heads=4, width=16, head_width=4, mlp_width=64, vocabulary=50, context=32)
A = ("A", 1)
LAYOUTS = (Layout(0, 6, ((A, (1, 2)),)), Layout(1, 6, ((A, (1, 2)),)), Layout(0, 8, ((A, (2, 4)),)))


def distribution(name: str, layouts: list[Layout], paired: str | None = None) -> Distribution:
    rows = (Prompt(f"{name} {i}", tuple(range(layout.length)), layout, answer=3, wrong=(4,)) for i, layout in enumerate(layouts))
    return Distribution(name, tuple(rows), paired)


@pytest.fixture
def shape() -> ModelShape:
    return SHAPE


@pytest.fixture
def space() -> Callable[..., Hypothesis]:
    """`space(n)`: n rows of each layout by turns in `clean` and `abc`, three of each in `pool`."""

    def make(n: int = 4, shape: ModelShape = SHAPE, pool: int = 3) -> Hypothesis:
        found = {
            "clean": distribution("clean", [*LAYOUTS] * n),
            "abc": distribution("abc", [*LAYOUTS] * n, "clean"),
            "pool": distribution("pool", [*LAYOUTS] * pool),
        }
        bound, ends = {}, {}
        for name, one in found.items():
            end = ends[name] = np.array([prompt.layout.length - 1 for prompt in one.prompts])
            bound[name] = Arithmetic("-", Pick("logit", np.full(len(one), 3), end), Pick("logit", np.full(len(one), 4), end))
        metric = Metric("ld", "ld", False, bound, positions=ends)
        rows = tuple(range(3 * n))
        return Hypothesis(
            "", "", (), ModelName("small"), shape, found, "clean", {"ld": metric}, {}, {}, (), (), Settings(), (), rows, Source(""),
        )  # fmt: skip

    return make
