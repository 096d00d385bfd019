"""Normalised discounted cumulative gain: hits are discounted by the logarithm of their rank."""

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.rank_metrics import ndcg


def ndcg_at_k(hits: Bools, relevant: Ints, k: int) -> Floats:
    """DCG / IDCG in [0, 1], with gains of 0 or 1, computed by `shoptalk.rank_metrics.ndcg`.

    DCG = sum over the hits of 1 / log2(1 + rank); IDCG = the same sum over the ranks 1 .. min(k, relevant items), which
    is the DCG of the best list.

    NaN for users without truth, 0 for an empty list.

    Source: K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.

    Examples
    --------
    One relevant item at rank 3: (1 / log2(4)) / (1 / log2(2)) = 1 / 2.

    >>> ndcg_at_k(np.array([[False, False, True]]), np.array([1]), 3).tolist()
    [0.5]
    """
    row, position = np.nonzero(hits)
    return ndcg(position + 1, row, relevant, k)
