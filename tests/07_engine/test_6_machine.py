"""The machine is measured once; predictions grow with what is asked."""

import json
import time
from dataclasses import asdict, replace

from circuitdsl.borders.plan import Machine, Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.values import Algebra, Run
from circuitdsl.engine.machine import known, machine
from circuitdsl.planning import plan


def test_a_calibration_is_kept_and_a_damaged_one_made_again(tmp_path):
    assert known(tmp_path) is None
    first = machine(tmp_path)
    assert first.flops > 1e6 and first.bytes > 1e6 and 0 < first.operation < 1e-2
    assert known(tmp_path) == machine(tmp_path) == first and known(tmp_path, "mps") is None
    [kept] = (tmp_path / "machines").iterdir()
    kept.write_text("{")
    assert known(tmp_path) is None and machine(tmp_path).flops > 1e6
    assert json.loads(kept.read_text()).keys() == {"flops", "bytes", "operation", "memory", "made"}


def test_a_calibration_is_believed_for_a_day(tmp_path):
    first = machine(tmp_path)
    [kept] = (tmp_path / "machines").iterdir()
    for hours, believed in ((23, True), (25, False), (-1, False)):
        old = replace(first, made=time.time() - hours * 3600)
        kept.write_text(json.dumps(asdict(old)))
        assert (known(tmp_path) == old) is believed


def test_time_is_made_of_operations_bytes_and_calls(tiny, space):
    space = space(tiny("gpt2").shape)
    requests = [Request(MetricValue(Algebra().logits(Run("clean")), "clean", "ld"), tuple(range(8)))]

    def seconds(*numbers, **options):
        return plan(requests, space, machine=Machine(*numbers), **options).cost.seconds

    cost = plan(requests, space).cost
    assert cost.seconds is None
    huge = float("inf")
    assert seconds(1e9, huge, 0, huge) > cost.flops / 1e9  # products lose something at their edges
    assert seconds(2e9, huge, 0, huge) == seconds(1e9, huge, 0, huge) / 2
    assert abs(seconds(huge, 1e9, 0, huge) - cost.bytes / 1e9) < 1e-12
    assert seconds(huge, huge, 0, 1e9) > 0  # the weights are read as well
    assert seconds(huge, huge, 1e-6, huge, memory=1) == 4 * seconds(huge, huge, 1e-6, huge)  # a prompt at a time, four of each length
    whole = plan(requests, space, machine=Machine(1e9, 1e9, 1e-6, 1e9)).cost
    assert 0 < whole.base_seconds < whole.seconds
