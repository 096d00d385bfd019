"""Shared parts of the baselines that rank the whole catalogue: a base class, training data, a fallback."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import History, Split

#: The popularity that is added to the score of the most popular item: it breaks ties and changes no other order.
TIE_BREAK = 1e-6


class PurchaseRecommender(CatalogueRecommender):
    """A baseline that scores all items by the purchases in each history; subclasses define ``score_purchases``."""

    @abstractmethod
    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I) for the histories of B users."""

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I) of all items (see `CatalogueRecommender`)."""
        return self.score_purchases(InteractionMatrix.of(histories, self.item_index))


def training_purchases(split: Split, item_index: Mapping[str, int]) -> InteractionMatrix:
    """The training histories, on which variants are learned while the settings are chosen."""
    return InteractionMatrix.of(split.train, item_index)


def final_purchases(split: Split, item_index: Mapping[str, int]) -> InteractionMatrix:
    """The histories of the final fit with the chosen settings; see `Split.for_final_fit`."""
    return InteractionMatrix.of(split.for_final_fit().train, item_index)


def fallback(purchases: InteractionMatrix) -> Floats:
    """Popularity (I,) from 0 to ``TIE_BREAK``, to be added to scores that are equal for many items."""
    counts = purchases.counts()
    return (TIE_BREAK * counts / max(1.0, counts.max(initial=0))).astype(np.float32)


def folded_in(purchases: InteractionMatrix, factors: Floats, decay: float) -> Floats:
    """Factors (B, F) of users as the weighted mean of the items' factors (I, F); zeros for an empty history."""
    weights = purchases.weighted(decay)
    total = np.maximum(weights.sum(axis=1), np.finfo(np.float32).tiny)
    return np.asarray((weights @ factors) / total[:, None], dtype=np.float32)
