"""Reference implementations of the metrics for one ranked list, written like their definitions.

All use the first k entries of a list. A repeated item counts once, at its first rank; its other ranks count as misses,
and the items behind them keep their ranks. All are NaN without relevant items.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Literal

PrecisionBy = Literal["k", "distinct"]


def hits(ranked: Sequence[str], relevant: Collection[str], k: int) -> list[int]:
    """Ranks (from 1, at most k) of the first occurrences of relevant items.

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

    With ``by="distinct"`` the denominator is the number of different items among the first k, as system D reports it;
    this favours short and repetitive lists. 0 for an empty list, NaN when nothing is relevant.

    Source: C. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, section 8.4.
    """
    if not relevant:
        return math.nan
    denominator = k if by == "k" else max(1, len(set(ranked[:k])))
    return len(hits(ranked, relevant, k)) / denominator


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
    ranks = hits(ranked, relevant, k)
    return 1 / ranks[0] if ranks else 0.0


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """DCG / IDCG with gains of 0 or 1, in [0, 1]; NaN when nothing is relevant."""
    if not relevant:
        return math.nan
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(k, len(set(relevant))) + 1))
    return sum(1 / math.log2(1 + rank) for rank in hits(ranked, relevant, k)) / ideal


def average_precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Sum over the hits of (hits so far / rank), over min(k, |relevant|), in [0, 1]; its mean is MAP.

    NaN when nothing is relevant.

    Source: Manning, Raghavan, Schütze 2008, section 8.4, cut at k as in the Kaggle metric MAP@k.
    """
    if not relevant:
        return math.nan
    ranks = hits(ranked, relevant, k)
    return sum(so_far / rank for so_far, rank in enumerate(ranks, 1)) / min(k, len(set(relevant)))


#: By the names in `shoptalk.evaluation.metrics.METRICS`.
REFERENCE: dict[str, Callable[[Sequence[str], Collection[str], int], float]] = {
    "recall": recall,
    "ndcg": ndcg,
    "hr": hit_rate,
    "mrr": reciprocal_rank,
    "precision": precision,
    "map": average_precision,
}


def per_user(ranked: Sequence[Sequence[str]], targets: Sequence[Collection[str]], k: int) -> dict[str, list[float]]:
    """Every metric of every user, NaN for users without truth; the names carry k, as in ``recall@10``."""
    return {
        f"{name}@{k}": [metric(items, relevant, k) for items, relevant in zip(ranked, targets, strict=True)]
        for name, metric in REFERENCE.items()
    }
