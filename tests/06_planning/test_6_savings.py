"""What each pass saves, counted by hand on rows of six tokens with A at 1 and END at 5. Without its pass each test fails."""

import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.units import EMBED, Role, Unit
from circuitdsl.borders.values import Algebra, Draw, Gather, Mean, Override, Run
from circuitdsl.planning import cost, plan

CLEAN, ABC = Run("clean"), Run("abc")
END, A = (Role("END"),), (Role("A"),)
EARLY, LATE = Unit("head", 0, 1), Unit("head", 2, 3)
MLPS = [Unit("mlp", layer) for layer in range(3)]
ROWS = 2


@pytest.fixture
def saved(space):
    """`saved(name, *logits)`: before and after, for each of two rows of one layout."""

    def count(name, *values):
        [found] = [one for one in savings(space, *values) if one.name == name]
        assert found.before % ROWS == found.after % ROWS == 0
        return found.before // ROWS, found.after // ROWS

    return count


@pytest.fixture
def steps(space):
    """The same for passes that save steps, whatever the rows."""

    def count(name, *values):
        [found] = [one for one in savings(space, *values) if one.name == name]
        return found.before, found.after

    return count


def savings(space, *values, rows=(0, 3)):
    return plan([Request(MetricValue(value, "clean", "ld"), rows) for value in values], space()).savings


def embed(algebra, roles=None):
    return algebra.mix([Override(EMBED, roles, algebra.base(CLEAN, EMBED))])


def over(algebra, *values, roles=None, before=None):
    return algebra.mix([Override(value.unit, roles, value) for value in values], before)


def heads(algebra, count=4):
    """Heads of the last layer that read one mix through all their ports."""
    mix = embed(algebra)
    return algebra.logits(
        ABC, over(algebra, *(algebra.recomputed(Unit("head", 2, i), ABC, dict.fromkeys("qkv", mix)) for i in range(count)))
    )


def test_equal_values_once(saved):
    """Two ways to say one mix, and one with an override more, of the background's own value: the heads are one, and the logits."""
    algebra, mean = Algebra(), Mean("pool")
    own, clean = (algebra.base(world, unit) for world, unit in ((mean, EARLY), (CLEAN, EMBED)))
    at_once, by_role = [Override(EMBED, (*A, *END), clean)], [Override(EMBED, roles, clean) for roles in (A, END)]
    mixes = [algebra.mix(overrides) for overrides in (at_once, by_role, [*at_once, Override(EARLY, None, own)])]
    values = [algebra.recomputed(LATE, mean, {"q": mix}) for mix in mixes]
    assert saved("equal values once", *(algebra.logits(mean, over(algebra, value)) for value in values)) == (6 * 6, 2 * 6)


def test_equal_positions_once(saved):
    """A head at A alone is cut: the MLP after it and the logits have another value there alone, and logits are read at END for each."""
    algebra = Algebra()
    mix = embed(algebra)
    early = algebra.recomputed(EARLY, ABC, dict.fromkeys("qkv", mix))
    values = [algebra.recomputed(MLPS[1], ABC, {"in": one}) for one in (over(algebra, early, roles=A, before=mix), mix)]
    assert saved("equal positions once", *(algebra.logits(ABC, over(algebra, value)) for value in values)) == (5 * 6, 6 + 7 + 8)


def test_dead_values_dropped(saved):
    """The metric looks at END; the head's value is placed at A."""
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, {"q": embed(algebra)})
    assert saved("dead values dropped", algebra.logits(ABC, over(algebra, late, roles=A))) == (6 + 6, 6)
    assert saved("dead values dropped", algebra.logits(ABC, over(algebra, late, roles=END))) == (6 + 6, 6 + 6)


def test_only_where_they_are_read(saved):
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, {"q": embed(algebra)})
    assert saved("only where they are read", algebra.logits(ABC, over(algebra, late))) == (6 + 6, 1 + 1)


def test_cached_keys_and_values(saved):
    """The key at A alone is made anew, and no value."""
    algebra = Algebra()
    late = algebra.recomputed(LATE, ABC, {"k": embed(algebra, A)})
    assert saved("cached keys and values", algebra.logits(ABC, over(algebra, late))) == (2 * 6, 1)


def test_one_norm_for_all_readers(saved):
    """Four heads read queries at END, keys and values everywhere; the logits are read at END."""
    assert saved("one norm for all readers", heads(Algebra())) == (4 * (1 + 6 + 6) + 1, 1 + 6 + 1)


def readers(algebra):
    """Every MLP reads the sum of the embedding and an early head, whose values read the embedding everywhere."""
    mix = embed(algebra)
    mix = over(algebra, algebra.recomputed(EARLY, ABC, {"v": mix}), before=mix)
    return algebra.logits(ABC, over(algebra, *(algebra.recomputed(unit, ABC, {"in": mix}) for unit in MLPS)))


def test_common_senders_once(saved):
    """The embedding is written for the head's values; the head once for MLPs that read it with the embedding and a query that does not."""
    algebra = Algebra()
    mix = embed(algebra)
    early = algebra.recomputed(EARLY, ABC, {"v": mix})
    mlps = [algebra.recomputed(unit, ABC, {"in": over(algebra, early, before=mix)}) for unit in MLPS]
    late = algebra.recomputed(LATE, ABC, {"q": over(algebra, early)})
    logits = algebra.logits(ABC, over(algebra, late, *mlps))
    assert saved("common senders once", logits) == (6 + 3 * 2 + 1 + 4, 6 + 1 + 3 + 1)


def test_shared_sums_kept(saved):
    """Two additions for the sum, then one for each MLP."""
    assert saved("shared sums kept", readers(Algebra())) == (6 + 3 * 2 + 3, 6 + 2 + 3 * 1 + 3)


def test_heads_together(steps):
    """Three ports, the attention and the write of four heads; and the write of the embedding."""
    assert steps("heads together", heads(Algebra())) == (5 * 4 + 1, 5 + 1)


def test_whole_layers(steps):
    assert steps("whole layers", heads(Algebra())) == (3, 0)
    assert steps("whole layers", heads(Algebra(), count=3)) == (3, 3)


def test_variants_on_one_axis(steps):
    """Four heads, each sent into an MLP by itself: four writes of different heads, but one product of the MLP and one write of it."""
    algebra = Algebra()
    sent = [algebra.mix([Override(unit, None, algebra.base(CLEAN, unit))]) for unit in (Unit("head", 0, i) for i in range(4))]
    values = [algebra.recomputed(MLPS[1], ABC, {"in": mix}) for mix in sent]
    assert steps("variants on one axis", *(algebra.logits(ABC, over(algebra, value)) for value in values)) == (4 + 4 + 4, 4 + 1 + 1)


def scrubbed(algebra, paths="abc"):
    """A head over other donors on each path, its queries with the measured row's embedding; then an MLP over the same donors."""
    mix, values = embed(algebra), []
    for path in paths:
        donors = Gather("pool", Draw("clean", "pool", path))
        head = algebra.recomputed(EARLY, donors, {"q": mix})
        mlp = algebra.recomputed(MLPS[1], donors, {"in": over(algebra, head)})
        values.append(algebra.logits(ABC, over(algebra, mlp)))
    return values


def test_backgrounds_on_one_axis(steps):
    """The donors of three paths are rows of one plain run: the embedding's write, the head's projection, attention and write, the MLP.

    The MLP is written to the counterfactual run, in three variants.
    """
    assert steps("backgrounds on one axis", *scrubbed(Algebra())) == (5 * 3 + 1, 5 + 1)


def test_named_tokens_only(space, saved, shape):
    """Two tokens of the vocabulary, for each of the readouts."""
    algebra = Algebra()
    values = heads(algebra), readers(algebra)
    assert saved("named tokens only", *values) == (2 * shape.vocabulary, 2 * 2)
    [found] = [one for one in savings(space, *values) if one.name == "named tokens only"]
    assert found.passes == pytest.approx(2 * (2 * 48 * shape.width) / cost.forward(shape, 6).flops)


def test_donors_from_one_run(saved, shape):
    algebra = Algebra()
    worlds = [Gather("pool", Draw("clean", "pool", path)) for path in ("a", "b", "c")]
    assert saved("donors from one run", *map(algebra.logits, worlds)) == (3 * shape.layers, shape.layers)


def test_runs_stopped_early(saved, shape):
    """Of the clean run the embedding is taken, before any layer; the logits over the other read all of it."""
    assert saved("runs stopped early", heads(Algebra())) == (2 * shape.layers, shape.layers)


def test_last_layers_where_they_are_read(space, saved, shape):
    """Of the run whose logits are read the last layer is needed at the end alone; of the clean run the embedding, so no layer."""
    value = heads(Algebra())
    assert saved("last layers where read", value) == (6, 1)
    [found] = [one for one in savings(space, value) if one.name == "last layers where read"]
    less = cost.layer(shape, 6).flops - cost.layer(shape, 6, 1).flops
    assert found.passes == pytest.approx(less / cost.forward(shape, 6).flops) and less > 0


def test_rows_together_and_sorted_by_length(space):
    """Eight rows of six tokens and four of eight, without padding, in a list of steps each."""
    found = {one.name: (one.before, one.after) for one in savings(space, heads(Algebra()), rows=tuple(range(12)))}
    assert found["rows together"] == (12, 2)
    assert found["sorted by length"] == (12 * 8, 8 * 6 + 4 * 8)


def test_each_pass_of_a_chain_begins_with_what_the_one_before_left(space):
    found = {one.name: one for one in savings(space, heads(Algebra()), readers(Algebra()), rows=tuple(range(12)))}
    for first, second in [
        ("equal values once", "equal positions once"),
        ("equal positions once", "dead values dropped"),
        ("dead values dropped", "only where they are read"),
        ("donors from one run", "runs stopped early"),
        ("heads together", "variants on one axis"),
        ("variants on one axis", "backgrounds on one axis"),
    ]:
        assert found[first].after == found[second].before
        assert found[first].unit == found[second].unit
