"""Giving a trained model its scorer, in the share that serves the validation cases best."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import MixingWeights, TransitionTextScorer, fit_transition_text_scorer
from shoptalk.schema import EvalExample, History, Split

#: Values tried of each share, in the order in which they are tried; the start is that of `MixingWeights`.
GRID: dict[str, Sequence[float]] = {
    "edges": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
    "words": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
    "sharpness": (3.0, 10.0, 30.0),
    "decay": (0.4, 0.5, 0.6, 0.7),
    "word_decay": (0.4, 0.5, 0.6, 0.7, 0.8),
    "back": (0.0, 0.2, 0.4, 1.0),
    "option": (0.0, 0.15, 0.3),
}
#: Validation cases that shares are compared on, and their most scores (4 bytes each); three tables of them are
#: kept, and as many again while it is chosen how far new items are lifted.
CASES, SCORES = 4_000, 50_000_000
#: Share of the items that play new while it is chosen how far new items are lifted, the steps of that, and the least
#: number of cases that tell.
PLAYING, LIFTS, ENOUGH = 0.1, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0), 100


def make_transition_text(split: Split, items: Sequence[str], words: Any, mixing: MixingWeights) -> TransitionTextScorer:
    """The scorer of the training histories."""
    bought = InteractionMatrix.of(split.train, {item: index for index, item in enumerate(items)})
    return fit_transition_text_scorer(bought, words, mixing)


def choose_mixing_weights(
    model: ItemRecommender, split: Split, words: Any, seed: int, *, cold_start_items: bool
) -> MixingWeights:
    """The shares with the best NDCG@10 on validation cases, the model's own scores being what they are.

    The scorer holds what may be learned from, and nothing of validation, while it is judged. With ``cold_start_items``,
    the split was made by `withhold`: some right items are new to the model, and say how far new items are lifted.
    """
    assert model.model.items is not None
    item_index = {item: index for index, item in enumerate(model.items)}
    seen = model.model.items.seen
    most = min(CASES, max(1, SCORES // max(1, len(item_index))))
    old, new = (
        RankingValidation(
            [case for case in split.validation if seen.issuperset(case.targets) is known], item_index, seed, most=most
        )
        for known in (True, False)
    )
    bought = InteractionMatrix.of(split.train, item_index)
    start = make_transition_text(split, model.items, words, MixingWeights())
    kept = _Kept()
    bare = ItemRecommender(model.model, model.builder)

    def with_mixing(mixing: MixingWeights) -> Score:
        """The sum of the model's scores and those of a scorer with these shares."""
        scorer = start.with_mixing(mixing, bought)

        def score(purchases: InteractionMatrix) -> Floats:
            own = kept("own", purchases, None, lambda: bare.score_all(_histories(purchases, bare.items)))
            transition_scores = kept(
                "transition", purchases, (mixing.graph, mixing.decay), lambda: scorer.transition_scores(purchases)
            )
            text_scores = kept("text", purchases, mixing.word_decay, lambda: scorer.text_scores(purchases))
            return own + scorer.combined(transition_scores, text_scores, own.shape, scorer.has_interactions)

        return score

    mixing = tune(MixingWeights(), GRID, with_mixing, old)
    if not cold_start_items or len(new) < ENOUGH:
        return mixing
    lifted = [replace(mixing, cold_start_bonus=lift) for lift in LIFTS]
    found = (one for one in lifted if new.ndcg(with_mixing(one)) >= old.ndcg(with_mixing(one)))
    return next(found, lifted[-1])


def withhold(split: Split, items: Sequence[str], seed: int) -> Split:
    """The split in which a tenth of the items plays new: not bought in training, nor held by validation histories.

    They stay right answers of validation cases. Taking away what a model has learned of some items would not do: the
    rest of it has learned from them too, and they would seem easier to find than new ones are.
    """
    drawn = np.random.default_rng(seed).random(len(items)) < PLAYING
    new = {item for item, plays in zip(items, drawn.tolist(), strict=True) if plays}
    train = [_without(history, new) for history in split.train]
    learned = [case for case in split.train_cases if not new.intersection(case.targets)]

    def asked(cases: Sequence[EvalExample]) -> list[EvalExample]:
        shorter = (replace(case, history=_without(case.history, new)) for case in cases)
        return [case for case in shorter if case.history.items]

    return replace(
        split,
        train=[history for history in train if history.items],
        train_cases=asked(learned),
        validation=asked(split.validation),
    )


def _without(history: History, items: set[str]) -> History:
    kept = [index for index, item in enumerate(history.items) if item not in items]
    reviews = tuple(history.reviews[index] for index in kept) if history.reviews else ()
    return History(history.user_id, tuple(history.items[index] for index in kept), reviews)


class _Kept:
    """Scores of blocks of histories, made again only when what they depend on is another than the last time.

    Settings are tried one field at a time, so that most of them leave most parts as they are.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, bytes, bytes], tuple[object, Floats]] = {}

    def __call__(self, part: str, purchases: InteractionMatrix, settings: object, make: Callable[[], Floats]) -> Floats:
        key = part, purchases.row.tobytes(), purchases.column.tobytes()
        known = self._last.get(key)
        if known is None or known[0] != settings:
            known = self._last[key] = settings, make()
        return known[1]


def _histories(purchases: InteractionMatrix, items: Sequence[str]) -> list[History]:
    """B histories of B users, from their places in the catalogue."""
    seen_items: list[list[str]] = [[] for _ in range(purchases.rows)]
    for row, column in zip(purchases.row.tolist(), purchases.column.tolist(), strict=True):
        seen_items[row].append(items[column])
    return [History("", tuple(one)) for one in seen_items]
