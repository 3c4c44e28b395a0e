"""Draws: uniform, without replacement, keyed."""

from collections import Counter
from itertools import islice, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitdsl.prompts.draws import Choice, Product, permutation, stratified, uniform


@given(st.integers(1, 400), st.integers())
def test_a_permutation_has_every_number_once(size: int, seed: int) -> None:
    assert sorted(permutation(size, seed)) == list(range(size))


@given(st.integers(1, 10**60), st.integers(), st.integers(0, 30))
def test_draws_from_any_size_are_different_and_within(size: int, seed: int, count: int) -> None:
    drawn = list(islice(permutation(size, seed), count))
    assert len(set(drawn)) == len(drawn) == min(count, size)
    assert all(0 <= number < size for number in drawn)


@given(st.integers(1, 10**9), st.integers(), st.integers(0, 20), st.integers(0, 20))
def test_asking_for_more_keeps_the_first(size: int, seed: int, few: int, more: int) -> None:
    every = list(islice(permutation(size, seed), few + more))
    assert every[:few] == list(islice(permutation(size, seed), few))


def test_every_order_is_equally_likely() -> None:
    """Chi-squared of 24 orders over 4,800 keys: 23 degrees of freedom, 49.7 has a probability of 0.001."""
    counts = Counter(tuple(permutation(4, key)) for key in range(4800))
    assert len(counts) == 24
    assert sum((found - 200) ** 2 / 200 for found in counts.values()) < 49.7


def test_numbers_are_uniform() -> None:
    """Not the bias of a remainder: 2 of 3 share four bits with rejection. Chi-squared with 9 degrees, 27.9 for 0.001."""
    counts = Counter(uniform(10, "key", number) for number in range(5000))
    assert sum((counts[value] - 500) ** 2 / 500 for value in range(10)) < 27.9


def test_keys_are_told_apart() -> None:
    """("a", "b") is another key than ("ab",), and 1 another than "1"."""
    keys = [("a", "b"), ("ab",), (1,), ("1",), ("a", "b", 0), ()]
    assert len({uniform(2**128, *key) for key in keys}) == len(keys)


@pytest.mark.parametrize(("picks", "size", "distinct"), [(2, 4, True), (3, 3, True), (2, 3, False), (1, 5, True), (0, 3, False)])
def test_outcomes_are_all_choices_once(picks: int, size: int, distinct: bool) -> None:
    choice = Choice(picks, size, distinct)
    found = [choice.outcome(number) for number in range(choice.outcomes)]
    expected = permutations(range(size), picks) if distinct else product(range(size), repeat=picks)
    assert sorted(found) == sorted(expected)


def test_a_product_has_every_combination_once() -> None:
    found = Product((Choice(2, 3, True), Choice(1, 2), Choice(1, 3)))
    assert len({found.outcome(number) for number in range(found.outcomes)}) == found.outcomes == 6 * 2 * 3


@given(st.integers(1, 6), st.integers(1, 12), st.integers())
def test_strata_are_balanced_and_complete(strata: int, size: int, seed: int) -> None:
    pairs = list(stratified(strata, size, seed))
    assert sorted(pairs) == sorted(product(range(strata), range(size)))
    for count in range(len(pairs)):
        share = Counter(stratum for stratum, _ in pairs[:count])
        assert max(share.values(), default=0) - min(share[one] for one in range(strata)) <= 1
