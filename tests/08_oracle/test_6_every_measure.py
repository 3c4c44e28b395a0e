"""Every measure of the registry: its example is a claim that can be measured, and engine and oracle agree on what it is made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuitdsl.borders.hypothesis import Hypothesis
from circuitdsl.borders.measure import Search
from circuitdsl.borders.plan import Request
from circuitdsl.borders.source import Source
from circuitdsl.borders.values import Algebra
from circuitdsl.engine.executor import execute
from circuitdsl.language.parser import parse
from circuitdsl.measures import measures
from circuitdsl.models.exact import exact
from circuitdsl.models.tokenizers import FileTokenizer
from circuitdsl.oracle import evaluate
from circuitdsl.planning import plan
from circuitdsl.resolve import resolve

WORDS = ("plum", "fig", "date", "lime", "pear", "kiwi")
OTHERS = ("red", "blue", "green", "grey")
WORLD = f"""
model "tiny"
vocab fruit = {", ".join(f'"{word}"' for word in WORDS)}
vocab colour = {", ".join(f'"{word}"' for word in OTHERS)}
prompts clean {{
  "the {{B}} {{A}} is"
  "{{A}} on the {{B}} is"
  A in fruit
  B in colour
  answer A wrong B
}}
prompts corrupted from clean {{ redraw A distinct }}
feature pair = A, B
metric logit_diff = logit(answer) - logit(wrong) @ END
nodes {{
  early = heads 0.1, 1.0 carries A
  late = heads 1.2, 2.0
}}
edges {{ embed -> early; early -> late; late -> logits; embed -> late }}
settings {{ ablate = resample(corrupted); prompts = 12; explore = 0.5 }}
claims {{ it: EXAMPLE }}
"""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    """A token for each word."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    words = ["<unk>", "the", "on", "is", *WORDS, *OTHERS]
    backend = Backend(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path: Path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    backend.save(str(path))
    return FileTokenizer(path)


def agreed(readouts, rows, space: Hypothesis, adapter) -> dict[str, np.ndarray]:
    """The columns by the claim's names, as both executors find them."""
    planned = plan([Request(readout, rows) for readout in readouts.values()], space)
    fast, slow = execute(planned, adapter, space), evaluate(planned.requests, space, adapter, planned.draws)
    for name, readout in readouts.items():
        found, expected = fast[readout.digest], slow[readout.digest]
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale, err_msg=name)
    return {name: fast[readout.digest] for name, readout in readouts.items()}


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("name", list(measures()))
def test_engine_and_oracle_agree_on_every_readout(tiny, configurations, tokenizer, name, number):
    """On four families: of what a measure asks, the shape alone depends on the family, and every family meets random values elsewhere.

    Blocks one after the other with biases, blocks in parallel, norms after the sums, and one of the others in turn.
    """
    fixed, others = ("gpt2", "neox", "gemma2"), sorted(configurations)
    others = [family for family in others if family not in fixed]
    adapter = tiny([*fixed, others[list(measures()).index(name) % len(others)]][number], 2)
    measure = measures()[name]
    text = WORLD.replace("EXAMPLE", measure.example)
    space = resolve(parse(Source(text)), replace(adapter.shape, name="tiny"), tokenizer, measures(), parse=parse)
    (claim,) = space.claims
    assert claim.measure == name
    if measure.check is not None:
        measure.check(claim, space)
    lowered = measure.lower(claim, space, Algebra())
    looks = 0
    with exact():
        while isinstance(lowered, Search):
            looks += 1
            lowered = lowered.then(agreed(lowered.readouts, space.exploring, space, adapter))
        columns = agreed(lowered.readouts, space.verifying, space, adapter)
    assert bool(looks) == measure.signature.searches
    assert lowered.members and lowered.readouts
    assert all(np.isfinite(column).all() for column in columns.values())
