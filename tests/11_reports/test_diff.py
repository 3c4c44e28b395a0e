"""A diff tells what changed and why, and never compares numbers under different conditions."""

import pytest

from circuitdsl.reports.diff import diff, render


def changed(evidence, index, **update):
    claims = list(evidence.claims)
    claims[index] = claims[index].model_copy(update=update)
    return evidence.model_copy(update={"claims": tuple(claims)})


def by_label(found):
    return {claim.label: claim for claim in found.claims}


def with_value(claim, value, outcome):
    member = claim.verdict.members[0]
    member = member.model_copy(update={"outcome": outcome, "estimate": member.estimate.model_copy(update={"value": value})})
    return claim.verdict.model_copy(update={"members": (member,), "outcome": outcome})


def test_the_same_evidence_is_the_same(evidence):
    found = diff(evidence, evidence.model_copy(update={"seconds": 1.0, "created": "later"}))
    assert found.same and render(found, ("a", "b")) == "a and b say the same.\n"


def test_definitions_are_conditions(evidence):
    """The same words about another metric, or another circuit: what changed is said, and the numbers are not put side by side."""
    defined = {"metric logit_diff": "logit(answer) - logit(wrong)", "circuit": "0123"}
    old = changed(evidence, 1, definitions=defined)
    for name, definition, said in (
        ("metric logit_diff", "logit(answer)", "metric logit_diff: logit(answer) - logit(wrong) → logit(answer)"),
        ("circuit", "4567", "another circuit"),
    ):
        new = changed(old, 1, definitions={**defined, name: definition}, verdict=with_value(evidence.claims[1], 0.5, "refuted"))
        claim = by_label(diff(old, new))["faithful"]
        assert claim.change == "incomparable" and claim.because == (said,)
        assert "0.500" not in render(diff(old, new))
    assert by_label(diff(old, old))["faithful"].change == "same"


def test_a_verdict_that_changed_on_a_changed_circuit(evidence):
    nodes = list(evidence.graph.nodes)
    nodes[1] = nodes[1].model_copy(update={"units": ("head 19.2", "head 20.1")})
    graph = evidence.graph.model_copy(update={"nodes": tuple(nodes), "edges": evidence.graph.edges[1:]})
    other = changed(evidence, 1, verdict=with_value(evidence.claims[1], 0.5, "refuted")).model_copy(update={"graph": graph})
    found = diff(evidence, other)
    assert by_label(found)["faithful"].change == "incomparable" and not found.same
    out = render(found)
    assert "node s_inhibition: + head 20.1, − head 20.0" in out
    assert "edge embed -> s_inhibition.q removed" in out
    assert "faithful: supported → refuted; numbers not compared" in out and "0.500" not in out


def test_other_conditions_are_incomparable(evidence):
    other = changed(evidence, 1, conditions={"ablate": "mean(abc)", "norm": "live"}, verdict=with_value(evidence.claims[1], 0.5, "refuted"))
    claim = by_label(diff(evidence, other))["faithful"]
    assert claim.change == "incomparable" and claim.because == ("ablate: resample(abc) → mean(abc)",)
    out = render(diff(evidence, other))
    assert "numbers not compared" in out and "ablate: resample(abc) → mean(abc)" in out
    assert "0.934" not in out and "0.500" not in out


def test_another_alignment_is_incomparable_whatever_the_claim_says(evidence):
    conditions = tuple(c.model_copy(update={"value": "absolute"}) if c.name == "align" else c for c in evidence.conditions)
    if conditions == evidence.conditions:
        conditions = (*conditions, evidence.conditions[0].model_copy(update={"name": "align", "value": "absolute"}))
    found = diff(evidence, evidence.model_copy(update={"conditions": conditions}))
    assert {claim.change for claim in found.claims} == {"incomparable"}
    assert found.claims[0].because == ("align: layout → absolute",)
    assert [line for line in found.setting if line.startswith("align")] in (["align: layout → absolute"], ["align: not stated → absolute"])


def test_another_question_model_or_prompts_are_incomparable(evidence):
    question = changed(evidence, 1, text="faithfulness(logit_diff) = 1 +- 0.10")
    assert by_label(diff(evidence, question))["faithful"].change == "incomparable"
    model = evidence.model_copy(update={"model": evidence.model.model_copy(update={"weights_sha256": "9" * 64})})
    prompts = evidence.model_copy(update={"verifying_sha256": "9" * 64})
    found = diff(evidence, model)
    assert {claim.change for claim in found.claims} == {"incomparable"} and "other contents" in found.setting[0]
    kinds = {claim.label: claim.change for claim in diff(evidence, prompts).claims}
    assert kinds["faithful"] == "incomparable" and kinds["senders"] == "same"


def test_numbers_that_moved_and_claims_that_came_and_went(evidence):
    other = changed(evidence, 1, verdict=with_value(evidence.claims[1], 0.95, "supported"))
    other = other.model_copy(update={"claims": (*other.claims[1:], other.claims[1].model_copy(update={"label": "fresh"}))})
    found = by_label(diff(evidence, other))
    assert (found["faithful"].change, found["works"].change, found["fresh"].change) == ("numbers", "removed", "added")
    out = render(diff(evidence, other))
    assert "faithful: still supported" in out and "works: removed (refuted)" in out and "fresh: added (supported)" in out


@pytest.mark.parametrize(("name", "value", "said"), [
    ("sequential", "yes", "sequential: no → yes"), ("confidence", "0.99", "confidence: 0.95 → 0.99"),
])  # fmt: skip
def test_how_verdicts_are_judged_is_a_condition_of_all_of_them(evidence, name, value, said):
    others = tuple(c for c in evidence.conditions if c.name != name)
    conditions = (*others, evidence.conditions[0].model_copy(update={"name": name, "value": value}))
    found = diff(evidence, evidence.model_copy(update={"conditions": conditions}))
    assert {claim.change for claim in found.claims} == {"incomparable"} and all(claim.because == (said,) for claim in found.claims)
    out = render(found)
    assert out.count(said) == 1 and out.count("under different conditions (said above)") == len(evidence.claims)


def test_reasons_of_one_claim_stand_with_it(evidence):
    other = changed(evidence, 1, conditions={"ablate": "mean(abc)", "norm": "live"})
    other = other.model_copy(update={"model": other.model.model_copy(update={"dtype": "float64"})})
    out = render(diff(evidence, other))
    assert out.count("dtype: float32 → float64") == 1
    assert "under different conditions, those above and:\n      ablate: resample(abc) → mean(abc)" in out
