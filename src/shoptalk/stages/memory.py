"""Giving a trained model its memory, in the share that serves the validation cases best."""

from collections.abc import Sequence
from typing import Any

from shoptalk.baselines.tuning import Exam, tune
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


def make_memory(split: Split, items: Sequence[str], words: Any, shares: Shares) -> Memory:
    """The memory of the training histories."""
    bought = Purchases.of(split.train, {item: place for place, item in enumerate(items)})
    return learn_memory(bought, words, shares)


def choose_shares(model: ItemRecommender, split: Split, words: Any, seed: int) -> Shares:
    """The shares with the best NDCG@10 on validation cases, the model's own scores being what they are.

    The memory holds what may be learned from, and nothing of validation, while it is judged.
    """
    places = {item: place for place, item in enumerate(model.items)}
    most = min(CASES, max(1, SCORES // max(1, len(places))))
    exam = Exam(split.validation, places, seed, most=most)
    bought = Purchases.of(split.train, places)
    start = make_memory(split, model.items, words, Shares())
    alone = ItemRecommender(model.model, model.teller)
    known: dict[tuple[bytes, bytes], Floats] = {}

    def own(purchases: Purchases) -> Floats:
        """The model's scores, which no share changes, made once for each block of cases."""
        key = purchases.row.tobytes(), purchases.column.tobytes()
        if key not in known:
            known[key] = alone.score_all(_histories(purchases, model.items))
        return known[key]

    def with_shares(shares: Shares) -> Any:
        memory = start.with_shares(shares, bought)
        return lambda purchases: own(purchases) + memory.scores(purchases)

    return tune(Shares(), GRID, with_shares, exam)


def _histories(purchases: Purchases, items: Sequence[str]) -> list[History]:
    """B histories of B users, from their places in the catalogue."""
    held: list[list[str]] = [[] for _ in range(purchases.rows)]
    for row, column in zip(purchases.row.tolist(), purchases.column.tolist(), strict=True):
        held[row].append(items[column])
    return [History("", tuple(one)) for one in held]
