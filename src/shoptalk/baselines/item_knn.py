"""Item-kNN: items that other users bought together with those of the history, of which later ones count more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, final_purchases, training_purchases
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of, product, strongest
from shoptalk.schema import Catalogue, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the similarities and of the weights of a history.

    The similarity of item i of the history and item j is

        sum over their common users u of len(u) ** -user / (users_i ** source_exponent * users_j ** option)

    The ``neighbours`` most similar items of each i are kept. ``decay`` is the weight of an item of the history relative
    to the next one.
    """

    decay: float = 0.7
    source_exponent: float = 0.5
    option: float = 0.5
    user: float = 0.5
    neighbours: int = 1_000


GRID: dict[str, Sequence[float | int]] = {
    "decay": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "option": (0.0, 0.3, 0.5, 0.7, 1.0),
    "source_exponent": (0.0, 0.3, 0.5, 0.7, 1.0),
    "user": (0.0, 0.5, 1.0),
    "neighbours": (50, 200, 1_000),
}


class ItemKnn(PurchaseRecommender):
    """Scores an item by its summed similarity to the items of the history.

    M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004. As there, users with many
    purchases count less (``user``), and so do popular items (``option``).

    Parameters
    ----------
    purchases
        The purchases of the training users.
    items
        Ids of the I items of the catalogue.
    similarity
        Similarities (I, I) that were computed before with these purchases and settings.
    """

    name = "item_knn"

    def __init__(
        self,
        purchases: InteractionMatrix,
        items: Sequence[str],
        settings: Settings = Settings(),
        similarity: sparse.csr_array[Any] | None = None,
    ) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._fallback = fallback(purchases)
        self._similarity = similarities(purchases, settings) if similarity is None else similarity

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        return product(purchases.weighted(self.settings.decay), self._similarity) + self._fallback


def similarities(purchases: InteractionMatrix, settings: Settings) -> sparse.csr_array[Any]:
    """Similarity (I, I) of each item (row) to its neighbours; the diagonal is 0."""
    return normalised(together(purchases, settings.user), purchases, settings)


def together(purchases: InteractionMatrix, user: float) -> sparse.csr_array[Any]:
    """Sum (I, I) over the users who bought both items of len(user) ** -``user``; the diagonal is 0."""
    bought = purchases.weighted()  # (users, I) of ones
    lengths = np.maximum(bought.sum(axis=1), 1)
    pairs = sparse.coo_array(bought.T @ (sparse.diags_array(lengths**-user) @ bought))
    off_diagonal = pairs.row != pairs.col
    entries = (pairs.data[off_diagonal], (pairs.row[off_diagonal], pairs.col[off_diagonal]))
    return sparse.csr_array(entries, shape=pairs.shape)


def normalised(pairs: sparse.csr_array[Any], purchases: InteractionMatrix, settings: Settings) -> sparse.csr_array[Any]:
    """The similarities of ``pairs``, the result of `together` with ``settings.user``."""
    users = np.maximum(purchases.weighted().sum(axis=0), 1)
    row = np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))
    data = pairs.data * users[row] ** -settings.source_exponent * users[pairs.indices] ** -settings.option
    matrix = sparse.csr_array((data.astype(np.float32), pairs.indices, pairs.indptr), shape=pairs.shape)
    return strongest(matrix, settings.neighbours)


def learn(split: Split, catalogue: Catalogue, seed: int) -> ItemKnn:
    """Choose the settings on validation cases, then learn from the purchases of the final fit."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = training_purchases(split, item_index)

    @lru_cache(maxsize=2)
    def pairs(user: float) -> sparse.csr_array[Any]:
        return together(train, user)

    @lru_cache(maxsize=2)
    def similarity(settings: Settings) -> sparse.csr_array[Any]:
        return normalised(pairs(settings.user), train, settings)

    def score(settings: Settings) -> Score:
        # The weights of a history do not change the similarities.
        return ItemKnn(train, items, settings, similarity(replace(settings, decay=1.0))).score_purchases

    best = tune(Settings(), GRID, score, RankingValidation(split.validation, item_index, seed))
    return ItemKnn(final_purchases(split, item_index), items, best)
