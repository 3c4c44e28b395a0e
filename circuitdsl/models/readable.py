"""Whether a model can read the prompts of a file: seen by its configuration and its tokenizer, before its weights are there."""

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Pick, SpanLoss, leaves
from circuitdsl.borders.source import CircError, Diagnostic
from circuitdsl.models.errors import too_long, unknown_token
from circuitdsl.models.tokenizers import FileTokenizer


def check_readable(hypothesis: Hypothesis, tokenizer: FileTokenizer | None) -> None:
    """Raises CircError C415 if a prompt is longer than the context, C418 if a token of a prompt, answer or metric is not the model's."""
    prompts = [prompt for distribution in hypothesis.distributions.values() for prompt in distribution.prompts]
    longest = max((len(prompt.tokens) for prompt in prompts), default=0)
    largest = max((token for one in prompts for token in (*one.tokens, *one.wrong, one.answer or 0)), default=0)
    for metric in hypothesis.metrics.values():
        for leaf in (leaf for expression in metric.bound.values() for leaf in leaves(expression)):
            found = leaf.ids if isinstance(leaf, Pick) else leaf.targets if isinstance(leaf, SpanLoss) else None
            largest = largest if found is None or not found.size else max(largest, int(found.max()))
    wrong: list[Diagnostic] = []
    if longest > hypothesis.shape.context:
        wrong += too_long(longest, hypothesis.shape).diagnostics
    if largest >= hypothesis.shape.vocabulary:
        wrong += unknown_token(largest, hypothesis.shape, tokenizer.decode([largest]) if tokenizer else "").diagnostics
    if wrong:
        raise CircError(wrong)
