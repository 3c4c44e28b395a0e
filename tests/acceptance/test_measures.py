"""Every measure on the induction toy, where each number is known; three-valued verdicts."""

import json

import pytest

CLAIMS = {
    "right": ("accuracy(copied, of = model) >= 0.7", 1),
    "right_c": ("accuracy(copied, of = circuit, ablate = zero) >= 0.7", 1),
    "first": ("top1(copied, of = model) >= 0.7", 1),
    "mean": ("value(copied, of = circuit) = 1 +- 0.01", 1),
    "ratio": ("faithfulness(copied, ablate = zero) = 1 +- 0.01", 1),
    "ratio_mean": ("faithfulness(copied, ablate = mean(recoloured)) = 1 +- 0.01", 1),
    "direct": ("effect(induction -> logits, from = broken) = -1 +- 0.01", -1),
    "port": ("effect(embed -> induction.q -> logits, from = broken) = -1 +- 0.01", -1),
    "denoise": ("effect(embed -> induction.q -> logits, from = repeated, into = broken) = 1 +- 0.01", 1),
    "chain": ("effect(embed -> previous.v -> induction.k -> logits, from = recoloured) = -1 +- 0.01", -1),
    "every": ("effect(previous ~> logits, from = recoloured) = -1 +- 0.01", -1),
    "through": ("effect(previous -[induction]-> logits, from = recoloured) = -1 +- 0.01", -1),
    "around": ("effect(previous -[other]-> logits, from = recoloured) = 0 +- 0.01", 0),
    "looks": ("attention(induction, query = cue, key = next) >= 0.9", 1),
    "blind": ("attention(induction, query = cue, key = c) <= 0.1", 0),
}


def with_claims(toy, claims, **replacements):
    head = toy.read_text().split("claims {")[0].replace("nodes {", "nodes {\n  other = heads 0.1 unconnected")
    for old, new in replacements.items():
        head = head.replace(old, new)
    toy.write_text(head + "claims {\n" + "\n".join(f"  {label}: {text}" for label, text in claims.items()) + "\n}\n")
    return toy


def verified(circuitdsl, toy, *flags):
    ran = circuitdsl("verify", "--no-edges", "--prompts", 16, "--format", "json", *flags, toy)
    assert ran.status in (0, 1, 3), ran.err
    return ran.status, {claim["label"]: claim for claim in json.loads(ran.out)["claims"]}


def estimate(claim):
    (member,) = claim["verdict"]["members"]
    return member["estimate"]


def test_every_measure_has_its_exact_value(circuitdsl, toy):
    status, claims = verified(circuitdsl, with_claims(toy, {label: text for label, (text, _) in CLAIMS.items()}))
    assert {label: estimate(claim)["value"] for label, claim in claims.items()} == {
        label: pytest.approx(value, abs=1e-5) for label, (_, value) in CLAIMS.items()
    }
    assert status in (0, 3) and "refuted" not in {claim["verdict"]["outcome"] for claim in claims.values()}


def test_beside_faithfulness_stand_its_parts(circuitdsl, toy):
    ran = circuitdsl("verify", "--no-edges", "--prompts", 16, with_claims(toy, {"it": "faithfulness(copied) >= 0.5"}))
    for name in ("F(C)", "F(∅)", "F(M)", "F(M) − F(C)", "KL(M‖C)", "same argmax", "under mean(broken)"):
        assert f"beside     {name} " in ran.out


def test_minimality_single_has_a_member_for_each(circuitdsl, toy):
    _, claims = verified(
        circuitdsl,
        with_claims(
            toy, {f"each_{each}": f"minimality.single(copied, each {each}, ablate = zero) >= 0.5" for each in ("edge", "node", "unit")}
        ),
    )
    counts = {label: len(claim["verdict"]["members"]) for label, claim in claims.items()}
    assert counts == {"each_edge": 7, "each_node": 2, "each_unit": 2}
    values = [member["estimate"]["value"] for claim in claims.values() for member in claim["verdict"]["members"]]
    assert values == [pytest.approx(1)] * 11


def test_a_sweep_is_measured_on_exploring_prompts_without_a_verdict(circuitdsl, toy, whole_population):
    status, claims = verified(
        circuitdsl,
        with_claims(toy, {"sweep": "effect(each heads * -> logits, from = broken)", "works": "value(copied, of = model) >= 0.5"}),
    )
    sweep = claims["sweep"]
    assert sweep["verdict"]["outcome"] == "measured" and sweep["rows"] == "exploring" and claims["works"]["rows"] == "verifying"
    values = {member["label"].split()[-1]: member["estimate"]["value"] for member in sweep["verdict"]["members"]}
    assert values == {"0.0": pytest.approx(0), "0.1": pytest.approx(0), "1.0": pytest.approx(-1), "1.1": pytest.approx(0)}
    assert status == 0


def test_verdicts_have_three_values_and_warn_fails_nothing(circuitdsl, toy, whole_population):
    claims = {
        "yes": "value(copied, of = model) >= 0.5",
        "no": "warn effect(previous -> logits, from = recoloured) <= -0.5",
        "open": "accuracy(copied, of = model) >= 0.99",
    }
    status, found = verified(circuitdsl, with_claims(toy, claims))
    assert {label: claim["verdict"]["outcome"] for label, claim in found.items()} == {
        "yes": "supported",
        "no": "refuted",
        "open": "inconclusive",
    }
    assert status == 3


@pytest.mark.parametrize("memory", ["1kB", "200kB"])
def test_memory_changes_no_number(circuitdsl, toy, memory):
    _, whole = verified(circuitdsl, toy)
    columns = json.loads(toy.with_suffix(".prompts-16.evidence.json").read_text())["columns"]
    _, pieces = verified(circuitdsl, toy, "--memory", memory)
    again = json.loads(toy.with_suffix(".prompts-16.evidence.json").read_text())["columns"]
    assert again.keys() == columns.keys()
    for digest, column in columns.items():
        assert again[digest] == pytest.approx(column, abs=1e-6)
    assert {label: one["verdict"]["outcome"] for label, one in pieces.items()} == {
        label: one["verdict"]["outcome"] for label, one in whole.items()
    }


def test_verdicts_rest_on_fieller_for_ratios_exact_binomials_for_shares_and_templates_as_strata_or_clusters(circuitdsl, toy):
    claims = {
        "ratio": "faithfulness(copied, circuit = induction, ablate = resample(recoloured)) >= 0.5",
        "share": "accuracy(copied, of = model) >= 0.5",
        "mean": "effect(induction -> logits, from = recoloured) <= 0.5",
    }

    def methods():
        _, found = verified(circuitdsl, toy)
        return {label: estimate(claim)["method"] for label, claim in found.items()}

    strata = with_claims(toy, claims) and methods()
    assert strata["ratio"].startswith("ratio of means") and strata["share"].startswith("exact binomial (Clopper-Pearson)")
    assert all("3 templates as fixed strata" in method for method in strata.values())
    line = '  "{first} {next} {c} {d} {cue}"\n'
    text = toy.read_text()
    assert line in text
    orders = [f'  "{{first}} {{next}} {" ".join(["{c}", "{d}"] * n)} {{cue}}"\n' for n in range(2, 6)]
    orders += [f'  "{{d}} {{first}} {{next}} {" ".join(["{c}"] * n)} {{cue}}"\n' for n in range(1, 6)]
    toy.write_text(text.replace(line, line + "".join(orders)))
    clusters = methods()
    assert all("12 templates as clusters" in clusters[label] for label in ("ratio", "mean"))


def test_prompts_that_are_not_paired_draw_donors_of_their_own(circuitdsl, toy):
    """Two claims that take donors from the same prompts for different ones, together and each alone: the same numbers."""
    slots = "first, next, c, d in colours distinct; cue = first; answer next wrong c"
    pool = f'prompts pool {{ "{{first}} {{next}} {{c}} {{d}} {{cue}}"; {slots} }}\n'
    claims = {
        "first": "faithfulness(copied, ablate = resample(repeated), second = no) >= 0.5",
        "other": "faithfulness(copied, on = pool, ablate = resample(repeated), second = no) >= 0.5",
        "own": "faithfulness(copied, on = pool, ablate = resample(pool), second = no) >= 0.5",
    }
    start = toy.read_text().replace("metric copied", pool + "metric copied")

    def values(some):
        toy.write_text(start)
        _, found = verified(circuitdsl, with_claims(toy, some))
        return {
            label: {name: one["value"] for name, one in claim["verdict"]["members"][0]["beside"].items()} for label, claim in found.items()
        }

    together = values(claims)
    assert together == {label: values({label: text})[label] for label, text in claims.items()}
    assert len({together[label]["F(∅)"] for label in claims}) > 1
