"""SVD: the matrix factorisation of the library Surprise, which system C wanted to be compared with.

S. Funk, 2006; Y. Koren, R. Bell, C. Volinsky, "Matrix factorization techniques for recommender systems", 2009. It
predicts ratings; alone they say nothing of what is bought (P. Cremonesi, Y. Koren, R. Turrin, "Performance of
recommender algorithms on top-n recommendation tasks", RecSys 2010). So a purchase counts as its rating over the
highest, or 1 where the rating is not known, and items drawn at random, that the user did not buy, count as 0.
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

#: What was given to a purchase, by (row of the training histories, place of the item).
Stars = Mapping[tuple[int, int], float]


NAME = "svd"


@dataclass(frozen=True, slots=True)
class Fit:
    """What the factors depend on; ``negatives`` items that were not bought are drawn for each purchase."""

    factors: int
    epochs: int
    negatives: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The factors; ``decay`` of an item of the history against the one bought after it; the weight of the ``bias``."""

    factors: int = 50
    epochs: int = 40
    negatives: int = 3
    learning_rate: float = 0.1
    decay: float = 0.8
    bias: float = 1.0

    @property
    def fit(self) -> Fit:
        """The part that needs another fit when it changes."""
        return Fit(self.factors, self.epochs, self.negatives, self.learning_rate)


GRID: dict[str, Sequence[float | int]] = {
    "bias": (0.0, 0.1, 0.3, 1.0, 3.0),
    "negatives": (1, 3, 6),
    "learning_rate": (0.03, 0.1),
    "epochs": (40, 80),
    "factors": (50, 100),
    "decay": (0.5, 0.7, 0.8, 0.9, 1.0),
}


def stars_of(
    cases: Iterable[EvalExample], train: Iterable[History], item_index: Mapping[str, int]
) -> dict[tuple[int, int], float]:
    """The ratings known of training users, as shares of the highest of them; a case knows that of its first truth."""
    rows = {history.user_id: row for row, history in enumerate(train)}
    found = {
        (rows[case.history.user_id], item_index[case.targets[0]]): case.rating
        for case in cases
        if case.rating is not None and case.history.user_id in rows and case.targets[0] in item_index
    }
    highest = max(found.values(), default=1.0)
    return {key: rating / highest if highest > 0 else 1.0 for key, rating in found.items()}


def targets(
    purchases: InteractionMatrix, stars: Stars, negatives: int, seed: int
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Users, items and what to predict of them: each purchase once, then the items drawn that were not bought."""
    bought = purchases.weighted().tocoo()
    row, column = bought.row.astype(np.int64), bought.col.astype(np.int64)
    given = np.array([stars.get(pair, 1.0) for pair in zip(row.tolist(), column.tolist(), strict=True)])
    user = np.repeat(row, negatives)
    drawn = np.random.default_rng(seed).integers(0, max(1, purchases.items), len(user))
    keys = np.unique(user * purchases.items + drawn)  # a pair is rated once
    keys = np.setdiff1d(keys, row * purchases.items + column, assume_unique=True)
    return (
        np.concatenate([row, keys // max(1, purchases.items)]),
        np.concatenate([column, keys % max(1, purchases.items)]),
        np.concatenate([given, np.zeros(len(keys))]),
    )


def factorise(purchases: InteractionMatrix, stars: Stars, fit: Fit, seed: int) -> Floats:
    """Factors (I, F + 1); items that were neither bought nor drawn have none, and the lowest bias."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    user, item, value = targets(purchases, stars, fit.negatives, seed)
    factors = np.zeros((purchases.items, fit.factors + 1), dtype=np.float32)
    if not len(user):
        return factors
    rows = Dataset.load_from_df(pd.DataFrame({"user": user, "item": item, "value": value}), Reader(rating_scale=(0, 1)))
    known = rows.build_full_trainset()
    model = SVD(n_factors=fit.factors, n_epochs=fit.epochs, lr_all=fit.learning_rate, random_state=seed).fit(known)
    item_index = np.array([known.to_raw_iid(inner) for inner in range(known.n_items)], dtype=np.int64)
    factors[:, -1] = model.bi.min()
    factors[item_index, :-1], factors[item_index, -1] = model.qi, model.bi
    return factors


def learn(split: Split, catalogue: Catalogue, seed: int) -> FactorRanker:
    """Choose the settings on validation cases, then factorise what the final fit sees.

    Raises
    ------
    MissingExtra
        When `scikit-surprise` is not installed.
    """
    require("surprise", "baselines")
    item_index = item_index_of(catalogue)
    return learn_factors(
        split, catalogue, seed, GRID, Settings(),
        lambda bought, fit, data: factorise(bought, stars_of(data.train_cases, data.train, item_index), fit, seed),
        partial(FactorRanker, NAME),
    )  # fmt: skip
