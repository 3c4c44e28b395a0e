"""Prompts token by token, as text: for `check --tokens` and for messages about unequal pairs."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Distribution, Metric, Prompt, Tokenizer
from circuitdsl.borders.units import Layout
from circuitdsl.prompts.metric_tokens import metric_tokens, token_text
from circuitdsl.prompts.space import PromptSpace
from circuitdsl.prompts.tokens import Placed, Tokens


def role_texts(layout: Layout) -> list[str]:
    """For each position the slots that stand there (`S1`, `block:2[7]`) and `END`."""
    roles: list[list[str]] = [[] for _ in range(layout.length)]
    many = {slot for (slot, occurrence), _ in layout.spans if occurrence > 1}
    for (slot, occurrence), (start, end) in layout.spans:
        name = f"{slot}:{occurrence}" if slot in many else slot
        for index in range(max(start, 0), min(end, layout.length)):
            roles[index].append(f"{name}[{index - start}]" if end - start > 1 else name)
    if roles:
        roles[-1].append("END")
    return [", ".join(found) for found in roles]


def side_by_side(tokens: Tokens, first: Placed, second: Placed, name: str, other: str) -> str:
    """Two tokenisations in columns, positions that differ in what stands there marked with `!`."""
    rows = [("", name, "roles", other, "roles")]
    ours, theirs = role_texts(first.layout), role_texts(second.layout)
    for index, (a, b) in enumerate(zip_longest(range(len(first.ids)), range(len(second.ids)))):
        left = (token_text(tokens.tokenizer, first.ids[a]), ours[a]) if a is not None else ("", "")
        right = (token_text(tokens.tokenizer, second.ids[b]), theirs[b]) if b is not None else ("", "")
        rows.append((f"{index}{' !' if left[1] != right[1] or not left[0] or not right[0] else ''}", *left, *right))
    return columns(rows)


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns, two spaces apart."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def show_prompts(space: PromptSpace | Hypothesis, tokenizer: Tokenizer | None, most: int = 6) -> str:
    """Every distribution's layouts, the first prompt of each: tokens with positions and roles, answers, and what the metrics read."""
    metrics = list(space.metrics.values())
    return "\n\n".join("\n".join(_distribution(found, metrics, tokenizer, most)) for found in space.distributions.values())


def _distribution(found: Distribution, metrics: Sequence[Metric], tokenizer: Tokenizer | None, most: int) -> Iterator[str]:
    paired = f", counterfactuals of {found.paired}" if found.paired else ""
    layouts = found.rows_by_layout()
    yield f"{found.name}: {len(found)} prompts{paired}, {len(layouts)} layout{'s' if len(layouts) != 1 else ''}"
    if tokenizer is None:
        yield "  tokens not checked: no tokenizer"
    for number, (layout, rows) in enumerate(layouts.items()):
        if number == most:
            yield f"  … and {len(layouts) - most} more layouts"
            return
        prompt = found.prompts[rows[0]]
        length = f" with {layout.length} tokens" if tokenizer is not None else ""
        yield f"  {len(rows)} prompts of template {layout.template + 1}{length}: {prompt.text!r}"
        if tokenizer is None:
            continue
        yield from _tokens(prompt, tokenizer)
        for metric in metrics:
            if found.name in metric.bound:
                yield f"    {metric.name} = {metric_tokens(metric, found.name, rows[0], prompt, tokenizer)}"


def _tokens(prompt: Prompt, tokenizer: Tokenizer) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("position", "token", "id", "role")]
    for index, (number, role) in enumerate(zip(prompt.tokens, role_texts(prompt.layout), strict=True)):
        role = ", ".join(filter(None, ("BOS" if index == 0 and number == tokenizer.bos_id else "", role)))
        rows.append((str(index), token_text(tokenizer, number), str(number), role))
    for name, ids in (("answer", () if prompt.answer is None else (prompt.answer,)), ("wrong", prompt.wrong)):
        rows += [("→", token_text(tokenizer, number), str(number), name) for number in ids]
    yield from ("    " + line for line in columns(rows).splitlines())
