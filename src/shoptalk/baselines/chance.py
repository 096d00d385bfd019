"""Chance: the same score for every option."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, History, Split


class Chance(OptionRecommender):
    """Gives all n options the same score; ties count by their expected value, so the accuracy is exactly 1 / n."""

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
    """Make the baseline, which learns nothing."""
    return Chance(catalogue)
