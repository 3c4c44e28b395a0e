"""Whether a model can read the prompts of a file: seen by its configuration and its tokenizer, before its weights are there."""

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.prompts import Metric, Pick, SpanLoss, leaves
from circuitdsl.borders.source import CircError, Diagnostic
from circuitdsl.models.errors import too_long, unknown_token
from circuitdsl.models.tokenizers import FileTokenizer


def check_readable(hypothesis: Hypothesis, tokenizer: FileTokenizer | None) -> None:
    """Raises CircError C415 if a prompt is longer than the context, C418 if a token of a prompt, answer or metric is not the model's."""
    prompts = [prompt for distribution in hypothesis.distributions.values() for prompt in distribution.prompts]
    longest = max((len(prompt.tokens) for prompt in prompts), default=0)
    largest = max((token for one in prompts for token in (*one.tokens, *one.wrong, one.answer or 0)), default=0)
    if tokenizer is None or tokenizer.largest >= hypothesis.shape.vocabulary:  # else no metric can ask for what is not there
        largest = max(largest, *map(_largest, hypothesis.metrics.values()), 0)
    wrong: list[Diagnostic] = []
    if longest > hypothesis.shape.context:
        wrong += too_long(longest, hypothesis.shape).diagnostics
    if largest >= hypothesis.shape.vocabulary:
        wrong += unknown_token(largest, hypothesis.shape, tokenizer.decode([largest]) if tokenizer else "").diagnostics
    if wrong:
        raise CircError(wrong)


def _largest(metric: Metric) -> int:
    """The largest id that a metric picks."""
    every = [leaf for expression in metric.bound.values() for leaf in leaves(expression)]
    found = [leaf.ids if isinstance(leaf, Pick) else leaf.targets for leaf in every if isinstance(leaf, Pick | SpanLoss)]
    return max((int(ids.max()) for ids in found if ids.size), default=0)
