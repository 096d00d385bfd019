"""Mean reciprocal rank of the first relevant item."""

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.evaluation.metrics.metric import without_targets_nan


def reciprocal_rank(hits: Bools, relevant: Ints, k: int) -> Floats:  # noqa: ARG001  (every metric has k)
    """1 / rank of the first relevant item among the first k, 0 if there is none, in [0, 1]; its mean is MRR.

    NaN for users without truth, 0 for an empty list.

    Source: E. Voorhees, "The TREC-8 question answering track report", 1999.

    Examples
    --------
    The first hit of the first user has rank 2: 1 / 2. The second user has none among the first three.

    >>> reciprocal_rank(np.array([[False, True, True], [False, False, False]]), np.array([2, 1]), 3).tolist()
    [0.5, 0.0]
    """
    first = hits.argmax(axis=1)  # 0 also where there is no hit
    return without_targets_nan(np.where(hits.any(axis=1), 1 / (1 + first), 0.0), relevant)
