"""Ranking by factors of items: what a factorisation learned, for any history."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, folded_in
from shoptalk.graph.interactions import Floats, InteractionMatrix


class Weights(Protocol):
    """``decay`` of an item of the history against the one bought after it, and the weight of the ``bias``."""

    @property
    def decay(self) -> float:
        """In (0, 1]."""
        ...

    @property
    def bias(self) -> float:
        """At least 0."""
        ...


class FactorRanker(PurchaseRecommender):
    """Scores an item by the product of its factors with the mean of the history's, plus its bias.

    The factors of users are set aside: they know neither users nor purchases later than training, while the decayed
    mean of the item factors serves any history.

    Parameters
    ----------
    name
        Of the method that learned the factors.
    factors
        (I, F + 1) factors of the items, the last column their bias.
    purchases
        What popularity is told from, for items that were never learned.
    items
        Ids of the I items of the catalogue.
    settings
        Of the method; its ``decay`` and ``bias`` are used here.
    """

    def __init__(
        self, name: str, factors: Floats, purchases: InteractionMatrix, items: Sequence[str], settings: Weights
    ) -> None:
        self.name, self.items, self.settings = name, tuple(items), settings
        self._factors, self._bias = factors[:, :-1], factors[:, -1]
        self._least = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        users = folded_in(purchases, self._factors, self.settings.decay)
        return users @ self._factors.T + (np.float32(self.settings.bias) * self._bias + self._least)
