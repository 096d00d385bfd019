"""SVD: the matrix factorisation of the library Surprise.

S. Funk, 2006; Y. Koren, R. Bell, C. Volinsky, "Matrix factorization techniques for recommender systems", 2009. It
predicts ratings, and predicted ratings alone do not predict purchases (P. Cremonesi, Y. Koren, R. Turrin, "Performance
of recommender algorithms on top-n recommendation tasks", RecSys 2010). Therefore the value of a purchase is its rating
over the highest rating, or 1 where it has none, and sampled items that the user did not buy have the value 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoptalk.baselines._factors import FactorRanker
from shoptalk.baselines._learning import learn_factors
from shoptalk.errors import require
from shoptalk.graph.interactions import Floats, InteractionMatrix, Ints, item_index_of
from shoptalk.schema import Catalogue, EvalExample, History, Split

#: Rating over the highest rating, by (row of the training histories, index of the item).
RatingFractions = Mapping[tuple[int, int], float]

NAME = "svd"


@dataclass(frozen=True, slots=True)
class Fit:
    """The settings of the factors; ``negatives`` items that were not bought are sampled for each purchase."""

    factors: int
    epochs: int
    negatives: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the factors, and those of `FactorRanker`: ``decay`` and ``bias``."""

    factors: int = 50
    epochs: int = 40
    negatives: int = 3
    learning_rate: float = 0.1
    decay: float = 0.8
    bias: float = 1.0

    @property
    def fit(self) -> Fit:
        """The settings on which the factors depend."""
        return Fit(self.factors, self.epochs, self.negatives, self.learning_rate)


GRID: dict[str, Sequence[float | int]] = {
    "bias": (0.0, 0.1, 0.3, 1.0, 3.0),
    "negatives": (1, 3, 6),
    "learning_rate": (0.03, 0.1),
    "epochs": (40, 80),
    "factors": (50, 100),
    "decay": (0.5, 0.7, 0.8, 0.9, 1.0),
}


def rating_fractions(
    cases: Iterable[EvalExample], train: Iterable[History], item_index: Mapping[str, int]
) -> dict[tuple[int, int], float]:
    """Ratings of the first targets of cases over the highest of these ratings; users without training are left out."""
    rows = {history.user_id: row for row, history in enumerate(train)}
    ratings = {
        (rows[case.history.user_id], item_index[case.targets[0]]): case.rating
        for case in cases
        if case.rating is not None and case.history.user_id in rows and case.targets[0] in item_index
    }
    highest = max(ratings.values(), default=1.0)
    return {pair: rating / highest if highest > 0 else 1.0 for pair, rating in ratings.items()}


def targets(
    purchases: InteractionMatrix, fractions: RatingFractions, negatives: int, seed: int
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Users, items and values to predict (N,): each purchase once, then sampled items that were not bought."""
    bought = purchases.weighted().tocoo()
    row, column = bought.row.astype(np.int64), bought.col.astype(np.int64)
    values = np.array([fractions.get(pair, 1.0) for pair in zip(row.tolist(), column.tolist(), strict=True)])
    user = np.repeat(row, negatives)
    sampled = np.random.default_rng(seed).integers(0, max(1, purchases.items), len(user))
    pairs = np.unique(user * purchases.items + sampled)  # a pair as one number, user * items + item
    pairs = np.setdiff1d(pairs, row * purchases.items + column, assume_unique=True)
    return (
        np.concatenate([row, pairs // max(1, purchases.items)]),
        np.concatenate([column, pairs % max(1, purchases.items)]),
        np.concatenate([values, np.zeros(len(pairs))]),
    )


def factorise(purchases: InteractionMatrix, fractions: RatingFractions, fit: Fit, seed: int) -> Floats:
    """Factors (I, F + 1), the last column the biases; items that were not in the training pairs have the lowest bias.

    Their factors are 0.
    """
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    user, item, value = targets(purchases, fractions, fit.negatives, seed)
    factors = np.zeros((purchases.items, fit.factors + 1), dtype=np.float32)
    if not len(user):
        return factors
    table = pd.DataFrame({"user": user, "item": item, "value": value})
    trainset = Dataset.load_from_df(table, Reader(rating_scale=(0, 1))).build_full_trainset()
    model = SVD(n_factors=fit.factors, n_epochs=fit.epochs, lr_all=fit.learning_rate, random_state=seed).fit(trainset)
    item_index = np.array([trainset.to_raw_iid(inner_id) for inner_id in range(trainset.n_items)], dtype=np.int64)
    factors[:, -1] = model.bi.min()
    factors[item_index, :-1], factors[item_index, -1] = model.qi, model.bi
    return factors


def learn(split: Split, catalogue: Catalogue, seed: int) -> FactorRanker:
    """Choose the settings on validation cases, then factorise the purchases of the final fit.

    Raises
    ------
    MissingExtra
        When `scikit-surprise` is not installed.
    """
    require("surprise", "baselines")
    item_index = item_index_of(catalogue)

    def factors(purchases: InteractionMatrix, fit: Fit, split: Split) -> Floats:
        fractions = rating_fractions(split.train_cases, split.train, item_index)
        return factorise(purchases, fractions, fit, seed)

    return learn_factors(split, catalogue, seed, GRID, Settings(), factors, partial(FactorRanker, NAME))
