"""Cold-start items for any method that scores all items: scored like the items with the most similar text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoptalk.graph.interactions import Floats, strongest
from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import History

#: Items of which the score of a new item is the mean.
NEIGHBOURS = 5


class TextNeighbours(CatalogueRecommender):
    """A method with N new items. The score of each is a mean of the scores of its `NEIGHBOURS` nearest items.

    The weights are the cosines of their texts. The mean is moved towards the lowest score of the history in proportion
    to 1 - c, where c is the largest cosine: an item that resembles nothing comes last.

    Parameters
    ----------
    base
        The method, of I items.
    new
        Ids of the N new items.
    known_vectors, new_vectors
        (I, W) and (N, W) text vectors of length 1 or 0.
    """

    def __init__(self, base: CatalogueRecommender, new: Sequence[str], known_vectors: Any, new_vectors: Any) -> None:
        self.base, self.name = base, base.name
        self.score_unit, self.history_limit = base.score_unit, base.history_limit
        self.items = (*base.items, *new)
        nearest: Any = strongest(new_vectors @ known_vectors.T, NEIGHBOURS)  # (N, I)
        total = np.maximum(np.asarray(nearest.sum(axis=1)).ravel(), 1e-12)
        self._largest = np.asarray(nearest.max(axis=1).todense(), dtype=np.float32).ravel()  # (N,)
        row = np.repeat(np.arange(nearest.shape[0]), np.diff(nearest.indptr))
        nearest.data = (nearest.data / total[row]).astype(np.float32)
        self._weights: Any = nearest.T.tocsr()

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I + N); the first I are those of the method."""
        scores = self.base.score_all(histories)
        lowest = scores.min(axis=1, keepdims=True)
        new = lowest + ((scores - lowest) @ self._weights) * self._largest
        return np.concatenate([scores, new.astype(np.float32)], axis=1)
