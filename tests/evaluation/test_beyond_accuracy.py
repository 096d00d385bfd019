"""Beyond-accuracy metrics: every formula by hand, and every empty case."""

import math

import numpy as np
import pytest

from shoptalk.evaluation.beyond_accuracy import (
    coverage,
    describe,
    diversity,
    echo_share,
    invalid_share,
    novelty,
    repeat_share,
    title_vectors,
)
from shoptalk.evaluation.catalogue import means
from shoptalk.evaluation.id_map import IdMap

CODES = IdMap("abcd")
TITLES = ["red soap", "Red soap bar", "comb", ""]
LISTS = CODES.table([["a", "b", "c"], ["a", "a"], [], ["?", "d"]], 10)


def test_coverage() -> None:
    assert coverage(LISTS, 4) == 4 / 4  # a, b, c, d; "?" is none of the catalogue
    assert coverage(LISTS[1:3], 4) == 1 / 4
    assert math.isnan(coverage(LISTS, 0))


def test_novelty() -> None:
    # 4 + 2 + 1 + 1 purchases: shares 1/2, 1/4, 1/8, 1/8, so 1, 2, 3 and 3 bits.
    purchases = np.array([4, 2, 1, 1, 0])
    assert novelty(LISTS, purchases, 4) == pytest.approx([(1 + 2 + 3) / 3, 1, math.nan, 3], nan_ok=True)
    # Never bought counts as once: 8 purchases, so 3 bits and not infinity.
    assert novelty(CODES.table([["d"]], 10), np.array([4, 3, 1, 0, 0]), 4) == [3]


def test_diversity() -> None:
    # cos(a, b) = 2 words in common / sqrt(2 * 3); cos(a, c) = cos(b, c) = 0.
    vectors = title_vectors(TITLES)
    values = diversity(LISTS, vectors)
    assert values[0] == pytest.approx(1 - (2 / math.sqrt(6) + 0 + 0) / 3)
    assert values[1] == pytest.approx(0)  # twice the same item
    assert math.isnan(values[2])
    assert math.isnan(values[3])  # one item of the catalogue has no pair
    without_words = diversity(CODES.table([["d", "a"]], 10), vectors)
    assert without_words == [1]  # a title without words is like nothing


def test_shares_of_a_list() -> None:
    assert repeat_share(LISTS) == pytest.approx([0, 1 / 2, math.nan, 0], nan_ok=True)
    seen_items = CODES.pairs([["b", "z"], ["a"], ["a"], []])
    assert echo_share(LISTS, seen_items) == pytest.approx([1 / 3, 2 / 2, math.nan, 0], nan_ok=True)
    assert invalid_share(LISTS, 4) == pytest.approx([0, 0, math.nan, 1 / 2], nan_ok=True)


def test_invalid_items_stay_in_the_denominator() -> None:
    seen_items = CODES.pairs([["a"]])
    table = CODES.table([["a", "?", "!", "?"]], 10)
    assert echo_share(table, seen_items) == [1 / 4]
    assert repeat_share(table) == [1 / 4]  # "?" comes twice
    assert invalid_share(table, 4) == [3 / 4]


def test_all_together() -> None:
    purchases = np.array([4, 2, 1, 1, 0])
    covered, columns = describe(LISTS, CODES.pairs([[], [], [], []]), purchases, title_vectors(TITLES), 4)
    assert (covered.value, covered.n, math.isnan(covered.low)) == (1, 4, True)
    assert list(columns) == ["novelty", "diversity", "repeat_share", "echo_share", "invalid_share"]
    assert all(values.shape == (4,) for values in columns.values())
    # The empty list is left out of the mean, the list with an invalid item is not.
    invalid = means(columns, resamples=100)["invalid_share"]
    assert (invalid.value, invalid.n) == (pytest.approx((0 + 0 + 1 / 2) / 3), 3)
