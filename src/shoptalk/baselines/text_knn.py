"""Text-kNN: items with a text similar to those of the history, of which later ones count more."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, final_purchases, training_purchases
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, cosine_sums, item_index_of
from shoptalk.schema import Catalogue, Item, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of weights and vectors.

    ``decay`` is the weight of an item of the history relative to the next one, ``words`` the longest n-gram of words.
    """

    decay: float = 0.7
    words: int = 1


GRID: dict[str, Sequence[float | int]] = {
    "decay": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "words": (1, 2),
}


class Texts:
    """Vectors of the texts of all items, whose products are cosines.

    Parameters
    ----------
    vectors
        (I, W) of length 1 or 0, sparse or dense.
    """

    def __init__(self, vectors: Any) -> None:
        self.vectors = sparse.csr_array(vectors)

    @classmethod
    def of(cls, catalogue: Catalogue, words: int = 1) -> "Texts":
        """TF-IDF vectors of title, brand and categories, as words of two letters or more.

        Weighted by (1 + log tf) * idf, of length 1 (G. Salton, C. Buckley, "Term-weighting approaches in automatic text
        retrieval", 1988).

        Parameters
        ----------
        catalogue
            The I items.
        words
            Longest n-gram: 1 for single words, 2 for pairs of adjacent words as well.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, words), dtype=np.float32)
        try:
            return cls(vectorizer.fit_transform([_text(item) for item in catalogue.values()]))
        except ValueError:  # the catalogue has no word: all similarities are 0
            return cls(sparse.csr_array((len(catalogue), 1), dtype=np.float32))

    def similar(self, weights: sparse.csr_array[Any]) -> Floats:
        """Sums (B, I) of the cosines to the items of B histories, weighted by (B, I)."""
        return cosine_sums(weights, self.vectors)


def _text(item: Item) -> str:
    """Title, brand and categories of an item."""
    return " ".join([item.title, item.brand, *item.categories])


class TextKnn(PurchaseRecommender):
    """Scores an item by its summed cosine with the items of the history.

    Parameters
    ----------
    texts
        The items' vectors.
    purchases
        The purchases that popularity is counted in, for items with no word in common with the history.
    items
        Ids of the I items of the catalogue.
    """

    name = "text_knn"

    def __init__(
        self, texts: Texts, purchases: InteractionMatrix, items: Sequence[str], settings: Settings = Settings()
    ) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._texts = texts
        self._fallback = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        return self._texts.similar(purchases.weighted(self.settings.decay)) + self._fallback


def learn(split: Split, catalogue: Catalogue, seed: int) -> TextKnn:
    """Choose the settings on validation cases; purchases are used for popularity only."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = training_purchases(split, item_index)

    @lru_cache(maxsize=2)
    def texts(words: int) -> Texts:
        return Texts.of(catalogue, words)

    def score(settings: Settings) -> Score:
        return TextKnn(texts(settings.words), train, items, settings).score_purchases

    best = tune(Settings(), GRID, score, RankingValidation(split.validation, item_index, seed))
    return TextKnn(texts(best.words), final_purchases(split, item_index), items, best)
