"""The report in a terminal or a pipe: every claim with its verdict, its number and the conditions it holds under."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from circuitdsl.borders.evidence import BaseRunsRecord, ClaimRecord, Evidence
from circuitdsl.borders.verdict import Estimate, MemberVerdict
from circuitdsl.reports import sweeps
from circuitdsl.reports.numbers import estimate, interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

MARKS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not testable": "–", "measured": "·"}
STYLES = {"supported": "green", "refuted": "red", "inconclusive": "yellow", "not testable": "magenta", "measured": "cyan"}
SHOWN = 12
"""Members of an `each` claim that are listed, those that fail first."""


def render(evidence: Evidence, *, width: int = 100, color: bool = False, files: Sequence[Path] = (), unwritten: bool = False) -> str:
    """The whole report as text of at most `width` columns, ending in a line end. `files` are named at its foot, each on a line.

    `unwritten` says that not all of them could be written, which makes the exit status 2.
    """
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None, highlight=False, markup=False, emoji=False
    )
    _header(console, evidence)
    shared = _shared(evidence.claims)
    judged = [claim for claim in evidence.claims if claim.verdict.outcome != "measured"]
    measured = [claim for claim in evidence.claims if claim.verdict.outcome == "measured"]
    if shared:
        _field(console, "under", ", ".join(f"{name} = {value}" for name, value in shared.items()) + " (all claims)")
    if judged:
        _heading(console, "Claims")
        longest = min(24, max(len(claim.label) for claim in judged))
        for claim in judged:
            _claim(console, claim, shared, longest)
    if measured:
        _heading(console, "Measurements (no verdict)")
        for claim in measured:
            _measurement(console, claim, shared)
    _footer(console, evidence, files, unwritten)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def status(evidence: Evidence) -> int:
    """Exit status: 0 all supported, 1 some refuted, 3 none refuted but some open. Claims marked `warn` and measurements have no say."""
    outcomes = {claim.verdict.outcome for claim in evidence.claims if not claim.warn}
    return 1 if "refuted" in outcomes else 3 if outcomes & {"inconclusive", "not testable"} else 0


def _header(console: "Console", evidence: Evidence) -> None:
    model, name = evidence.model, Path(evidence.file.name).name
    _line(console, evidence.graph.title or name, "bold")
    _field(console, "file", f"{evidence.file.name} (sha256 {evidence.file.sha256[:12]})")
    for one in evidence.inputs:
        _field(console, "reads", f"{one.name} (sha256 {one.sha256[:12]})")
    size = f"{model.parameters / 1e6:,.1f} M" if model.parameters >= 100_000 else f"{model.parameters:,}"
    revision = f" at {model.revision}" if model.revision else ""
    _field(console, "model", f"{model.name}{revision}: {model.weights}; {size} parameters, {model.dtype} on {model.device}")
    _field(
        console,
        "parity",
        f"logits within {model.parity_error:.1e} of transformers' own; all writes sum to the residual stream within {model.sum_error:.1e}",
    )
    if evidence.base_runs is not None:
        _field(console, "base runs", _base_runs(evidence.base_runs))
    for record in evidence.distributions:
        available = f" of {record.available:,} that there are" if record.available is not None else ""
        paired = f", paired with {record.paired}" if record.paired else ""
        layouts = f"{record.layouts} layout" + ("s" if record.layouts != 1 else "")
        mark = " (measured on)" if record.name == evidence.default and len(evidence.distributions) > 1 else ""
        _field(console, "prompts", f"{record.name}{mark}: {record.n:,}{available}, {layouts}{paired}")
    if evidence.exploring_sha256 is not None:
        _field(console, "split", "measurements on the exploring part of the prompts, claims on the verifying part")
    settings = [f"{c.name} = {c.value}" + ("" if c.origin == "file" else f" ({c.origin})") for c in evidence.conditions]
    if settings:
        _field(console, "settings", ", ".join(settings))


def _base_runs(runs: BaseRunsRecord) -> str:
    """Where the plain runs are from, and which the next run finds: `3 read from the cache; 1 made: not in the cache yet; …`."""
    parts = [f"{runs.read} read from the cache"] if runs.read else []
    parts += [f"{count} made: {why}" for why, count in runs.made_because.items()]
    parts += [f"{runs.stored} stored in it for the next run"] if runs.stored else []
    parts += [f"{count} not stored: {why}" for why, count in runs.not_stored_because.items()]
    return "; ".join(parts) or "none were needed"


def _shared(claims: Sequence[ClaimRecord]) -> dict[str, str]:
    """Conditions that hold for every claim, said once."""
    if len(claims) < 2:
        return {}
    first = claims[0].conditions
    return {name: value for name, value in first.items() if all(claim.conditions.get(name) == value for claim in claims)}


def _claim(console: "Console", claim: ClaimRecord, shared: dict[str, str], longest: int) -> None:
    from rich.text import Text

    verdict, members = claim.verdict, claim.verdict.members
    head = Text.assemble((f"{MARKS[verdict.outcome]} {verdict.outcome}", f"bold {STYLES[verdict.outcome]}"))
    head.pad_right(max(0, 15 - len(head)))
    head.append(f" {claim.label:<{longest}}", "bold")
    if len(members) == 1:
        head.append(f"  {estimate(members[0].estimate)}", "bold")
        head.append(f"  {interval(members[0].estimate)}")
    elif members:
        counts: Counter[str] = Counter(member.outcome for member in members)
        head.append("  " + ", ".join(f"{counts[o]} of {len(members)} {o}" for o in MARKS if counts[o]))
    if claim.warn:
        head.append("  (warn: fails nothing)", "dim")
    console.print()
    _wrapped(console, head, hang=17)
    _field(console, f"line {claim.line}", f"{claim.text}  (in {claim.file})" if claim.file else claim.text)
    if claim.question:
        _field(console, "asks", claim.question)
    adjusted = [f"corrected for all claims {_p(verdict.p_adjusted)}"] if verdict.p_adjusted is not None else []
    if len(members) == 1:
        _member_details(console, members[0], adjusted)
    elif members:
        _members(console, members, adjusted)
    if claim.turns:
        _field(console, "it turns", claim.turns)
    _rest(console, claim, shared)


def _measurement(console: "Console", claim: ClaimRecord, shared: dict[str, str]) -> None:
    from rich.text import Text

    members = claim.verdict.members
    console.print()
    head = Text.assemble((f"· {claim.label}", "bold cyan"))
    if len(members) == 1:
        head.append(f"  {estimate(members[0].estimate)}", "bold")
        head.append(f"  {interval(members[0].estimate)}")
    else:
        head.append(f"  {len(members)} numbers")
    _wrapped(console, head, hang=4)
    _field(console, f"line {claim.line}", f"{claim.text}  (in {claim.file})" if claim.file else claim.text)
    if len(members) == 1:
        _member_details(console, members[0], ())
    else:
        for line in sweeps.lines(members, console.width - 4):
            _line(console, f"    {line}")
    _rest(console, claim, shared)


def _member_details(console: "Console", member: MemberVerdict, adjusted: Sequence[str]) -> None:
    for name, value in member.beside.items():
        said = interval(value) if value.value is not None else value.note
        _field(console, "beside", f"{name} {estimate(value)} {said}".rstrip())
    p = {"support": member.p_support, "refute": member.p_refute}
    stated = [f"p to {name} {_p(value)}" for name, value in p.items() if value is not None]
    _field(console, "method", "; ".join([_method(member.estimate), *stated, *adjusted]))
    if member.estimate.note:
        _field(console, "note", member.estimate.note)
    if member.reason:
        _field(console, "because", member.reason)
    if member.prompts_to_decide is not None:
        _field(console, "to decide", f"about {member.prompts_to_decide:,} prompts would probably decide it{_judged(member)}")


def _judged(member: MemberVerdict) -> str:
    """`prompts = N` counts those that are explored as well, so the number is told beside that of now."""
    return f" ({member.estimate.n:,} were judged)" if member.estimate.n else ""


def _members(console: "Console", members: Sequence[MemberVerdict], adjusted: Sequence[str]) -> None:
    from rich.table import Table

    order = ["refuted", "not testable", "inconclusive", "supported", "measured"]
    ranked = sorted(members, key=lambda member: order.index(member.outcome))
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for overflow in ("fold", "fold", "fold", "fold", "fold"):
        table.add_column(overflow=overflow)
    for member in ranked[:SHOWN]:
        decide = f"about {member.prompts_to_decide:,} prompts would decide" if member.prompts_to_decide is not None else ""
        mark = (MARKS[member.outcome], STYLES[member.outcome])
        words = "; ".join(filter(None, [member.reason, decide]))
        table.add_row(_styled(*mark), member.label, estimate(member.estimate), interval(member.estimate), words)
    _indented(console, table)
    left = Counter(member.outcome for member in ranked[SHOWN:])
    if left:
        _field(console, "", "and " + ", ".join(f"{count} more {outcome}" for outcome, count in left.items()))
    methods = dict.fromkeys(_method(member.estimate) for member in members)
    _field(console, "method", "; ".join([*list(methods)[:3], *adjusted]))


def _rest(console: "Console", claim: ClaimRecord, shared: dict[str, str]) -> None:
    own = {name: value for name, value in claim.conditions.items() if name not in shared}
    if own:
        _field(console, "under", ", ".join(f"{name} = {value}" for name, value in own.items()))
    verdict = claim.verdict
    if verdict.reason and verdict.reason not in {member.reason for member in verdict.members}:
        _field(console, "because", verdict.reason)
    for warning in verdict.warnings:
        _field(console, "warning", str(warning), style="yellow")


def _footer(console: "Console", evidence: Evidence, files: Sequence[Path], unwritten: bool) -> None:
    console.print()
    for warning in evidence.warnings:
        _field(console, "warning", str(warning), style="yellow", indent=0)
    counts: Counter[str] = Counter(claim.verdict.outcome for claim in evidence.claims if claim.verdict.outcome != "measured")
    parts = [f"{counts[o]} {o}" for o in MARKS if counts[o]]
    measured = sum(claim.verdict.outcome == "measured" for claim in evidence.claims)
    if measured:
        parts.append(f"{measured} measurement" + ("s" if measured > 1 else ""))
    code = 2 if unwritten else status(evidence)
    judged = any(claim.verdict.outcome != "measured" and not claim.warn for claim in evidence.claims)
    said = "all claims are supported" if judged else "there is no claim to fail"
    others = {1: "some claim is refuted", 2: "not everything could be written", 3: "none is refuted, but not all are decided"}
    meaning = {0: said, **others}[code]
    _line(console, f"{', '.join(parts) or 'no claims'} in {evidence.seconds:.1f} s; exit status {code}: {meaning}", "bold")
    if any(counts.values()):
        confidence = next((c.value for c in evidence.conditions if c.name == "confidence"), "0.95")
        many = sum(claim.comparison is not None for claim in evidence.claims) > 1
        correction = ", corrected for all claims and both directions," if many else ""
        said = f"Verdicts follow p-values{correction} of at most {1 - float(confidence):.3g}; intervals are uncorrected and two-sided"
        _line(console, f"{said}, at confidence {confidence}.")
        methods = {member.estimate.method for claim in evidence.claims for member in claim.verdict.members}
        if any(method.startswith("betting") for method in methods):
            _line(console, "Claims that may be decided early follow e-BH instead; they and the others share what all verdicts may err.")
        _line(console, "p to support: how likely evidence this strong would be, were the claim false; p to refute: were it true.")
        if any("fixed strata" in method or "1 template" in method for method in methods):
            _line(console, "Fixed strata: with fewer than ten templates, those answers speak of these templates only.")
    for path in files:  # on one line each, however long: they are copied
        console.print(_styled(f"written    {path}", "dim"), no_wrap=True, overflow="ignore", crop=False)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}" if value >= 1e-99 else "below 1e-99"


def _method(value: Estimate) -> str:
    return f"{value.method}, n = {value.n:,}" if value.method else f"n = {value.n:,}"


def _styled(text: str, style: str) -> "Text":
    from rich.text import Text

    return Text(text, style=style)


def _heading(console: "Console", text: str) -> None:
    console.print()
    _line(console, text, "bold underline")


def _line(console: "Console", text: str, style: str = "") -> None:
    _wrapped(console, _styled(text, style), hang=len(text) - len(text.lstrip()) + 2)


def _field(console: "Console", name: str, text: str, *, style: str = "", indent: int = 2) -> None:
    """A name in a narrow column, and its text wrapped beside it."""
    from rich.text import Text

    start = " " * indent + f"{name:<10} "
    _wrapped(console, Text.assemble((start, style or "dim"), (" ".join(text.split()), style)), hang=len(start))


def _wrapped(console: "Console", text: "Text", hang: int) -> None:
    """Prints text wrapped at words, later lines indented by `hang`. Words longer than a line are broken, never cut."""
    lines = text.wrap(console, console.width)[:1]
    if text.cell_len > console.width:
        rest = text[len(lines[0].plain) :] if lines else text
        rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
        lines.extend(rest.wrap(console, max(20, console.width - hang)))
    for number_, line in enumerate(lines):
        console.print(line if number_ == 0 else _styled(" " * hang, "") + line, no_wrap=True, overflow="ignore", crop=False)


def _indented(console: "Console", renderable: "RenderableType") -> None:
    from rich.padding import Padding

    console.print(Padding(renderable, (0, 0, 0, 4), expand=False))
