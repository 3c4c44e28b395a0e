"""Random graphs, features and positions: the engine against a recursive reference in numpy that shares no code with it."""

import random
from dataclasses import replace

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Settings
from circuitdsl.borders.plan import Request
from circuitdsl.borders.readouts import MetricValue
from circuitdsl.borders.units import Layout, Role, Unit
from circuitdsl.borders.values import Draw
from circuitdsl.engine.executor import execute
from circuitdsl.measures.scrub_runs import permutation
from circuitdsl.models.adapter import adapt
from circuitdsl.models.toy import build_toy
from circuitdsl.oracle import evaluate
from circuitdsl.planning import plan

UNUSED = [None] * 9
PLACES = {"A": 1, "B": 3, "END": 3}, {"A": 2, "B": 0, "END": 3}, {"A": 3, "B": 1, "END": 3}
"""Where the roles stand in each of three layouts."""
LAYERS, HEADS, WIDTH, INNER, VOCABULARY, LENGTH, ROWS = 3, 2, 7, 3, 11, 4, 9


class Model:
    """A small random attention model with MLPs, twice: as a module for the engine, and as plain numpy here."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        shapes = {
            "body.tokens.weight": (VOCABULARY, WIDTH),
            "body.positions.weight": (LENGTH, WIDTH),
            "unembed.weight": (VOCABULARY, WIDTH),
        }
        for layer in range(LAYERS):
            block = f"body.blocks.{layer}"
            shapes |= {f"{block}.attention.{port}.weight": (HEADS * INNER, WIDTH) for port in "qkv"}
            shapes |= {f"{block}.attention.output.weight": (WIDTH, HEADS * INNER), f"{block}.attention.v.bias": (HEADS * INNER,)}
            shapes |= {f"{block}.mlp.up.weight": (5, WIDTH), f"{block}.mlp.down.weight": (WIDTH, 5), f"{block}.mlp.up.bias": (5,)}
        self.w = {name: rng.normal(size=shape) * 0.7 for name, shape in shapes.items()}
        config = {"layers": LAYERS, "heads": HEADS, "width": WIDTH, "head_width": INNER, "mlp_width": 5, "vocabulary": VOCABULARY}
        self.adapter = adapt(build_toy({**config, "context": LENGTH, "attention": "softmax"}, self.w), "toy")
        self.units = [("head", layer, i) if i < HEADS else ("mlp", layer, 0) for layer in range(LAYERS) for i in range(HEADS + 1)]

    def compute(self, unit, reads):
        """What a unit writes [T, d] when its ports read `reads` [T, d]."""
        kind, layer, index = unit
        block = f"body.blocks.{layer}"
        if kind == "mlp":
            hidden = np.maximum(reads["in"] @ self.w[f"{block}.mlp.up.weight"].T + self.w[f"{block}.mlp.up.bias"], 0)
            return hidden @ self.w[f"{block}.mlp.down.weight"].T
        mine = slice(index * INNER, (index + 1) * INNER)
        q, k, v = (reads[port] @ self.w[f"{block}.attention.{port}.weight"][mine].T for port in "qkv")
        v = v + self.w[f"{block}.attention.v.bias"][mine]
        scores = np.where(np.tril(np.ones((LENGTH, LENGTH))) > 0, q @ k.T, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ v @ self.w[f"{block}.attention.output.weight"][:, mine].T

    def earlier(self, unit):
        """Units whose writes `unit` reads (None: the logits)."""
        if unit is None:
            return self.units
        kind, layer, _ = unit
        return [u for u in self.units if u[1] < layer or (u[1] == layer and kind == "mlp" and u[0] == "head")]

    def run(self, tokens):
        """Every unit's write in a plain run."""
        writes = {"embed": self.w["body.tokens.weight"][list(tokens)] + self.w["body.positions.weight"]}
        for unit in self.units:
            read = writes["embed"] + sum((writes[u] for u in self.earlier(unit)), np.zeros((LENGTH, WIDTH)))
            writes[unit] = self.compute(unit, dict.fromkeys("qkv", read) | {"in": read})
        return writes


class Reference:
    """scrub(v, ref) of docs/semantics.md, section 7, line by line. `nodes`: name → (units, role or None, feature, together).

    A value is delivered where its donor has the role. Draws come from the tape: of a tree by path; shared ones by feature and the class
    of the reference, those of banks by node, slot and class. `slots` says which slot of the senders a slot takes.
    """

    def __init__(self, model, file, nodes, edges, tape, sampling="tree", slots=None):
        self.model, self.nodes, self.edges, self.sampling, self.slots = model, nodes, edges, sampling, slots
        prompts = file.distributions["clean"].prompts
        self.runs = [model.run(prompt.tokens) for prompt in prompts]
        self.places = [PLACES[prompt.layout.template] for prompt in prompts]
        self.classes = {name: of["clean"] for name, of in file.features.items()}
        self.plain = {(draw.path, draw.slot): rows for draw, rows in tape.items() if not draw.shared}
        self.met = {}
        for draw, rows in tape.items():
            for row, donor in enumerate(rows.tolist() if draw.shared else ()):
                key = draw.path, draw.slot, self.classes[draw.feature][donor], row
                assert self.met.setdefault(key, donor) == donor  # one donor for a class, whoever asks

    def where(self, role, row):
        return slice(None) if role is None else slice(self.places[row][role], self.places[row][role] + 1)

    def rest(self, path, slot, row):
        key = "0:rest" if self.sampling == "shared" else f"{path}/rest", slot
        return self.plain[key][row] if key in self.plain else row  # unused: nothing is left out

    def donor(self, feature, ref, row, step, bank, slot):
        if feature is None:
            return ref
        if self.sampling == "tree":
            return self.plain.get((step, None), UNUSED)[row]  # unused: nothing before it reads the prompt
        path = f"0:{feature}" if self.sampling == "shared" else f"0:bank:{bank}"
        return self.met.get((path, slot, self.classes[feature][ref], row), ref)  # unused but for its class, which is that of ref

    def scrub(self, receiver, unit, ref, row, path, slot=None):
        """What `unit` of the node `receiver` writes, or what the logits read."""
        ports = ["in"] if unit is None or unit[0] == "mlp" else list("qkv")
        rest = self.rest(path, slot, row)
        values = {port: {} for port in ports}
        for sender, to, port in self.edges:
            if to != receiver:
                continue
            if sender == "embed":
                for one in [port] if port else ports:
                    values[one]["embed", None] = self.runs[ref]["embed"], slice(None)
                continue
            units, at, feature, together = self.nodes[sender]
            for u in units:
                if u not in self.model.earlier(unit):
                    continue
                name = "+".join(map(written, units)) if together else written(u)
                where = f"@{at}" if at is not None else ""
                step = f"{path}/{port or '*'}<{name}{where}"
                own, theirs = f"{written(u)}{where}", slot
                if self.sampling == "banks":
                    theirs = int(self.slots(path.removeprefix("0:bank:"), step.removeprefix(f"{path}/"))[slot])
                read = [f"{written(one)}{where}" for one in units if one in self.model.earlier(unit)] if together else [own]
                x = self.donor(feature, ref, row, step, "+".join(read), theirs)
                below = f"0:bank:{own}" if self.sampling == "banks" else f"{step}>{own}"
                value = self.scrub(sender, u, x, row, below, theirs)
                for one in [port] if port else ports:
                    values[one][u, at] = value, self.where(at, row if x is None else x)
        reads = {}
        for port in ports:
            total = np.zeros((LENGTH, WIDTH))
            for u in ["embed", *self.model.earlier(unit)]:
                write = self.runs[rest][u].copy()
                for (other, _), (value, where) in values[port].items():
                    if other == u:
                        write[where] = value[where]
                total += write
            reads[port] = total
        return reads["in"] if unit is None else self.model.compute(unit, reads)


def written(unit):
    kind, layer, index = unit
    return f"head {layer}.{index}" if kind == "head" else f"mlp {layer}"


def random_file(scrub, model, seed, align="layout"):
    """Nodes at all or single positions, features or none, some together; edges with and without ports; all are connected.

    With `absolute` alignment prompts have three layouts; a node whose feature does not fix its place feeds keys and values alone.
    """
    rng = random.Random(seed)
    prompts = [tuple(rng.randrange(VOCABULARY) for _ in range(LENGTH)) for _ in range(ROWS)]
    features = {"f": [rng.randrange(3) for _ in range(ROWS)], "g": [rng.randrange(2) for _ in range(ROWS)]}
    laid = [0 if align == "layout" else rng.randrange(3) for _ in range(ROWS)]
    features |= {"layout": laid, "g_layout": [3 * g + at for g, at in zip(features["g"], laid, strict=True)]}
    kinds = {unit: rng.choice([[None], ["A", "B"], ["B"], ["A"], ["END"]]) for unit in rng.sample(model.units, 6)}
    nodes, loose = {}, set()
    for unit, positions in kinds.items():
        for at in positions:
            carries = rng.choice(["f", "g", None] if align == "layout" or len(positions) == 1 else ["layout", "g_layout", None])
            if align == "absolute" and at in ("A", "B") and carries in ("f", "g"):
                loose.add(f"n{len(nodes)}")
            nodes[f"n{len(nodes)}"] = [[unit], at, carries, False]
    heads = [unit for unit in model.units if unit not in kinds and unit[0] == "head"]
    if len(heads) > 1:
        nodes["pair"] = [heads[:2], None, rng.choice("fg"), True]
    edges = [("embed", name, None) for name in nodes if rng.random() < 0.5]
    for name, (units, *_) in nodes.items():
        readers = [other for other, (others, *_) in nodes.items() if all(u in model.earlier(v) for u in units for v in others)]
        heads_only = [other for other in readers if all(unit[0] == "head" for unit in nodes[other][0])]
        readers = heads_only if name in loose else readers
        for reader in rng.sample(readers, min(len(readers), 2)):
            ports = [[None]] if reader not in heads_only else [["k"], ["k", "v"]] if name in loose else [[None], ["q"], ["k", "v"]]
            edges += [(name, reader, port) for port in rng.choice(ports)]
        if name not in loose and (not readers or rng.random() < 0.4):
            edges.append((name, "logits", None))
    rng.shuffle(edges)
    made = {
        name: scrub.node(
            name, *(Unit(*unit) for unit in units), carries=feature, together=together,
            roles=None if at is None else (Role(at),),
        )
        for name, (units, at, feature, together) in nodes.items()
    }  # fmt: skip
    target = [rng.randrange(VOCABULARY) for _ in range(ROWS)]
    layouts = [Layout(at, LENGTH, tuple(((role, 1), (i, i + 1)) for role, i in PLACES[at].items() if role != "END")) for at in laid]
    file = scrub.Graph(model.adapter.shape, scrub.prompts(prompts, layouts), target, features, made, edges).hypothesis()
    return replace(file, settings=Settings(align=align)), nodes, edges


def measured(model, file, readout, memory=None, seed=None):
    planned = plan([Request(readout, tuple(range(ROWS)))], file, memory=memory, seed=seed)
    return planned, execute(planned, model.adapter, file)[readout.digest]


@pytest.mark.parametrize("align", ["layout", "absolute"])
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sampling", ["tree", "shared", "banks"])
def test_engine_and_oracle_are_the_recursion(scrub, seed, align, sampling):
    model = Model(seed)
    file, nodes, edges = random_file(scrub, model, seed, align)
    lowered = scrub.lowered(file, sampling=sampling, **({"banks": 4} if sampling == "banks" else {}))
    readout = lowered.readouts["F(scrub) 1" if sampling == "banks" else "F(scrub)"]
    planned, found = measured(model, file, readout)
    slots = lambda reader, group: permutation(4, f"0/0/{reader}/{group}")  # noqa: E731
    reference = Reference(model, file, nodes, edges, whole_tape(planned, file), sampling, slots)
    target = file.metrics["m"].bound["clean"].ids
    start = ("0:bank:logits", 0) if sampling == "banks" else ("0:logits", None)
    reads = [reference.scrub("logits", None, row, row, *start)[-1] for row in range(ROWS)]
    wanted = [(read @ model.w["unembed.weight"].T)[target[row]] for row, read in enumerate(reads)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    np.testing.assert_allclose(evaluate(planned.requests, file, model.adapter, planned.draws)[readout.digest], wanted, rtol=1e-9)
    in_turn = measured(model, file, readout, memory=1)[1]
    np.testing.assert_allclose(in_turn, found, rtol=1e-12)


@pytest.mark.parametrize("sampling", ["tree", "shared", "banks"])
def test_what_is_given_all_it_reads_is_not_recomputed(scrub, sampling):
    """Layers 0 and 1 carry everything and leave nothing out but for one head, which carries f: the recursion, with few values."""
    model = Model(3)
    rng = random.Random(3)
    early = [unit for unit in model.units if unit[1] < 2 and unit != ("head", 1, 1)]
    nodes = {"early": [early, None, None, False], "one": [[("head", 1, 1)], None, "f", False], "last": [[("head", 2, 0)], None, "g", False]}
    edges = [("embed", name, None) for name in (*nodes, "logits")]
    edges += [("early", "early", None), ("early", "one", None), ("one", "early", None), ("early", "last", None), ("one", "last", "v")]
    edges.append(("last", "logits", None))
    made = {name: scrub.node(name, *(Unit(*unit) for unit in units), carries=feature) for name, (units, _, feature, _) in nodes.items()}
    features = {name: [rng.randrange(classes) for _ in range(ROWS)] for name, classes in (("f", 3), ("g", 2))}
    prompts = scrub.prompts([tuple(rng.randrange(VOCABULARY) for _ in range(LENGTH)) for _ in range(ROWS)])
    file = scrub.Graph(model.adapter.shape, prompts, [3] * ROWS, features, made, edges).hypothesis()
    lowered = scrub.lowered(file, sampling=sampling, **({"banks": 4} if sampling == "banks" else {}))
    readout = lowered.readouts["F(scrub) 1" if sampling == "banks" else "F(scrub)"]
    planned, found = measured(model, file, readout)
    slots = lambda reader, group: permutation(4, f"0/0/{reader}/{group}")  # noqa: E731
    reference = Reference(model, file, nodes, edges, whole_tape(planned, file), sampling, slots)
    start = ("0:bank:logits", 0) if sampling == "banks" else ("0:logits", None)
    reads = [reference.scrub("logits", None, row, row, *start)[-1] for row in range(ROWS)]
    np.testing.assert_allclose(found, [(read @ model.w["unembed.weight"].T)[3] for read in reads], rtol=1e-9)
    assert lowered.conditions["size"].startswith(
        "3 recomputations in the tree"
    )  # the logits, 2.0 and MLP 1, which reads 1.1 of another prompt
    free = scrub.lowered(file, baseline="unconditional", **({"sampling": "shared"} if sampling == "shared" else {}))
    assert not free.conditions["size"].startswith("3 recomputations")


def whole_tape(planned, file):
    """Draws that were made, with those that others were given."""
    from circuitdsl.planning.draws import Tape

    tape = Tape(file, range(ROWS), planned.seed)
    found = {}
    for draw in planned.draws:
        while isinstance(draw, Draw):
            found[draw] = tape.rows(draw)
            draw = draw.given
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_file_changes_nothing(scrub, seed):
    model = Model(seed)
    file, _, _ = random_file(scrub, model, seed)
    turned = replace(file, edges=file.edges[::-1], nodes=dict(reversed(file.nodes.items())))
    for options in ({}, {"sampling": "shared"}, {"baseline": "unconditional"}, {"banks": 4, "baseline": "unconditional"}):
        one, other = (scrub.lowered(each, **options).readouts for each in (file, turned))
        for name in ("F(scrub)", "F(base)") if "F(scrub)" in one else ("F(scrub) 2", "F(base) 2", "F(scrub), banks of 2 1"):
            np.testing.assert_allclose(measured(model, file, one[name])[1], measured(model, turned, other[name])[1], rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_donor_agrees_on_what_is_carried_and_may_be_the_row_itself(scrub, seed):
    model = Model(seed)
    file, _, _ = random_file(scrub, model, seed)
    for sampling in ("tree", "shared", "banks"):
        readouts = scrub.lowered(file, sampling=sampling).readouts
        readout = readouts["F(scrub) 1" if sampling == "banks" else "F(scrub)"]
        tape = whole_tape(measured(model, file, readout)[0], file)
        for draw, rows in tape.items():
            given = np.arange(ROWS) if draw.given is None else tape[draw.given]
            if draw.feature:
                classes = np.array(file.features[draw.feature]["clean"])
                assert (classes[rows] == classes[given]).all()


def test_shared_draws_agree_wherever_they_meet_the_same_value(scrub):
    model = Model(0)
    for seed in range(6):
        file, _, _ = random_file(scrub, model, seed)
        readout = scrub.lowered(file, sampling="shared").readouts["F(scrub)"]
        met = {}
        for draw, rows in whole_tape(measured(model, file, readout)[0], file).items():
            for row in range(ROWS):
                value = file.features[draw.feature]["clean"][rows[row]] if draw.feature else None
                assert met.setdefault((row, draw.feature, value), rows[row]) == rows[row]


def test_everything_carried_is_the_model(scrub):
    """Every unit a node, every edge, and each node carries what tells all prompts apart: the model, prompt by prompt."""
    model = Model(1)
    units = {written(unit): unit for unit in model.units}
    nodes = {name: scrub.node(name, Unit(*unit), carries="itself") for name, unit in units.items()}
    edges = [("embed", name, None) for name in [*nodes, "logits"]]
    edges += [(a, b, None) for b, unit in units.items() for a in nodes if units[a] in model.earlier(unit)]
    edges += [(name, "logits", None) for name in nodes]
    rng = random.Random(0)
    prompts = scrub.prompts([tuple(rng.randrange(VOCABULARY) for _ in range(LENGTH)) for _ in range(ROWS)])
    target = [rng.randrange(VOCABULARY) for _ in range(ROWS)]
    file = scrub.Graph(model.adapter.shape, prompts, target, {"itself": range(ROWS)}, nodes, edges).hypothesis()
    for sampling, name in (("tree", "F(scrub)"), ("shared", "F(scrub)"), ("banks", "F(scrub) 3")):
        readouts = scrub.lowered(file, sampling=sampling).readouts
        np.testing.assert_allclose(measured(model, file, readouts[name])[1], measured(model, file, readouts["F(M)"])[1], rtol=1e-9)


def test_all_but_one_head_is_that_head_resampled(scrub):
    """Shared draws have one `rest` a prompt: a head that is left out everywhere is ablated by one donor."""
    from circuitdsl.borders.values import Algebra, Gather, Run
    from circuitdsl.measures.patched_runs import knocked_out

    model = Model(2)
    left = ("head", 1, 0)
    units = {written(unit): unit for unit in model.units}
    nodes = {name: scrub.node(name, Unit(*unit)) for name, unit in units.items()}
    edges = [("embed", name, None) for name in [*nodes, "logits"]]
    edges += [(a, b, None) for b, unit in units.items() for a in nodes if units[a] in model.earlier(unit) and units[a] != left]
    edges += [(name, "logits", None) for name in nodes if units[name] != left]
    rng = random.Random(0)
    prompts = scrub.prompts([tuple(rng.randrange(VOCABULARY) for _ in range(LENGTH)) for _ in range(ROWS)])
    file = scrub.Graph(model.adapter.shape, prompts, [3] * ROWS, {}, nodes, edges).hypothesis()
    readout = scrub.lowered(file, sampling="shared").readouts["F(scrub)"]
    world = Gather("clean", Draw("clean", "clean", "0:rest"))
    places = nodes[written(left)].places
    ablated = MetricValue(knocked_out(Algebra(), file.shape, Run("clean"), world, nodes=places), "clean", "m")
    scrubbed, resampled = measured(model, file, readout)[1], measured(model, file, ablated)[1]
    np.testing.assert_allclose(scrubbed, resampled, rtol=1e-9)
    assert np.abs(scrubbed - measured(model, file, scrub.lowered(file).readouts["F(M)"])[1]).max() > 1e-3


def test_settings_give_other_draws(scrub):
    model = Model(0)
    file, _, _ = random_file(scrub, model, 0)
    other = replace(file, settings=Settings(seed=1))
    readout = scrub.lowered(file).readouts["F(scrub)"]
    assert np.abs(measured(model, file, readout)[1] - measured(model, other, readout)[1]).max() > 1e-6
