"""Ranking by the item factors of a matrix factorisation, for any history."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, folded_in
from shoptalk.graph.interactions import Floats, InteractionMatrix


class Weights(Protocol):
    """The settings with which factors become scores."""

    @property
    def decay(self) -> float:
        """Weight of an item of the history relative to the next one, in (0, 1]."""
        ...

    @property
    def bias(self) -> float:
        """Weight of the items' biases, at least 0."""
        ...


class FactorRanker(PurchaseRecommender):
    """Scores an item by the product of its factors with the weighted mean of the history's factors, plus its bias.

    The factors of users are not used, because there are none for new users and they do not change with new purchases.

    Parameters
    ----------
    name
        Name of the baseline.
    factors
        (I, F + 1) factors of the items; the last column holds their biases.
    purchases
        The purchases that popularity is counted in, for items without factors.
    items
        Ids of the I items of the catalogue.
    settings
        Settings of the method; ``decay`` and ``bias`` are used here.
    """

    def __init__(
        self, name: str, factors: Floats, purchases: InteractionMatrix, items: Sequence[str], settings: Weights
    ) -> None:
        self.name, self.items, self.settings = name, tuple(items), settings
        self._factors, self._bias = factors[:, :-1], factors[:, -1]
        self._fallback = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        users = folded_in(purchases, self._factors, self.settings.decay)
        return users @ self._factors.T + (np.float32(self.settings.bias) * self._bias + self._fallback)
