"""ALS: weighted matrix factorisation by alternating least squares (library `implicit`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback
from shoptalk.baselines._learning import learn_factors
from shoptalk.errors import require
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.schema import Catalogue, Split


@dataclass(frozen=True, slots=True)
class Fit:
    """The settings of the factors: their number, the L2 penalty, and the confidence of a purchase."""

    factors: int
    regularization: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the factors, and ``decay``, the weight of an item of the history relative to the next one."""

    factors: int = 128
    regularization: float = 0.1
    alpha: float = 20.0
    decay: float = 0.7

    @property
    def fit(self) -> Fit:
        """The settings on which the factors depend."""
        return Fit(self.factors, self.regularization, self.alpha)


GRID: dict[str, Sequence[float | int]] = {
    "alpha": (5.0, 20.0, 60.0, 150.0),
    "regularization": (0.01, 0.1, 1.0),
    "factors": (64, 128, 256),
    "decay": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
}


class Als(PurchaseRecommender):
    """Scores an item by the product of its factors and the user's.

    Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008. The factors of a
    user are computed from the given history, so that users need not be in the training data.

    Parameters
    ----------
    model
        A fitted ``implicit.cpu.als.AlternatingLeastSquares``.
    purchases
        The purchases that popularity is counted in, which orders items for an empty history.
    items
        Ids of the I items of the catalogue.
    """

    name = "als"

    def __init__(
        self, model: Any, purchases: InteractionMatrix, items: Sequence[str], settings: Settings = Settings()
    ) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._model = model
        self._fallback = fallback(purchases)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        if not purchases.rows:
            return np.empty((0, purchases.items), dtype=np.float32)
        weights = sparse.csr_matrix(purchases.weighted(self.settings.decay))
        users = self._model.recalculate_user(np.arange(purchases.rows), weights)  # (B, F)
        return np.asarray(users @ self._model.item_factors.T, dtype=np.float32) + self._fallback


def factorise(purchases: InteractionMatrix, fit: Fit, seed: int) -> Any:
    """Fit the factors; the result does not depend on the number of threads, as each user and item is solved alone."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):  # implicit has its own threads, which those of BLAS slow down
        model = AlternatingLeastSquares(
            factors=fit.factors, regularization=fit.regularization, alpha=fit.alpha, random_state=seed
        )
        model.fit(sparse.csr_matrix(purchases.weighted()), show_progress=False)
    return model


def learn(split: Split, catalogue: Catalogue, seed: int) -> Als:
    """Choose the settings on validation cases, then factorise the purchases of the final fit.

    Raises
    ------
    MissingExtra
        When `implicit` is not installed.
    """
    require("implicit", "baselines")
    return learn_factors(
        split, catalogue, seed, GRID, Settings(), lambda purchases, fit, _: factorise(purchases, fit, seed), Als
    )
