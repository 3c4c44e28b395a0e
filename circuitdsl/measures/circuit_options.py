"""Options that several measures of the circuit share."""

from dataclasses import dataclass
from typing import Literal

from circuitdsl.borders.hypothesis import Ablation
from circuitdsl.borders.options import Options, option

SHARE_OF = "the number as a share of the model's own F(M), a ratio of means"
KEEP = "units that are live in every run, such as the MLPs: they read each other, the circuit and the prompt's own embedding"


@dataclass(frozen=True, kw_only=True)
class Ablated(Options):
    """Runs of a part of the model, with everything else ablated."""

    ablate: Ablation | None = option("ablation", help="what the rest of the model is set to; default: `settings { ablate = … }`")
    circuit: tuple[str, ...] | None = option("nodes", help="a part of the declared circuit")


@dataclass(frozen=True, kw_only=True)
class CircuitOptions(Ablated):
    """The circuit's run against the model's."""

    ablate: Ablation | None = option(
        "ablation", required=True, help="what the rest of the model is set to; default: `settings { ablate = … }`"
    )
    keep: tuple[str, ...] | None = option("nodes", help=KEEP)
    norm: Literal["live", "frozen"] = option("word", "live", help="the readers' norm scales: live, or those of the clean run")
    without: tuple[str, ...] | None = option(
        "nodes", help="what is knocked out of the circuit and of the model beforehand, such as backups"
    )


@dataclass(frozen=True, kw_only=True)
class ComparedOptions(CircuitOptions):
    """The same, run under a second ablation as well."""

    second: Literal["yes", "no"] = option("word", "yes", help="whether a second ablation is run beside the first")
