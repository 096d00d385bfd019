"""Giving a trained model its memory, in the share that serves the validation cases best."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.purchases import Floats, Purchases
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.memory import Memory, Shares, learn_memory
from shoptalk.schema import Case, History, Split

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
#: Validation cases that shares are compared on, and their most scores (4 bytes each); three tables of them are
#: kept, and as many again while it is chosen how far new items are lifted.
CASES, SCORES = 4_000, 50_000_000
#: Share of the items that play new while it is chosen how far new items are lifted, the steps of that, and the least
#: number of cases that tell.
PLAYING, LIFTS, ENOUGH = 0.1, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0), 100


def make_memory(split: Split, items: Sequence[str], words: Any, shares: Shares) -> Memory:
    """The memory of the training histories."""
    bought = Purchases.of(split.train, {item: place for place, item in enumerate(items)})
    return learn_memory(bought, words, shares)


def choose_shares(model: ItemRecommender, split: Split, words: Any, seed: int, *, newcomers: bool) -> Shares:
    """The shares with the best NDCG@10 on validation cases, the model's own scores being what they are.

    The memory holds what may be learned from, and nothing of validation, while it is judged. With ``newcomers``,
    the split was made by `withhold`: some right items are new to the model, and say how far new items are lifted.
    """
    assert model.model.items is not None
    places = {item: place for place, item in enumerate(model.items)}
    seen = model.model.items.seen
    most = min(CASES, max(1, SCORES // max(1, len(places))))
    old, new = (
        RankingValidation(
            [case for case in split.validation if seen.issuperset(case.truth) is known], places, seed, most=most
        )
        for known in (True, False)
    )
    bought = Purchases.of(split.train, places)
    start = make_memory(split, model.items, words, Shares())
    kept = _Kept()
    bare = ItemRecommender(model.model, model.teller)

    def with_shares(shares: Shares) -> Score:
        """The sum of the model's scores and those of a memory with these shares."""
        memory = start.with_shares(shares, bought)

        def score(purchases: Purchases) -> Floats:
            own = kept("own", purchases, None, lambda: bare.score_all(_histories(purchases, bare.items)))
            led = kept("led", purchases, (shares.graph, shares.decay), lambda: memory.led(purchases))
            alike = kept("alike", purchases, shares.word_decay, lambda: memory.alike(purchases))
            return own + memory.combined(led, alike, purchases.rows)

        return score

    shares = tune(Shares(), GRID, with_shares, old)
    if not newcomers or len(new) < ENOUGH:
        return shares
    lifted = [replace(shares, newcomer=lift) for lift in LIFTS]
    found = (one for one in lifted if new.ndcg(with_shares(one)) >= old.ndcg(with_shares(one)))
    return next(found, lifted[-1])


def withhold(split: Split, items: Sequence[str], seed: int) -> Split:
    """The split in which a tenth of the items plays new: not bought in training, nor held by validation histories.

    They stay right answers of validation cases. Taking away what a model has learned of some items would not do: the
    rest of it has learned from them too, and they would seem easier to find than new ones are.
    """
    drawn = np.random.default_rng(seed).random(len(items)) < PLAYING
    new = {item for item, plays in zip(items, drawn.tolist(), strict=True) if plays}
    train = [_without(history, new) for history in split.train]
    learned = [case for case in split.train_cases if not new.intersection(case.truth)]

    def asked(cases: Sequence[Case]) -> list[Case]:
        shorter = (replace(case, history=_without(case.history, new)) for case in cases)
        return [case for case in shorter if case.history.items]

    return replace(
        split,
        train=[history for history in train if history.items],
        train_cases=asked(learned),
        validation=asked(split.validation),
    )


def _without(history: History, items: set[str]) -> History:
    kept = [place for place, item in enumerate(history.items) if item not in items]
    reviews = tuple(history.reviews[place] for place in kept) if history.reviews else ()
    return History(history.user_id, tuple(history.items[place] for place in kept), reviews)


class _Kept:
    """Scores of blocks of histories, made again only when what they depend on is another than the last time.

    Settings are tried one field at a time, so that most of them leave most parts as they are.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, bytes, bytes], tuple[object, Floats]] = {}

    def __call__(self, part: str, purchases: Purchases, settings: object, make: Callable[[], Floats]) -> Floats:
        key = part, purchases.row.tobytes(), purchases.column.tobytes()
        known = self._last.get(key)
        if known is None or known[0] != settings:
            known = self._last[key] = settings, make()
        return known[1]


def _histories(purchases: Purchases, items: Sequence[str]) -> list[History]:
    """B histories of B users, from their places in the catalogue."""
    held: list[list[str]] = [[] for _ in range(purchases.rows)]
    for row, column in zip(purchases.row.tolist(), purchases.column.tolist(), strict=True):
        held[row].append(items[column])
    return [History("", tuple(one)) for one in held]
