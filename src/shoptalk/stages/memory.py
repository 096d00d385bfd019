"""Giving a trained model its memory, in the share that serves the validation cases best."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from shoptalk.baselines.tuning import Exam, Score, tune
from shoptalk.graph.purchases import Floats, Purchases
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.memory import Memory, Shares, learn_memory
from shoptalk.schema import History, Split

#: Values tried of each share, in the order in which they are tried; the start is that of `Shares`.
GRID: dict[str, Sequence[float]] = {
    "edges": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
    "words": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
    "sharpness": (3.0, 10.0, 30.0),
    "decay": (0.4, 0.5, 0.6, 0.7),
    "word_decay": (0.4, 0.5, 0.6, 0.7, 0.8),
    "back": (0.0, 0.2, 0.4, 1.0),
    "option": (0.0, 0.15, 0.3),
}
#: Validation cases that shares are compared on, and the most scores kept for them (4 bytes each).
CASES, SCORES = 4_000, 100_000_000
#: Share of the items that play new while it is chosen how far new items are lifted, and the steps of that.
PLAYING, LIFTS = 0.1, (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)


def make_memory(split: Split, items: Sequence[str], words: Any, shares: Shares) -> Memory:
    """The memory of the training histories."""
    bought = Purchases.of(split.train, {item: place for place, item in enumerate(items)})
    return learn_memory(bought, words, shares)


def choose_shares(model: ItemRecommender, split: Split, words: Any, seed: int, price: float) -> Shares:
    """The shares with the best NDCG@10 on validation cases, the model's own scores being what they are.

    The memory holds what may be learned from, and nothing of validation, while it is judged. ``price`` is what items
    with purchases may lose so that new ones are found, a share of their NDCG@10.
    """
    places = {item: place for place, item in enumerate(model.items)}
    most = min(CASES, max(1, SCORES // max(1, len(places))))
    exam = Exam(split.validation, places, seed, most=most)
    bought = Purchases.of(split.train, places)
    start = make_memory(split, model.items, words, Shares())
    own = _remembered_scores(ItemRecommender(model.model, model.teller))  # no share changes them

    def with_shares(shares: Shares) -> Any:
        memory = start.with_shares(shares, bought)
        return lambda purchases: own(purchases) + memory.scores(purchases)

    shares = tune(Shares(), GRID, with_shares, exam)
    return replace(shares, newcomer=choose_newcomer(model, split, words, shares, seed, price))


def choose_newcomer(model: ItemRecommender, split: Split, words: Any, shares: Shares, seed: int, price: float) -> float:
    """How far items that nobody bought yet are lifted: as far as the others lose at most `price` of their NDCG@10.

    A tenth of the items plays new: without learned part and without purchases. The validation cases whose right item is
    one of the others say what lifting them costs.
    """
    assert model.model.items is not None
    items = copy.deepcopy(model.model.items)
    playing = np.random.default_rng(seed).random(len(model.items)) < PLAYING
    items.known &= torch.from_numpy(~playing).to(items.known.device)
    alone = ItemRecommender(replace(model.model, items=items), model.teller)
    new = {item for item, plays in zip(model.items, playing.tolist(), strict=True) if plays}
    places = {item: place for place, item in enumerate(model.items)}
    others = [case for case in split.validation if not new.intersection(case.truth)]
    most = min(CASES, max(1, SCORES // max(1, len(places))))
    exam = Exam(others, places, seed, most=most)
    if not len(exam):
        return 0.0
    bought = Purchases.of((_without(one, new) for one in split.train), places)
    memory = learn_memory(bought, words, shares)
    own = _remembered_scores(alone)

    def ndcg(lift: float) -> float:
        lifted = memory.with_shares(replace(shares, newcomer=lift), bought)
        return exam.ndcg(lambda purchases: own(purchases) + lifted.scores(purchases))

    least = (1 - price) * ndcg(0.0)
    chosen = 0.0
    for lift in LIFTS:
        if ndcg(lift) < least:
            break
        chosen = lift
    return chosen


def _without(history: History, items: set[str]) -> History:
    return History(history.user_id, tuple(item for item in history.items if item not in items))


def _remembered_scores(model: ItemRecommender) -> Score:
    """The model's scores for blocks of histories, each made once."""
    known: dict[tuple[bytes, bytes], Floats] = {}

    def scores(purchases: Purchases) -> Floats:
        key = purchases.row.tobytes(), purchases.column.tobytes()
        if key not in known:
            known[key] = model.score_all(_histories(purchases, model.items))
        return known[key]

    return scores


def _histories(purchases: Purchases, items: Sequence[str]) -> list[History]:
    """B histories of B users, from their places in the catalogue."""
    held: list[list[str]] = [[] for _ in range(purchases.rows)]
    for row, column in zip(purchases.row.tolist(), purchases.column.tolist(), strict=True):
        held[row].append(items[column])
    return [History("", tuple(one)) for one in held]
