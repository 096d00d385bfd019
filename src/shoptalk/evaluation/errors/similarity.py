"""Similarity of the titles of a history with the title of one item per history."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Ints, UserItemSets


class TitleSimilarity:
    """The mean cosine of an item's title with the titles of a history, by TF-IDF of words.

    Weights are (1 + log tf) * idf with the idf of the catalogue's titles (G. Salton, C. Buckley, "Term-weighting
    approaches in automatic text retrieval", 1988). The mean of cosines of unit vectors is the cosine with their mean,
    so a history is represented by one vector.

    Parameters
    ----------
    titles
        The catalogue's I titles.
    seen_items
        The items of N histories.
    """

    def __init__(self, titles: Sequence[str], seen_items: UserItemSets) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer

            vectors = sparse.csr_array(TfidfVectorizer(sublinear_tf=True).fit_transform(titles))
        except ValueError:  # no title has a word: all similarities are 0
            vectors = sparse.csr_array((len(titles), 1))
        # The last row, all 0, stands for PAD_ID.
        self._vectors = sparse.vstack([vectors, sparse.csr_array((1, vectors.shape[1]))], format="csr")
        weight = 1 / np.maximum(seen_items.counts(), 1)[seen_items.row]
        histories = sparse.csr_array(
            (weight, (seen_items.row, seen_items.item)), shape=(seen_items.rows, len(titles) + 1)
        )
        self._histories = histories @ self._vectors

    def of(self, items: Ints) -> Floats:
        """(N,) similarity of one item to each history, in [0, 1]; 0 for ``PAD_ID`` and for an empty history."""
        vectors = self._vectors[np.where(items < 0, self._vectors.shape[0] - 1, items)]
        return np.asarray(self._histories.multiply(vectors).sum(axis=1), dtype=np.float64).ravel()
