import math

import numpy as np

from shoptalk.evaluation.metrics.ndcg import ndcg_at_k

LOG = math.log2


def test_hits_weigh_less_the_later_they_stand() -> None:
    # Hits at 2 and 4 of two; at 1 and 2 of seven, of which only four fit; none; nothing is relevant.
    hits = np.array([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.bool_)
    expected = [
        (1 / LOG(3) + 1 / LOG(5)) / (1 / LOG(2) + 1 / LOG(3)),
        (1 / LOG(2) + 1 / LOG(3)) / (1 / LOG(2) + 1 / LOG(3) + 1 / LOG(4) + 1 / LOG(5)),
        0,
        math.nan,
    ]
    np.testing.assert_allclose(ndcg_at_k(hits, np.array([2, 7, 1, 0]), 4), expected, rtol=1e-13)
