"""Popularity: what users bought most."""

from collections.abc import Mapping, Sequence

import numpy as np

from shoptalk.baselines._catalogue import learned_again
from shoptalk.graph.interactions import Floats, item_index_of
from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import Catalogue, History, Split


class Popularity(CatalogueRecommender):
    """Scores an option by log(1 + purchases that were learned from), whatever the history.

    The logarithm changes no order; it makes the softmax of the scores the options' shares of purchases, which is the
    right probability where the distractors are drawn uniformly.

    Parameters
    ----------
    purchases
        How often each item was bought, items in the order in which the catalogue is ranked; an item that is not named
        was never bought.
    """

    name = "popularity"

    def __init__(self, purchases: Mapping[str, float]) -> None:
        self._purchases = purchases
        self.items = tuple(purchases)
        self._scores = np.log1p(np.array(list(purchases.values()), dtype=np.float32))  # (I,)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I), all rows alike."""
        return np.tile(self._scores, (len(histories), 1))


def learn(split: Split, catalogue: Catalogue, seed: int) -> Popularity:  # noqa: ARG001
    """Count the purchases that the final fit sees."""
    counts = learned_again(split, item_index_of(catalogue)).counts()
    return Popularity(dict(zip(catalogue, counts.tolist(), strict=True)))
