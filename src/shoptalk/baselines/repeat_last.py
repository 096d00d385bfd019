"""Repeat last: what was bought last comes first, then what was bought before it."""

from collections.abc import Sequence

import numpy as np

from shoptalk.baselines._catalogue import LEAST, PurchaseRecommender, fallback, learned_again
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


class RepeatLast(PurchaseRecommender):
    """Scores the items of the history by 1 / (1 + purchases after the last of that item), all others by popularity.

    A floor that shows how much of a result is repetition. Where the history is excluded from the ranking, nothing but
    popularity is left of it.

    Parameters
    ----------
    purchases
        What popularity is told from.
    items
        Ids of the I items of the catalogue.
    """

    name = "repeat_last"

    def __init__(self, purchases: InteractionMatrix, items: Sequence[str]) -> None:
        self.items = tuple(items)
        self._least = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I): above ``2 * LEAST`` for items of the history, at most ``LEAST`` for the others."""
        scores = np.tile(self._least, (purchases.rows, 1))
        # Purchases stand in time order, so that the last assignment to an item is its latest purchase.
        scores[purchases.row, purchases.column] = 2 * LEAST + 1 / (1 + purchases.recency)
        return scores


def learn(split: Split, catalogue: Catalogue, seed: int) -> RepeatLast:  # noqa: ARG001
    """Count the purchases that the final fit sees, to break ties."""
    return RepeatLast(learned_again(split, item_index_of(catalogue)), tuple(catalogue))
