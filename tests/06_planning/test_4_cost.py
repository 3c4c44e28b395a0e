"""The cost model counts what a plain pass counts, and less for less."""

from dataclasses import replace

import pytest

from circuitdsl.borders import steps
from circuitdsl.borders.plan import PROMPTS_AT_ONCE, REGISTER_AT_ONCE, Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.steps import Depth, PlanStep, RegisterStep
from circuitdsl.borders.units import EMBED
from circuitdsl.borders.values import Algebra, Override, Run
from circuitdsl.planning import cost, plan

CLEAN, ABC = Run("clean"), Run("abc")


def whole_model(algebra, shape):
    """The circuit of every unit with every edge, over the counterfactual run."""
    mix = algebra.mix([Override(EMBED, None, algebra.base(CLEAN, EMBED))])
    for layer in range(shape.layers):
        for kind in ("head", "mlp"):
            units = [unit for unit in shape.units(kind) if unit.layer == layer]
            values = [algebra.recomputed(unit, ABC, dict.fromkeys(unit.ports, mix)) for unit in units]
            mix = algebra.mix([Override(value.unit, None, value) for value in values], mix)
    return algebra.logits(ABC, mix)


def test_a_plain_pass(shape):
    """2 operations a weight and token, 4 h a query-key pair and head."""
    d, tokens = shape.width, 7
    weights = shape.layers * (4 * d * d + 2 * d * shape.mlp_width) + d * shape.vocabulary
    pairs = shape.layers * shape.heads * 4 * shape.head_width * tokens**2
    assert cost.forward(shape, tokens).flops == 2 * weights * tokens + pairs


def test_the_whole_circuit_costs_about_a_pass_and_its_base_runs(space, shape):
    value = whole_model(Algebra(), shape)
    found = plan([Request(MetricValue(value, "clean", "ld"), tuple(range(12)))], space()).cost
    vocabulary = shape.width * shape.vocabulary / (shape.layers * 12 * shape.width**2 + shape.width * shape.vocabulary)
    last = 1 / 6 + 5 / 6 / 6.5  # of the last layer: keys and values, and the rest at one position of six or seven
    assert found.base_passes == pytest.approx((1 - vocabulary) * (shape.layers - 1 + last) / shape.layers, rel=0.03)  # one run
    assert 0.6 < found.passes - found.base_passes < 1.1
    assert found.values == 3 * 5 + 1 == found.computed


def test_chunks_are_planned_within_the_memory(space, shape):
    request = Request(MetricValue(whole_model(Algebra(), shape), "clean", "ld"), tuple(range(12)))
    [*panels] = plan([request], space()).panels
    one, three = (4 * max(panel.held(prompts) for panel in panels) for prompts in (1, 3))
    assert 4 * 6 * shape.layers * 2 * shape.width < one < three < 3 * one + 1
    assert plan([request], space(), memory=1000).cost.peak_bytes == one  # a prompt is the least
    assert plan([request], space(), memory=three).cost.peak_bytes == three
    assert all(panel.prompts(three, 4) >= 3 and 4 * panel.held(panel.prompts(three, 4)) <= three for panel in panels)


def layers(planned):
    return {world: depth.layers for world, depth in planned.panels[0].worlds.items()}


def test_base_runs_stop_at_the_last_layer_that_is_read(space, shape):
    """The clean run gives the embedding alone; the model's logits take all of it."""
    algebra = Algebra()
    first = plan([Request(MetricValue(whole_model(algebra, shape), "clean", "ld"), (0,))], space())
    assert layers(first) == {CLEAN: 0, ABC: shape.layers}
    both = plan([first.requests[0], Request(MetricValue(algebra.logits(CLEAN), "clean", "ld"), (0,))], space())
    assert layers(both) == {CLEAN: shape.layers, ABC: shape.layers}
    assert both.cost.base_passes == pytest.approx(2 * first.cost.base_passes)


def test_chunks_keep_registers_to_what_a_processor_is_fast_with(space, shape):
    """Whatever memory there is; a device of its own takes all that fits. The largest register is the logits' reads, or a stream."""
    value = whole_model(Algebra(), shape)
    [panel, _] = plan([Request(MetricValue(value, "clean", "ld"), tuple(range(12)))], space()).panels
    assert panel.largest == 6 * max(shape.width, shape.heads * shape.head_width)
    assert panel.prompts(1 << 40, 4) == len(panel.rows) == 8
    wide = replace(panel, rows=tuple(range(64)), largest=REGISTER_AT_ONCE // 4 // 12)
    assert wide.prompts(1 << 40, 4) == 12 and wide.prompts(1 << 40, 8) == PROMPTS_AT_ONCE
    assert wide.prompts(1 << 40, 4, cpu=False) == 64 and wide.prompts(1, 4) == 1


def test_what_serves_two_reads_of_a_run():
    """The deeper one, whatever positions the other wants; of one depth, the positions of both. Most positions are all of them."""
    end, middle = Depth(3, frozenset({5})), Depth(3, frozenset({2}))
    assert end | Depth(2, frozenset(range(6))) == end == Depth() | end
    assert (end | middle).places(6) == (2, 5) and (end | middle).places(3) is None
    assert Depth(0, frozenset({1})).places(6) is None and Depth(1).places(6) == ()


def test_every_kind_of_step_says_what_it_takes():
    """`plan` predicts time and memory for whatever a claim may ask: probes collect vectors, and measure nothing."""
    kinds = {one for one in vars(steps).values() if isinstance(one, type) and issubclass(one, PlanStep)} - {PlanStep, RegisterStep}
    assert len(kinds) >= 9
    for kind in kinds:
        assert all(getattr(kind, name) is not getattr(PlanStep, name) for name in ("calls", "work", "memory")), kind
