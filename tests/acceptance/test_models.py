"""Every family from a folder to verdicts, and what is said of it at load."""

import json
import re

import pytest


def test_a_family_from_its_folder_to_verdicts(circuitdsl, model_file):
    """All edges are the model, row by row; parity is told in one line."""
    ran = circuitdsl("verify", "--dtype", "float64", "--no-edges", model_file)
    assert ran.status in (0, 3), ran.err  # tiny random models need not care about the counterfactual
    parity = re.search(r"parity .*within (\S+) of transformers' own;", ran.out)
    assert float(parity[1]) < 1e-9
    evidence = json.loads(model_file.with_suffix(".dtype-float64.evidence.json").read_text())
    (whole,) = [claim for claim in evidence["claims"] if claim["label"] == "whole"]
    columns = {readout["name"]: evidence["columns"][readout["column"]] for readout in whole["readouts"]}
    assert columns["F(C)"] == pytest.approx(columns["F(M)"], rel=1e-9)
    assert columns["F(C)"] != pytest.approx(columns["F(∅)"], rel=0.1)


@pytest.mark.parametrize("family", ["llama"])
def test_weights_of_half_precision_are_computed_in_float32_unless_told_otherwise(circuitdsl, model_file):
    from safetensors.torch import load_file, save_file

    weights = model_file.parent / "model" / "model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    for flags, dtype, scale in (([], "float32", 1e-4), (["--dtype", "float64"], "float64", 1e-9)):
        ran = circuitdsl("verify", *flags, "--no-edges", model_file)
        assert ran.status in (0, 3), ran.err
        model = json.loads(model_file.with_suffix(f".dtype-{dtype}.evidence.json" if flags else ".evidence.json").read_text())["model"]
        assert model["dtype"] == dtype and model["parity_error"] < scale


def test_the_oracle_agrees_on_the_file(model_file, family):
    """The engine's numbers for every claim of the file, against the slow executor's under the same draws."""
    import numpy as np

    from circuitdsl.borders.flags import Flags
    from circuitdsl.borders.values import Algebra
    from circuitdsl.engine.executor import execute
    from circuitdsl.models.exact import exact
    from circuitdsl.models.loading import load
    from circuitdsl.oracle import evaluate
    from circuitdsl.pipeline import lower, plan, read, resolve

    hypothesis = resolve(read(model_file), Flags(settings={"prompts": 4}))
    planned = plan(hypothesis, lower(hypothesis, Algebra()))
    with exact():
        adapter = load(hypothesis.model, folder=model_file.parent, dtype="float64").adapter
        fast, slow = execute(planned, adapter, hypothesis), evaluate(planned.requests, hypothesis, adapter, planned.draws)
    assert fast.keys() == slow.keys() and len(fast) >= 6
    for digest in fast:
        np.testing.assert_allclose(fast[digest], slow[digest], rtol=1e-9, atol=1e-9)


def test_another_model_by_flag(circuitdsl, toy):
    """A flag's folder is looked for from the file's own, as `model` is."""
    (toy.parent / "toys" / "induction").rename(toy.parent / "toys" / "renamed")
    assert circuitdsl("check", toy).status == 2
    assert circuitdsl("verify", "--no-edges", "--model", "./toys/renamed", toy).status == 0


def test_a_model_that_is_not_here_is_checked_by_its_known_shape(circuitdsl, monkeypatch, toy):
    from pathlib import Path

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for path in sorted((Path(__file__).parents[2] / "hypotheses").glob("*_gpt2.circ")):
        ran = circuitdsl("check", path)
        assert ran.status == 0 and "tokens not checked" in ran.err + ran.out
