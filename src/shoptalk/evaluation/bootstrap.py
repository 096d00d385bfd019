"""Figures with their 95 % interval: the percentile bootstrap over users.

Users are drawn, not cases: purchases of one user resemble each other, and an interval that forgets it is too narrow.
Every statistic here is a function of sums over cases (a mean is a sum over a count, macro F1 a function of the summed
confusion matrix), so one resample is one row of weights, and a thousand of them are one matrix product.

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
#: Entries of the largest matrix of weights held at once (8 bytes each): memory does not grow with the resamples.
_BLOCK = 2_000_000


def estimate(
    per_user: ArrayLike, *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> Estimate:
    """Mean of N values with its 95 % percentile bootstrap interval over users.

    Parameters
    ----------
    per_user
        N values, one per user or, with ``users``, one per case. NaN: there is no such value; it is left out.
    users
        Whose value each of the N is. A user is drawn with all of his cases, and the mean stays that over cases.
    resamples
        How many times the users are drawn; 0 gives no interval (NaN).
    seed
        The same seed draws the same users, so that intervals of several metrics belong together.

    Returns
    -------
    Estimate
        NaN with ``n`` 0 where no value is left. The interval is NaN for a single user, who has no spread, and has no
        width where all users are equal.
    """
    values = np.asarray(per_user, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    parts = np.stack([values[known], np.ones(len(known))], axis=1)
    names = None if users is None else [users[index] for index in known.tolist()]
    return estimate_statistic(parts, ratio, users=names, resamples=resamples, seed=seed)


def estimate_means(
    table: Mapping[str, Floats], *, users: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 1
) -> dict[str, Estimate]:
    """Means of several columns of N values without NaN, from one set of resamples: ``estimate`` of each, faster."""
    columns = list(table.values())
    parts = np.stack([*columns, np.ones(len(columns[0]))], axis=1)
    statistics: dict[str, Statistic] = {
        name: lambda sums, column=column: sums[:, column] / sums[:, -1]  # type: ignore[misc]
        for column, name in enumerate(table)
    }
    return estimate_statistics(parts, statistics, users=users, resamples=resamples, seed=seed)


def ratio(sums: Floats) -> Floats:
    """First column over second: the mean, of sums ``(R, 2)`` of values and of their number."""
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
    found = estimate_statistics(parts, {"": statistic}, users=users, resamples=resamples, seed=seed)
    return found[""]


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
        ``(N, D)``: what each case adds to the D sums.
    statistics
        Functions from sums ``(R, D)`` to R values.

    Returns
    -------
    dict
        An estimate under each name. A statistic that resampling biases (the calibration error grows with noise)
        can have percentiles that miss its own value; the interval is then stretched to hold it.
    """
    per_user = sum_by_user(np.asarray(parts, dtype=np.float64), users)
    n = len(per_user)
    if n == 0:
        return {name: Estimate(np.nan, np.nan, np.nan, 0) for name in statistics}
    total = np.ascontiguousarray(per_user.T).sum(axis=1)[None, :]  # along rows numpy sums pairwise, more exactly
    drawn = resampled_sums(per_user, resamples, seed) if n > 1 else per_user[:0]
    return {name: _interval(statistic(total)[0], statistic(drawn), n) for name, statistic in statistics.items()}


def _interval(value: float, drawn: Floats, n: int) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0 or np.isnan(value):
        return Estimate(float(value), np.nan, np.nan, n)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), n)


def sum_by_user(parts: Floats, users: Sequence[str] | None) -> Floats:
    """``(N, D)`` of cases to ``(U, D)`` of users, in the order of their names, whatever the order of the cases."""
    if users is None:
        return parts
    if len(users) != len(parts):
        raise ValueError(f"{len(parts)} values, but {len(users)} users")
    names, owner = np.unique(np.asarray(users, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), parts.shape[1]))
    np.add.at(sums, owner, parts)
    return sums


def resampled_sums(per_user: Floats, resamples: int, seed: int) -> Floats:
    """``(U, D)`` to ``(resamples, D)``: the sums over U users drawn with replacement, again and again."""
    generator = np.random.default_rng(seed)
    n, rows = len(per_user), max(1, _BLOCK // len(per_user))
    sums = np.empty((resamples, per_user.shape[1]))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, n, size=(size, n))
        drawn += np.arange(size)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)  # how often each user was drawn
        sums[start : start + size] = weights.astype(np.float64) @ per_user
    return sums
