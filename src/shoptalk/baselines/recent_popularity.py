"""Recent popularity: what training users bought most of late."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoptalk.baselines._catalogue import PurchaseRecommender, learned_again, learned_from
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """How many of each user's latest purchases count."""

    last: int = 1


GRID: dict[str, Sequence[int]] = {"last": (1, 2, 3, 5, 10, 20)}


class RecentPopularity(PurchaseRecommender):
    """Scores an item by log(1 + how many training users have it among their ``last`` purchases).

    Recent means late in a user's own history: histories carry no dates, and in shops where users come and go "the last
    of each" is nearer to what is bought now than all that was ever bought (Y. Ji et al., "A re-visit of the popularity
    baseline in recommender systems", SIGIR 2020, count the purchases just before the moment of recommendation).

    Parameters
    ----------
    purchases
        What to count.
    items
        Ids of the I items of the catalogue.
    """

    name = "recent_popularity"

    def __init__(self, purchases: InteractionMatrix, items: Sequence[str], settings: Settings = Settings()) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._scores = np.log1p(purchases.counts(settings.last)).astype(np.float32)  # (I,)

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I), all rows alike."""
        return np.tile(self._scores, (purchases.rows, 1))


def learn(split: Split, catalogue: Catalogue, seed: int) -> RecentPopularity:
    """Choose the window on validation cases, then count the purchases that the final fit sees."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = learned_from(split, item_index)

    def score(settings: Settings) -> Score:
        return RecentPopularity(train, items, settings).score_purchases

    best = tune(Settings(), GRID, score, RankingValidation(split.validation, item_index, seed))
    return RecentPopularity(learned_again(split, item_index), items, best)
