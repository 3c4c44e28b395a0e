"""Rows of two lengths for a tiny model, and how a value is measured on them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import Hypothesis, ModelName, Settings
from circuitdsl.borders.plan import Request
from circuitdsl.borders.prompts import Arithmetic, Distribution, Metric, Pick, Prompt
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import Layout
from circuitdsl.engine.executor import execute
from circuitdsl.models.exact import exact
from circuitdsl.planning import plan

LAYOUTS = (Layout(0, 5, ((("A", 1), (1, 2)),)), Layout(0, 7, ((("A", 1), (1, 4)),)))
ROWS = tuple(range(8))


@pytest.fixture
def space() -> Callable[..., Hypothesis]:
    """`space(shape)`: eight rows of two layouts in `clean` and, paired with it, `abc`; metric `ld`, a difference of two logits at END."""

    def make(shape) -> Hypothesis:
        generator = np.random.default_rng(0)

        def distribution(name: str, paired: str | None = None) -> Distribution:
            rows = []
            for row in ROWS:
                layout = LAYOUTS[row % 2]
                tokens = tuple(int(token) for token in generator.integers(3, shape.vocabulary, layout.length))
                rows.append(Prompt(f"{name} {row}", tokens, layout, answer=5 + row, wrong=(20 + row, 30)))
            return Distribution(name, tuple(rows), paired)

        found = {"clean": distribution("clean"), "abc": distribution("abc", "clean")}
        ends = np.array([LAYOUTS[row % 2].length - 1 for row in ROWS])
        ids = [np.array([start + row for row in ROWS]) for start in (5, 20)]
        bound = Arithmetic("-", Pick("logit", ids[0], ends), Pick("logit", ids[1], ends))
        over_zero = Arithmetic("/", bound, Arithmetic("-", bound, bound))
        metrics = {
            name: Metric(name, name, False, dict.fromkeys(found, expression), positions=dict.fromkeys(found, ends))
            for name, expression in {"ld": bound, "broken": over_zero}.items()
        }
        return Hypothesis(
            "", "", (), ModelName("tiny"), shape, found, "clean", metrics, {}, {}, (), (), Settings(), (), ROWS, Source("")
        )  # fmt: skip

    return make


@pytest.fixture
def measure() -> Callable[..., list[np.ndarray]]:
    """`measure(adapter, space, *values, **plan_options)`: `ld` of each of the logits on every row."""

    def run(adapter, space, *values, **options) -> list[np.ndarray]:
        readouts = [MetricValue(value, "clean", "ld") for value in values]
        with exact():
            found = execute(plan([Request(readout, ROWS) for readout in readouts], space, **options), adapter, space)
        return [found[readout.digest] for readout in readouts]

    return run


@pytest.fixture
def by_hooks() -> Callable[..., np.ndarray]:
    """`by_hooks(adapter, space, hook)`: `ld` of the model itself on every row; `hook(row, tokens)` returns what removes its hooks."""

    def run(adapter, space, hook) -> np.ndarray:
        numbers = []
        for row, prompt in enumerate(space.distributions["clean"].prompts):
            tokens = torch.tensor([prompt.tokens])
            with exact(), torch.no_grad():
                handle = hook(row, tokens)
                logits = adapter.model(tokens).logits[0, -1]
            handle.remove()
            numbers.append(float(logits[prompt.answer] - logits[prompt.wrong[0]]))
        return np.array(numbers)

    return run


def no_hooks(adapter) -> bool:
    modules = list(adapter.model.modules())
    return not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


@pytest.fixture
def unhooked() -> Callable[..., bool]:
    """Whether the model has no hook left."""
    return no_hooks
