"""Variants of a circuit that share what is equal in them say together what each says alone."""

import numpy as np
import pytest

from circuitdsl.borders.units import EMBED, Role, Unit
from circuitdsl.borders.values import Algebra, Mean, Override, Run

CLEAN = Run("clean")
END, A = (Role("END"),), (Role("A", part="all"),)
PLACES = {Unit("head", 0, 0): A, Unit("head", 1, 1): None, Unit("head", 2, 2): END}


def circuit(algebra, shape, background, cut=None, frozen=None):
    """MLPs everywhere and a head a layer at its own positions, all reading all that comes before, one of them cut."""
    mix = algebra.mix([Override(EMBED, None, algebra.base(CLEAN, EMBED))])
    for layer in range(shape.layers):
        before = mix
        for unit in [*(head for head in PLACES if head.layer == layer), Unit("mlp", layer)]:
            value = algebra.recomputed(unit, background, dict.fromkeys(unit.ports, before if shape.parallel else mix), frozen)
            if unit != cut:
                mix = algebra.mix([Override(unit, PLACES.get(unit), value)], mix)
    return algebra.logits(background, mix)


@pytest.mark.parametrize("background", [Run("abc"), Mean("abc")], ids=str)
def test_alone_and_together(tiny, family, space, measure, background):
    adapter = tiny(family)
    shape, space = adapter.shape, space(adapter.shape)
    cuts = [None, *PLACES, *(Unit("mlp", layer) for layer in range(shape.layers))]
    options = [*({"cut": cut} for cut in cuts), {"frozen": CLEAN}, {"frozen": CLEAN, "cut": cuts[-1]}]
    alone = [measure(adapter, space, circuit(Algebra(), shape, background, **some))[0] for some in options]
    algebra = Algebra()
    together = measure(adapter, space, *(circuit(algebra, shape, background, **some) for some in options))
    assert len({round(float(one[0]), 9) for one in alone[: len(cuts)]}) == len(cuts)
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-10, atol=1e-12)
