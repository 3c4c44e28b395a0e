"""Options of the measures that fit linear probes."""

from dataclasses import dataclass
from typing import Literal

from circuitdsl.borders.options import Options, option


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Options):
    of: Literal["output", "input"] = option("word", "output", help="what the node adds to the stream, or the stream it reads")
    types: str | None = option(
        "feature", help="what the control task labels at random; default: the coarsest slot or feature that divides the classes"
    )


@dataclass(frozen=True, kw_only=True)
class DecodableOptions(ProbeOptions):
    score: Literal["accuracy", "auc"] = option("word", "accuracy", help="`auc` is of two classes")
