"""Popularity: what training users bought most."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.schema import Candidates, Catalogue, History, Split


class Popularity:
    """Scores an option by log(1 + purchases in the training part), whatever the history.

    The logarithm changes no order; it makes the softmax of the scores the options' shares of purchases, which is the
    right probability where the distractors are drawn uniformly.

    Parameters
    ----------
    purchases
        How often each item was bought; an item that is not named was never bought.
    """

    name = "popularity"

    def __init__(self, purchases: Mapping[str, int]) -> None:
        self._purchases = purchases

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:  # noqa: ARG002
        """B arrays, by purchases alone."""
        return [
            np.log1p(np.array([self._purchases.get(item, 0) for item in options.items], dtype=np.float64))
            for options in candidates
        ]


def learn(split: Split, catalogue: Catalogue, seed: int) -> Popularity:  # noqa: ARG001
    """Count the training histories."""
    return Popularity(Counter(item for history in split.train for item in history.items))
