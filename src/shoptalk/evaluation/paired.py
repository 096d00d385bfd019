"""Comparison of two methods: the paired bootstrap over users, and Holm's correction for several comparisons.

Paired: a user is drawn with the values of both methods, so that differences in difficulty between users cancel out.

Sources: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 16 (tests); A. Davison, D. Hinkley,
"Bootstrap Methods and their Application", 1997, section 4.2.3 (the 1 added above and below); S. Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics, 1979.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from shoptalk.constants import CONFIDENCE
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, resampled_sums, sum_by_user
from shoptalk.results import Difference


def compare(
    values: ArrayLike,
    reference: ArrayLike,
    *,
    users: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Difference:
    """Mean of ``values - reference`` with its percentile interval and its p value.

    p = (1 + number of resamples with |d* - d| >= |d|) / (1 + resamples). The distribution of the resampled differences
    d* around the observed d stands for the distribution of d around 0 without a difference. p is never 0: its minimum
    with 1,000 resamples is about 0.001.

    Parameters
    ----------
    values, reference
        N values of the same users (or cases) in the same order. Pairs with a NaN are left out.
    users
        The user of each of the N values, if a user has several.

    Returns
    -------
    Difference
        NaN with ``n`` 0 where no pair is left. With one user, interval and p are NaN. If all differences are 0, p = 1.

    Raises
    ------
    ValueError
        If the two differ in length.
    """
    first, second = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} values cannot be paired with {len(second)}")
    return differences((first - second)[:, None], users=users, resamples=resamples, seed=seed)[0]


def compare_all(
    values: Mapping[str, Floats],
    references: Mapping[str, Mapping[str, Floats]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, dict[str, Difference]]:
    """Compare one method with several others by several metrics, from one set of resamples.

    Parameters
    ----------
    values
        The method's (N,) values of each metric; NaN for a user without truth.
    references
        For each other method the same metrics of the same users.

    Returns
    -------
    dict
        For each other method and metric the difference ``values - references``; ``p_holm`` is corrected for the number
        of other methods.
    """
    cells = [(method, metric) for method in references for metric in values]
    if not cells:
        return {}
    table = np.stack([values[metric] - references[method][metric] for method, metric in cells], axis=1)
    results = dict(zip(cells, differences(table, resamples=resamples, seed=seed), strict=True))
    for metric in values:
        corrected = holm([results[method, metric].p for method in references])
        for method, p in zip(references, corrected, strict=True):
            results[method, metric] = replace(results[method, metric], p_holm=p)
    return {method: {metric: results[method, metric] for metric in values} for method in references}


def differences(
    table: Floats, *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> list[Difference]:
    """``compare`` for every column of (N, C) differences, from one set of resamples.

    A row with a NaN is left out of all columns.
    """
    complete = np.flatnonzero(~np.isnan(table).any(axis=1))
    user_ids = None if users is None else [users[index] for index in complete.tolist()]
    sums = sum_by_user(np.concatenate([table[complete], np.ones((len(complete), 1))], axis=1), user_ids)
    n = len(sums)
    if n == 0:
        return [Difference(np.nan, np.nan, np.nan, np.nan, 0)] * table.shape[1]
    total = sums.sum(axis=0)
    observed = total[:-1] / total[-1]
    if n == 1:
        return [Difference(float(value), np.nan, np.nan, np.nan, 1) for value in observed]
    sums_drawn = resampled_sums(sums, resamples, seed)
    resampled = sums_drawn[:, :-1] / sums_drawn[:, -1:]  # (R, C)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    # A tolerance: sums of equal numbers in another order may differ in the last bit.
    as_extreme = (np.abs(resampled - observed) >= np.abs(observed) - 1e-12).sum(axis=0)
    p = (1 + as_extreme) / (1 + resamples)
    return [
        Difference(float(d), float(min(a, d)), float(max(b, d)), float(p_value), n)
        for d, a, b, p_value in zip(observed, low, high, p, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """P values corrected for m comparisons: for the i-th smallest, the maximum over j <= i of (m - j + 1) * p_j.

    At most 1, and never below the uncorrected value; NaN stays NaN and does not count among the m.
    """
    known = [index for index, value in enumerate(p) if not np.isnan(value)]
    corrected = [float("nan")] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(known) - rank) * p[index]))
        corrected[index] = largest
    return corrected
