"""Claims of the induction toy, lowered but not measured."""

import pytest

from circuitdsl.borders.flags import Flags
from circuitdsl.borders.values import Algebra
from circuitdsl.pipeline import lower, lower_figure, read, resolve


@pytest.fixture
def lowered(toy):
    """`lowered(claims, **settings)`: the hypothesis with these claims in place of its own, the claims on their rows, and the figure."""

    def make(claims, **settings):
        text = toy.read_text()
        toy.write_text(text.split("claims {")[0] + "claims {\n" + "\n".join(claims) + "\n}\n")
        hypothesis = resolve(read(toy), Flags(settings={"prompts": 32, **settings}))
        algebra = Algebra()
        return hypothesis, lower(hypothesis, algebra), lower_figure(hypothesis, algebra, edges=False)

    return make
