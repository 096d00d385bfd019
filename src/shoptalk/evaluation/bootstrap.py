"""Estimates with 95 % intervals: the percentile bootstrap over users.

Users are resampled, not cases: purchases of one user are correlated, and intervals that ignore it are too narrow. Every
statistic is a function of sums over cases (a mean is a sum over a count, macro F1 a function of the summed confusion
matrix), so one resample is one row of weights, and all resamples are one matrix product.

Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoptalk.constants import CONFIDENCE
from shoptalk.schema import Estimate

Floats = NDArray[np.float64]
#: From sums ``(R, D)``, one row per resample, to R values; NaN where a resample has no such value.
Statistic = Callable[[Floats], Floats]

RESAMPLES = 1000
#: Weights held at once (8 bytes each), so that memory does not grow with the number of resamples.
_BLOCK = 2_000_000


def estimate(
    per_user: ArrayLike, *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> Estimate:
    """Mean of N values with its 95 % percentile bootstrap interval over users.

    Parameters
    ----------
    per_user
        N values, one per user or, with ``users``, one per case. NaN (no value) is left out.
    users
        The user of each of the N values. A user is drawn with all cases of the user; the mean is over cases.
    resamples
        Number of resamples; 0 gives no interval (NaN).
    seed
        The same seed draws the same users, so that intervals of several metrics use the same resamples.

    Returns
    -------
    Estimate
        NaN with ``n`` 0 where no value is left. The interval is NaN for a single user.
    """
    values = np.asarray(per_user, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    parts = np.stack([values[known], np.ones(len(known))], axis=1)
    user_ids = None if users is None else [users[index] for index in known.tolist()]
    return estimate_statistic(parts, ratio, users=user_ids, resamples=resamples, seed=seed)


def estimate_means(
    table: Mapping[str, Floats], *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> dict[str, Estimate]:
    """``estimate`` of several columns of N values without NaN, from one set of resamples."""
    columns = list(table.values())
    parts = np.stack([*columns, np.ones(len(columns[0]))], axis=1)
    statistics: dict[str, Statistic] = {
        name: lambda sums, column=column: sums[:, column] / sums[:, -1]  # type: ignore[misc]
        for column, name in enumerate(table)
    }
    return estimate_statistics(parts, statistics, users=users, resamples=resamples, seed=seed)


def ratio(sums: Floats) -> Floats:
    """First column over second: the mean, for sums ``(R, 2)`` of values and of their count."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def estimate_statistic(
    parts: Floats,
    statistic: Statistic,
    *,
    users: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """One statistic of sums over cases, with its interval over users; see ``estimate_statistics``."""
    estimates = estimate_statistics(parts, {"": statistic}, users=users, resamples=resamples, seed=seed)
    return estimates[""]


def estimate_statistics(
    parts: Floats,
    statistics: Mapping[str, Statistic],
    *,
    users: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Estimate]:
    """Several statistics of the same sums, with their intervals, from one set of resamples.

    Parameters
    ----------
    parts
        ``(N, D)``: the summands of each case.
    statistics
        Functions from sums ``(R, D)`` to R values.

    Returns
    -------
    dict
        An estimate under each name. If resampling biases a statistic (the calibration error grows with noise), its
        percentiles can exclude its own value; the interval is then extended to include it.
    """
    per_user = sum_by_user(np.asarray(parts, dtype=np.float64), users)
    n = len(per_user)
    if n == 0:
        return {name: Estimate(np.nan, np.nan, np.nan, 0) for name in statistics}
    total = np.ascontiguousarray(per_user.T).sum(axis=1)[None, :]  # numpy sums rows pairwise, which is more exact
    drawn = resampled_sums(per_user, resamples, seed) if n > 1 else per_user[:0]
    return {name: _interval(statistic(total)[0], statistic(drawn), n) for name, statistic in statistics.items()}


def _interval(value: float, drawn: Floats, n: int) -> Estimate:
    """The estimate with the percentiles of the resampled values; NaN ones are left out."""
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0 or np.isnan(value):
        return Estimate(float(value), np.nan, np.nan, n)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), n)


def sum_by_user(parts: Floats, users: Sequence[str] | None) -> Floats:
    """Sums of ``(N, D)`` cases by user, ``(U, D)``, in the order of the user ids."""
    if users is None:
        return parts
    if len(users) != len(parts):
        raise ValueError(f"{len(parts)} values, but {len(users)} users")
    names, user_index = np.unique(np.asarray(users, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), parts.shape[1]))
    np.add.at(sums, user_index, parts)
    return sums


def resampled_sums(per_user: Floats, resamples: int, seed: int) -> Floats:
    """``(U, D)`` to ``(resamples, D)``: sums over U users drawn with replacement, for each resample."""
    generator = np.random.default_rng(seed)
    n, rows = len(per_user), max(1, _BLOCK // len(per_user))
    sums = np.empty((resamples, per_user.shape[1]))
    for start in range(0, resamples, rows):
        block_size = min(rows, resamples - start)
        drawn = generator.integers(0, n, size=(block_size, n))
        drawn += np.arange(block_size)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=block_size * n).reshape(
            block_size, n
        )  # how often each user is drawn
        sums[start : start + block_size] = weights.astype(np.float64) @ per_user
    return sums
