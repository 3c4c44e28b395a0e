"""Numbers do not depend on chunks, on memory that runs out, on what else is asked, nor on captures kept from before."""

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import EMBED, Role, Unit
from circuitdsl.borders.values import Algebra, Gather, Mean, Override, Run
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.models.exact import exact
from circuitdsl.planning import plan

CLEAN, ROWS = Run("clean"), tuple(range(8))
END, A = (Role("END"),), (Role("A", part="all"),)


def some_logits(algebra, background):
    """A small circuit with positions: early heads at A into later ones at END."""
    embed = algebra.mix([Override(EMBED, None, algebra.base(CLEAN, EMBED))])
    early = [algebra.recomputed(Unit("head", 0, i), background, dict.fromkeys("qkv", embed)) for i in (0, 3)]
    mix = algebra.mix([Override(value.unit, A, value) for value in early], embed)
    late = [algebra.recomputed(Unit("head", 2, i), background, {"k": mix, "v": mix, "q": embed}) for i in (1, 2)]
    mlp = algebra.recomputed(Unit("mlp", 1), background, {"in": mix})
    return algebra.logits(background, algebra.mix([Override(value.unit, END, value) for value in (*late, mlp)]))


BACKGROUNDS = [Run("abc"), Gather("abc", "donor"), Gather("clean", "itself"), Mean("abc")]


@pytest.mark.parametrize("background", BACKGROUNDS, ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_one_prompt_at_a_time(tiny, space, measure, name, background):
    adapter = tiny(name)
    space, value = space(adapter.shape), some_logits(Algebra(), background)
    [whole], [apart] = measure(adapter, space, value), measure(adapter, space, value, memory=1)
    np.testing.assert_allclose(apart, whole, rtol=1e-10, atol=1e-12)


class Small:
    """An adapter on a machine where no more than three prompts fit."""

    def __init__(self, adapter, most=3):
        self.adapter, self.most, self.tried = adapter, most, []

    def __getattr__(self, name):
        return getattr(self.adapter, name)

    def capture(self, tokens, *rest, **options):
        self.tried.append(len(tokens))
        if len(tokens) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return self.adapter.capture(tokens, *rest, **options)


def test_memory_that_runs_out_halves_the_chunk(tiny, space, measure):
    adapter = tiny("gpt2")
    small = Small(adapter)
    space, value = space(adapter.shape), some_logits(Algebra(), Run("abc"))
    [expected], [found] = measure(adapter, space, value), measure(small, space, value)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert max(small.tried) == 4 and 2 in small.tried


def test_a_prompt_that_does_not_fit_is_an_error(tiny, space, measure):
    adapter = tiny("gpt2")
    with pytest.raises(CircError, match="C511"):
        measure(Small(adapter, 0), space(adapter.shape), some_logits(Algebra(), Run("abc")))


def test_alone_or_together(tiny, family, space, measure):
    """Pruning, merging and batching differ with what else is asked; the numbers do not."""
    adapter = tiny(family)
    space = space(adapter.shape)
    alone = [measure(adapter, space, some_logits(Algebra(), background))[0] for background in BACKGROUNDS]
    algebra = Algebra()
    values = [some_logits(algebra, background) for background in BACKGROUNDS]
    everywhere = algebra.mix([Override(Unit("head", 2, 1), None, algebra.recomputed(Unit("head", 2, 1), CLEAN, {}))])
    together = measure(adapter, space, *values, algebra.logits(Run("abc"), everywhere))
    for first, second in zip(alone, together[:-1], strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-10, atol=1e-12)


def test_captures_are_kept_and_used(tiny, space):
    adapter = tiny("gpt2")
    counting = Small(adapter, 100)
    space, value = space(adapter.shape), some_logits(Algebra(), Run("abc"))
    readout, captures = MetricValue(value, "clean", "ld"), Captures()
    planned = plan([Request(readout, ROWS)], space)
    with exact():
        first = execute(planned, counting, space, captures=captures)
        runs = len(counting.tried)
        second = execute(planned, counting, space, captures=captures)
    assert runs == 4 == len(counting.tried)  # two distributions in two lengths, once
    np.testing.assert_array_equal(first[readout.digest], second[readout.digest])


def test_rows_are_answered_in_the_order_of_the_request(tiny, space):
    adapter = tiny("gpt2")
    space = space(adapter.shape)
    first, second = (MetricValue(Algebra().logits(Run(name)), "clean", "ld") for name in ("clean", "abc"))
    with exact():
        found = execute(plan([Request(first, (6, 1, 3)), Request(second, ROWS), Request(first, (3, 0))], space), adapter, space)
        whole = execute(plan([Request(first, ROWS)], space), adapter, space)[first.digest]
    np.testing.assert_allclose(found[first.digest], whole[[6, 1, 3, 0]], rtol=1e-12)
    assert found[second.digest].shape == (8,) and found[second.digest].dtype == np.float64
