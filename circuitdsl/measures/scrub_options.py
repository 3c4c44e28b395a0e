"""Options of `scrub`."""

from dataclasses import dataclass
from typing import Literal

from circuitdsl.borders.options import option
from circuitdsl.measures.circuit_options import Ablated


@dataclass(frozen=True, kw_only=True)
class ScrubOptions(Ablated):
    baseline: Literal["shuffle", "unconditional", "pair"] = option(
        "word",
        required=True,
        help="what 0 means: shuffle: labels of an independent prompt; unconditional: every donor free; pair: F(∅), under `ablate`",
    )
    sampling: Literal["tree", "shared", "banks"] | None = option(
        "word",
        help="tree: every path draws anew; shared: one donor for each prompt and value of a feature; banks: as a tree, from a "
        "few values of each node; default: the tree while it is small enough, else banks",
    )
    banks: float | None = option("number", help="how many values of each node paths take from; default: as many as are affordable")
    replicates: float | None = option("number", help="how often donors are drawn for each prompt; default: 1, and 4 banks")
    others: tuple[str, ...] | None = option(
        "nodes", help="nodes that share a draw of their own where they are left out; the rest share one"
    )
    adversary: float | None = option(
        "number",
        help="look for the grouping of what is left out that lowers the score most: so many candidates a step",
        searches=True,
    )
    from_: str | None = option("distribution", help="where donors come from; default: the measured prompts")
