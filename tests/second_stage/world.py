"""A generated catalogue in which the next item depends on the last one, on the brand and on popularity."""

from functools import lru_cache

import numpy as np

from shoptalk.graph.interactions import InteractionMatrix, item_index_of
from shoptalk.schema import Catalogue, EvalExample, History, Item, Split
from shoptalk.second_stage.tables import ItemTables, ItemTexts, fit_tables

ITEMS, USERS, GROUP = 60, 500, 10


def catalogue() -> Catalogue:
    """Items in groups of ten with a brand and a word of their own; each title has a second word."""
    return {
        f"i{number}": Item(
            f"i{number}",
            f"thing{number // GROUP} number{number}",
            brand=f"brand{number // GROUP}",
            categories=("all", f"category{number // GROUP}"),
        )
        for number in range(ITEMS)
    }


def histories(seed: int = 0, users: int = USERS) -> list[History]:
    """Five to seven different items each: mostly the next item of the group, else another of the group."""
    random = np.random.default_rng(seed)
    found = []
    for user in range(users):
        group, at = random.integers(ITEMS // GROUP), random.integers(GROUP)
        held: list[int] = []
        while len(held) < 5 + user % 3:
            at = (at + 1) % GROUP if random.random() < 0.7 else random.integers(GROUP)
            item = int(group * GROUP + at)
            if item not in held:
                held.append(item)
        found.append(History(f"u{user}", tuple(f"i{number}" for number in held)))
    return found


@lru_cache
def split(seed: int = 0, users: int = USERS) -> Split:
    """Leave-one-out."""
    whole = histories(seed, users)

    def cases(end: int) -> list[EvalExample]:
        return [EvalExample(History(h.user_id, h.items[:end]), (h.items[end],)) for h in whole]

    train = [History(h.user_id, h.items[:-2]) for h in whole]
    return Split(train, (), cases(-2), cases(-1), refit=True)


def index() -> dict[str, int]:
    return item_index_of(catalogue())


def purchases(some: list[History]) -> InteractionMatrix:
    return InteractionMatrix.of(some, index())


@lru_cache
def tables() -> ItemTables:
    """Of the training purchases."""
    return fit_tables(purchases(list(split().train)), ItemTexts.of(catalogue()), 1)
