"""Fits the transition-text scorer of a trained model and chooses its mixing weights on validation cases."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import MixingWeights, TransitionTextScorer, fit_transition_text_scorer
from shoptalk.schema import EvalExample, History, Split

#: Values tried for each mixing weight, in the order of the search, which starts from the defaults.
GRID: dict[str, Sequence[float]] = {
    "edges": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
    "words": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
    "sharpness": (3.0, 10.0, 30.0),
    "decay": (0.4, 0.5, 0.6, 0.7),
    "word_decay": (0.4, 0.5, 0.6, 0.7, 0.8),
    "back": (0.0, 0.2, 0.4, 1.0),
    "option": (0.0, 0.15, 0.3),
}
#: Largest number of validation cases, and of scores (4 bytes each) of one table. Three tables are held in memory; six
#: while the cold-start bonus is chosen.
MOST_CASES, MOST_SCORES = 4_000, 50_000_000
#: Share of the items that are withheld so that the cold-start bonus can be chosen.
WITHHELD_SHARE = 0.1
#: Values tried for the cold-start bonus, smallest first.
COLD_START_BONUSES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
#: Least number of validation cases with a withheld target from which the bonus is chosen.
LEAST_COLD_CASES = 100


def make_transition_text(
    split: Split, items: Sequence[str], features: Any, mixing: MixingWeights
) -> TransitionTextScorer:
    """Fit the scorer to the training histories.

    Parameters
    ----------
    items
        I ids of the catalogue, in order.
    features
        (I, W) text features of the items.
    """
    purchases = InteractionMatrix.of(split.train, {item: index for index, item in enumerate(items)})
    return fit_transition_text_scorer(purchases, features, mixing)


def choose_mixing_weights(
    model: ItemRecommender, split: Split, features: Any, seed: int, *, cold_start_items: bool
) -> MixingWeights:
    """The mixing weights with the best NDCG@10 on validation cases, added to the fixed scores of the model.

    The scorer is fitted to the training histories only.

    Parameters
    ----------
    model
        The trained model, without a scorer.
    features
        (I, W) text features of the items.
    seed
        Seed of the sample of validation cases.
    cold_start_items
        Whether to choose the cold-start bonus as well; ``split`` must then be made by `withhold`.
    """
    assert model.model.items is not None
    item_index = {item: index for index, item in enumerate(model.items)}
    seen = model.model.items.seen
    most = min(MOST_CASES, max(1, MOST_SCORES // max(1, len(item_index))))
    warm_cases, cold_cases = (
        RankingValidation(
            [case for case in split.validation if seen.issuperset(case.targets) is warm], item_index, seed, most=most
        )
        for warm in (True, False)
    )
    with_mixing = _score_functions(model, split, features)
    mixing = tune(MixingWeights(), GRID, with_mixing, warm_cases)
    if not cold_start_items or len(cold_cases) < LEAST_COLD_CASES:
        return mixing
    for bonus in COLD_START_BONUSES:
        variant = replace(mixing, cold_start_bonus=bonus)
        if cold_cases.ndcg(with_mixing(variant)) >= warm_cases.ndcg(with_mixing(variant)):
            break
    return variant


def _score_functions(model: ItemRecommender, split: Split, features: Any) -> Callable[[MixingWeights], Score]:
    """For given mixing weights, the sum of the scores of the model and of the scorer."""
    item_index = {item: index for index, item in enumerate(model.items)}
    training_purchases = InteractionMatrix.of(split.train, item_index)
    scorer = make_transition_text(split, model.items, features, MixingWeights())
    model_only = ItemRecommender(model.model, model.builder)
    cache = _ScoreCache()

    def with_mixing(mixing: MixingWeights) -> Score:
        """The sum for one set of weights."""
        variant = scorer.with_mixing(mixing, training_purchases)

        def score(purchases: InteractionMatrix) -> Floats:
            """Scores (B, I) of all items for B histories."""
            model_scores = cache.get(
                "model", purchases, None, lambda: model_only.score_all(_histories(purchases, model_only.items))
            )
            transition_scores = cache.get(
                "transition", purchases, (mixing.graph, mixing.decay), lambda: variant.transition_scores(purchases)
            )
            text_scores = cache.get("text", purchases, mixing.word_decay, lambda: variant.text_scores(purchases))
            return model_scores + variant.combined(
                transition_scores, text_scores, model_scores.shape, variant.has_interactions
            )

        return score

    return with_mixing


def withhold(split: Split, items: Sequence[str], seed: int) -> Split:
    """The split in which a tenth of the items is withheld: removed from training, and from validation histories.

    The items stay targets of validation cases, which are then cold-start cases. They must be removed before training:
    if only their residuals were removed afterwards, the other weights would still have learned from their purchases,
    and the items would be easier to rank than real cold-start items.
    """
    drawn = np.random.default_rng(seed).random(len(items)) < WITHHELD_SHARE
    withheld = {item for item, is_drawn in zip(items, drawn.tolist(), strict=True) if is_drawn}
    train = [_without_items(history, withheld) for history in split.train]
    train_cases = [case for case in split.train_cases if not withheld.intersection(case.targets)]

    def shorten(cases: Sequence[EvalExample]) -> list[EvalExample]:
        """The cases without withheld items in their histories; cases whose history becomes empty are left out."""
        shortened = (replace(case, history=_without_items(case.history, withheld)) for case in cases)
        return [case for case in shortened if case.history.items]

    return replace(
        split,
        train=[history for history in train if history.items],
        train_cases=shorten(train_cases),
        validation=shorten(split.validation),
    )


def _without_items(history: History, items: set[str]) -> History:
    """A history without the given items and their reviews."""
    indices = [index for index, item in enumerate(history.items) if item not in items]
    reviews = tuple(history.reviews[index] for index in indices) if history.reviews else ()
    return History(history.user_id, tuple(history.items[index] for index in indices), reviews)


class _ScoreCache:
    """The last scores of each part and block of histories, computed again only if the settings of the part change.

    The search changes one weight at a time, so most parts keep their scores.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, bytes, bytes], tuple[object, Floats]] = {}

    def get(self, part: str, purchases: InteractionMatrix, settings: object, compute: Callable[[], Floats]) -> Floats:
        """The scores (B, I) of a part for a block of histories."""
        key = part, purchases.row.tobytes(), purchases.column.tobytes()
        entry = self._last.get(key)
        if entry is None or entry[0] != settings:
            entry = self._last[key] = settings, compute()
        return entry[1]


def _histories(purchases: InteractionMatrix, items: Sequence[str]) -> list[History]:
    """B histories, from the indices of their items in the catalogue."""
    seen_items: list[list[str]] = [[] for _ in range(purchases.rows)]
    for row, column in zip(purchases.row.tolist(), purchases.column.tolist(), strict=True):
        seen_items[row].append(items[column])
    return [History("", tuple(history_items)) for history_items in seen_items]
