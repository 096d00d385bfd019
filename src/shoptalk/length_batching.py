"""Batches of rows of about equal length: rows are filled up to the longest of their batch, so little is computed twice.

Pure arithmetic on lengths, used wherever rows of tokens are computed together: in training, scoring and generation.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def length_batches(
    lengths: Sequence[int] | NDArray[np.int64],
    token_limit: int,
    *,
    max_rows: int | None = None,
    longest_first: bool = False,
) -> list[NDArray[np.int64]]:
    """Which rows go together: rows sorted by length (equal ones in the given order), cut where a limit is reached.

    Each batch takes as many of the sorted rows as fit, so the result depends on the arguments alone.

    Parameters
    ----------
    lengths
        (N,) tokens of each row.
    token_limit
        Most tokens of a batch, padding included: rows times the longest of them. A longer row is a batch of its own.
    max_rows
        Most rows of a batch; without it only the tokens count.
    longest_first
        Sort by falling length instead of rising length.

    Returns
    -------
    list of arrays
        Indices of the rows of each batch; every row stands in one batch.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes if longest_first else sizes, kind="stable")
    sizes = sizes[order]
    batches: list[NDArray[np.int64]] = []
    start = 0
    while start < len(order):
        most = token_limit // max(1, int(sizes[start]))
        if max_rows is not None:
            most = min(most, max_rows)
        following = sizes[start : start + most]
        # Of rising lengths the last row is the longest. Of falling ones all `most` rows fit, as the first is.
        fitting = np.count_nonzero(following * np.arange(1, len(following) + 1) <= token_limit)
        end = start + max(1, int(fitting))
        batches.append(order[start:end])
        start = end
    return batches
