"""The text report says everything that stands beside a number, within its width."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from circuitdsl.borders.evidence import ClaimRecord
from circuitdsl.borders.verdict import ClaimVerdict, Estimate, MemberVerdict
from circuitdsl.reports import sweeps, text
from circuitdsl.reports.numbers import interval, number


def test_every_claim_with_verdict_number_interval_and_conditions(evidence):
    out = text.render(evidence)
    for words in (
        "✗ refuted       works     0.810  [0.740, 0.870]",
        "✓ supported     faithful  0.934  [0.860, 1.01]",
        "line 51    faithfulness(logit_diff) = 1 +- 0.20",
        "beside     M 3.20 [3.00, 3.40]",
        "bootstrap, 2 fixed strata, n = 128; p to support 0.0002; corrected for all claims 0.004",
        "1.70  (no bounded interval)",
        "the denominator's interval contains 0",
        "−0.520  [−0.710, −0.330]  (warn: fails nothing)",
        "about 4,200 prompts would probably decide it",
        "under      from = abc, direction = noising, norm = live",
        "1 of 3 supported, 1 of 3 refuted, 1 of 3 inconclusive",
        "W021: 12 donors a layout; fewer than 20",
        "W030: the prompts have only 2 templates",
        "seed = 0 (default), prompts = 256 (flag)",
        "logits within 1.3e-06 of transformers' own",
        "SmolLM2-135M-Instruct, Q4_1 dequantised",
        "1 supported, 2 refuted, 1 inconclusive, 1 not testable, 1 measurement in 42.2 s; exit status 1",
    ):
        assert words in " ".join(out.split("\n")) or words in out, words


def test_members_that_fail_come_first(evidence):
    out = text.render(evidence)
    assert out.index("✗  head 3.0") < out.index("?  head 20.0") < out.index("✓  head 19.2")


def test_a_sweep_is_ranked_and_mapped(evidence):
    out = text.render(evidence)
    assert out.index("head 19.0 ") < out.index("… 254 between …") < out.index("head 19.1 ")
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d+ (  ?[+−]\d|   ·)", line)]
    assert ["19", "+9", "−4", "+3", "−2", "+2", "−2", "+1", "−1", "+1"] in rows


def test_plain_in_pipes_and_the_same_words_in_colour(evidence):
    plain, coloured = text.render(evidence), text.render(evidence, color=True)
    assert "\x1b" not in plain and "\x1b" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()


def test_conditions_of_all_claims_are_said_once(evidence):
    claims = tuple(claim.model_copy(update={"conditions": {"ablate": "zero"}}) for claim in evidence.claims)
    out = text.render(evidence.model_copy(update={"claims": claims}))
    assert out.count("under      ablate = zero (all claims)") == 1 and out.count("under") == 1


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], 0),
        (["supported"], 0),
        (["measured"], 0),
        (["supported", "refuted", "inconclusive"], 1),
        (["supported", "inconclusive"], 3),
        (["not testable"], 3),
        (["warn refuted", "supported"], 0),
    ],
)
def test_exit_status(evidence, outcomes, expected):
    claims = []
    for outcome in outcomes:
        verdict = ClaimVerdict(label="x", outcome=outcome.removeprefix("warn "), members=())
        claims.append(evidence.claims[0].model_copy(update={"verdict": verdict, "warn": outcome.startswith("warn")}))
    changed = evidence.model_copy(update={"claims": tuple(claims)})
    assert text.status(changed) == expected
    assert f"exit status {expected}:" in text.render(changed)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (0.81, "0.810"),
        (-1.5, "−1.50"),
        (123.456, "123"),
        (1e6, "1.00e+06"),
        (-1e-9, "−1.00e-09"),
        (float("nan"), "none"),
        (None, "none"),
    ],
)
def test_numbers(value, expected):
    assert number(value) == expected


def test_an_open_side_is_infinite():
    assert interval(Estimate(value=1.0, low=0.5, high=None)) == "[0.500, ∞]"
    assert interval(Estimate(value=1.0)) == ""


def test_no_map_for_few_or_nameless_members():
    members = [MemberVerdict(label=f"x{i}", outcome="measured", estimate=Estimate(value=1.0)) for i in range(40)]
    assert sweeps.heat_map(members, 96) == []


def test_no_map_of_rounding():
    def measured(size):
        beside = {"background": Estimate(value=-4.0)}
        return [MemberVerdict(label=f"head 0.{i}", outcome="measured", estimate=Estimate(value=size), beside=beside) for i in range(12)]

    assert sweeps.heat_map(measured(3e-7), 96) == []
    assert sweeps.heat_map(measured(0.001), 96) != []


words = st.text(max_size=40)
floats = st.none() | st.floats(allow_nan=True)
estimates = st.builds(Estimate, value=floats, low=floats, high=floats, n=st.integers(0, 10**6), method=words, note=words)
outcomes = st.sampled_from(["supported", "refuted", "inconclusive", "not testable", "measured"])
members = st.builds(
    MemberVerdict,
    label=words | st.builds("head {}.{}".format, st.integers(0, 30), st.integers(0, 30)),
    outcome=outcomes,
    estimate=estimates,
    beside=st.dictionaries(words, estimates, max_size=2),
    reason=words,
    p_support=st.none() | st.floats(0, 1),
    prompts_to_decide=st.none() | st.integers(0, 10**9),
)
verdicts = st.builds(
    ClaimVerdict,
    label=words,
    outcome=outcomes,
    members=st.lists(members, max_size=30).map(tuple),
    reason=words,
    warnings=st.lists(words, max_size=2).map(tuple),
)
claims = st.builds(
    ClaimRecord,
    label=words,
    text=words,
    line=st.integers(0, 10**5),
    measure=words,
    warn=st.booleans(),
    rows=st.sampled_from(["exploring", "verifying"]),
    conditions=st.dictionaries(words, words, max_size=3),
    readouts=st.just(()),
    members=st.just(()),
    verdict=verdicts,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=st.lists(claims, max_size=4), width=st.integers(60, 120))
def test_any_evidence_renders_within_its_width(evidence, claims, width):
    out = text.render(evidence.model_copy(update={"claims": tuple(claims)}), width=width)
    assert all(cell_len(line) <= width for line in out.split("\n") if line.isprintable())
    assert "exit status" in " ".join(out.split())


def test_wide_letters_are_wrapped_too(evidence):
    member = evidence.claims[0].verdict.members[0].model_copy(update={"reason": "日本語の長い理由" * 12})
    verdict = evidence.claims[0].verdict.model_copy(update={"members": (member,)})
    claim = evidence.claims[0].model_copy(update={"verdict": verdict, "text": "名前" * 60})
    out = text.render(evidence.model_copy(update={"claims": (claim,)}), width=80)
    assert all(cell_len(line) <= 80 for line in out.splitlines())
    assert "".join(out.split()).count("日本語の長い理由") == 12


# ---------------------------------------------------------------- what a claim asks, and where it turns


@pytest.mark.parametrize(
    ("operator", "value", "margin", "outcome", "expected"),
    [
        (">=", 0.8, None, "supported", ">= 0.850 is about the strongest bound that these prompts support"),
        (">=", 0.99, None, "refuted", ">= 0.850 is about the strongest bound that these prompts support instead"),
        ("<=", 1.2, None, "supported", "<= 0.950 is about the strongest bound that these prompts support"),
        ("=", 1.0, 0.2, "supported", "a margin of about 0.150 is the least that these prompts support"),
        ("=", 1.0, 0.01, "refuted", "a margin of about 0.150 would hold it"),
        (">=", 0.9, None, "inconclusive", ""),
    ],
)
def test_a_decided_claim_says_where_it_turns(operator, value, margin, outcome, expected):
    from circuitdsl.borders.evidence import ClaimRecord, ComparisonRecord
    from circuitdsl.borders.verdict import ClaimVerdict, Estimate, MemberVerdict
    from circuitdsl.reports.turning_point import turning

    member = MemberVerdict(label="it", outcome=outcome, estimate=Estimate(value=0.9, low=0.85, high=0.95))
    inner = MemberVerdict(label="other", outcome=outcome, estimate=Estimate(value=0.9, low=0.88, high=0.92))
    claim = ClaimRecord(
        label="it",
        text="it",
        comparison=ComparisonRecord(operator=operator, value=value, margin=margin),
        line=1,
        measure="value",
        rows="verifying",
        conditions={},
        readouts=(),
        members=(),
        verdict=ClaimVerdict(label="it", outcome=outcome, members=(member,)),
    )
    assert turning(claim) == expected
    both = claim.model_copy(update={"verdict": ClaimVerdict(label="it", outcome=outcome, members=(inner, member))})
    assert turning(both) == expected, "of several members, the bound that all of them support"


def test_what_would_change_a_verdict_is_in_the_report(evidence):
    claims = tuple(claim.model_copy(update={"turns": f"<= {number}"}) for number, claim in enumerate(evidence.claims))
    assert "it turns   <= 0" in text.render(evidence.model_copy(update={"claims": claims}))


def test_no_p_value_is_zero():
    assert text._p(0.0) == "below 1e-99" and text._p(2e-7) == "2e-07" and text._p(0.0312) == "0.031"


def test_a_claim_is_asked_in_words():
    from circuitdsl.borders.hypothesis import Claim, Comparison
    from circuitdsl.reports.record import question

    claim = Claim("it", "faithfulness", "", comparison=Comparison("=", 1.0, 0.2), measured="clean")
    assert question(claim, "how much the circuit does") == "how much the circuit does: is it between 0.8 and 1.2?"
    claim = Claim("it", "minimality.single", "", each="unit", comparison=Comparison(">=", 0.01), measured="clean")
    assert question(claim, "what a part is worth") == "what a part is worth, for each unit: is it at least 0.01?"
    assert question(Claim("it", "value", "", measured="clean"), "the metric's own mean") == "the metric's own mean"


def test_few_templates_are_said_to_be_all_that_is_spoken_of(evidence):
    """Once, at the foot; not where templates are a sample of templates."""
    words = "those answers speak of these templates only"
    assert text.render(evidence).count(words) == 1

    def clustered(estimate):
        return estimate.model_copy(update={"method": estimate.method.replace("fixed strata", "clusters")})

    claims = tuple(
        claim.model_copy(
            update={
                "verdict": claim.verdict.model_copy(
                    update={"members": tuple(m.model_copy(update={"estimate": clustered(m.estimate)}) for m in claim.verdict.members)}
                )
            }
        )
        for claim in evidence.claims
    )
    assert words not in text.render(evidence.model_copy(update={"claims": claims}))
