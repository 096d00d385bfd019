"""Repeat last: what was bought last comes first, then what was bought before it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.baselines._catalogue import LEAST, fallback, learned_again, score_options
from shoptalk.graph.purchases import Floats, Purchases, places_of
from shoptalk.schema import Candidates, Catalogue, History, Split


class RepeatLast:
    """Scores the items of the history by 1 / (1 + purchases after the last of that item), all others by popularity.

    A floor that shows how much of a result is repetition. Where the history is excluded from the ranking, nothing but
    popularity is left of it.

    Parameters
    ----------
    purchases
        What popularity is told from.
    items
        Ids of the I items of the catalogue.
    """

    name = "repeat_last"

    def __init__(self, purchases: Purchases, items: Sequence[str]) -> None:
        self.items = tuple(items)
        self._places = {item: place for place, item in enumerate(self.items)}
        self._least = fallback(purchases)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I): above ``2 * LEAST`` for items of the history, at most ``LEAST`` for the others."""
        purchases = Purchases.of(histories, self._places)
        scores = np.tile(self._least, (len(histories), 1))
        # Purchases stand in time order, so that the last assignment to an item is its latest purchase.
        scores[purchases.row, purchases.column] = 2 * LEAST + 1 / (1 + purchases.age)
        return scores

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        """B arrays, the options' entries of ``score_all``."""
        return score_options(self, histories, candidates)


def learn(split: Split, catalogue: Catalogue, seed: int) -> RepeatLast:  # noqa: ARG001
    """Count the purchases that the final fit sees, to break ties."""
    return RepeatLast(learned_again(split, places_of(catalogue)), tuple(catalogue))
