"""What is measured on: a random-initialised model in the shape of GPT-2 small, prompts of random tokens, the circuits.

Times depend on shapes and not on weights, so nothing is downloaded. Prompts stand in for "When IO and S1 …, S2 … to": random
tokens at the positions of the slots, other ones in the counterfactual.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from circuitdsl.borders.hypothesis import Ablation, Edge, Hypothesis, Link, ModelName, Node, Place, Settings
from circuitdsl.borders.prompts import Arithmetic, Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Role, Roles, Unit
from circuitdsl.models.adapter import TransformerAdapter, adapt

PROMPTS, TOKENS, SEED = 64, 16, 0
EMBEDDING, OUTPUT = Place(EMBED, "embed"), Place(LOGITS, "logits")
IO, S1, AFTER, S2, END = Role("IO"), Role("S1"), Role("S1", shift=1), Role("S2"), Role("END")

CLASSES = {
    "previous": ("2.2 4.11", (AFTER,)),
    "duplicate": ("0.1 0.10 3.0", (S2,)),
    "induction": ("5.5 5.8 5.9 6.9", (S2,)),
    "inhibition": ("7.3 7.9 8.6 8.10", (END,)),
    "mover": ("9.9 10.0 9.6 10.7 11.10 9.0 9.7 10.1 10.2 10.6 10.10 11.2 11.9", (END,)),
}
"""Heads of the circuit for indirect objects with their positions (Wang et al. 2022, arXiv 2211.00593)."""

EDGES: tuple[tuple[str, str, str, Roles], ...] = (
    ("embed", "previous", "q", (AFTER,)),
    ("embed", "previous", "kv", (S1,)),
    ("embed", "duplicate", "q", (S2,)),
    ("embed", "duplicate", "kv", (S1,)),
    ("embed", "induction", "q", (S2,)),
    ("previous", "induction", "kv", None),
    ("embed", "inhibition", "q", (END,)),
    ("embed", "inhibition", "k", (S2,)),
    ("duplicate", "inhibition", "v", None),
    ("induction", "inhibition", "v", None),
    ("embed", "mover", "kv", (IO,)),
    ("inhibition", "mover", "q", None),
    ("mover", "logits", "i", None),
)
"""Sender, receiver, ports, and the sender's positions where they are not its own."""


def model(layers: int = 12) -> TransformerAdapter:
    """GPT-2 small's shape. Weights are larger than at GPT-2's own start, so that circuits differ by more than rounding."""
    torch.manual_seed(SEED)
    return adapt(GPT2LMHeadModel(GPT2Config(n_layer=layers, initializer_range=0.05)), "gpt2-small-shaped")


def places(shape: Any, positions: bool) -> dict[str, list[Place]]:
    """The circuit's heads by class; with fewer layers than twelve those that there are."""
    found: dict[str, list[Place]] = {"embed": [EMBEDDING], "logits": [OUTPUT]}
    for name, (heads, roles) in CLASSES.items():
        units = [Unit("head", *map(int, head.split("."))) for head in heads.split()]
        found[name] = [Place(unit, str(unit), roles if positions else None) for unit in units if unit.layer < shape.layers]
    return found


def circuit_a(shape: Any, positions: bool = False) -> tuple[Link, ...]:
    """26 heads and 162 edges, q, k and v apart; at the paper's positions, or at all."""
    named, links = places(shape, positions), []
    for senders, receivers, ports, roles in EDGES:
        for sender in named[senders]:
            for receiver in named[receivers]:
                if shape.reads(receiver.unit, sender.unit):
                    links += [Link(sender, receiver, "in" if port == "i" else port, roles if positions else None) for port in ports]  # type: ignore[arg-type]
    return tuple(links)


def circuit_b(shape: Any) -> tuple[Link, ...]:
    """A, all MLPs in a chain from `embed` to the logits, the first of them into every port, the movers into those after them."""
    named = places(shape, positions=False)
    mlps = [Place(unit, str(unit)) for unit in shape.units("mlp")]
    links = list(circuit_a(shape))
    links += [Link(EMBEDDING, mlp, "in") for mlp in mlps] + [Link(mlp, OUTPUT, "in") for mlp in mlps]
    links += [Link(sender, mlp, "in") for sender in (*mlps, *named["mover"]) for mlp in mlps if shape.reads(mlp.unit, sender.unit)]
    heads = [place for name in CLASSES for place in named[name]]
    links += [Link(mlps[0], head, port) for head in heads for port in head.unit.ports if shape.reads(head.unit, mlps[0].unit)]
    return tuple(links)


def circuit_of_everything(shape: Any) -> tuple[Link, ...]:
    """Every unit and every edge."""
    every = [Place(unit, str(unit)) for unit in shape.units()]
    every = [EMBEDDING, *every[1:-1], OUTPUT]
    return tuple(
        Link(sender, receiver, port)
        for receiver in every
        for sender in every
        if shape.reads(receiver.unit, sender.unit)
        for port in receiver.unit.ports
    )


def hypothesis(shape: Any, links: tuple[Link, ...] = (), prompts: int = PROMPTS, tokens: int = TOKENS) -> Hypothesis:
    """The links as a hypothesis, one named node a place and one edge as written a link, resampling from the counterfactual."""
    rng = np.random.default_rng(SEED)
    spans = {name: (tokens * at) // 16 for name, at in (("IO", 2), ("S1", 4), ("S2", 10))}
    layout = Layout(0, tokens, tuple(((name, 1), (at, at + 1)) for name, at in spans.items()))
    ids = rng.integers(0, shape.vocabulary, (2, prompts, tokens))
    answers = rng.integers(0, shape.vocabulary, (2, prompts))
    distributions = {}
    for name, rows, paired in (("clean", ids[0], None), ("abc", ids[1], "clean")):
        found = tuple(
            Prompt(f"{name} {row}", tuple(map(int, some)), layout, {}, int(answers[0, row]), (int(answers[1, row]),))
            for row, some in enumerate(rows)
        )
        distributions[name] = Distribution(name, found, paired)
    last = np.full(prompts, tokens - 1)
    difference = Arithmetic("-", Pick("logit", answers[0], last), Pick("logit", answers[1], last))
    every = dict.fromkeys(place for link in links for place in (link.sender, link.receiver))
    nodes = {place.node: Node(place.node, (place,)) for place in every}
    edges = tuple(Edge(link.sender.node, link.receiver.node, link.port, (link,), link.roles) for link in links)
    return Hypothesis(
        title="benchmark",
        description="",
        citations=(),
        model=ModelName("gpt2-small-shaped"),
        shape=shape,
        distributions=distributions,
        default="clean",
        metrics={"logit_diff": Metric("logit_diff", "", False, {"clean": difference}, "END", {"clean": last})},
        features={},
        nodes=nodes,
        edges=edges,
        claims=(),
        settings=Settings(prompts=prompts, ablate=Ablation("resample", "abc")),
        exploring=(),
        verifying=tuple(range(prompts)),
        source=Source("benchmark.circ", ""),
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """The measured prompts as the plain forward takes them."""

    tokens: torch.Tensor

    @staticmethod
    def of(found: Hypothesis) -> "Batch":
        return Batch(torch.tensor([prompt.tokens for prompt in found.distributions["clean"].prompts]))
