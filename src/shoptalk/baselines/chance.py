"""Chance: every option alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, History, Split


class Chance(OptionRecommender):
    """Gives all options the same score; evaluation settles ties by expectation, so its accuracy is 1/n exactly."""

    name = "chance"

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def score(
        self,
        histories: Sequence[History],  # noqa: ARG002
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays of zeros."""
        return [np.zeros(len(options.items)) for options in candidates]


def learn(split: Split, catalogue: Catalogue, seed: int) -> Chance:  # noqa: ARG001
    """Chance has nothing to learn."""
    return Chance(catalogue)
