"""Chance: every option alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.schema import Candidates, Catalogue, History, Split


class Chance:
    """Gives all options the same score; evaluation settles ties by expectation, so its accuracy is 1/n exactly."""

    name = "chance"

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:  # noqa: ARG002
        """B arrays of zeros."""
        return [np.zeros(len(options.items)) for options in candidates]


def learn(split: Split, catalogue: Catalogue, seed: int) -> Chance:  # noqa: ARG001
    """Chance has nothing to learn."""
    return Chance()
