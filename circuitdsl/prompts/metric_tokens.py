"""Which tokens a metric reads on one prompt, as text: for `check --tokens`."""

from typing import TYPE_CHECKING

from circuitdsl.borders.prompts import Arithmetic, Constant, Divergence, Expression, FoldOver, Metric, Pick, Prompt, SpanLoss, Tokenizer

if TYPE_CHECKING:
    import numpy as np

MOST_ITEMS = 4
"""How many tokens of a fold or a span are named."""
BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}


def token_text(tokenizer: Tokenizer, number: int) -> str:
    """One token, quoted so that spaces and line ends are seen."""
    text = tokenizer.piece(number)
    return f"«{text}»" if text.isprintable() else f"«{text!r}»".replace("«'", "«").replace("'»", "»")


def metric_tokens(metric: Metric, distribution: str, row: int, prompt: Prompt, tokenizer: Tokenizer) -> str:
    """The metric's expression with the tokens and positions of that row: `logit(« Mary» @ 14) - logit(« John» @ 14)`.

    A fold names the first of its tokens, and how many there are.
    """
    return _Words(row, prompt, tokenizer).of(metric.bound[distribution])


class _Words:
    def __init__(self, row: int, prompt: Prompt, tokenizer: Tokenizer):
        self.row, self.prompt, self.tokenizer = row, prompt, tokenizer

    def of(self, expression: Expression, mask: "np.ndarray | None" = None, binds: int = 0) -> str:
        """`mask` [W]: the items of the fold around it. Brackets stand where what is around binds more tightly."""
        match expression:
            case Constant(value):
                return f"{value:g}"
            case Pick(kind, ids, positions):
                found = ids[self.row]
                texts = self._several(found[mask].tolist()) if found.ndim else token_text(self.tokenizer, int(found))
                return f"{kind}({texts} @ {int(positions[self.row])})"
            case Arithmetic("-", Constant(0.0), right):
                return f"-{self.of(right, mask, 2)}"
            case Arithmetic(operator, left, right):
                own = BINDS[operator]
                text = f"{self.of(left, mask, own)} {operator} {self.of(right, mask, own + (operator in '-/'))}"
                return f"({text})" if own < binds else text
            case FoldOver(how, body, items):
                return f"{how}({self.of(body, items[self.row])})" if items[self.row].any() else "0"
            case SpanLoss(targets, positions, counted):
                here = counted[self.row]
                first, last = int(positions[self.row][here].min()) + 1, int(positions[self.row][here].max()) + 1
                at = str(first) if first == last else f"{first}..{last}"
                return f"loss({self._several(targets[self.row][here].tolist())} @ {at})"
            case Divergence(positions):
                return f"kl(all tokens @ {int(positions[self.row])})"

    def _several(self, ids: list[int]) -> str:
        named = ", ".join(token_text(self.tokenizer, number) for number in ids[:MOST_ITEMS])
        return named + (f", … {len(ids)} in all" if len(ids) > MOST_ITEMS else "")
