"""`verify --sequential`: claims about shares and attention stop the run as soon as they are decided."""

import json
from itertools import permutations

SETTINGS = "settings { prompts = 400; seed = 0; ablate = resample(broken); confidence = 0.95 }"
SHORT = """
claims {
  works:  accuracy(copied, of = model)                        >= 0.7
  looks:  attention(induction, query = cue, key = next)       >= 0.6
  absent: attention(induction, query = cue, key = d)          >= 0.2
  MORE
}
"""


def written(toy, more=""):
    """The toy's file with claims that a few prompts decide."""
    text = toy.read_text()
    head = text[: text.index("settings {")]
    path = toy.with_name("short.circ")
    path.write_text(head + SETTINGS + SHORT.replace("MORE", more))
    return path


def evidence(path):
    return json.loads(path.with_name(f"{path.stem}.evidence.json").read_text())


def test_a_run_stops_when_every_claim_is_decided(toy, circuitdsl):
    path = written(toy)
    said = circuitdsl("verify", path, "--sequential", "--no-edges")
    found = {claim["label"]: claim["verdict"] for claim in evidence(path)["claims"]}
    assert {label: verdict["outcome"] for label, verdict in found.items()} == {
        "works": "supported",
        "looks": "supported",
        "absent": "refuted",
    }
    assert said.status == 1 and "decided at" in said.out and "of 360 prompts" in said.out
    measured = {len(column) for column in evidence(path)["columns"].values()}
    assert len(measured) == 1 and measured.pop() < 200
    plain = circuitdsl("verify", path, "--no-edges")
    assert plain.status == 1 and "decided at" not in plain.out
    assert {label: claim["verdict"]["outcome"] for label, claim in ((c["label"], c) for c in evidence(path)["claims"])} == {
        label: verdict["outcome"] for label, verdict in found.items()
    }


def test_the_figure_is_of_the_prompts_that_were_measured(toy, circuitdsl):
    path = written(toy)
    circuitdsl("verify", path, "--sequential")
    found = evidence(path)
    (rows,) = {len(column) for column in found["columns"].values()}
    assert rows < 200 and f"mean over {rows} prompts" in found["graph"]["caption"]
    assert len(found["looked_at"]) == rows


def test_a_claim_without_bounds_is_judged_at_the_end_and_says_so(toy, circuitdsl):
    path = written(toy, "faithful: faithfulness(copied) >= 0.9")
    circuitdsl("verify", path, "--sequential", "--no-edges")
    claims = {claim["label"]: claim for claim in evidence(path)["claims"]}
    assert claims["faithful"]["verdict"]["outcome"] == "supported"
    assert [warning[:4] for warning in claims["faithful"]["verdict"]["warnings"]] == ["W062"]
    assert claims["looks"]["verdict"]["warnings"] == []
    rows = {claim["label"]: len(evidence(path)["columns"][claim["readouts"][0]["column"]]) for claim in claims.values()}
    assert rows["faithful"] == 360 > rows["looks"]


def test_prompts_of_a_sample_of_templates_are_judged_at_the_end(toy, circuitdsl):
    """Twelve clusters: no bet on single prompts knows that those of one go together."""
    colours = ["red", "blue", "green", "white", "black", "brown", "pink", "grey"]
    rows = [
        {"clean": " ".join([a, b, c, d, a]), "answer": b, "wrong": [c], "cluster": f"t{number % 12}"}
        for number, (a, b, c, d) in enumerate(list(permutations(colours, 4))[:240])
    ]
    toy.with_name("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = toy.with_name("sample.circ")
    path.write_text(
        'model "./toys/induction"\nprompts clean from "rows.jsonl"\nmetric copied = logit(answer) - logit(wrong) @ END\n'
        "settings { prompts = 240 }\nclaims { works: accuracy(copied, of = model) >= 0.7 }\n"
    )
    said = circuitdsl("verify", path, "--sequential", "--no-edges")
    assert said.status in (0, 3), said.err
    (claim,) = evidence(path)["claims"]
    assert any("W062: its prompts are a sample of templates" in warning for warning in claim["verdict"]["warnings"])
    assert len(evidence(path)["columns"][claim["readouts"][0]["column"]]) == 240


def test_a_claim_on_its_bound_uses_all_prompts_up(toy, circuitdsl):
    path = written(toy, "limit: attention(induction, query = cue, key = next) >= 0.9999")
    said = circuitdsl("verify", path, "--sequential", "--no-edges")
    found = {claim["label"]: claim["verdict"] for claim in evidence(path)["claims"]}
    assert found["limit"]["outcome"] == "inconclusive" and "undecided after all blocks of 360 prompts" in found["limit"]["reason"]
    assert found["looks"]["outcome"] == "supported" and "decided at" in found["looks"]["reason"] and said.status == 1


def test_diff_says_what_changed_and_why(toy, circuitdsl):
    path = written(toy)
    circuitdsl("verify", path, "--no-edges", "-o", path.parent / "a")
    before = path.parent / "a" / "short.evidence.json"
    assert circuitdsl("diff", before, before).status == 0
    circuitdsl("verify", path, "--no-edges", "--seed", 1, "-o", path.parent / "b")
    other = circuitdsl("diff", before, path.parent / "b" / "short.seed-1.evidence.json")
    assert other.status == 1 and "numbers not compared" in other.out and "seed: 0 → 1" in other.out
    assert circuitdsl("diff", before, path).status == 2
    circuitdsl("verify", path, "--no-edges", "--sequential", "-o", path.parent / "c")
    early = circuitdsl("diff", before, path.parent / "c" / "short.evidence.json")
    assert early.status == 1 and "sequential: no → yes" in early.out and "under the same conditions" not in early.out
    assert str(before) in circuitdsl("diff", before, before).out  # files of one name are told apart
