"""`verify --dtype`: one file in float32, float64 and bfloat16, to the same verdicts, with numbers as close as the type is fine."""

import json

import numpy as np
import pytest

PRECISION = {"float32": 2**-23, "bfloat16": 2**-7}
"""From 1 to the next number."""


@pytest.fixture
def verified(circuitdsl, toy):
    """`verified(dtype)`: the evidence of the toy in that type."""

    def run(dtype):
        ran = circuitdsl("verify", "--dtype", dtype, toy)
        assert ran.status == 0, ran.out + ran.err
        name = ".evidence.json" if dtype == "float32" else f".dtype-{dtype}.evidence.json"
        evidence = json.loads(toy.with_suffix(name).read_text())
        assert evidence["model"]["dtype"] == dtype
        return evidence

    return run


def outcomes(evidence):
    return [(claim["label"], member["outcome"]) for claim in evidence["claims"] for member in claim["verdict"]["members"]]


@pytest.mark.parametrize("dtype", PRECISION)
def test_a_type_changes_no_verdict_and_numbers_within_its_precision(verified, dtype):
    """Answers of the toy are of size 1. That some number differs shows that the type was used."""
    exact, found = verified("float64"), verified(dtype)
    assert outcomes(found) == outcomes(exact) and len(outcomes(found)) >= 8
    assert found["columns"].keys() == exact["columns"].keys()
    apart = max(np.abs(np.subtract(found["columns"][column], exact["columns"][column])).max() for column in exact["columns"])
    assert 0 < apart <= PRECISION[dtype]
    for mine, theirs in zip(found["claims"], exact["claims"], strict=True):
        for one, other in zip(mine["verdict"]["members"], theirs["verdict"]["members"], strict=True):
            assert one["estimate"]["value"] == pytest.approx(other["estimate"]["value"], abs=PRECISION[dtype])
