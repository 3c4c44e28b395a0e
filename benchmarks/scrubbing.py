"""Causal scrubbing against the straightforward way: `python -m benchmarks.scrubbing [--movers 1 3 13] [--prompts 8 16]`.

The straightforward way, that of the published implementations, runs the whole model once for each node of the sampled tree, with the
scrubbed inputs put into the node's reads by hooks. Both get the same hypothesis, prompts and draws, and must give the same numbers.
The times here are of everything: lowering, draws, planning, and the plain run of the donors. `results/scrubbing.md` has the table.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.setting import CLASSES, EDGES, PROMPTS, SEED, TOKENS, model
from benchmarks.timing import timed
from benchmarks.work import Work
from circuitdsl.borders.hypothesis import Claim, Edge, Hypothesis, Link, ModelName, Node, Place, Settings
from circuitdsl.borders.plan import Machine, Request
from circuitdsl.borders.prompts import Distribution, Metric, Pick, Prompt
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, Layout, Unit
from circuitdsl.borders.values import Algebra, Base, Gather, Mix, Override, Readout, Recomputed, Run, Value, World
from circuitdsl.engine.captures import Captures
from circuitdsl.engine.executor import execute
from circuitdsl.measures import measures
from circuitdsl.measures.scrubbing import draw_groups, tree_size
from circuitdsl.models.adapter import TransformerAdapter, adapt
from circuitdsl.planning import plan

DRAWS, ALL_MOVERS, TARGET = 256, len(CLASSES["mover"][0].split()), 3.0
CARRIES = {"previous": "S1", "duplicate": "S2", "induction": "S2", "inhibition": "S2", "mover": "IO"}


def hypothesis(shape: Any, prompts: int, movers: int, depth: int = 4) -> Hypothesis:
    """The circuit for indirect objects with what its heads carry, on random tokens; of its movers the first few.

    `depth` counts the classes of heads below the logits: 1 is the movers alone.
    """
    spans = ((("IO", 1), (2, 3)), (("S1", 1), (4, 5)), (("S2", 1), (10, 11)))
    layout = Layout(0, TOKENS, spans)
    rng = np.random.default_rng(SEED)
    rows = rng.integers(0, shape.vocabulary, (prompts, TOKENS))
    rows[:, [2, 4]] = rng.integers(0, 4, (prompts, 2)) + 100
    rows[:, 10] = rows[:, 4]
    clean = Distribution("clean", tuple(Prompt("", tuple(map(int, row)), layout) for row in rows))
    ends = np.full(prompts, TOKENS - 1)
    metric = Metric("m", "logit", False, {"clean": Pick("logit", rows[:, 2], ends)}, positions={"clean": ends})
    shown = {"logits", "mover", "inhibition", "induction", "duplicate", "previous"} - {
        name for name, at in {"inhibition": 2, "induction": 3, "duplicate": 3, "previous": 4}.items() if at > depth
    }
    nodes = {"embed": Node("embed", (Place(EMBED, "embed"),)), "logits": Node("logits", (Place(LOGITS, "logits"),))}
    for name, (heads, roles) in CLASSES.items():
        units = [Unit("head", *map(int, head.split("."))) for head in heads.split()][: movers if name == "mover" else None]
        if name in shown:
            nodes[name] = Node(name, tuple(Place(unit, name, roles) for unit in units), carries=CARRIES[name])
    edges = []
    for sender, receiver, ports, roles in EDGES:
        for port in ports if sender in nodes and receiver in nodes else ():
            port = "in" if port == "i" else port
            links = tuple(
                Link(a, b, port, roles)  # type: ignore[arg-type]
                for a in nodes[sender].places
                for b in nodes[receiver].places
                if shape.reads(b.unit, a.unit)
            )
            edges.append(Edge(sender, receiver, port, links, roles))  # type: ignore[arg-type]
    classes = {"IO": rows[:, 2], "S1": rows[:, 4], "S2": rows[:, 10]}
    features = {name: {"clean": tuple(map(int, column))} for name, column in classes.items()}
    return Hypothesis(
        "", "", (), ModelName("gpt2"), shape, {"clean": clean}, "clean", {"m": metric}, features, nodes, tuple(edges), (), Settings(),
        (), tuple(range(prompts)), Source(""),
    )  # fmt: skip


class Straightforward:
    """One full forward pass of the model for every node of the tree."""

    def __init__(self, gpt2: Any, file: Hypothesis, draws: Mapping[Any, np.ndarray]):
        self.model, self.file, self.draws = gpt2, file, draws
        self.tokens = torch.tensor([prompt.tokens for prompt in file.distributions["clean"].prompts])
        self.passes = 0

    def rows(self, world: World) -> torch.Tensor:
        if isinstance(world, Gather):
            return self.tokens[torch.as_tensor(self.draws[world.draw])]
        assert isinstance(world, Run)
        return self.tokens

    def write(self, unit: Unit, heads: torch.Tensor) -> torch.Tensor:
        """[B, T, d] of one head, from its layer's weighted values [B, T, H·h]."""
        width = self.file.shape.head_width
        mine = slice(unit.index * width, (unit.index + 1) * width)
        return heads[..., mine] @ self.model.transformer.h[unit.layer].attn.c_proj.weight[mine]

    def embed(self, world: World) -> torch.Tensor:
        body = self.model.transformer
        return body.wte(self.rows(world)) + body.wpe(torch.arange(TOKENS))

    def value(self, value: Value) -> torch.Tensor:
        if isinstance(value, Base):
            assert value.unit == EMBED
            return self.embed(value.world)
        below = {port: [(o, self.value(o.value)) for o in overrides(mix)] for port, mix in value.mixes}
        return self.run(value, below)

    def run(self, value: Recomputed, below: Mapping[str, list[tuple[Override, torch.Tensor]]]) -> torch.Tensor:
        """The pass over the background's prompts with what is read exchanged: the unit's write, or the logits."""
        self.passes += 1
        body, kept, hooks = self.model.transformer, {}, []
        layout = self.file.distributions["clean"].prompts[0].layout
        embed = self.embed(value.background)

        def changes(port: str) -> torch.Tensor:
            change = torch.zeros_like(embed)
            for override, new in below[port]:
                at = list(layout.positions(override.roles))
                old = embed if override.unit == EMBED else self.write(override.unit, kept[override.unit.layer])
                change[:, at] += (new - old)[:, at]
            return change

        for layer, block in enumerate(body.h):
            hooks.append(block.attn.c_proj.register_forward_pre_hook(lambda _, given, layer=layer: kept.update({layer: given[0]})))
        if value.unit == LOGITS:
            hooks.append(body.ln_f.register_forward_pre_hook(lambda _, given: (given[0] + changes("in"),)))
        else:
            block = body.h[value.unit.layer]
            hooks.append(block.ln_1.register_forward_pre_hook(lambda _, given: kept.update(stream=given[0])))

            def ports(module: Any, _: Any, out: torch.Tensor) -> torch.Tensor:
                parts = []
                for port, part in zip("qkv", out.split(out.shape[-1] // 3, -1), strict=True):
                    if below[port]:
                        read = torch.nn.functional.layer_norm(kept["stream"] + changes(port), block.ln_1.normalized_shape)
                        whole = torch.addmm(module.bias, (read * block.ln_1.weight + block.ln_1.bias).flatten(0, 1), module.weight)
                        part = whole.view_as(out).split(part.shape[-1], -1)["qkv".index(port)]
                    parts.append(part)
                return torch.cat(parts, -1)

            hooks.append(block.attn.c_attn.register_forward_hook(ports))
        try:
            logits = self.model(self.rows(value.background)).logits
        finally:
            for hook in hooks:
                hook.remove()
        return logits if value.unit == LOGITS else self.write(value.unit, kept[value.unit.layer])


def overrides(mix: Mix | None) -> list[Override]:
    return [] if mix is None else [*overrides(mix.before), *mix.overrides]


def scrubbed(file: Hypothesis) -> Readout:
    """The metric of the scrubbed run, a tree drawn for each prompt."""
    claim = Claim("s", "scrub", "", metric="m", options={"baseline": "shuffle"})
    return measures()["scrub"].lower(claim, file, Algebra()).readouts["F(scrub)"]  # type: ignore[union-attr]


def scrub_row(adapter: TransformerAdapter, known: Machine, quick: bool) -> tuple:
    """The fields of a `Result`: the whole circuit's tree, drawn for each of 256 prompts, against a plain pass over them."""
    started = time.perf_counter()
    file = hypothesis(adapter.shape, DRAWS, ALL_MOVERS)
    readout = scrubbed(file)
    lowering = time.perf_counter() - started
    request = Request(readout, tuple(range(DRAWS)))
    work, captures = Work("", TARGET, file, (request,), slow=quick), Captures(budget=2 << 30)
    execute(plan([request], file), adapter, file, captures=captures)  # the donors' plain run is kept
    one = timed(
        work,
        adapter,
        torch.tensor([prompt.tokens for prompt in file.distributions["clean"].prompts]),
        known,
        captures,
        0 if quick else 30,
        3,
    )
    places = tree_size(draw_groups(file, tuple(link for edge in file.edges for link in edge.links)))
    name = f"causal scrubbing of the IOI tree (26 heads, {places:,} values), drawn for each of {DRAWS} prompts, cached"
    times = (one.cpu, lowering, one.planning, one.seconds, one.forward, one.repetitions, one.predicted)
    return name, one.ratio, TARGET, one.ratio <= TARGET, *times


def compare(adapter: Any, prompts: int, movers: int, depth: int) -> tuple[int, float, float, float]:
    """Passes, seconds straightforward, seconds here (all of it), largest difference of the metric."""
    file = hypothesis(adapter.shape, prompts, movers, depth)
    started = time.perf_counter()
    readout = scrubbed(file)
    planned = plan([Request(readout, tuple(range(prompts)))], file)
    with torch.inference_mode():
        found = execute(planned, adapter, file)[readout.digest]
    mine = time.perf_counter() - started
    plain = Straightforward(adapter.model, file, planned.draws)
    started = time.perf_counter()
    with torch.inference_mode():
        logits = plain.value(readout.value)[:, -1].double().numpy()
    theirs = time.perf_counter() - started
    wanted = logits[np.arange(prompts), file.metrics["m"].bound["clean"].ids]  # type: ignore[union-attr]
    return plain.passes, theirs, mine, float(np.abs(found - wanted).max() / np.abs(wanted).max())


def small() -> Any:
    torch.manual_seed(SEED)
    config = GPT2Config(n_embd=192, n_head=12, vocab_size=1000, initializer_range=0.1, bos_token_id=0, eos_token_id=0)
    return adapt(GPT2LMHeadModel(config).eval(), "narrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--movers", type=int, nargs="+", default=[1, 3, ALL_MOVERS])
    parser.add_argument("--depth", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--prompts", type=int, nargs="+", default=[PROMPTS // 8])
    parser.add_argument("--small", action="store_true", help="twelve layers of twelve heads as in GPT-2 small, a quarter as wide")
    given = parser.parse_args()
    torch.set_num_threads(2)
    adapter = small() if given.small else model()
    compare(adapter, 2, 1, 1)  # warm
    lines = [
        "| movers | depth | prompts | passes | straightforward (s) | here (s) | ratio | largest relative difference |",
        "|" + "---|" * 8,
    ]
    print("\n".join(lines))
    for movers in given.movers:
        for depth in given.depth:
            for prompts in given.prompts:
                passes, theirs, mine, apart = compare(adapter, prompts, movers, depth)
                if apart > 1e-4:
                    raise SystemExit(f"the numbers differ by {apart:.2g}")
                numbers = f"{theirs:.1f} | {mine:.2f} | {theirs / mine:.1f} | {apart:.1e}"
                lines.append(f"| {movers} | {depth} | {prompts} | {passes:,} | {numbers} |")
                print(lines[-1], flush=True)
    if not given.small:
        (Path(__file__).parent / "results" / "scrubbing.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
