"""BPR: factors learned from pairs of a bought item and an item that was not bought (library `implicit`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.baselines._factors import FactorRanker
from shoptalk.baselines._learning import learn_factors
from shoptalk.errors import require
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.schema import Catalogue, Split

NAME = "bpr"


@dataclass(frozen=True, slots=True)
class Fit:
    """The settings of the factors."""

    factors: int
    iterations: int
    learning_rate: float
    regularization: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the factors, and those of `FactorRanker`: ``decay`` and ``bias``."""

    factors: int = 64
    iterations: int = 100
    learning_rate: float = 0.05
    regularization: float = 0.01
    decay: float = 0.8
    bias: float = 0.3

    @property
    def fit(self) -> Fit:
        """The settings on which the factors depend."""
        return Fit(self.factors, self.iterations, self.learning_rate, self.regularization)


GRID: dict[str, Sequence[float | int]] = {
    "bias": (0.0, 0.1, 0.3, 1.0),
    "iterations": (50, 100, 200),
    "regularization": (0.003, 0.01, 0.03),
    "learning_rate": (0.02, 0.05),
    "factors": (64, 128),
    "decay": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
}


def factorise(purchases: InteractionMatrix, fit: Fit, seed: int) -> Floats:
    """Factors (I, F + 1), the last column the biases.

    S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009. It uses one thread, because
    the result of several threads that update the same factors is not reproducible.
    """
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


def learn(split: Split, catalogue: Catalogue, seed: int) -> FactorRanker:
    """Choose the settings on validation cases, then factorise the purchases of the final fit.

    Raises
    ------
    MissingExtra
        When `implicit` is not installed.
    """
    require("implicit", "baselines")
    return learn_factors(
        split,
        catalogue,
        seed,
        GRID,
        Settings(),
        factorise=lambda purchases, fit, _: factorise(purchases, fit, seed),
        ranker=partial(FactorRanker, NAME),
    )
