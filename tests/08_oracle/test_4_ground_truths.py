"""Models written by hand, whose numbers are worked out on paper or by going through every case, on both executors."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from circuitdsl.borders.hypothesis import Ablation, Link, Place
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import AnswerBeats, AttentionWeight, MetricBeyond, MetricValue, Top1
from circuitdsl.borders.units import Role, Unit
from circuitdsl.borders.values import Algebra, Run, Zero
from circuitdsl.measures.circuit_runs import circuit_logits
from circuitdsl.measures.patched_runs import knocked_out
from circuitdsl.models import toys
from circuitdsl.statistics.watches import shared_mechanism

ZERO = Ablation("zero")


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def all_links(shape):
    return [
        Link(Place(sender, str(sender)), Place(receiver, str(receiver)), port)
        for receiver in shape.units()
        for sender in shape.units()
        if shape.reads(receiver, sender)
        for port in receiver.ports
    ]


def written(links):
    """Links in the notation of `circuit`, to pick them by."""
    names = {}
    for link in links:
        sender, receiver = (place.node.removeprefix("head ") for place in (link.sender, link.receiver))
        names[f"{sender} -> {receiver}" + ("" if link.port == "in" else f".{link.port}")] = link
    return names


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("patched", "expected"),
    [
        # x = 1: heads 1x, 2x, 3(x + 1x + 2x) = 12x, 16x; sum 32x. The other prompt has x = 10.
        ([], 32),
        (["1.0 -> logits"], 1 + 1 + 2 + 120 + 16),
        (["1.0 -> logits", "0.0 -> 1.1.v"], 1 + 1 + 2 + 120 + 4 * (1 + 10 + 2)),
        (["1.0 -> logits", "0.0 -> 1.1.v", "embed -> 0.1.v"], 1 + 1 + 20 + 120 + 4 * (1 + 10 + 20)),
        (["1.0 -> logits", "0.0 -> 1.1.v", "embed -> 0.1.v", "embed -> logits"], 10 + 1 + 20 + 120 + 4 * (1 + 10 + 20)),
    ],
)
def test_patched_edges_of_a_sum(toy_space, measured, patched, expected):
    adapter = toys.arithmetic().adapter()
    space = toy_space(adapter.shape, [(0,)], [2], other=[(1,)])
    links = written(all_links(adapter.shape))
    kept = [link for name, link in links.items() if name not in patched]
    assert len(kept) == len(links) - len(patched)
    algebra = Algebra()
    assert measured(circuit_logits(algebra, kept, Run("other"), Run("clean")), space, adapter) == [expected]
    cut = knocked_out(algebra, adapter.shape, Run("clean"), Run("other"), links=[links[name] for name in patched])
    assert measured(cut, space, adapter) == [expected]


# ---------------------------------------------------------------- gates

OR_EDGES = [
    "embed -> 0.0.v",
    "embed -> 0.1.v",
    "0.0 -> mlp 0",
    "0.1 -> mlp 0",
    "mlp 0 -> logits",
]


def test_either_input_of_an_or_gate_is_redundant(toy_space, circuit, measured, scores):
    adapter = toys.gate("or", 2).adapter()
    space = circuit(toy_space(adapter.shape, [(3,)], [4]), *OR_EDGES)
    heads = {str(unit): Place(unit, str(unit)) for unit in adapter.shape.units("head")}
    algebra = Algebra()

    def without(*names):
        return float(measured(knocked_out(algebra, adapter.shape, Run("clean"), Zero(), [heads[n] for n in names]), space, adapter)[0])

    assert [without(), without("head 0.0"), without("head 0.1"), without("head 0.0", "head 0.1")] == [1, 1, 1, 0]
    single = scores("minimality.single", space, adapter, ZERO, each="unit")
    assert single == {"head 0.0": 0, "head 0.1": 0, "mlp 0": 1}


def test_completeness_finds_the_other_input_of_an_or_gate(toy_space, circuit, measured):
    """The circuit names one head. Alone it is faithful; with it knocked out, the circuit gives 0 and the model still 1."""
    adapter = toys.gate("or", 2).adapter()
    space = circuit(toy_space(adapter.shape, [(3,)], [4]), "embed -> 0.0.v", "0.0 -> mlp 0", "mlp 0 -> logits")
    named = Place(next(adapter.shape.units("head")), "0.0")
    algebra = Algebra()
    links = space.links
    faithful = circuit_logits(algebra, links, Zero(), Run("clean"))
    cut = circuit_logits(algebra, [link for link in links if link.sender != named], Zero(), Run("clean"))
    model_cut = knocked_out(algebra, adapter.shape, Run("clean"), Zero(), [named])
    assert [float(measured(value, space, adapter)[0]) for value in (faithful, cut, model_cut)] == [1, 0, 1]


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_every_input_of_an_and_gate_is_needed(toy_space, circuit, measured, scores, bits):
    """Over all inputs the model gives 1 for the last alone; without any one bit it never does."""
    adapter = toys.gate("and", bits).adapter()
    heads = [f"0.{bit}" for bit in range(bits)]
    lines = [line for head in heads for line in (f"embed -> {head}.v", f"{head} -> mlp 0")]
    every = [(token,) for token in range(2**bits)]
    space = circuit(toy_space(adapter.shape, every, [2**bits] * len(every)), *lines, "mlp 0 -> logits")
    algebra = Algebra()
    expected = [float(token == 2**bits - 1) for (token,) in every]
    assert measured(circuit_logits(algebra, space.links, Zero(), Run("clean")), space, adapter).tolist() == expected
    assert scores("faithfulness", space, adapter, ZERO) == {"it": 1}
    single = scores("minimality.single", space, adapter, ZERO, each="unit")
    assert single == {**{f"head {head}": 1 for head in heads}, "mlp 0": 1}


# ---------------------------------------------------------------- induction

SEVEN = ["embed -> 0.0.q", "embed -> 0.0.k", "embed -> 0.0.v", "0.0 -> 1.0.k", "embed -> 1.0.q", "embed -> 1.0.v", "1.0 -> logits"]
TWO = ["embed -> 1.0.v", "1.0 -> logits"]


def sequences():
    """BOS and s in {1, 2, 3}⁴ whose last occurs exactly once before, the right token, and where the last occurs before."""
    found = []
    for s in product((1, 2, 3), repeat=4):
        if s[:3].count(s[3]) == 1:
            place = s.index(s[3])
            found.append(((0, *s), s[place + 1], place + 1))
    return found


def look(tokens):
    """Where the induction head looks at the end: after an earlier occurrence of the last token; everywhere if there is none."""
    after = [p for p in range(1, len(tokens)) if tokens[p - 1] == tokens[-1]]
    return after or list(range(len(tokens)))


def seen(pattern_of, values_of, answer):
    """The answer's share of what is seen, by hand."""
    places = look(pattern_of)
    return sum(values_of[p] == answer for p in places) / len(places)


@pytest.fixture
def inductive(toy_space):
    """The toy without its twin, its 36 sequences, relabelled ones (same repeat) and ones in which the repeat is broken."""
    adapter = toys.induction(("a", "b", "c"), 5).adapter()
    clean, answers, places = zip(*sequences(), strict=True)
    relabelled = [(0, *(token % 3 + 1 for token in tokens[1:])) for tokens in clean]
    broken = [tuple(t % 3 + 1 if p == place else t for p, t in enumerate(tokens)) for tokens, place in zip(clean, places, strict=True)]
    assert len(clean) == 36 and all(len(look(tokens)) == 5 for tokens in broken)
    return adapter, toy_space(adapter.shape, list(clean), list(answers), relabelled=relabelled, broken=broken)


def test_the_induction_transformer_is_always_right(inductive, measured):
    adapter, space = inductive
    assert measured(Algebra().logits(Run("clean")), space, adapter).tolist() == [1] * 36


def test_its_edges_are_42_where_tokens_and_positions_are_two_senders(inductive):
    """Here both are written by `embed`: 29 edges, of which the 13 that leave `embed` count twice there."""
    links = all_links(inductive[0].shape)
    assert len(links) == 29
    assert len(links) + sum(link.sender.unit.kind == "embed" for link in links) == 42


@pytest.mark.parametrize("kind", ["zero", "mean(relabelled)", "mean(broken)", "resample(relabelled)", "resample(broken)"])
def test_the_seven_edges_are_faithful_under_every_ablation(inductive, circuit, scores, kind):
    adapter, space = inductive
    how, _, name = kind.rstrip(")").partition("(")
    score = scores("faithfulness", circuit(space, *SEVEN), adapter, Ablation(how, name or None))
    assert score["it"] == pytest.approx(1, abs=1e-12)


def test_each_of_the_seven_edges_is_needed(inductive, circuit, scores):
    adapter, space = inductive
    single = scores("minimality.single", circuit(space, *SEVEN), adapter, ZERO, each="edge")
    assert len(single) == 7 and min(single.values()) > 0.3


def test_donors_with_the_same_repeat_make_two_edges_look_faithful(inductive, circuit, scores, measured):
    """The donor's attention is the row's own, so the pattern is never tested; donors without the repeat show it."""
    adapter, space = inductive
    shared = scores("faithfulness", circuit(space, *TWO), adapter, Ablation("resample", "relabelled"))["it"]
    assert shared == pytest.approx(1, abs=1e-12)

    broken = scores("faithfulness", circuit(space, *TWO), adapter, Ablation("resample", "broken"))["it"]
    rows = [(prompt.tokens, prompt.answer) for prompt in space.distributions["clean"].prompts]
    donors = [prompt.tokens for prompt in space.distributions["broken"].prompts]
    part = np.mean([seen(donor, tokens, answer) for (tokens, answer), donor in zip(rows, donors, strict=True)])
    empty = np.mean([seen(donor, donor, answer) for (_, answer), donor in zip(rows, donors, strict=True)])
    assert broken == pytest.approx((part - empty) / (1 - empty), abs=1e-12)
    assert abs(broken) < 0.1


@pytest.mark.parametrize(("donors", "warns"), [("relabelled", True), ("broken", False)])
def test_the_warning_that_donors_share_the_mechanism(inductive, executor, donors, warns):
    """How much of the induction head's attention at the end moves when a prompt is exchanged for its donor."""
    adapter, space = inductive
    head, algebra, end = Unit("head", 1, 0), Algebra(), (Role("END"),)
    keys = [(Role("END", shift=-back),) for back in range(5)]

    def attention(world):
        asked = [AttentionWeight(algebra.base(world, head), "clean", query=end, key=key) for key in keys]
        found = executor([Request(readout, tuple(range(36))) for readout in asked], space, adapter)
        return np.stack([found[readout.digest] for readout in asked])

    moved = np.abs(attention(Run("clean")) - attention(Run(donors))).sum(0) / 2
    assert moved.tolist() == pytest.approx([0 if warns else 0.8] * 36)
    assert (shared_mechanism({"1.0": moved}) is not None) == warns


def test_a_twin_halves_the_circuit_and_shows_in_completeness(toy_space, circuit, scores, measured):
    """With 1.1 a second 1.0 the model gives 2: one of them is half of it, and is not missed when its edge is knocked out."""
    clean, answers, _ = zip(*sequences(), strict=True)
    gaps = {}
    for twin in (True, False):
        adapter = toys.induction(("a", "b", "c"), 5, twin=twin).adapter()
        space = circuit(toy_space(adapter.shape, list(clean), list(answers)), *SEVEN)
        assert scores("faithfulness", space, adapter, ZERO)["it"] == pytest.approx(0.5 if twin else 1, abs=1e-12)
        algebra, out = Algebra(), next(link for link in space.links if link.receiver.unit.kind == "logits")
        whole = measured(algebra.logits(Run("clean")), space, adapter).mean()
        cut = circuit_logits(algebra, [link for link in space.links if link != out], Zero(), Run("clean"))
        model_cut = knocked_out(algebra, adapter.shape, Run("clean"), Zero(), links=[out])
        gaps[twin] = abs(measured(cut, space, adapter).mean() - measured(model_cut, space, adapter).mean()) / whole
    assert gaps == {True: pytest.approx(0.5), False: pytest.approx(0)}


# ---------------------------------------------------------------- compiled programs

REVERSE_ZERO = [
    "embed -> 0.0.v",
    "0.0 -> mlp 0",
    "embed -> mlp 0",
    "mlp 0 -> mlp 1",
    "embed -> mlp 1",
    "mlp 1 -> mlp 2",
    "mlp 2 -> 3.0.q",
    "embed -> 3.0.k",
    "embed -> 3.0.v",
    "3.0 -> logits",
]


@pytest.fixture(params=[2, 3])
def reversing(request, toy_space):
    """Compiled `reverse`, every sequence of a length over a, b, c, and as donors the same sequences in another order."""
    adapter = toys.reverse().adapter()
    every = [(0, *s) for s in product((1, 2, 3), repeat=request.param)]
    answers = [tokens[:0:-1] for tokens in every]
    donors = [every[(7 * i + 3) % len(every)] for i in range(len(every))]
    return adapter, toy_space(adapter.shape, every, answers, others=donors)


def test_reverse_reverses(reversing, measured):
    adapter, space = reversing
    np.testing.assert_allclose(measured(Algebra().logits(Run("clean")), space, adapter), 1, atol=1e-9)


@pytest.mark.parametrize("ablate", [Ablation("resample", "others"), Ablation("mean", "others")], ids=str)
def test_under_resampling_reverse_is_two_edges(reversing, circuit, scores, ablate):
    """Where to look depends on the length alone, which donors share."""
    adapter, space = reversing
    space = circuit(space, "embed -> 3.0.v", "3.0 -> logits")
    assert scores("faithfulness", space, adapter, ablate)["it"] == pytest.approx(1, abs=1e-9)
    assert min(scores("minimality.single", space, adapter, ablate, each="edge").values()) > 0.5


def test_under_zero_ablation_reverse_has_ten_edges(reversing, circuit, scores):
    """Also what works out where to look has to be there: all ten are needed, and the two alone are not enough."""
    adapter, space = reversing
    space = circuit(space, *REVERSE_ZERO)
    assert scores("faithfulness", space, adapter, ZERO)["it"] == pytest.approx(1, abs=1e-9)
    single = scores("minimality.single", space, adapter, ZERO, each="edge")
    assert len(single) == 10 and min(single.values()) > 0.1
    two = circuit(space, "embed -> 3.0.v", "3.0 -> logits")
    assert scores("faithfulness", two, adapter, ZERO)["it"] < 0.6


@pytest.mark.parametrize("length", [3, 4])
def test_the_circuit_of_fraction_of_previous_x_depends_on_the_ablation(toy_space, circuit, scores, measured, length):
    """Where to look depends on positions, which donors share: three edges under resampling, five under zero."""
    adapter = toys.fraction().adapter()
    every = [(0, *s) for s in product((1, 2), repeat=length)]
    space = toy_space(adapter.shape, every, [1] * len(every), others=every[::-1])
    shares = [tokens.count(1) / length for tokens in every]
    np.testing.assert_allclose(measured(Algebra().logits(Run("clean")), space, adapter), shares, atol=1e-12)

    three = ["embed -> mlp 0", "mlp 0 -> 1.0.v", "1.0 -> logits"]
    small, large = circuit(space, *three), circuit(space, *three, "embed -> 1.0.q", "embed -> 1.0.k")
    # The mean over all sequences moves nowhere under resampling (F(M) = F(∅)), so it is compared row by row.
    found = measured(circuit_logits(Algebra(), small.links, Run("others"), Run("clean")), space, adapter)
    np.testing.assert_allclose(found, shares, atol=1e-12)
    assert scores("faithfulness", large, adapter, ZERO)["it"] == pytest.approx(1, abs=1e-12)
    assert scores("faithfulness", small, adapter, ZERO)["it"] == pytest.approx(length / (length + 1), abs=1e-12)
    assert min(scores("minimality.single", large, adapter, ZERO, each="edge").values()) > 0.1


# ---------------------------------------------------------------- the shipped folder


def test_the_shipped_induction_toy_is_what_its_builder_writes(tmp_path):
    from safetensors.numpy import load_file

    toys.induction().save(tmp_path)
    shipped = Path(__file__).parents[2] / "hypotheses" / "toys" / "induction"
    for name in ("config.json", "tokenizer.json"):
        assert (shipped / name).read_text() == (tmp_path / name).read_text()
    ours, theirs = load_file(tmp_path / "model.safetensors"), load_file(shipped / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_tie_is_no_win(tiny, hypothesis, executor):
    """The answer is the most likely token until another has the same weights: then neither beats the other, whatever their ids."""
    adapter = tiny("llama", seed=1717)  # nobody else reads its weights
    space, value = hypothesis(adapter.shape), Algebra().logits(Run("clean"))
    clean = space.distributions["clean"]
    best = int(adapter.model(torch.tensor([clean.prompts[0].tokens])).logits[0, -1].argmax())
    twin = (best + 7) % adapter.shape.vocabulary

    def shares(answer, wrong):
        prompts = (replace(clean.prompts[0], answer=answer, wrong=(wrong,)), *clean.prompts[1:])
        labelled = replace(space, distributions={**space.distributions, "clean": replace(clean, prompts=prompts)})
        found = executor([Request(kind(value, "clean", "logit_diff"), (0,)) for kind in (AnswerBeats, Top1)], labelled, adapter)
        return [float(column[0]) for column in found.values()]

    assert shares(best, twin) == [1.0, 1.0] and shares(twin, best) == [0.0, 0.0]
    with torch.no_grad():
        weight = adapter.final()[1].weight
        weight[twin] = weight[best]
    assert shares(best, twin) == shares(twin, best) == [0.0, 0.0]


def test_a_share_counts_what_is_strictly_beyond_the_threshold(tiny, hypothesis, executor):
    """On either side of every prompt's own number, and at one of them: there it counts neither way."""
    adapter = tiny("llama")
    space, value = hypothesis(adapter.shape), Algebra().logits(Run("clean"))
    rows = tuple(range(len(space.distributions["clean"])))

    def columns(*readouts):
        return list(executor([Request(readout, rows) for readout in readouts], space, adapter).values())

    [numbers] = columns(MetricValue(value, "clean", "logit_diff"))
    for threshold in (*numbers, -1e9, 1e9):
        above, below = columns(*(MetricBeyond(value, "clean", "logit_diff", float(threshold), side) for side in (False, True)))
        assert above.tolist() == (numbers > threshold).tolist() and below.tolist() == (numbers < threshold).tolist()
    assert len(set(numbers)) == len(rows) and columns(MetricBeyond(value, "clean", "kl", 0.0, True))[0].sum() == 0
