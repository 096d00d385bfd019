"""The area under the ROC curve, with a bootstrap interval over users.

The scores are put into at most 200 bins of equal size, so that the area is a function of sums over cases: the numbers
of positive and negative cases by bin. Cases of one bin count as tied; the area differs from the exact one by less than
a hundredth of the distance from 1/2.

Source: J. Hanley, B. McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.
"""

from collections.abc import Sequence

import numpy as np

from shoptalk.evaluation.bootstrap import Floats, estimate_statistics
from shoptalk.evaluation.id_map import Bools
from shoptalk.schema import Estimate

BINS = 200


def area(counts: Floats) -> Floats:
    """The area from counts ``(R, 2 B)``: by bin, positive cases and then negative ones; NaN where either is missing."""
    positive, negative = np.split(counts, 2, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2  # ties count one half
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * below).sum(axis=1) / pairs)


def auc(scores: Floats, is_positive: Bools, users: Sequence[str], *, seed: int = 1) -> Estimate:
    """The probability that a positive case has a higher score than a negative one, ties counted one half.

    Parameters
    ----------
    scores, is_positive
        (N,) scores, and whether each case is positive.
    users
        The user of each case.

    Returns
    -------
    Estimate
        NaN where all cases are positive, or none is.
    """
    return auc_and_gain(scores, scores, is_positive, users, seed=seed)[0]


def auc_and_gain(
    scores: Floats, baseline: Floats, is_positive: Bools, users: Sequence[str], *, seed: int = 1
) -> tuple[Estimate, Estimate]:
    """The area of ``scores``, and the paired difference from the area of ``baseline``, from one set of resamples."""
    tables = [_by_bin(values, is_positive) for values in (scores, baseline)]
    width = tables[0].shape[1]
    estimates = estimate_statistics(
        np.concatenate(tables, axis=1),
        {"auc": lambda sums: area(sums[:, :width]), "gain": lambda sums: area(sums[:, :width]) - area(sums[:, width:])},
        users=users,
        seed=seed,
    )
    return estimates["auc"], estimates["gain"]


def _by_bin(scores: Floats, is_positive: Bools) -> Floats:
    """(N, 2 B) a one in the column of each case's bin and class."""
    values = np.unique(scores)
    if len(values) > BINS:
        values = np.unique(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1], method="inverted_cdf"))
        bins = np.searchsorted(values, scores, side="left")
        width = len(values) + 1
    else:
        bins, width = np.searchsorted(values, scores), len(values)
    table = np.zeros((len(scores), 2 * width))
    table[np.arange(len(scores)), bins + np.where(is_positive, 0, width)] = 1
    return table
