import math

import numpy as np

from shoptalk.evaluation.metrics.average_precision import average_precision


def test_the_precision_at_every_hit() -> None:
    # Hits at 2 and 4 of two; at 1, 2, 4 of seven, of which only four fit; none; nothing is relevant.
    hits = np.array([[0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.bool_)
    expected = [(1 / 2 + 2 / 4) / 2, (1 / 1 + 2 / 2 + 3 / 4) / 4, 0, math.nan]
    np.testing.assert_allclose(average_precision(hits, np.array([2, 7, 1, 0]), 4), expected, rtol=1e-13)
