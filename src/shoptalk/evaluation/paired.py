"""Is one method better than another? The paired bootstrap over users, and Holm's correction for several comparisons.

Paired: a user is drawn with the values of both methods, so that what makes a user easy for both cancels out.

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
    one: ArrayLike,
    other: ArrayLike,
    *,
    users: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Difference:
    """Mean of ``one - other`` with its percentile interval and its p value.

    p = (1 + number of resamples with |d* - d| >= |d|) / (1 + resamples): the spread of the resampled differences d*
    about the observed d is what d would spread about 0, were there no difference. It is never 0: a thousand resamples
    cannot show less than 0.001.

    Parameters
    ----------
    one, other
        N values of the same users (or cases) in the same order. Where either is NaN, the pair is left out.
    users
        Whose each of the N is, where a user has several.

    Returns
    -------
    Difference
        NaN with ``n`` 0 where no pair is left. One user has no spread: neither interval nor p (NaN). Two methods that
        give every user the same have p = 1.

    Raises
    ------
    ValueError
        When the two differ in length.
    """
    mine, theirs = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if mine.shape != theirs.shape:
        raise ValueError(f"{len(mine)} values cannot be paired with {len(theirs)}")
    return differences((mine - theirs)[:, None], users=users, resamples=resamples, seed=seed)[0]


def compare_all(
    own: Mapping[str, Floats],
    others: Mapping[str, Mapping[str, Floats]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, dict[str, Difference]]:
    """One method against several, by several metrics, from one set of resamples.

    Parameters
    ----------
    own
        For each metric (N,) values; NaN for a user without truth.
    others
        For each method the same metrics of the same users.

    Returns
    -------
    dict
        For each method and metric the difference own - other; ``p_holm`` corrects for the number of methods that a
        metric is compared with.
    """
    cells = [(method, metric) for method in others for metric in own]
    if not cells:
        return {}
    table = np.stack([own[metric] - others[method][metric] for method, metric in cells], axis=1)
    found = dict(zip(cells, differences(table, resamples=resamples, seed=seed), strict=True))
    for metric in own:
        corrected = holm([found[method, metric].p for method in others])
        for method, p in zip(others, corrected, strict=True):
            found[method, metric] = replace(found[method, metric], p_holm=p)
    return {method: {metric: found[method, metric] for metric in own} for method in others}


def differences(
    table: Floats, *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> list[Difference]:
    """Every column of (N, C) differences as by ``compare``, from one set of resamples.

    A row with a NaN is left out of all columns.
    """
    kept = np.flatnonzero(~np.isnan(table).any(axis=1))
    names = None if users is None else [users[index] for index in kept.tolist()]
    sums = sum_by_user(np.concatenate([table[kept], np.ones((len(kept), 1))], axis=1), names)
    n = len(sums)
    if n == 0:
        return [Difference(np.nan, np.nan, np.nan, np.nan, 0)] * table.shape[1]
    total = sums.sum(axis=0)
    observed = total[:-1] / total[-1]
    if n == 1:
        return [Difference(float(value), np.nan, np.nan, np.nan, 1) for value in observed]
    drawn = resampled_sums(sums, resamples, seed)
    spread = drawn[:, :-1] / drawn[:, -1:]  # (R, C)
    low, high = np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    # A hair is taken off: sums of equal numbers in another order may differ in the last bit.
    as_extreme = (np.abs(spread - observed) >= np.abs(observed) - 1e-12).sum(axis=0)
    p = (1 + as_extreme) / (1 + resamples)
    return [
        Difference(float(d), float(min(a, d)), float(max(b, d)), float(share), n)
        for d, a, b, share in zip(observed, low, high, p, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """P values corrected for being m together: of the i-th smallest, the maximum over j <= i of (m - j + 1) * p_j.

    At most 1, and never below the uncorrected value; NaN stays NaN and does not count among the m.
    """
    known = [index for index, value in enumerate(p) if not np.isnan(value)]
    corrected = [float("nan")] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(known) - rank) * p[index]))
        corrected[index] = largest
    return corrected
