import math

import numpy as np

from shoptalk.evaluation.metrics.mrr import reciprocal_rank


def test_the_first_hit_counts() -> None:
    # First hits at ranks 1, 3 and none; nothing is relevant to the last user.
    hits = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=np.bool_)
    np.testing.assert_array_equal(reciprocal_rank(hits, np.array([2, 5, 1, 0]), 3), [1 / 1, 1 / 3, 0, math.nan])
