"""Recent popularity: the items that are most often among the latest purchases of training users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoptalk.baselines._catalogue import PurchaseRecommender, final_purchases, training_purchases
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """``last``: the number of latest purchases of each user that are counted."""

    last: int = 1


GRID: dict[str, Sequence[int]] = {"last": (1, 2, 3, 5, 10, 20)}


class RecentPopularity(PurchaseRecommender):
    """Scores an item by log(1 + number of training users with the item among their ``last`` latest purchases).

    Histories carry no dates, so that recent means late in a user's history. (Y. Ji et al., "A re-visit of the
    popularity baseline in recommender systems", SIGIR 2020, count the purchases just before the time of
    recommendation.)

    Parameters
    ----------
    purchases
        The purchases to count.
    items
        Ids of the I items of the catalogue.
    """

    name = "recent_popularity"

    def __init__(self, purchases: InteractionMatrix, items: Sequence[str], settings: Settings = Settings()) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._scores = np.log1p(purchases.counts(settings.last)).astype(np.float32)  # (I,)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I), all rows equal."""
        return np.tile(self._scores, (purchases.rows, 1))


def learn(split: Split, catalogue: Catalogue, seed: int) -> RecentPopularity:
    """Choose ``last`` on validation cases, then count the purchases of the final fit."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = training_purchases(split, item_index)

    def score(settings: Settings) -> Score:
        return RecentPopularity(train, items, settings).score_purchases

    best = tune(Settings(), GRID, score, RankingValidation(split.validation, item_index, seed))
    return RecentPopularity(final_purchases(split, item_index), items, best)
