import math

import numpy as np

from shoptalk.evaluation.metrics.recall import hit_rate, precision, recall

# Hits at ranks 1 and 3; none; nothing relevant; at all four ranks, of six relevant items.
HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=np.bool_)
RELEVANT = np.array([2, 3, 0, 6])


def test_recall() -> None:
    np.testing.assert_array_equal(recall(HITS, RELEVANT, 4), [2 / 2, 0 / 3, math.nan, 4 / 6])


def test_precision() -> None:
    np.testing.assert_array_equal(precision(HITS, RELEVANT, 4), [2 / 4, 0 / 4, math.nan, 4 / 4])


def test_precision_by_distinct_items() -> None:
    listed = np.array([3, 0, 2, 4])  # the second list is empty: 0, not a division by 0
    np.testing.assert_array_equal(precision(HITS, RELEVANT, 4, listed), [2 / 3, 0, math.nan, 4 / 4])


def test_hit_rate() -> None:
    np.testing.assert_array_equal(hit_rate(HITS, RELEVANT, 4), [1, 0, math.nan, 1])
