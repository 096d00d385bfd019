"""Ranks and NDCG, for all recommenders, baselines and validation.

The rule for ties: the higher score comes first, and of equal scores the item that comes first in the catalogue. Ranked
lists have the same order. An item that may not be recommended has the score -inf and no rank; NaN comes last.

`target_ranks` takes numpy arrays or torch tensors, since it uses only comparisons and sums.

Source: K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def target_ranks(scores: Any, target_scores: Any, columns: Any, target: Any) -> Any:
    """Rank of one item per row, from 1: 1 + items with higher scores + earlier items with the same score.

    Parameters
    ----------
    scores
        (T, I) scores of all items.
    target_scores
        (T, 1) score of the target.
    columns
        (I,) the numbers 0 .. I - 1, as an array or tensor of the same library.
    target
        (T, 1) column of the target.

    Returns
    -------
    array or tensor of shape (T,)
        Where ``target_scores`` is NaN, the last rank.
    """
    before = (scores > target_scores) | ((scores == target_scores) & (columns < target))
    return 1 + before.sum(1) + (target_scores != target_scores)[:, 0] * (scores.shape[1] - 1)  # noqa: PLR0124  (NaN is not itself)


def ndcg(ranks: ArrayLike, row: ArrayLike, relevant: ArrayLike, k: int) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain, DCG / IDCG, in [0, 1]; gains are 0 or 1.

    DCG = sum of 1 / log2(1 + rank) over the relevant items with rank <= k; IDCG = the same sum over the
    ranks 1 .. min(k, relevant items). NaN for lists without relevant items.

    Parameters
    ----------
    ranks
        (T,) ranks of relevant items, from 1, in the order of summation.
    row
        (T,) index of the list of each of them.
    relevant
        (N,) number of relevant items of each list.

    Returns
    -------
    array of shape (N,)
    """
    rank_array, relevant_counts = np.asarray(ranks, dtype=np.int64), np.asarray(relevant, dtype=np.int64)
    gains = np.where(rank_array <= k, 1 / np.log2(1 + rank_array), 0.0)
    dcg = np.bincount(np.asarray(row, dtype=np.int64), weights=gains, minlength=len(relevant_counts))
    ideal_dcg = np.concatenate([[np.nan], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    return np.asarray(dcg / ideal_dcg[np.minimum(relevant_counts, k)])
