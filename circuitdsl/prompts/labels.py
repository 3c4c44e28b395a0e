"""Answers and wrong answers of rows, as tokens: the last step from a sample to a distribution."""

from dataclasses import dataclass
from itertools import combinations, pairwise

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.prompts import Distribution, Prompt
from circuitdsl.borders.source import Span
from circuitdsl.prompts import targets
from circuitdsl.prompts.declare import Declaration, Values
from circuitdsl.prompts.mistakes import listed
from circuitdsl.prompts.sample import PromptSample, SampledRow
from circuitdsl.prompts.targets import Target, Trouble
from circuitdsl.prompts.template import Hole
from circuitdsl.prompts.tokens import Tokens, joint

MOST_VALUES = 100
"""Most values that a warning names."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row with the texts of its answers, and the prompt that leaves this stage."""

    row: SampledRow
    prompt: Prompt
    answer: str | None
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelling:
    """A distribution on its way: what metrics and features are bound to."""

    declaration: Declaration
    rows: tuple[Labelled, ...]
    distribution: Distribution


def label(sample: PromptSample, tokens: Tokens, findings: Diagnostics) -> Labelling | None:
    """Prompts with their targets; None, with an error said, if an answer has no token."""
    declaration = sample.declaration
    rows: list[Labelled] = []
    joins: list[tuple[SampledRow, str]] = []
    several: list[str] = []
    equal: list[int] = []
    for number, row in enumerate(sample.rows):
        found = _texts(tokens, declaration, row)
        for text, target in found:
            if isinstance(target, str):
                joins.append((row, text))
            elif target.several:
                several.append(text)
        ids = [target.token if isinstance(target, Target) else -1 for _, target in found]
        if ids and ids[0] in ids[1:]:
            equal.append(number)
        texts = [text for text, _ in found]
        prompt = Prompt(
            text=row.placed.text,
            tokens=row.placed.ids,
            layout=row.placed.layout,
            values=shown(declaration, row.values, tokens),
            answer=ids[0] if ids else None,
            wrong=tuple(ids[1:]),
            cluster=row.cluster,
        )
        rows.append(Labelled(row, prompt, texts[0] if texts else None, tuple(texts[1:])))
    _same_texts(sample, tokens, findings)
    _joined_words(sample, tokens, findings)
    _double_spaces(sample, findings)
    _same_fillers(declaration, [labelled.prompt for labelled in rows], findings)
    where = declaration.answers.span if declaration.answers and declaration.own_answers else declaration.span
    own = tokens.checked and (declaration.own_answers or not declaration.base)
    _report(declaration.name, where, joins, several if own else [], equal, rows, tokens.exact, findings)
    if joins:
        return None
    paired = declaration.root.name if declaration.base else None
    prompts = tuple(row.prompt for row in rows)
    return Labelling(declaration, tuple(rows), Distribution(declaration.name, prompts, paired, sample.available, sample.clusters_named))


def _same_fillers(declaration: Declaration, prompts: list[Prompt], findings: Diagnostics) -> None:
    """Two slots of one vocabulary that have the same value in some prompts, but not in all."""
    of = {name: slot.vocabulary for name, slot in declaration.slots.items() if slot.vocabulary is not None}
    equal: dict[tuple[str, str], int] = {}
    together: dict[tuple[str, str], int] = {}
    for prompt in prompts:
        slots = sorted({name for (name, _), _ in prompt.layout.spans if name in of and name in prompt.values})
        for pair in combinations(slots, 2):
            if of[pair[0]] is not of[pair[1]]:
                continue
            together[pair] = together.get(pair, 0) + 1
            equal[pair] = equal.get(pair, 0) + (prompt.values[pair[0]] == prompt.values[pair[1]])
    for (first, second), times in equal.items():
        if 0 < times < together[first, second]:
            message = f"in {times} of {together[first, second]} prompts of `{declaration.name}` {first} and {second} have the same value"
            findings.warning("W017", message, declaration.span, "draw them `distinct`, or assign one to the other")


def _same_texts(sample: PromptSample, tokens: Tokens, findings: Diagnostics) -> None:
    declaration, rows = sample.declaration, sample.rows
    different = len({row.placed.ids for row in rows})
    if different < len(rows) and not declaration.base:
        message = f"the {len(rows)} prompts of `{declaration.name}` have only {different} different texts: others are no further evidence"
        findings.warning("W019", message, declaration.span, "slots that are not in the text make prompts differ in their labels alone")
    bos = tokens.tokenizer.bos_id
    if bos is not None and (doubled := sum(row.placed.ids[:2] == (bos, bos) for row in rows)):
        message = f"{doubled} of {len(rows)} prompts of `{declaration.name}` begin with BOS twice"
        findings.warning("W018", message, declaration.span, "leave it out of the text, or set `bos = false`")


def _joined_words(sample: PromptSample, tokens: Tokens, findings: Diagnostics) -> None:
    """Answers of a data file that go on with the prompt's last word, where a word of their own is meant, most likely."""
    if not sample.declaration.root.file or not tokens.checked:
        return
    joined = {
        text: row
        for row in sample.rows
        for text in filter(None, (row.answer, *row.wrong))
        if row.placed.text[-1:].isalpha()
        and text[0].isalpha()
        and joint(row.placed.text, text)
        and tokens.run(" " + text).ids != tokens.run(text).ids
    }
    if joined:
        first, row = next(iter(joined.items()))
        message = f"answers of `{sample.declaration.name}` follow the last word of their prompt without a space: {listed(joined)}"
        hint = f'answers in data files are exact: "…{row.placed.text[-12:]}{first}" is read; write " {first}" for a word of its own'
        findings.warning("W040", message, sample.declaration.span, hint)


def _double_spaces(sample: PromptSample, findings: Diagnostics) -> None:
    """Values that bring a space where the template has one: tokens of their own, and no error."""
    declaration, doubled = sample.declaration, dict[str, None]()
    if declaration.base or not declaration.templates:
        return
    for row in sample.rows:
        pieces = declaration.pieces(declaration.templates[row.template], row.values)
        for (before, _), (piece, value) in pairwise(pieces):
            if isinstance(piece, Hole) and isinstance(before, str) and isinstance(value, str) and before[-1:] == value[:1] == " ":
                doubled[value] = None
    if doubled:
        message = f"in prompts of `{declaration.name}` two spaces stand before {listed(doubled)}"
        findings.warning("W037", message, declaration.span, "the template has the space already: write values without one")


def shown(declaration: Declaration, values: Values, tokens: Tokens) -> dict[str, str]:
    """Values as text: `S1`, `fact.capital`, `block:2`; blocks decoded."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name, colon, occurrence = key.partition(":")
        slot = declaration.slots.get(name.partition(".")[0])
        if slot and slot.tokens:
            found[key] = tokens.tokenizer.decode([int(number) for number in value])
        elif slot and slot.fields and "." not in name:
            found |= {f"{name}.{field}{colon}{occurrence}": str(text) for field, text in zip(slot.fields, value, strict=True)}
        elif slot and slot.fields:
            found[key] = str(value[slot.fields.index(name.partition(".")[2])])
        else:
            found[key] = str(value[0])
    return found


def _texts(tokens: Tokens, declaration: Declaration, row: SampledRow) -> list[tuple[str, Target | Trouble]]:
    """The answer, then the wrong answers, each with its token."""
    if declaration.answers:
        every = (declaration.answers.answer, *declaration.answers.wrong)
        return [targets.answer(tokens, declaration, row, value) for value in every]
    if row.answer is None:
        return []
    return [(text, targets.after(tokens, tokens.ending(row.placed), text, exact=True)) for text in (row.answer, *row.wrong)]


def _report(
    name: str,
    span: Span,
    joins: list[tuple[SampledRow, str]],
    several: list[str],
    equal: list[int],
    rows: list[Labelled],
    exact: bool,
    findings: Diagnostics,
) -> None:
    if joins:
        row, text = joins[0]
        end = row.placed.text[-30:]
        message = f'in {len(joins)} cases "{text}" cannot follow the prompt in `{name}`: after "…{end}" it changes the prompt\'s own tokens'
        hint = "a prompt must not end with a space, or in the middle of a word"
        if exact and row.answer is None and not text[:1].isspace():
            hint = f'`answers = exact`: write " {text}" if a space stands before it'
        elif row.answer is not None and not text[:1].isspace():
            hint = f'answers in data files are exact: write " {text}" if a space stands before it; a prompt must not end with a space'
        findings.error("C223", message, span, hint)
    if several:
        values = listed(dict.fromkeys(several), MOST_VALUES)
        message = f"answers of `{name}` have several tokens in {len(several)} cases: the first token is the target; they are {values}"
        findings.warning("W022", message, span)
    if equal and not joins:
        labelled = rows[equal[0]]
        message = f'in {len(equal)} of {len(rows)} prompts of `{name}` the answer "{labelled.answer}" and a wrong answer are the same token'
        findings.warning("W028", message, span, "`distinct` keeps drawn values apart")
