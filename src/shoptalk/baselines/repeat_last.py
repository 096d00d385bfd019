"""Repeat last: the items of the history, the latest first."""

from collections.abc import Sequence

import numpy as np

from shoptalk.baselines._catalogue import TIE_BREAK, PurchaseRecommender, fallback, final_purchases
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


class RepeatLast(PurchaseRecommender):
    """Scores items of the history by 1 / (1 + number of purchases after their latest), all others by popularity.

    It shows how much of a result is repetition. Where rankings exclude the history, it equals popularity.

    Parameters
    ----------
    purchases
        The purchases that popularity is counted in.
    items
        Ids of the I items of the catalogue.
    """

    name = "repeat_last"

    def __init__(self, purchases: InteractionMatrix, items: Sequence[str]) -> None:
        self.items = tuple(items)
        self._fallback = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I): above ``2 * TIE_BREAK`` for items of the history, at most ``TIE_BREAK`` for the others."""
        scores = np.tile(self._fallback, (purchases.rows, 1))
        # Purchases are in time order, so that the last assignment to an item is its latest purchase.
        scores[purchases.row, purchases.column] = 2 * TIE_BREAK + 1 / (1 + purchases.recency)
        return scores


def learn(split: Split, catalogue: Catalogue, seed: int) -> RepeatLast:  # noqa: ARG001
    """Count the purchases of the final fit, for the items outside the history."""
    return RepeatLast(final_purchases(split, item_index_of(catalogue)), tuple(catalogue))
