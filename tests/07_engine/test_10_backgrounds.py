"""Several backgrounds at once: rows of one plain run, gathered for each of them, are what each gives alone."""

import numpy as np
import pytest
import torch

from circuitdsl.borders.units import WriteGroup
from circuitdsl.borders.values import Draw, Gather, Run
from circuitdsl.engine.captures import capture
from circuitdsl.engine.indexing import Indexing
from circuitdsl.engine.worlds import CapturedPool, Views

POSITIONS = (1, 3, 4)
WORLDS = OWN, DRAWN, OTHER = Run("clean"), Gather("clean", Draw("clean", "clean", "a")), Gather("clean", Draw("clean", "clean", "b"))


@pytest.fixture
def views(tiny):
    """Three worlds over a pool of four prompts: their own rows, and two draws of them."""
    adapter = tiny("llama")
    with torch.inference_mode():
        tokens = torch.arange(24).view(4, 6) % adapter.shape.vocabulary
        pool, places = CapturedPool(adapter, capture(adapter, tokens, adapter.shape.layers)), Indexing(adapter.device)
    rows = np.array([[0, 1, 2, 3], [2, 0, 0, 3], [1, 1, 3, 2]])
    return Views(adapter, places, dict.fromkeys(WORLDS, pool), {world: number for number, world in enumerate(WORLDS)}, rows)


def test_several_worlds_are_each_of_them_side_by_side(views):
    worlds = (OTHER, OWN, DRAWN, OWN)
    assert views.of((OWN,)).rows is None  # taken as they lie
    together, alone = views.of(worlds), [views.of((world,)) for world in worlds]
    attention, mlp = WriteGroup(1, "attention"), WriteGroup(1, "mlp")
    with torch.inference_mode():
        for give in (
            lambda view: view.read(attention, POSITIONS),
            lambda view: view.keys(1, (0, 3, 5), 5, "k"),
            lambda view: view.contribution(attention, "head", (2, 4), POSITIONS),
            lambda view: view.contribution(mlp, "mlp", (), POSITIONS),
            lambda view: view.contribution(mlp, "neuron", (3, 7), POSITIONS),
            lambda view: view.total(attention, POSITIONS),
        ):
            found, wanted = give(together), torch.cat([give(view) for view in alone])
            assert found.shape[:2] == (4, 4) and torch.equal(found, wanted)
            assert not torch.equal(found[0], found[2])
