"""BPR: factors learned from pairs of a bought and another item (library `implicit`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.baselines._catalogue import fallback, folded_in, learned_again, learned_from, score_options
from shoptalk.baselines.tuning import Exam, Score, tune
from shoptalk.errors import require
from shoptalk.graph.purchases import Floats, Purchases, places_of
from shoptalk.schema import Candidates, Catalogue, History, Split


@dataclass(frozen=True, slots=True)
class Fit:
    """What the factors depend on."""

    factors: int
    iterations: int
    learning_rate: float
    regularization: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The factors; ``decay`` of an item of the history against the one bought after it; the weight of the ``bias``."""

    factors: int = 64
    iterations: int = 100
    learning_rate: float = 0.05
    regularization: float = 0.01
    decay: float = 0.8
    bias: float = 0.3

    @property
    def fit(self) -> Fit:
        """The part that needs another fit when it changes."""
        return Fit(self.factors, self.iterations, self.learning_rate, self.regularization)


GRID: dict[str, Sequence[float | int]] = {
    "bias": (0.0, 0.1, 0.3, 1.0),
    "iterations": (50, 100, 200),
    "regularization": (0.003, 0.01, 0.03),
    "learning_rate": (0.02, 0.05),
    "factors": (64, 128),
    "decay": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
}


class Bpr:
    """Scores an item by the product of its factors with the mean of the history's, plus its bias.

    S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009. The user's own factors are
    set aside: they know neither users nor purchases later than training, while the decayed mean of the item factors
    serves any history.

    Parameters
    ----------
    factors
        (I, F + 1) factors of the items, the last column their bias.
    purchases
        What popularity is told from, for items that were never learned.
    items
        Ids of the I items of the catalogue.
    """

    name = "bpr"

    def __init__(
        self, factors: Floats, purchases: Purchases, items: Sequence[str], settings: Settings = Settings()
    ) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._factors, self._bias = factors[:, :-1], factors[:, -1]
        self._places = {item: place for place, item in enumerate(self.items)}
        self._least = fallback(purchases)

    def score_purchases(self, purchases: Purchases) -> Floats:
        """Scores (B, I)."""
        users = folded_in(purchases, self._factors, self.settings.decay)
        return users @ self._factors.T + (np.float32(self.settings.bias) * self._bias + self._least)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I); the bias alone for an empty history."""
        return self.score_purchases(Purchases.of(histories, self._places))

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        """B arrays, the options' entries of ``score_all``."""
        return score_options(self, histories, candidates)


def factorise(purchases: Purchases, fit: Fit, seed: int) -> Floats:
    """Factors (I, F + 1); on one thread, for threads that write into each other's factors never do it twice alike."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from threadpoolctl import threadpool_limits

    bought: Any = sparse.csr_matrix(purchases.weighted())
    with threadpool_limits(limits=1, user_api="blas"):
        model = BayesianPersonalizedRanking(
            factors=fit.factors,
            iterations=fit.iterations,
            learning_rate=fit.learning_rate,
            regularization=fit.regularization,
            num_threads=1,
            random_state=seed,
        )
        model.fit(bought, show_progress=False)
    return np.asarray(model.item_factors, dtype=np.float32)


def learn(split: Split, catalogue: Catalogue, seed: int) -> Bpr:
    """Choose the settings on validation cases, then factorise training and validation purchases.

    Raises
    ------
    MissingExtra
        When `implicit` is not installed.
    """
    require("implicit", "baselines")
    places, items = places_of(catalogue), tuple(catalogue)
    train = learned_from(split, places)

    @lru_cache(maxsize=4)
    def factors(fit: Fit) -> Floats:
        return factorise(train, fit, seed)

    def score(settings: Settings) -> Score:
        return Bpr(factors(settings.fit), train, items, settings).score_purchases

    best = tune(Settings(), GRID, score, Exam(split.validation, places, seed), rounds=1)
    again = learned_again(split, places)
    return Bpr(factorise(again, best.fit, seed), again, items, best)
