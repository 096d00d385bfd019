"""Metrics of ranked lists at k.

All look at the first k entries of a list. An item that a list names again counts once, at its first place; its other
places stay empty (they are places wasted, so the items behind them do not move up). All are NaN where nothing is
relevant: such a user has no recall, not a recall of zero.
"""

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from shoptalk import rank_metrics
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate_means
from shoptalk.schema import Estimate

PrecisionBy = Literal["k", "distinct"]


def hits(ranked: Sequence[str], relevant: Collection[str], k: int) -> list[int]:
    """Ranks (from 1, at most k) at which a relevant item stands for the first time.

    Raises
    ------
    ValueError
        When k is not positive.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    first: dict[str, int] = {}
    for rank, item in enumerate(ranked[:k], 1):
        first.setdefault(item, rank)
    return [rank for item, rank in first.items() if item in relevant]


def precision(ranked: Sequence[str], relevant: Collection[str], k: int, by: PrecisionBy = "k") -> float:
    """Share of the first k that is relevant: |top-k ∩ relevant| / k, in [0, 1].

    With ``by="distinct"`` the division is by the number of different items among the first k: what system D reports,
    and kinder to short and repetitive lists. 0 for an empty list, NaN when nothing is relevant.

    Source: C. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, section 8.4.
    """
    if not relevant:
        return math.nan
    below = k if by == "k" else max(1, len(set(ranked[:k])))
    return len(hits(ranked, relevant, k)) / below


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant items among the first k: |top-k ∩ relevant| / |relevant|, in [0, 1].

    NaN when nothing is relevant.

    Source: as ``precision``.
    """
    if not relevant:
        return math.nan
    return len(hits(ranked, relevant, k)) / len(set(relevant))


def hit_rate(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 if any of the first k is relevant, else 0; NaN when nothing is relevant.

    Source: M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
    """
    if not relevant:
        return math.nan
    return float(bool(hits(ranked, relevant, k)))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 / rank of the first relevant item among the first k, 0 if there is none, in [0, 1]; its mean is MRR.

    NaN when nothing is relevant.

    Source: E. Voorhees, "The TREC-8 question answering track report", 1999.
    """
    if not relevant:
        return math.nan
    found = hits(ranked, relevant, k)
    return 1 / found[0] if found else 0.0


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Discounted gain over that of the best list, in [0, 1]: `rank_metrics.ndcg`; NaN when nothing is relevant."""
    found = hits(ranked, relevant, k)
    return float(rank_metrics.ndcg(found, [0] * len(found), [len(set(relevant))], k)[0])


def average_precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Sum over the hits of (hits so far / rank), over min(k, |relevant|), in [0, 1]; its mean is MAP.

    NaN when nothing is relevant.

    Source: Manning, Raghavan, Schütze 2008, section 8.4, cut at k as in the Kaggle metric MAP@k.
    """
    if not relevant:
        return math.nan
    found = hits(ranked, relevant, k)
    return sum(so_far / rank for so_far, rank in enumerate(found, 1)) / min(k, len(set(relevant)))


def per_user(
    ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], k: int, precision_by: PrecisionBy = "k"
) -> dict[str, Floats]:
    """Every metric of every user, NaN for users without truth; the names carry k, as in ``recall@10``.

    Raises
    ------
    ValueError
        When the two differ in length, or k is not positive.
    """
    if len(ranked) != len(targets):
        raise ValueError(f"{len(ranked)} ranked lists, but {len(targets)} truths")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    cases = [(one, frozenset(right)) for one, right in zip(ranked, targets, strict=True)]
    found = [hits(one, right, k) for one, right in cases]
    return {
        f"precision@{k}": np.array([precision(one, right, k, precision_by) for one, right in cases], dtype=float),
        f"recall@{k}": np.array([recall(one, right, k) for one, right in cases], dtype=float),
        f"mrr@{k}": np.array([reciprocal_rank(one, right, k) for one, right in cases], dtype=float),
        f"hr@{k}": np.array([hit_rate(one, right, k) for one, right in cases], dtype=float),
        f"ndcg@{k}": rank_metrics.ndcg(
            np.fromiter((rank for own in found for rank in own), dtype=np.int64),
            np.repeat(np.arange(len(found)), [len(own) for own in found]),
            np.array([len(right) for _, right in cases], dtype=np.int64),
            k,
        ),
        f"map@{k}": np.array([average_precision(one, right, k) for one, right in cases], dtype=float),
    }


def ranking_metrics(
    ranked: Sequence[Sequence[str]],
    targets: Sequence[Collection[str]],
    k: int,
    precision: PrecisionBy = "k",
    *,
    users: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Estimate | int]:
    """Means over users with their intervals, and how many users were counted and left out.

    Parameters
    ----------
    ranked
        U lists, best first; they may be shorter than k, or empty (then they are wrong, not left out).
    targets
        U collections of relevant items.
    precision
        What precision divides by; see ``precision``.
    users
        Whose the lists are, where a user has several.

    Returns
    -------
    dict
        ``precision@k``, ``recall@k``, ``mrr@k``, ``hr@k``, ``ndcg@k``, ``map@k`` as estimates; ``users``: lists
        counted; ``without_truth``: lists left out, because nothing is relevant to them.
    """
    table = per_user(ranked, targets, k, precision)
    indices = [index for index, right in enumerate(targets) if right]
    counted = {name: values[indices] for name, values in table.items()}
    owners = None if users is None else [users[index] for index in indices]
    return {
        **estimate_means(counted, users=owners, resamples=resamples, seed=seed),
        "users": len(indices),
        "without_truth": len(targets) - len(indices),
    }
