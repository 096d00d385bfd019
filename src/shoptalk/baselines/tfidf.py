"""TF-IDF: similarity of an option's title and the titles of the history."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.baselines._pairs import Floats, HistoryOptionPairs, best_variant, pair_up
from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, History, Split


@dataclass(frozen=True, slots=True)
class Pooling:
    """How the similarities to the items of a history become one score.

    ``how`` is their mean, the mean of their squares, or their maximum; ``decay`` is the weight of an item of the
    history relative to the next one, in the two means.
    """

    how: Literal["mean", "square", "highest"] = "mean"
    decay: float = 1.0


POOLINGS = (
    Pooling("mean"),
    Pooling("square"),
    Pooling("highest"),
    Pooling("mean", decay=0.7),
    Pooling("square", decay=0.7),
)


class TfIdf(OptionRecommender):
    """Scores an option by the cosine of its shown title with the titles of the history, pooled.

    Words of two letters or more, weighted by (1 + log tf) * idf with the idf of the catalogue's titles (G. Salton,
    C. Buckley, "Term-weighting approaches in automatic text retrieval", 1988).

    Parameters
    ----------
    catalogue
        Its titles give the words, their idf and the vectors of the histories.
    """

    name = "tfidf"

    def __init__(self, catalogue: Catalogue, pooling: Pooling = POOLINGS[0]) -> None:
        self.pooling, self.catalogue = pooling, catalogue
        self._item_index = {item_id: index for index, item_id in enumerate(catalogue)}
        titles = [item.title for item in catalogue.values()]
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(sublinear_tf=True)
        try:
            self._titles = sparse.csr_array(self._vectorizer.fit_transform(titles))  # (items, words)
        except ValueError:  # the catalogue has no word: all similarities are 0
            self._vectorizer.fit(["nothing"])
            self._titles = sparse.csr_array((len(titles), 1))

    def with_pooling(self, pooling: Pooling) -> Self:
        """A recommender of the same vectors with another pooling."""
        variant = copy(self)
        variant.pooling = pooling
        return variant

    def score(
        self,
        histories: Sequence[History],
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays of similarities in [0, 1]; 0 for an empty history."""
        scores: list[Floats] = []
        for pairs in pair_up(histories, candidates, self._item_index):
            option_vectors = self._option_vectors(candidates[pairs.cases])
            cosine = self._titles[pairs.seen_items].multiply(option_vectors[pairs.slot]).sum(axis=1)
            scores += pairs.split_by_case(self._pooled(pairs, np.asarray(cosine, dtype=np.float64)))
        return scores

    def _option_vectors(self, candidates: Sequence[Candidates]) -> Any:
        """Vectors (S, words) of the options' titles as shown; each different title is vectorised once."""
        rows: dict[str, int] = {}
        slots = [rows.setdefault(title, len(rows)) for options in candidates for title in options.titles]
        return sparse.csr_array(self._vectorizer.transform(list(rows)))[slots]

    def _pooled(self, pairs: HistoryOptionPairs, cosine: Floats) -> Floats:
        """Scores (S,) from the cosines (P,) of the pairs."""
        if self.pooling.how == "highest":
            return pairs.highest(cosine)
        weight: Floats = np.power(self.pooling.decay, pairs.recency)
        values = cosine**2 if self.pooling.how == "square" else cosine
        return pairs.pool(weight * values) / np.maximum(pairs.pool(weight), np.finfo(float).tiny)


def learn(split: Split, catalogue: Catalogue, seed: int) -> TfIdf:  # noqa: ARG001
    """Fit on the titles of the catalogue; choose the pooling on the validation cases."""
    model = TfIdf(catalogue)
    best = best_variant(POOLINGS, lambda pooling: model.with_pooling(pooling).score, split.validation)
    return model.with_pooling(best)
