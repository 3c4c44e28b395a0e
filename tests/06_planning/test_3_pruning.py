"""What nothing needs is not computed, and what cannot differ is merged: read off the graph and the steps."""

import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.steps import Attend, Normalise, Project, Transform, Write
from circuitdsl.borders.units import EMBED, Role, Unit
from circuitdsl.borders.values import Algebra, Mean, Override, Run
from circuitdsl.planning import plan

CLEAN, ABC = Run("clean"), Run("abc")
END, A = (Role("END"),), (Role("A"),)
EARLY, LATE, MLP = Unit("head", 0, 1), Unit("head", 2, 3), Unit("mlp", 1)


@pytest.fixture
def steps(space):
    """`steps(kind, *logits)`: the steps of that kind, for rows of six tokens with A at 1 and END at 5."""

    def make(kind, *values):
        requests = [Request(MetricValue(value, "clean", "ld"), (0, 3)) for value in values]
        [panel] = plan(requests, space()).panels
        return [step for step in panel.steps if isinstance(step, kind)]

    return make


def embed(algebra, roles=None):
    return Override(EMBED, roles, algebra.base(CLEAN, EMBED))


def test_queries_stand_where_they_are_read_and_keys_before_them(steps):
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, dict.fromkeys("qk", algebra.mix([embed(algebra)])))
    [attend] = steps(Attend, algebra.logits(ABC, algebra.mix([Override(LATE, END, late)])))
    assert (attend.positions, attend.length, attend.q.at, attend.k.at, attend.v) == ((5,), 6, (5,), (0, 1, 2, 3, 4, 5), None)


def test_keys_are_made_again_only_where_something_changed(steps):
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, {"k": algebra.mix([embed(algebra, A)])})
    [attend] = steps(Attend, algebra.logits(ABC, algebra.mix([Override(LATE, None, late)])))
    assert attend.k.at == (1,) and attend.v is None and attend.positions == (5,)


def test_an_override_where_nothing_reads_is_dropped(steps):
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, {"q": algebra.mix([embed(algebra)])})
    assert steps(Attend, algebra.logits(ABC, algebra.mix([Override(LATE, A, late)]))) == []


def test_a_sender_that_no_query_can_see_is_dropped(steps):
    """The head's key at END is not seen by its query at A."""
    algebra = Algebra()
    early = algebra.recomputed(EARLY, ABC, {"k": algebra.mix([embed(algebra, END)])})
    late = algebra.recomputed(LATE, ABC, {"k": algebra.mix([Override(EARLY, A, early)])})
    assert steps(Attend, algebra.logits(ABC, algebra.mix([Override(LATE, None, late)]))) == []


def test_the_backgrounds_own_value_changes_nothing(steps):
    algebra = Algebra()
    same = algebra.recomputed(LATE, ABC, {})
    own = [Override(LATE, None, same), Override(EARLY, None, algebra.base(ABC, EARLY))]
    assert steps(Write, algebra.logits(ABC, algebra.mix(own))) == []


def test_over_a_mean_every_recomputed_value_is_another(steps):
    algebra = Algebra()
    background = Mean("pool")
    same = algebra.recomputed(LATE, background, {})
    assert len(steps(Write, algebra.logits(background, algebra.mix([Override(LATE, None, same)])))) == 1


def test_mixes_that_come_to_the_same_are_one(steps):
    """One mix has an override that changes nothing; the two readers run together all the same."""
    algebra = Algebra()
    first = algebra.mix([embed(algebra)])
    second = algebra.mix([embed(algebra), Override(EARLY, None, algebra.base(ABC, EARLY))])
    heads = [algebra.recomputed(Unit("head", 2, i), ABC, {"q": mix}) for i, mix in enumerate((first, second))]
    [attend] = steps(Attend, algebra.logits(ABC, algebra.mix([Override(head.unit, END, head) for head in heads])))
    assert attend.heads == (0, 1)


def test_heads_that_read_the_same_are_projected_together(steps):
    algebra = Algebra()
    mix = algebra.mix([embed(algebra)])
    heads = [algebra.recomputed(Unit("head", 2, i), ABC, dict.fromkeys("qkv", mix)) for i in range(4)]
    logits = algebra.logits(ABC, algebra.mix([Override(head.unit, None, head) for head in heads]))
    assert [project.heads for project in steps(Project, logits)] == [(0, 1, 2, 3)] * 3
    readers = [(step.reader.kind, step.positions) for step in steps(Normalise, logits)]
    assert sorted(readers) == [("attention", (0, 1, 2, 3, 4, 5)), ("attention", (5,)), ("logits", (5,))]


def test_variants_are_batched(steps):
    algebra = Algebra()
    values = []
    for head in range(4):
        sent = Override(Unit("head", 0, head), None, algebra.base(CLEAN, Unit("head", 0, head)))
        mlp = algebra.recomputed(MLP, ABC, {"in": algebra.mix([sent])})
        values.append(algebra.logits(ABC, algebra.mix([Override(MLP, None, mlp)])))
    assert len(steps(Transform, *values)) == 1
    assert [step.variants for step in steps(Normalise, *values)] == [4, 4]


def test_a_senders_write_serves_all_who_read_it(steps):
    algebra = Algebra()
    early = algebra.recomputed(EARLY, ABC, {"v": algebra.mix([embed(algebra)])})
    sent = Override(EARLY, END, early)
    mlps = [algebra.recomputed(Unit("mlp", layer), ABC, {"in": algebra.mix([sent])}) for layer in (1, 2)]
    with_more = algebra.mix([embed(algebra), sent])
    third = algebra.recomputed(LATE, ABC, {"q": with_more})
    logits = algebra.logits(ABC, algebra.mix([Override(value.unit, None, value) for value in (*mlps, third)]))
    assert len([step for step in steps(Write, logits) if step.group == EARLY.group]) == 1


def test_registers_are_there_when_read_and_freed_once(space):
    algebra = Algebra()
    mix, logits = algebra.mix([embed(algebra)]), []
    for head in range(4):
        value = algebra.recomputed(Unit("head", 1, head), ABC, {"q": mix, "v": mix})
        mlp = algebra.recomputed(MLP, ABC, {"in": algebra.mix([Override(value.unit, A, value)], mix)})
        logits.append(algebra.logits(ABC, algebra.mix([Override(value.unit, None, value), Override(MLP, None, mlp)])))
    requests = [Request(MetricValue(value, "clean", "ld"), tuple(range(12))) for value in logits]

    for panel in plan(requests, space()).panels:
        live: set[int] = set()
        for step, freed in zip(panel.steps, panel.frees, strict=True):
            assert live.issuperset(step.inputs)
            live |= {step.out} if hasattr(step, "out") else set()
            assert live.issuperset(freed)
            live -= set(freed)
        assert not live
