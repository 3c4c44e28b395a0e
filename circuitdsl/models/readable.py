"""Whether a model can read the prompts of a file: seen by its configuration and its tokenizer, before its weights are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Metric, Pick, Prompt, SpanLoss, leaves
from circuitdsl.borders.source import Diagnostic
from circuitdsl.models.errors import too_long, unknown_token
from circuitdsl.models.outline import ModelOutline
from circuitdsl.models.tokenizers import FileTokenizer

_MOST = 6
"""Words that one message names."""


def check_readable(hypothesis: Hypothesis, model: ModelOutline) -> Sequence[Diagnostic]:
    """What to warn of: W071 words that the tokenizer does not know, W072 tokens that it puts after a text.

    Raises CircError C415 if a prompt is longer than the context, C418 if a token of a prompt, answer or metric is not the model's, C434
    if a rotary embedding would change with the length of the prompt, C436 if the tokenizer does not know an answer.
    """
    tokenizer, shape = model.tokenizer, hypothesis.shape
    prompts = [prompt for distribution in hypothesis.distributions.values() for prompt in distribution.prompts]
    longest = max((len(prompt.tokens) for prompt in prompts), default=0)
    largest = max((token for one in prompts for token in (*one.tokens, *one.wrong, one.answer or 0)), default=0)
    if tokenizer is None or tokenizer.largest >= shape.vocabulary:  # else no metric can ask for what is not there
        largest = max(largest, *(max(_ids(metric), default=0) for metric in hypothesis.metrics.values()), 0)
    found = Diagnostics()
    if longest > shape.context:
        found.keep(too_long(longest, shape))
    if largest >= shape.vocabulary:
        found.keep(unknown_token(largest, shape, tokenizer.decode([largest]) if tokenizer else ""))
    limit = _rotation_limit(model.config)
    if limit is not None and longest > limit:
        message = f"a prompt has {longest} tokens, and beyond {limit} this model's rotary embedding changes with the length (longrope)"
        found.error("C434", message, hint=f"use prompts of at most {limit} tokens")
    if tokenizer is not None and tokenizer.met_unknown:  # else no answer, and no metric, can be one
        _check_answers(hypothesis, prompts, tokenizer, found)
    found.raise_any()
    if tokenizer is not None:
        _warn(prompts, tokenizer, found)
    return found.found


def _ids(metric: Metric) -> Iterator[int]:
    """The ids that a metric picks, the largest of each pick at least."""
    for expression in metric.bound.values():
        for leaf in leaves(expression):
            if isinstance(leaf, Pick | SpanLoss):
                ids = leaf.ids if isinstance(leaf, Pick) else leaf.targets
                yield from (int(one) for one in set(ids.flat))


def _rotation_limit(config: Mapping[str, Any]) -> int | None:
    """The length up to which rotary angles are the same for prompts of every length; None: always.

    Beyond it transformers' `longrope` takes other frequencies for all positions.
    """
    said = config.get("rope_parameters") or config.get("rope_scaling") or {}
    limits = []
    for rope in (said, *said.values()) if isinstance(said, dict) else ():  # one for all layers, or one for each type of layer
        if isinstance(rope, dict) and rope.get("rope_type", rope.get("type")) in ("longrope", "su"):
            original = rope.get("original_max_position_embeddings") or config.get("original_max_position_embeddings")
            if isinstance(original, int) and rope.get("short_factor") != rope.get("long_factor"):
                limits.append(original)
    return min(limits, default=None)


def _check_answers(hypothesis: Hypothesis, prompts: Sequence[Prompt], tokenizer: FileTokenizer, found: Diagnostics) -> None:
    """Reports C436, which names the words where they are values of slots."""
    unknown = tokenizer.unknown
    assert unknown is not None
    name = tokenizer.piece(unknown)
    answering = [one for one in prompts if unknown in (one.answer, *one.wrong) and name not in one.values.values()]  # `<unk>` means itself
    meant = any(unknown in (one.answer, *one.wrong) for one in prompts)
    metrics = [metric.name for metric in hypothesis.metrics.values() if not meant and unknown in _ids(metric)]
    if not answering and not metrics:
        return
    values = (value for prompt in answering for value in prompt.values.values())
    words = _quoted(word for value in dict.fromkeys(values) for word in tokenizer.not_known(value))
    read = f"the tokenizer reads as {name}"
    if answering:
        message = f"answers are words that {read}" + (f": {words}" if words else "")
    else:
        message = f"the metric `{metrics[0]}` asks for a word that {read}"
    found.error("C436", message, hint="use words that are in the model's vocabulary")


def _warn(prompts: Iterable[Prompt], tokenizer: FileTokenizer, found: Diagnostics) -> None:
    texts = {prompt.text for prompt in prompts if tokenizer.lossy or tokenizer.unknown in prompt.tokens}
    if words := _quoted(word for text in sorted(texts) for word in tokenizer.not_known(text)):
        how = "drops them" if tokenizer.unknown is None else f"reads them as {tokenizer.piece(tokenizer.unknown)}"
        message = f"words of the prompts are not in the model's vocabulary, and its tokenizer {how}: {words}"
        found.warning("W071", message)
    if tokenizer.appended:
        pieces = "".join(tokenizer.piece(token) for token in tokenizer.appended)
        message = (
            f"the tokenizer puts {pieces} after every text; it is left out, so that a prompt ends with its text, and END is its last token"
        )
        found.warning("W072", message)


def _quoted(words: Iterable[str]) -> str:
    found = sorted(dict.fromkeys(words))
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(f"`{word}`" for word in found[:_MOST]) + more
