"""Recall, precision and hit rate: how many of the relevant items are among the first k."""

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.evaluation.metrics.metric import without_targets_nan


def recall(hits: Bools, relevant: Ints, k: int) -> Floats:  # noqa: ARG001  (every metric has k)
    """Share of the relevant items among the first k: hits / relevant items, in [0, 1].

    NaN for users without truth, 0 for an empty list.

    Source: C. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, section 8.4.

    Examples
    --------
    Hits at ranks 1 and 3, four relevant items: 2 / 4. The second user has no truth.

    >>> recall(np.array([[True, False, True], [False, False, False]]), np.array([4, 0]), 3).tolist()
    [0.5, nan]
    """
    return hits.sum(axis=1) / np.where(relevant > 0, relevant, np.nan)


def precision(hits: Bools, relevant: Ints, k: int, listed: Ints | None = None) -> Floats:
    """Share of the first k that is relevant: hits / k, in [0, 1].

    NaN for users without truth, 0 for an empty list.

    Source: as `recall`.

    Parameters
    ----------
    listed
        (N,) the number of different items among the first k of each list. If given, it is the denominator, which
        favours short and repetitive lists.

    Examples
    --------
    Two hits among the first four: 2 / 4; in a list of only three different items: 2 / 3.

    >>> hits, relevant = np.array([[True, False, True, False]]), np.array([2])
    >>> precision(hits, relevant, 4).tolist()
    [0.5]
    >>> precision(hits, relevant, 4, listed=np.array([3])).round(4).tolist()
    [0.6667]
    """
    denominator = k if listed is None else np.maximum(listed, 1)
    return without_targets_nan(hits.sum(axis=1) / denominator, relevant)


def hit_rate(hits: Bools, relevant: Ints, k: int) -> Floats:  # noqa: ARG001
    """1 if any of the first k is relevant, else 0.

    NaN for users without truth, 0 for an empty list.

    Source: M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.

    Examples
    --------
    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([3, 1]), 2).tolist()
    [1.0, 0.0]
    """
    hit = np.asarray(hits.any(axis=1), dtype=np.float64)
    return without_targets_nan(hit, relevant)
