"""Popularity: the items with the most purchases."""

from collections.abc import Mapping, Sequence

import numpy as np

from shoptalk.baselines._catalogue import final_purchases
from shoptalk.graph.interactions import Floats, item_index_of
from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import Catalogue, History, Split


class Popularity(CatalogueRecommender):
    """Scores an item by log(1 + its purchases in the training data), whatever the history.

    With the logarithm, which changes no order, the softmax of the scores is about the options' shares of purchases.
    That is the right probability where distractors are drawn uniformly.

    Parameters
    ----------
    purchases
        Number of purchases by item id, in the order of the catalogue; an item that is missing was never bought.
    """

    name = "popularity"

    def __init__(self, purchases: Mapping[str, float]) -> None:
        self._purchases = purchases
        self.items = tuple(purchases)
        self._scores = np.log1p(np.array(list(purchases.values()), dtype=np.float32))  # (I,)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I), all rows equal."""
        return np.tile(self._scores, (len(histories), 1))


def learn(split: Split, catalogue: Catalogue, seed: int) -> Popularity:  # noqa: ARG001
    """Count the purchases of the final fit."""
    counts = final_purchases(split, item_index_of(catalogue)).counts()
    return Popularity(dict(zip(catalogue, counts.tolist(), strict=True)))
