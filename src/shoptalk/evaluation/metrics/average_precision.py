"""Mean average precision: the mean of the precision at every hit."""

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.evaluation.metrics.metric import without_targets_nan


def average_precision(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Sum over the hits of (hits so far / rank), over min(k, relevant items), in [0, 1]; its mean is MAP.

    NaN for users without truth, 0 for an empty list.

    Source: C. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, section 8.4, cut at k as
    in the Kaggle metric MAP@k.

    Examples
    --------
    Hits at ranks 1 and 4 of two relevant items: (1 / 1 + 2 / 4) / min(4, 2) = 0.75.

    >>> average_precision(np.array([[True, False, False, True]]), np.array([2]), 4).tolist()
    [0.75]
    """
    row, position = np.nonzero(hits)  # ordered by user, then by rank
    counts = np.bincount(row, minlength=len(relevant))
    hit_numbers = np.arange(1, len(row) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    total = np.bincount(row, weights=hit_numbers / (position + 1), minlength=len(relevant))
    return without_targets_nan(total / np.maximum(np.minimum(relevant, k), 1), relevant)
