"""The fast engine says what the oracle says, on values that nobody would ask for: every family, world, port, position and readout."""

import numpy as np
import pytest

from circuitdsl.borders.plan import Request
from circuitdsl.engine import execute
from circuitdsl.models.exact import exact
from circuitdsl.oracle import evaluate
from circuitdsl.planning import plan

EVERY = (0, 1, 2, 3, 4, 5)


def both(requests, space, adapter, **options):
    """The plan's requests, and what the engine and the oracle say to them under the same draws."""
    planned = plan(requests, space, **options)
    return planned.requests, execute(planned, adapter, space), evaluate(planned.requests, space, adapter, planned.draws)


def agree(requests, fast, slow, tolerance):
    for request in requests:
        readout = request.readout
        found, expected = fast[readout.digest], slow[readout.digest]
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=f"{readout.kind} {readout.metric}")


@pytest.mark.parametrize("seed", range(3))
def test_random_values(tiny, family, hypothesis, random_values, seed):
    adapter = tiny(family, seed)
    space = hypothesis(adapter.shape, seed)
    requests = [Request(readout, EVERY) for readout in random_values(adapter.shape, seed).readouts()]
    with exact():
        agree(*both(requests, space, adapter), 1e-9)


def test_random_values_on_some_rows_of_the_counterfactuals(tiny, family, hypothesis, random_values):
    adapter = tiny(family, 7)
    space = hypothesis(adapter.shape, 7)
    readouts = random_values(adapter.shape, 7).readouts(20, labels="abc")
    requests = [Request(readout, (4, 0, 3) if i % 2 else (5, 1)) for i, readout in enumerate(readouts)]
    with exact():
        agree(*both(requests, space, adapter), 1e-9)
