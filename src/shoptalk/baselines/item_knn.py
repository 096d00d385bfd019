"""Item-kNN: what other users bought together with the items of the history, the latest items counting most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, learned_again, learned_from
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of, product, strongest
from shoptalk.schema import Catalogue, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """How counts of common users become scores.

    The similarity of held item i and item j is the sum over their common users u of ``len(u) ** -user``, over
    ``users_i ** source_exponent * users_j ** option``; ``neighbours`` of each i are kept; an item of the history weighs
    ``decay`` times the one bought after it.
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

    M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, which gives a user's vote less
    weight the more the user bought, as ``user`` does, and damps popular items, as ``option`` does.

    Parameters
    ----------
    purchases
        What to learn from.
    items
        Ids of the I items of the catalogue.
    """

    name = "item_knn"

    def __init__(self, purchases: InteractionMatrix, items: Sequence[str], settings: Settings = Settings()) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._least = fallback(purchases)
        self._similarity = similarities(purchases, settings)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        return product(purchases.weighted(self.settings.decay), self._similarity) + self._least


def similarities(purchases: InteractionMatrix, settings: Settings) -> sparse.csr_array[Any]:
    """Similarity (I, I) of each item (row) to its neighbours; nothing is like itself."""
    bought = purchases.weighted()  # (users, I) of ones
    length = np.maximum(bought.sum(axis=1), 1)
    together = sparse.coo_array(bought.T @ (sparse.diags_array(length**-settings.user) @ bought))
    users = np.maximum(bought.sum(axis=0), 1)
    apart = together.row != together.col
    row, column = together.row[apart], together.col[apart]
    data = together.data[apart] * users[row] ** -settings.source_exponent * users[column] ** -settings.option
    matrix = sparse.csr_array((data.astype(np.float32), (row, column)), shape=together.shape)
    return strongest(matrix, settings.neighbours)


def learn(split: Split, catalogue: Catalogue, seed: int) -> ItemKnn:
    """Choose the settings on validation cases, then learn from what the final fit sees."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = learned_from(split, item_index)

    def score(settings: Settings) -> Score:
        return ItemKnn(train, items, settings).score_purchases

    return ItemKnn(
        learned_again(split, item_index),
        items,
        tune(Settings(), GRID, score, RankingValidation(split.validation, item_index, seed)),
    )
