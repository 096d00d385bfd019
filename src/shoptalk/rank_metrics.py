"""Ranks and NDCG, for all recommenders, baselines and validation.

The rule for ties: the higher score stands first, and of equal scores the item that comes first in the catalogue. That
is the order in which lists are written, so a rank is the place at which the item stands, or would stand, in the list.
An item that may not be recommended scores -inf and has no rank; a score that is NaN stands behind every number.

The functions take arrays of numpy and tensors of torch alike, as they use nothing but comparisons and sums.

Source: K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def target_ranks(scores: Any, target_scores: Any, columns: Any, target: Any) -> Any:
    """Rank of one item of each row, from 1: 1 + the items that score more + those before it that score the same.

    Parameters
    ----------
    scores
        (T, I) scores of all items.
    target_scores
        (T, 1) score of the item that is looked for.
    columns
        (I,) the numbers 0 .. I - 1, as an array or tensor of the same library.
    target
        (T, 1) its column.

    Returns
    -------
    array or tensor of shape (T,)
        Where ``target_scores`` is NaN, the last rank.
    """
    before = (scores > target_scores) | ((scores == target_scores) & (columns < target))
    return 1 + before.sum(1) + (target_scores != target_scores)[:, 0] * (scores.shape[1] - 1)  # noqa: PLR0124  (NaN is not itself)


def ndcg(ranks: ArrayLike, row: ArrayLike, relevant: ArrayLike, k: int) -> NDArray[np.float64]:
    """Discounted gain over that of the best list, DCG / IDCG, in [0, 1]; gains are 0 or 1.

    DCG = sum of 1 / log2(1 + rank) over the relevant items that stand at rank k or before; IDCG = the same sum over the
    ranks 1 .. min(k, relevant items). NaN where nothing is relevant.

    Parameters
    ----------
    ranks
        (T,) ranks of relevant items, from 1, in the order in which they are to be summed.
    row
        (T,) which list each of them stands in.
    relevant
        (N,) how many items are relevant to each list.

    Returns
    -------
    array of shape (N,)
    """
    rank, number = np.asarray(ranks, dtype=np.int64), np.asarray(relevant, dtype=np.int64)
    gain = np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)
    total = np.bincount(np.asarray(row, dtype=np.int64), weights=gain, minlength=len(number))
    ideal = np.concatenate([[np.nan], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    return np.asarray(total / ideal[np.minimum(number, k)])
