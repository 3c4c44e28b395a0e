"""An evidence record by hand, with every kind of verdict in it."""

import pytest

from circuitdsl.borders.evidence import (
    ClaimRecord,
    ConditionRecord,
    DistributionRecord,
    EdgeRecord,
    EffectRecord,
    Evidence,
    FileRecord,
    GraphRecord,
    MemberRecord,
    ModelRecord,
    NodeRecord,
    ReadoutRecord,
)
from circuitdsl.borders.verdict import ClaimVerdict, Estimate, MemberVerdict


def claim(label, text, members, *, outcome=None, line=50, conditions=None, warn=False, warnings=(), reason=""):
    outcome = outcome or members[0].outcome
    return ClaimRecord(
        label=label,
        text=text,
        line=line,
        measure=text.split("(")[0],
        warn=warn,
        rows="exploring" if outcome == "measured" else "verifying",
        conditions=conditions if conditions is not None else {"ablate": "resample(abc)", "norm": "live"},
        readouts=(ReadoutRecord(name="C", column="c0ffee"),),
        members=tuple(MemberRecord(label=m.label, about=m.about, estimand="mean of C") for m in members),
        verdict=ClaimVerdict(
            label=label,
            outcome=outcome,
            members=tuple(members),
            p_adjusted=None if outcome == "measured" else 0.004,
            warnings=tuple(warnings),
            reason=reason,
        ),
    )


def member(label, outcome, value, low=None, high=None, **more):
    estimate = Estimate(value=value, low=low, high=high, n=128, method="bootstrap, 2 fixed strata")
    return MemberVerdict(label=label, outcome=outcome, estimate=more.pop("estimate", estimate), **more)


def ioi_claims():
    faithful = member(
        "faithful", "supported", 0.934, 0.86, 1.01, p_support=0.0002, beside={"M": Estimate(value=3.2, low=3.0, high=3.4, n=128)}
    )
    unbounded = Estimate(value=1.7, n=128, method="Fieller", note="the denominator's interval contains 0")
    needed = [
        member(f"head {u}", o, v, v - 0.1, v + 0.1, about=f"head {u}")
        for u, o, v in [("3.0", "refuted", -0.2), ("19.2", "supported", 0.4), ("20.0", "inconclusive", 0.05)]
    ]
    sweep = [
        member(
            f"head {layer}.{head}", "measured", 1.5 / (1 + (layer - 19) ** 2 + head) * (-1) ** head, -0.1, 0.2, about=f"head {layer}.{head}"
        )
        for layer in range(30)
        for head in range(9)
    ]
    return (
        claim(
            "works",
            "accuracy(logit_diff, of = model) >= 0.95",
            [member("works", "refuted", 0.81, 0.74, 0.87, p_refute=0.0001)],
            conditions={},
        ),
        claim("faithful", "faithfulness(logit_diff) = 1 +- 0.20", [faithful], line=51),
        claim(
            "ratio",
            "faithfulness(logit_diff, ablate = zero) >= 0.5",
            [member("ratio", "not testable", 1.7, estimate=unbounded, reason="M − E is not known to differ from 0")],
            line=52,
        ),
        claim(
            "moves",
            "effect(name_mover -> logits, from = abc) <= -0.5",
            [member("moves", "inconclusive", -0.52, -0.71, -0.33, prompts_to_decide=4200)],
            line=53,
            conditions={"from": "abc", "direction": "noising", "norm": "live"},
            warn=True,
        ),
        claim(
            "needed",
            "minimality.single(logit_diff, each unit) > 0.01",
            needed,
            outcome="refuted",
            line=54,
            warnings=["W021: 12 donors a layout; fewer than 20"],
        ),
        claim("senders", "effect(each heads * -> s_inhibition.v, from = abc)", sweep, outcome="measured", line=55),
    )


def ioi_graph():
    node, effect = NodeRecord, EffectRecord(value=-0.4, low=-0.5, high=-0.3)
    return GraphRecord(
        title="Indirect object identification in SmolLM2-135M",
        layers=30,
        nodes=(
            node(name="embed", units=("embed",), positions=None),
            node(name="s_inhibition", units=("head 19.2", "head 20.0"), positions=("END",), outcome="supported"),
            node(name="name_mover", units=("head 23.0", "head 23.3"), positions=("END",), effect=effect),
            node(name="logits", units=("logits",), positions=None),
        ),
        edges=(
            EdgeRecord(sender="embed", receiver="s_inhibition", port="q", positions=None, links=2, label="embed -> s_inhibition.q"),
            EdgeRecord(
                sender="s_inhibition",
                receiver="name_mover",
                port="q",
                positions=None,
                links=4,
                label="s_inhibition -> name_mover.q",
                effect=effect,
            ),
            EdgeRecord(sender="name_mover", receiver="logits", port=None, positions=None, links=2, label="name_mover -> logits"),
        ),
    )


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(
        circuitdsl="0.1.0",
        command="circuitdsl verify ioi.circ",
        created="2026-01-01T00:00:00Z",
        seconds=42.25,
        versions={"torch": "2.9"},
        file=FileRecord(name="ioi.circ", sha256="a" * 64, text='circuit "Indirect object identification in SmolLM2-135M"\n'),
        model=ModelRecord(
            name="smollm2-135m",
            weights="SmolLM2-135M-Instruct, Q4_1 dequantised",
            weights_sha256="b" * 64,
            tokenizer_sha256="c" * 64,
            family="llama",
            parameters=134_515_008,
            dtype="float32",
            device="cpu",
            parity_error=1.3e-6,
            sum_error=2.2e-7,
        ),
        conditions=(
            ConditionRecord(name="ablate", value="resample(abc)", origin="file"),
            ConditionRecord(name="seed", value="0", origin="default"),
            ConditionRecord(name="prompts", value="256", origin="flag"),
        ),
        distributions=(
            DistributionRecord(name="clean", n=256, available=540, layouts=2, sha256="d" * 64),
            DistributionRecord(name="abc", n=256, paired="clean", layouts=2, sha256="e" * 64),
        ),
        default="clean",
        exploring_sha256="f" * 64,
        verifying_sha256="0" * 64,
        claims=ioi_claims(),
        columns={"c0ffee": (0.25, -1.5, 3.0)},
        graph=ioi_graph(),
        warnings=("W030: the prompts have only 2 templates, so the answer speaks of these templates only",),
    )
