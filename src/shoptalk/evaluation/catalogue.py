"""Lists beside their truths, for all users at a time: what the functions of `shoptalk.evaluation.metrics` are given.

An item that a list names again counts once, at its first place; its other places stay empty, and the items behind them
do not move up. A user without truth has no metric (NaN), and is left out of every mean.
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

#: Lengths at which lists are judged.
KS = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Found:
    """N lists beside their truths.

    ``hits`` is (N, W): a relevant item stands here for the first time. ``relevant`` is (N,): how many different items
    the truth has.
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
            When k is not positive, or the lists were cut off before k.
        """
        if not 1 <= k <= self.hits.shape[1]:
            raise ValueError(f"k must be between 1 and {self.hits.shape[1]}, not {k}")
        hits = np.ascontiguousarray(self.hits[:, :k])
        wanted = {f"{name}@{k}": metric for name, metric in METRICS.items()}
        return {
            name: metric(hits, self.relevant, k) for name, metric in wanted.items() if names is None or name in names
        }

    def recall(self, k: int) -> Floats:
        """(N,) recall at k alone; NaN for users without truth."""
        return recall(self.hits[:, :k], self.relevant, k)


@dataclass(frozen=True, slots=True)
class ListScores:
    """Means of every metric over the users with truth; ``users`` were counted, ``without_truth`` left out."""

    metrics: dict[str, Estimate]
    users: int
    without_truth: int


def find(table: Ints, targets: UserItemSets) -> Found:
    """Compare N lists, (N, W) numbers, with N truths."""
    return Found(targets.holds(table) & first_occurrences(table), targets.counts())


def per_user(
    ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], ks: Sequence[int] = KS
) -> dict[str, Floats]:
    """Every metric of every user at every k, (N,) each; NaN for users without truth.

    Parameters
    ----------
    ranked
        N lists of item ids, best first; a list may be shorter than k, or empty (then it is wrong, not left out).
    targets
        N collections of relevant items.

    Raises
    ------
    ValueError
        When the two differ in length, or a k is not positive.
    """
    found, _ = _find(ranked, targets, max(ks))
    return {name: values for k in ks for name, values in found.metrics(k).items()}


def means(columns: Mapping[str, Floats], *, resamples: int = RESAMPLES, seed: int = 1) -> dict[str, Estimate]:
    """Means over users of columns (N,) with their intervals: ``bootstrap.estimate`` of each, faster.

    Users whose value is NaN are left out of that column; columns that leave out the same users share their resamples.
    """
    together: dict[bytes, list[str]] = {}
    for name, values in columns.items():
        together.setdefault(np.packbits(np.isnan(values)).tobytes(), []).append(name)
    found: dict[str, Estimate] = {}
    for names in together.values():
        known = ~np.isnan(columns[names[0]])
        found |= estimate_means({name: columns[name][known] for name in names}, resamples=resamples, seed=seed)
    return {name: found[name] for name in columns}


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
        N lists of item ids, best first; a list may be shorter than k, or empty (then it is wrong, not left out).
    targets
        N collections of relevant items; users with none are left out and counted.
    precision_by
        What precision divides by: k, or the number of different items among the first k.

    Raises
    ------
    ValueError
        When the two differ in length, or k is not positive.
    """
    found, table = _find(ranked, targets, k)
    columns = found.metrics(k)
    if precision_by == "distinct":
        listed = first_occurrences(table).sum(axis=1)
        columns[f"precision@{k}"] = precision(found.hits, found.relevant, k, listed)
    users = int((found.relevant > 0).sum())
    return ListScores(means(columns, resamples=resamples, seed=seed), users, len(targets) - users)


def _find(ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], width: int) -> tuple[Found, Ints]:
    """Lists and truths compared, and the lists' table (N, width)."""
    if len(ranked) != len(targets):
        raise ValueError(f"{len(ranked)} ranked lists, but {len(targets)} truths")
    if width < 1:
        raise ValueError(f"k must be at least 1, not {width}")
    codes = IdMap()
    table = codes.table(ranked, width)
    return find(table, codes.pairs(targets)), table
