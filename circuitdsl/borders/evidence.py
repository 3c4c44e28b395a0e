"""The record of a run: everything needed to repeat it, to judge it again, and to draw it. Written as JSON by a published schema."""

from typing import Literal

from circuitdsl.borders.verdict import ClaimVerdict, Frozen, WarningAsText

SCHEMA_VERSION = 1


class FileRecord(Frozen):
    name: str
    sha256: str
    text: str


class InputRecord(Frozen):
    """Another file that was read, by its name in the file's folder. `text` is that of a `.circ` file; of data, the hash alone is kept."""

    name: str
    sha256: str
    text: str | None = None


class ModelRecord(Frozen):
    """`weights` describes what was used in words ("SmolLM2-135M-Instruct, Q4_1 dequantised")."""

    name: str
    revision: str | None = None
    weights: str
    weights_sha256: str
    tokenizer_sha256: str
    family: str
    parameters: int
    dtype: str
    device: str
    parity_error: float
    """Largest absolute difference of the engine's logits from transformers' own, as a share of the logits' largest size."""
    sum_error: float
    """The same for the sum of all units' writes against the residual stream."""


class BaseRunsRecord(Frozen):
    """Plain runs of the model that the disk was asked for: how many were read, how many made and stored, and why not."""

    read: int
    stored: int
    made_because: dict[str, int] = {}
    not_stored_because: dict[str, int] = {}


class DistributionRecord(Frozen):
    name: str
    n: int
    paired: str | None = None
    available: int | None = None
    layouts: int
    sha256: str


class ConditionRecord(Frozen):
    """A setting in force, and who set it."""

    name: str
    value: str
    origin: Literal["default", "file", "flag"]


class ReadoutRecord(Frozen):
    """One column's place in `Evidence.columns`, under the name the claim's estimands use."""

    name: str
    column: str


class MemberRecord(Frozen):
    label: str
    about: str = ""
    estimand: str


class ComparisonRecord(Frozen):
    """`margin` belongs to the operator `=`."""

    operator: Literal[">=", ">", "<=", "<", "="]
    value: float
    margin: float | None = None


class ClaimRecord(Frozen):
    """`question` asks in words what `text` states in the language; `turns` says at which bound a decided verdict would be another.

    `line` counts from 1 in the file; in one that it uses where `file` names it.
    """

    label: str
    text: str
    question: str = ""
    comparison: ComparisonRecord | None = None
    line: int
    file: str | None = None
    measure: str
    warn: bool = False
    rows: Literal["exploring", "verifying"]
    conditions: dict[str, str]
    readouts: tuple[ReadoutRecord, ...]
    members: tuple[MemberRecord, ...]
    verdict: ClaimVerdict
    turns: str = ""
    definitions: dict[str, str] = {}
    """What the claim's words stood for: its metrics as written; of features, nodes and edges a digest."""


class EffectRecord(Frozen):
    """Mean change of the metric when a node or edge as written is cut from the circuit's run, with its interval."""

    value: float
    low: float | None
    high: float | None


class NodeRecord(Frozen):
    """`units` as the language writes them; `positions` as roles in text; `outcome` is the worst verdict about it, None if untested."""

    name: str
    units: tuple[str, ...]
    positions: tuple[str, ...] | None
    members: tuple[str, ...] = ()
    carries: str | None = None
    outcome: str | None = None
    unit_outcomes: dict[str, str] = {}
    effect: EffectRecord | None = None


class EdgeRecord(Frozen):
    sender: str
    receiver: str
    port: str | None
    positions: tuple[str, ...] | None
    links: int
    label: str
    outcome: str | None = None
    effect: EffectRecord | None = None


class GraphRecord(Frozen):
    """What the figure draws. `tokens` is a real prompt, token by token, and `roles` names positions in it: index to role texts."""

    title: str
    caption: str = ""
    layers: int
    nodes: tuple[NodeRecord, ...]
    edges: tuple[EdgeRecord, ...]
    tokens: tuple[str, ...] = ()
    roles: dict[str, tuple[int, ...]] = {}
    effect_of: str = ""


class Evidence(Frozen):
    schema_version: int = SCHEMA_VERSION
    circuitdsl: str
    command: str
    created: str
    seconds: float
    versions: dict[str, str]
    file: FileRecord
    inputs: tuple[InputRecord, ...] = ()
    model: ModelRecord
    conditions: tuple[ConditionRecord, ...]
    distributions: tuple[DistributionRecord, ...]
    default: str
    exploring_sha256: str | None
    verifying_sha256: str
    looked_at: tuple[str, ...] = ()
    """Digests of the texts of all prompts that this run showed numbers of: a hypothesis found with them is judged on others."""
    claims: tuple[ClaimRecord, ...]
    columns: dict[str, tuple[float, ...]]
    """Per-prompt numbers by content digest; above 10,000 rows they are in `arrays` beside this file instead."""
    arrays: str | None = None
    graph: GraphRecord
    warnings: tuple[WarningAsText, ...] = ()
    base_runs: BaseRunsRecord | None = None
