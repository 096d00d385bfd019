"""Learning of factorisations: settings are chosen on validation cases, then the final factors are computed."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from shoptalk.baselines._catalogue import final_purchases, training_purchases
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


class FactorSettings(Protocol):
    """Settings of a factorisation and of the scores made from it."""

    @property
    def fit(self) -> Hashable:
        """The settings on which the factors depend."""
        ...


class PurchaseScorer(Protocol):
    """A recommender whose settings are chosen."""

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        ...


S = TypeVar("S", bound=FactorSettings)
R = TypeVar("R", bound=PurchaseScorer)


def learn_factors(
    split: Split,
    catalogue: Catalogue,
    seed: int,
    grid: Mapping[str, Sequence[Any]],
    start: S,
    factorise: Callable[[InteractionMatrix, Any, Split], Any],
    ranker: Callable[[Any, InteractionMatrix, Sequence[str], S], R],
) -> R:
    """Choose the settings on validation cases, then factorise the purchases of the final fit.

    Parameters
    ----------
    grid
        Values to try of each setting; see `tune`.
    start
        The settings to begin with.
    factorise
        Computes the factors of purchases, given the settings ``fit`` and the split of the purchases (for its ratings).
    ranker
        Makes the recommender from factors, purchases, ids of the items and settings.
    """
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = training_purchases(split, item_index)

    @lru_cache(maxsize=4)
    def factors(fit: Any) -> Any:
        return factorise(train, fit, split)

    def score(settings: S) -> Score:
        return ranker(factors(settings.fit), train, items, settings).score_purchases

    best = tune(start, grid, score, RankingValidation(split.validation, item_index, seed), rounds=1)
    final = final_purchases(split, item_index)
    return ranker(factorise(final, best.fit, split.for_final_fit()), final, items, best)
