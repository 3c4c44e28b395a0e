"""Exploring and verifying parts of the prompts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from circuitdsl.borders.prompts import Distribution, Prompt
from circuitdsl.borders.units import Layout
from circuitdsl.resolve.split import split


def distribution(layouts, name="clean"):
    return Distribution(name, tuple(Prompt(str(row), (row,), Layout(layout, 5)) for row, layout in enumerate(layouts)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_parts_are_a_partition_in_the_layouts_proportions(layouts, share, seed):
    rows = distribution(layouts)
    exploring, verifying = split(rows, share, seed)
    assert sorted([*exploring, *verifying]) == list(range(len(rows)))
    assert len(exploring) == round(share * len(rows))
    of_layout = Counter(layouts)
    for layout, count in Counter(layouts[row] for row in exploring).items():
        assert abs(count - len(exploring) * of_layout[layout] / len(rows)) < 1


def test_the_seed_decides():
    rows = distribution([0, 1] * 20)
    assert split(rows, 0.5, 1) == split(rows, 0.5, 1)
    assert split(rows, 0.5, 1) != split(rows, 0.5, 2)
    assert split(rows, 0.5, 1) != split(distribution([0, 1] * 20, "other"), 0.5, 1)


def test_a_row_s_rank_does_not_depend_on_the_share():
    rows = distribution([0] * 40)
    few, many = split(rows, 0.25, 7)[0], split(rows, 0.5, 7)[0]
    assert set(few) < set(many)


def test_a_text_is_on_one_side(check):
    """Prompts that differ only in a slot outside the text."""
    text = """model "smollm2-135m"
vocab names = "Mary", "John", "Alice", "Kevin", "Laura", "Peter"
prompts clean {
  "When {IO} went to the store, Bill gave a drink to"
  IO, S1 in names distinct
  answer IO wrong S1
}
metric diff = logit(answer) - logit(wrong) @ END
settings { prompts = 30; explore = 0.5 }
claims { works: accuracy(diff) >= 0.9 }
"""
    found = check(text)
    prompts = found.distributions["clean"].prompts
    looked, judged = ({prompts[row].text for row in rows} for rows in (found.exploring, found.verifying))
    assert looked and judged and not looked & judged
    units = found.distributions["clean"].units(range(len(prompts)))
    assert len({prompt.text for prompt in prompts}) == len(set(units)) < len(prompts)
