"""What a run's evidence says, with made-up numbers: each claim's own columns, verdict, rows and place in its file."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.evidence import ModelRecord
from circuitdsl.borders.measure import AucOf, BoundedOf, MeanOf, PermutedOf, ProportionOf, RankOf, RatioOf, SpreadOf, column, difference
from circuitdsl.borders.prompts import Distribution
from circuitdsl.pipeline import judge
from circuitdsl.reports import record as records

CLAIMS = [
    "works: faithfulness(copied) >= 0.5",
    "value: warn value(copied, of = model) = 3 +- 0.25",
    "seen: value(copied, of = model)",
    "high: value(copied, of = model) <= 1000",
]
MODEL = ModelRecord(
    name="toy",
    weights="a toy",
    weights_sha256="a" * 64,
    tokenizer_sha256="b" * 64,
    family="toy",
    parameters=1,
    dtype="float32",
    device="cpu",
    parity_error=0.0,
    sum_error=0.0,
)
RUN = {"circuitdsl": "1", "command": "circuitdsl verify", "created": "now", "seconds": 1.0, "versions": {}}


@pytest.fixture
def recorded(lowered):
    """`recorded(claims, …)`: hypothesis, claims and evidence; a number tells its readout and its row, or is 0 or 1 if bounded."""

    def make(claims=CLAIMS, sequential=False, **settings):
        hypothesis, asked, figure = lowered(claims, **settings)
        readouts = {readout.digest: readout for one in (*asked, *figure) for readout in one.lowered.readouts.values()}
        numbers = {
            digest: {row: float((row * place // 3) % 2 if readout.bounds else 1000 * place + row) for row in range(32)}
            for place, (digest, readout) in enumerate(readouts.items(), 1)
        }
        verdicts, (of_figure,) = judge(hypothesis, asked, numbers), judge(hypothesis, figure, numbers)
        evidence = records.record(
            hypothesis, asked, verdicts, figure[0], of_figure, numbers, model=MODEL, tokens=["a", "b"], sequential=sequential, **RUN
        )
        return hypothesis, asked, numbers, evidence

    return make


def test_each_claim_is_recorded_with_its_own_columns_rows_and_verdict(recorded):
    _, asked, numbers, evidence = recorded()
    assert [claim.label for claim in evidence.claims] == ["works", "value", "seen", "high"]
    named = {}
    for one, claim in zip(asked, evidence.claims, strict=True):
        assert claim.verdict.label == claim.label == one.claim.label and claim.text == one.claim.text
        assert (claim.measure, claim.warn, claim.rows) == (one.claim.measure, one.claim.label == "value", one.part)
        assert [readout.name for readout in claim.readouts] == list(one.lowered.readouts)
        for readout in claim.readouts:
            wanted = one.lowered.readouts[readout.name].digest
            assert evidence.columns[readout.column] == tuple(numbers[wanted][row] for row in one.rows)
            named.setdefault(readout.column, set()).add((wanted, one.rows))
        assert claim.conditions == dict(one.lowered.conditions)
        assert [member.label for member in claim.members] == [member.label for member in one.lowered.members]
    assert set(named) == set(evidence.columns) and all(len(what) == 1 for what in named.values())
    assert evidence.claims[2].rows == "exploring" and evidence.claims[0].rows == "verifying"


def test_what_a_claim_compares_is_recorded(recorded):
    _, _, _, evidence = recorded()
    found = [claim.comparison and (claim.comparison.operator, claim.comparison.value, claim.comparison.margin) for claim in evidence.claims]
    assert found == [(">=", 0.5, None), ("=", 3.0, 0.25), None, ("<=", 1000.0, None)]
    questions = [claim.question for claim in evidence.claims]
    assert questions[0].endswith("is it at least 0.5?") and questions[1].endswith("is it between 2.75 and 3.25?")
    assert "is it" not in questions[2] and questions[3].endswith("is it at most 1000?")
    assert evidence.claims[3].turns and not evidence.claims[2].turns


def test_a_claim_has_the_line_of_the_file_that_it_is_in(recorded, toy):
    text = toy.read_text()
    toy.with_name("more.circ").write_text("\n\nclaims {\n  other: value(copied, of = model) >= 0\n}\n")
    toy.write_text(text.replace('model "./toys/induction"', 'model "./toys/induction"\nuse "more.circ"'))
    hypothesis, _, _, evidence = recorded()
    lines = toy.read_text().split("\n")
    for claim in evidence.claims:
        body = lines if claim.file is None else toy.with_name(claim.file).read_text().split("\n")
        assert body[claim.line - 1].strip().startswith(f"{claim.label}:")
    assert {claim.label: claim.file for claim in evidence.claims} == {
        **dict.fromkeys(["works", "value", "seen", "high"]),
        "other": "more.circ",
    }
    assert evidence.file.name == toy.name and evidence.file.text == toy.read_text()
    assert evidence.file.sha256 == hashlib.sha256(toy.read_bytes()).hexdigest()
    toy.with_name("rows.txt").write_bytes(b"data")
    used, data = records.input_records(replace(hypothesis, data=("rows.txt",)))
    assert (used.name, used.text) == ("more.circ", toy.with_name("more.circ").read_text())
    assert used.sha256 == hashlib.sha256(used.text.encode()).hexdigest()
    assert (data.name, data.text, data.sha256) == ("rows.txt", None, hashlib.sha256(b"data").hexdigest())


def test_the_parts_are_named_by_the_tokens_of_their_prompts(recorded):
    hypothesis, _, _, evidence = recorded()
    whole = hypothesis.distributions[hypothesis.default]
    assert evidence.default == hypothesis.default and hypothesis.exploring and hypothesis.verifying
    assert evidence.exploring_sha256 == records.rows_sha256(whole, hypothesis.exploring)
    assert evidence.verifying_sha256 == records.rows_sha256(whole, hypothesis.verifying)
    assert evidence.exploring_sha256 != evidence.verifying_sha256
    _, _, _, unexplored = recorded(CLAIMS[:1])
    assert unexplored.exploring_sha256 is None


def test_the_hash_of_rows_is_of_their_tokens_in_order(recorded):
    hypothesis, _, _, _ = recorded()
    whole = hypothesis.distributions[hypothesis.default]
    expected = b"".join(np.asarray(whole.prompts[row].tokens, dtype="<i8").tobytes() + b"\0" for row in (0, 1))
    assert records.rows_sha256(whole, (0, 1)) == hashlib.sha256(expected).hexdigest() != records.rows_sha256(whole, (1, 0))
    first, second = whole.prompts[:2]
    together = Distribution("one", (replace(first, tokens=first.tokens + second.tokens),))
    assert records.rows_sha256(together, (0,)) != records.rows_sha256(whole, (0, 1))


def test_every_distribution_is_recorded(recorded):
    hypothesis, _, _, evidence = recorded()
    assert [one.name for one in evidence.distributions] == list(hypothesis.distributions)
    for one in evidence.distributions:
        found = hypothesis.distributions[one.name]
        assert (one.n, one.paired, one.available) == (len(found), found.paired, found.available)
        assert one.layouts == len({prompt.layout for prompt in found.prompts}) and one.sha256 == records.rows_sha256(
            found, range(len(found))
        )


def test_what_was_looked_at_is_the_exploring_part_and_what_claims_were_measured_on(lowered):
    hypothesis, asked, figure = lowered(CLAIMS)
    prompts = hypothesis.distributions[hypothesis.default].prompts
    seen = records.looked_at(hypothesis, asked[:0], None)
    assert set(seen) == {prompts[row].digest for row in hypothesis.exploring} and list(seen) == sorted(seen)
    assert set(records.looked_at(hypothesis, asked[:1], None)) == {prompt.digest for prompt in prompts}
    elsewhere = replace(asked[0], claim=replace(asked[0].claim, measured="broken"), rows=(3,))
    more = records.looked_at(replace(hypothesis, exploring=()), [elsewhere], None)
    assert more == (hypothesis.distributions["broken"].prompts[3].digest,)
    assert set(records.looked_at(replace(hypothesis, exploring=()), [], figure[0])) == {prompts[row].digest for row in figure[0].rows}


def test_the_figure_has_the_effects_that_were_measured_for_it(recorded):
    hypothesis, _, _, evidence = recorded()
    graph = evidence.graph
    assert all(node.effect is not None for node in graph.nodes if node.name in ("previous", "induction"))
    assert len({node.effect.value for node in graph.nodes if node.effect}) > 1
    assert graph.effect_of == "copied" and graph.tokens == ("a", "b")
    assert graph.caption == (
        f"{hypothesis.title}. Model: a toy. Width: change of copied in the circuit's run when the node or edge is cut, "
        f"mean over {len(hypothesis.verifying)} prompts (ablate = resample(broken), norm = live, on = repeated)."
    )
    assert records.caption(hypothesis, MODEL, None) == f"{hypothesis.title}. Model: a toy."


def test_conditions_say_what_was_in_force_and_who_set_it(recorded):
    hypothesis, _, _, evidence = recorded(seed=7)
    found = {one.name: (one.value, one.origin) for one in evidence.conditions}
    assert found == {
        "prompts": ("32", "flag"),
        "seed": ("7", "flag"),
        "ablate": ("resample(broken)", "file"),
        "confidence": ("0.95", "file"),
        "explore": (f"{len(hypothesis.exploring)} of 32 prompts", "default"),
        "bos": ("as the tokenizer does", "default"),
        "align": ("layout", "default"),
    }


def test_conditions_that_not_every_run_has(lowered):
    hypothesis, _, _ = lowered(CLAIMS, subset=6)
    settings = replace(hypothesis.settings, bos=True, ablate=None)
    found = {one.name: (one.value, one.origin) for one in records.condition_records(replace(hypothesis, settings=settings), True)}
    assert found["subset"] == ("6 prompts for random circuits, completeness and minimality", "flag")
    assert found["sequential"] == ("yes", "flag") and found["bos"][0] == "true" and found["ablate"][0] == "none stated"


RATIO = RatioOf(difference("C", "E"), difference("M", "E"))


@pytest.mark.parametrize(
    ("estimand", "words"),
    [
        (ProportionOf("right"), "proportion(right)"),
        (MeanOf(column("C")), "mean(C)"),
        (MeanOf(difference("C", "M"), absolute=True), "mean |C - M|"),
        (RATIO, "mean(C - E) / mean(M - E)"),
        (replace(RATIO, absolute=True), "|mean(C - E)| / |mean(M - E)|"),
        (SpreadOf(RATIO, replace(RATIO, absolute=True)), "mean(C - E) / mean(M - E) − |mean(C - E)| / |mean(M - E)|"),
        (AucOf("score", "positive"), "area under the ROC curve of score for positive"),
        (PermutedOf("found", "label"), "p-value of found under permutations of label"),
        (RankOf(RATIO, (RATIO, RATIO)), "rank of |1 − mean(C - E) / mean(M - E)| among 2 random circuits"),
        (RankOf(RATIO, (RATIO, RATIO), everything=True), "rank of |1 − mean(C - E) / mean(M - E)| among all 2 random circuits"),
    ],
)
def test_a_statistic_in_words(estimand, words):
    assert records.describe(estimand) == words


def test_a_bounded_statistic_in_words():
    half = replace(RATIO, absolute=True)
    said = "mean(C - E) / mean(M - E), its bias bounded by "
    assert records.describe(BoundedOf(RATIO, half, slots=2)) == f"{said}|mean(C - E)| / |mean(M - E)|"
