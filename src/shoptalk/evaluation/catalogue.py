"""Metrics of ranked lists for all users: hits for the functions of `shoptalk.evaluation.metrics`, and means.

A repeated item counts once, at its first rank; its other ranks count as misses, and the items behind them keep their
ranks. The metrics of a user without truth are NaN, and the user is left out of means.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate_means
from shoptalk.evaluation.id_map import Bools, IdMap, Ints, UserItemSets, first_occurrences
from shoptalk.evaluation.metrics import METRICS
from shoptalk.evaluation.metrics.recall import precision, recall
from shoptalk.schema import Estimate

#: Lengths at which lists are evaluated.
KS = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class RankingHits:
    """The hits of N ranked lists.

    ``hits`` is (N, W): whether there is a relevant item at this rank, at its first occurrence. ``relevant`` is (N,):
    the number of different relevant items.
    """

    hits: Bools
    relevant: Ints

    def metrics(self, k: int, names: Collection[str] | None = None) -> dict[str, Floats]:
        """Every metric of every user at k, (N,) each, NaN for users without truth; named as in ``recall@10``.

        Parameters
        ----------
        names
            Only these, as in ``recall@10``; None for all of `METRICS`.

        Raises
        ------
        ValueError
            If k is not positive, or the lists were cut off before k.
        """
        if not 1 <= k <= self.hits.shape[1]:
            raise ValueError(f"k must be between 1 and {self.hits.shape[1]}, not {k}")
        hits = np.ascontiguousarray(self.hits[:, :k])
        metrics = {f"{name}@{k}": metric for name, metric in METRICS.items()}
        return {
            name: metric(hits, self.relevant, k) for name, metric in metrics.items() if names is None or name in names
        }

    def recall(self, k: int) -> Floats:
        """(N,) recall at k alone; NaN for users without truth."""
        return recall(self.hits[:, :k], self.relevant, k)


@dataclass(frozen=True, slots=True)
class ListScores:
    """Means of every metric over ``users`` users with truth; ``without_truth`` users are left out."""

    metrics: dict[str, Estimate]
    users: int
    without_truth: int


def find(table: Ints, targets: UserItemSets) -> RankingHits:
    """Compare N lists, (N, W) item numbers, with N sets of targets."""
    return RankingHits(targets.contains(table) & first_occurrences(table), targets.counts())


def per_user(
    ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], ks: Sequence[int] = KS
) -> dict[str, Floats]:
    """Every metric of every user at every k, (N,) each; NaN for users without truth.

    Parameters
    ----------
    ranked
        N lists of item ids, best first; a list may be shorter than k, or empty (its metrics are then 0, not NaN).
    targets
        N collections of relevant items.

    Raises
    ------
    ValueError
        If the two differ in length, or a k is not positive.
    """
    hits, _ = _find_in_lists(ranked, targets, max(ks))
    return {name: values for k in ks for name, values in hits.metrics(k).items()}


def means(columns: Mapping[str, Floats], *, resamples: int = RESAMPLES, seed: int = 1) -> dict[str, Estimate]:
    """Means of columns (N,) over users with intervals, as ``bootstrap.estimate`` of each.

    NaN values are left out; columns with NaN for the same users share their resamples.
    """
    names_by_nans: dict[bytes, list[str]] = {}
    for name, values in columns.items():
        names_by_nans.setdefault(np.packbits(np.isnan(values)).tobytes(), []).append(name)
    estimates: dict[str, Estimate] = {}
    for names in names_by_nans.values():
        known = ~np.isnan(columns[names[0]])
        estimates |= estimate_means({name: columns[name][known] for name in names}, resamples=resamples, seed=seed)
    return {name: estimates[name] for name in columns}


def score_lists(
    ranked: Sequence[Sequence[str]],
    targets: Sequence[Collection[str]],
    k: int,
    *,
    precision_by: Literal["k", "distinct"] = "k",
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> ListScores:
    """Means of every metric at k over users, with their intervals.

    Parameters
    ----------
    ranked
        N lists of item ids, best first; a list may be shorter than k, or empty (its metrics are then 0, not NaN).
    targets
        N collections of relevant items; users without any are counted and left out.
    precision_by
        The denominator of precision: k, or the number of different items among the first k.

    Raises
    ------
    ValueError
        If the two differ in length, or k is not positive.
    """
    hits, table = _find_in_lists(ranked, targets, k)
    columns = hits.metrics(k)
    if precision_by == "distinct":
        listed = first_occurrences(table).sum(axis=1)
        columns[f"precision@{k}"] = precision(hits.hits, hits.relevant, k, listed)
    users = int((hits.relevant > 0).sum())
    return ListScores(means(columns, resamples=resamples, seed=seed), users, len(targets) - users)


def _find_in_lists(
    ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], width: int
) -> tuple[RankingHits, Ints]:
    """The hits of lists of ids, and the lists as item numbers (N, width)."""
    if len(ranked) != len(targets):
        raise ValueError(f"{len(ranked)} ranked lists, but {len(targets)} truths")
    if width < 1:
        raise ValueError(f"k must be at least 1, not {width}")
    codes = IdMap()
    table = codes.table(ranked, width)
    return find(table, codes.pairs(targets)), table
