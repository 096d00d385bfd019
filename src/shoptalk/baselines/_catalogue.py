"""What whole-catalogue baselines share: what they learn from, a fallback, scores for options."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.purchases import BLOCK, Floats, Purchases
from shoptalk.schema import Candidates, History, Ranker, Split

#: What the most popular item gets where nothing else tells items apart; too little to outweigh any evidence.
LEAST = 1e-6


def learned_from(split: Split, places: Mapping[str, int]) -> Purchases:
    """The training histories, from which settings are chosen."""
    return Purchases.of(split.train, places)


def learned_again(split: Split, places: Mapping[str, int]) -> Purchases:
    """The histories of the final fit, once the settings are chosen; see `Split.for_final_fit`."""
    return Purchases.of(split.for_final_fit().train, places)


def fallback(purchases: Purchases) -> Floats:
    """Popularity (I,) from 0 to ``LEAST``, to be added to scores that leave many items without any evidence."""
    counts = purchases.counts()
    return (LEAST * counts / max(1.0, counts.max(initial=0))).astype(np.float32)


def folded_in(purchases: Purchases, factors: Floats, decay: float) -> Floats:
    """Factors (B, F) of users as the weighted mean of the items' factors (I, F); zeros for an empty history."""
    weights = purchases.weighted(decay)
    total = np.maximum(weights.sum(axis=1), np.finfo(np.float32).tiny)
    return np.asarray((weights @ factors) / total[:, None], dtype=np.float32)


def score_options(
    ranker: Ranker, histories: Sequence[History], candidates: Sequence[Candidates]
) -> list[NDArray[np.float64]]:
    """Scores of options out of the scores of all items; an option that is not in the catalogue gets the lowest."""
    places = {item: place for place, item in enumerate(ranker.items)}
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(histories), BLOCK):
        scores = ranker.score_all(histories[start : start + BLOCK])
        for row, options in zip(scores, candidates[start : start + BLOCK], strict=True):
            at = np.array([places.get(item, -1) for item in options.items], dtype=np.int64)
            lowest = row.min(initial=0) if (at < 0).any() else 0
            found.append(np.where(at < 0, lowest, row[at] if len(row) else 0).astype(np.float64))
    return found
