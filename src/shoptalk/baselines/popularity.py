"""Popularity: what training users bought most."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.baselines._catalogue import learned_again
from shoptalk.graph.purchases import Floats, places_of
from shoptalk.progress import Notify, quiet
from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import Candidates, Catalogue, History, Split


class Popularity(CatalogueRecommender):
    """Scores an option by log(1 + purchases in the training part), whatever the history.

    The logarithm changes no order; it makes the softmax of the scores the options' shares of purchases, which is the
    right probability where the distractors are drawn uniformly.

    Parameters
    ----------
    purchases
        How often each item was bought; an item that is not named was never bought.
    catalogue
        Items that are ranked, with how often each was bought before the test: the whole catalogue is ranked by all
        that is known by then, like every other baseline's, while options are scored by the training part alone.
    """

    name = "popularity"

    def __init__(self, purchases: Mapping[str, int], catalogue: Mapping[str, float] | None = None) -> None:
        self._purchases = purchases
        ranked = purchases if catalogue is None else catalogue
        self.items = tuple(ranked)
        self._scores = np.log1p(np.array(list(ranked.values()), dtype=np.float32))  # (I,)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I), all rows alike."""
        return np.tile(self._scores, (len(histories), 1))

    def score(
        self,
        histories: Sequence[History],  # noqa: ARG002
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays, by purchases alone."""
        return [
            np.log1p(np.array([self._purchases.get(item, 0) for item in options.items], dtype=np.float64))
            for options in candidates
        ]


def learn(split: Split, catalogue: Catalogue, seed: int) -> Popularity:  # noqa: ARG001
    """Count the training histories, and for the ranking of the catalogue the validation purchases as well."""
    counts = learned_again(split, places_of(catalogue)).counts()
    return Popularity(
        Counter(item for history in split.train for item in history.items),
        dict(zip(catalogue, counts.tolist(), strict=True)),
    )
