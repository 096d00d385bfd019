"""How factorisations are learned: settings chosen on validation cases, then factors of all that may be learned."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from shoptalk.baselines._catalogue import learned_again, learned_from
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, Split


class Fitted(Protocol):
    """Settings, of which a part needs another factorisation when it changes."""

    @property
    def fit(self) -> Hashable:
        """That part."""
        ...


class Scoring(Protocol):
    """What is tuned."""

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        ...


S = TypeVar("S", bound=Fitted)
R = TypeVar("R", bound=Scoring)


def learn_factors(
    split: Split,
    catalogue: Catalogue,
    seed: int,
    grid: Mapping[str, Sequence[Any]],
    start: S,
    factorise: Callable[[InteractionMatrix, Any, Split], Any],
    ranker: Callable[[Any, InteractionMatrix, Sequence[str], S], R],
) -> R:
    """Choose the settings on validation cases, then factorise what the final fit sees.

    Parameters
    ----------
    start
        The settings to begin with.
    factorise
        Makes the factors of purchases by a fit; it also gets the split that the purchases are of, for its ratings.
    ranker
        Makes the recommender of factors, purchases, ids of the items and settings.
    """
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train = learned_from(split, item_index)

    @lru_cache(maxsize=4)
    def factors(fit: Any) -> Any:
        return factorise(train, fit, split)

    def score(settings: S) -> Score:
        return ranker(factors(settings.fit), train, items, settings).score_purchases

    best = tune(start, grid, score, RankingValidation(split.validation, item_index, seed), rounds=1)
    final, again = split.for_final_fit(), learned_again(split, item_index)
    return ranker(factorise(again, best.fit, final), again, items, best)
