"""Variants over several backgrounds run as one batch where the backgrounds' rows are of one plain run, and only there."""

import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.steps import Attend, Normalise, Transform, Write, pool
from circuitdsl.borders.units import EMBED, Unit
from circuitdsl.borders.values import Algebra, Draw, Gather, Mean, Override, Run
from circuitdsl.planning import plan
from circuitdsl.planning.builder import together

CLEAN, ABC = Run("clean"), Run("abc")
HEAD, MLP = Unit("head", 0, 1), Unit("mlp", 1)
DONORS = tuple(Gather("pool", Draw("clean", "pool", path)) for path in "abc")


@pytest.fixture
def steps(space):
    """`steps(*backgrounds)`: the steps for a head over each background, read by an MLP over it."""

    def make(*backgrounds):
        algebra, requests = Algebra(), []
        mix = algebra.mix([Override(EMBED, None, algebra.base(CLEAN, EMBED))])
        for world in backgrounds:
            head = algebra.recomputed(HEAD, world, {"q": mix})
            mlp = algebra.recomputed(MLP, world, {"in": algebra.mix([Override(HEAD, None, head)])})
            logits = algebra.logits(ABC, algebra.mix([Override(MLP, None, mlp)]))
            requests.append(Request(MetricValue(logits, "clean", "ld"), (0, 3)))
        [panel] = plan(requests, space()).panels
        return panel.steps

    return make


def of(steps, kind):
    return [step for step in steps if isinstance(step, kind)]


def test_donors_of_one_pool_are_one_batch(steps):
    """As many steps for three backgrounds as for one; each variant has its own."""
    found = steps(*DONORS)
    assert list(map(type, found)) == list(map(type, steps(DONORS[0])))
    over_donors = [step for step in found if isinstance(step, Normalise | Attend | Write) and ABC not in step.backgrounds]
    assert len(over_donors) == 5
    assert {(set(step.backgrounds), step.variants) == (set(DONORS), 3) for step in over_donors} == {True}
    [attend], [mlp] = of(found, Attend), of(found, Transform)
    assert (attend.variants, attend.q.variants, mlp.layer) == (3, None, 1)


def test_a_variants_streams_are_over_its_own_background(steps):
    """The order of the backgrounds is the same in all steps: a register's variant meets the keys, reads and old values of its world."""
    found = steps(*DONORS)
    orders = {step.backgrounds for step in found if isinstance(step, Normalise | Attend | Write) and ABC not in step.backgrounds}
    assert len(orders) == 1
    for part in (part for step in of(found, Normalise) for part in step.parts):
        assert part.variants is None and part.to_variants is None


def test_a_paired_run_and_donors_from_it_are_rows_of_one_run(steps):
    """`abc` beside its rows, and rows of `abc` that are drawn."""
    [attend] = of(steps(ABC, Gather("abc", "other")), Attend)
    assert set(attend.backgrounds) == {ABC, Gather("abc", "other")}


def test_other_runs_and_means_are_batches_of_their_own(steps):
    assert [len(step.backgrounds) for step in of(steps(DONORS[0], ABC, Mean("pool")), Attend)] == [1, 1, 1]
    assert len({pool(world) for world in (DONORS[0], ABC, Mean("pool"), Mean("abc"))}) == 4


def test_one_background_of_all_variants_is_named_once():
    assert together([ABC, ABC]) == (ABC,)
    assert together([ABC, CLEAN, ABC]) == (ABC, CLEAN, ABC)
