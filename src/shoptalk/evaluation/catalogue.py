"""Metrics of whole-catalogue rankings, for all users at a time.

The formulas are those of `ranking`, whose functions of one user stay the reference; here the lists are a table of whole
numbers, and every metric at every k is a few sums over its columns. An item that a list names again counts once, at
its first place. A user without truth has no metric (NaN), and is left out of every mean.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate_means
from shoptalk.evaluation.id_map import Bools, IdMap, Ints, UserItemSets, first_occurrences
from shoptalk.rank_metrics import ndcg
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

    def metrics(self, k: int) -> dict[str, Floats]:
        """Every metric of every user at k, (N,) each, NaN for users without truth; named as in ``recall@10``.

        With h = the hits among the first k and r = the relevant items (sources in `ranking`):

        - recall = h / r; precision = h / k; hr = 1 if h > 0
        - mrr = 1 / rank of the first hit
        - ndcg: see `rank_metrics.ndcg`
        - map = sum over hits of (hits so far / rank), over min(k, r)

        Raises
        ------
        ValueError
            When k is not positive, or the lists were cut off before k.
        """
        if not 1 <= k <= self.hits.shape[1]:
            raise ValueError(f"k must be between 1 and {self.hits.shape[1]}, not {k}")
        hits = self.hits[:, :k].astype(np.float64)
        rank = np.arange(1, k + 1)
        so_far = np.cumsum(hits, axis=1)
        relevant = np.where(self.relevant > 0, self.relevant, np.nan)
        best = np.fmin(relevant, k)  # (N,) hits of the best list; fmin forgets NaN, `known` remembers it
        known = np.where(self.relevant > 0, 1.0, np.nan)
        row, index = np.nonzero(self.hits[:, :k])
        first = np.where(so_far == 1, hits, 0)  # the one place at which the count of hits becomes 1
        return {
            f"recall@{k}": so_far[:, -1] / relevant,
            f"ndcg@{k}": ndcg(index + 1, row, self.relevant, k),
            f"hr@{k}": known * (so_far[:, -1] > 0),
            f"mrr@{k}": known * (first / rank).sum(axis=1),
            f"precision@{k}": known * so_far[:, -1] / k,
            f"map@{k}": known * np.cumsum(hits * (so_far / rank), axis=1)[:, -1] / best,
        }

    def recall(self, k: int) -> Floats:
        """(N,) recall at k alone; NaN for users without truth."""
        return self.hits[:, :k].sum(axis=1) / np.where(self.relevant > 0, self.relevant, np.nan)


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
    if len(ranked) != len(targets):
        raise ValueError(f"{len(ranked)} ranked lists, but {len(targets)} truths")
    codes = IdMap()
    found = find(codes.table(ranked, max(ks)), codes.pairs(targets))
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
